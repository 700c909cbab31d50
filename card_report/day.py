# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the steps of one run found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from card_report.running import Outcome


@dataclass(frozen=True)
class Day:
    """`kind`: "card", "simulator" or "emulated"."""

    kind: str
    started: str
    folder: Path
    outcomes: list[Outcome]

    @property
    def on_a_card(self) -> bool:
        return self.kind == "card"

    @property
    def about(self) -> dict[str, str]:
        """Empty if the device could not be opened."""
        return next(iter(self.found("device")), {})

    @property
    def device(self) -> str:
        """What it ran on, in words that follow "ran on"."""
        board, chip = self.about.get("board", "device"), self.about.get("architecture", "device")
        return {"card": f"the {board} card", "simulator": f"the simulated {chip}"}.get(
            self.kind, f"the emulated {board}"
        )

    def outcome(self, name: str) -> Outcome | None:
        return next((outcome for outcome in self.outcomes if outcome.step.name == name), None)

    def found(self, name: str) -> list[dict[str, Any]]:
        outcome = self.outcome(name)
        return list(outcome.found()) if outcome else []

    def warning(self, name: str) -> str:
        """A sentence if a step is incomplete, else nothing."""
        outcome = self.outcome(name)
        if outcome is None or outcome.ok:
            return ""
        return f"**`{name}` is incomplete ({outcome.status});** what it said before that is used here."
