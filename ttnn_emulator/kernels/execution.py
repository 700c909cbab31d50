# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of a compiled program: once without checks, or many times with checks that find its faults."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttnn_emulator.errors import KernelFault
from ttnn_emulator.kernels import compiler, machine
from ttnn_emulator.kernels.chip import Chip
from ttnn_emulator.kernels.compiler import Build
from ttnn_emulator.kernels.machine import Image, Loaded
from ttnn_emulator.kernels.program import Processor, Program

_THREADS = (Processor.UNPACK, Processor.MATH, Processor.PACK)


@dataclass(frozen=True)
class Execution:
    """A compiled program. `seeds` is how many orders of events a run tries with checks. With 0 it runs once without."""

    name: str
    program: Program
    chip: Chip
    kernels: tuple[Loaded, ...]
    seeds: int

    @classmethod
    def of(cls, name: str, described: Program, chip: Chip, seeds: int) -> "Execution":
        """Compile a program."""
        sanitized = seeds > 0
        builds = [
            Build(kernel, processor, sanitized)
            for kernel in described.kernels
            for processor in (_THREADS if sanitized and kernel.compute else (kernel.processor,))
        ]
        libraries = compiler.kernel_libraries(builds, described, chip)
        loaded = (Loaded(build.kernel, build.processor, path) for build, path in zip(builds, libraries))
        return cls(name, described, chip, tuple(loaded), seeds)

    def run(self, images: Sequence[Image]) -> list[bool]:
        """Change the tensors' images as the kernels do, and return which images were changed."""
        if not self.seeds:
            return self._run_once(images, None)
        first, changed = None, []
        for seed in range(self.seeds):
            copies = [dataclasses.replace(image, data=image.data.copy()) for image in images]
            changed = self._run_once(copies, seed)
            if first is None:
                first = copies
            elif not all(np.array_equal(one.data, other.data) for one, other in zip(first, copies)):
                raise KernelFault(
                    f"{self.name}: the results of seeds 0 and {seed} differ: they depend on who is faster"
                )
        for image, copy in zip(images, first):
            image.data[:] = copy.data
        return changed

    def _run_once(self, images: Sequence[Image], seed: int | None) -> list[bool]:
        errors, changed = machine.run(self.program, self.chip, self.kernels, images, seed)
        if errors:
            order = "" if seed is None else f"seed {seed}: "
            raise KernelFault(f"{self.name}: {order}{errors.rstrip()}")
        return changed
