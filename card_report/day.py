# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The results of the steps of one run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from card_report.running import Outcome


@dataclass(frozen=True)
class Day:
    """The results of one run. `kind` is "card", "simulator" or "emulated"."""

    kind: str
    started: str
    folder: Path
    outcomes: list[Outcome]

    @property
    def on_a_card(self) -> bool:
        return self.kind == "card"

    @property
    def about(self) -> dict[str, str]:
        """The description of the device. It is empty if the device could not be opened."""
        return next(iter(self.found("device")), {})

    @property
    def device(self) -> str:
        """The device in words that can follow "ran on"."""
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
        """A sentence for the report if the step is incomplete, or an empty string."""
        outcome = self.outcome(name)
        if outcome is None or outcome.ok:
            return ""
        return f"**`{name}` is incomplete ({outcome.status});** what it said before that is used here."
