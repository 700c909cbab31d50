# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The source of the results of `generic_op` programs, which `$TTNN_EMULATOR_KERNELS` chooses."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ttnn_emulator.errors import EmulatorError


class Source(Enum):
    """The sources of results."""

    GOLDEN = "golden"  # the golden function of the Python operation that runs the program, else the kernels
    RUN = "run"  # the kernels
    CHECK = "check"  # the kernels, which must agree with the golden function
    SANITIZE = "sanitize"  # the same, in many orders of events, with checks


@dataclass(frozen=True)
class Choice:
    """A source of results.

    `seeds` is how many orders of events are tried where kernels are sanitized. With `once` kernels are sanitized in the
    first run of a program with tensors of the same shapes, and later runs are plain.
    """

    source: Source = Source.GOLDEN
    seeds: int = 0
    once: bool = False

    @property
    def compares(self) -> bool:
        """Whether the golden function must agree."""
        return self.source in (Source.CHECK, Source.SANITIZE)

    @classmethod
    def of(cls, source: str, seeds: str, once: bool = False) -> "Choice":
        """Read a choice from the values of its two environment variables."""
        sources = [source.value for source in Source]
        if source not in sources:
            raise EmulatorError(f"TTNN_EMULATOR_KERNELS={source}: it is one of {', '.join(sources)}")
        if not seeds.isdecimal() or int(seeds) < 1:
            raise EmulatorError(f"TTNN_EMULATOR_SEEDS={seeds}: it is how many orders of events are tried, from 1 on")
        return cls(Source(source), int(seeds) if source == Source.SANITIZE.value else 0, once)

    @classmethod
    def of_environment(cls) -> "Choice":
        """Read the choice from the environment."""
        return cls.of(os.environ.get("TTNN_EMULATOR_KERNELS", "golden"), os.environ.get("TTNN_EMULATOR_SEEDS", "8"))


@contextlib.contextmanager
def choosing(emulated: Any, choice: Choice) -> Iterator[None]:
    """Set the emulated device's choice for the length of the block."""
    outer, emulated.choice = emulated.choice, choice
    try:
        yield
    finally:
        emulated.choice = outer
