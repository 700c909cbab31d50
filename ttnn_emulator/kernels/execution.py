# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of compiled programs: once without checks, or many times with checks that find their faults."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttnn_emulator.errors import KernelFault
from ttnn_emulator.kernels import compiler, machine
from ttnn_emulator.kernels.chip import Chip
from ttnn_emulator.kernels.compiler import Build
from ttnn_emulator.kernels.fabric import Fabric
from ttnn_emulator.kernels.machine import Compiled, Image, Loaded
from ttnn_emulator.kernels.program import Processor, Program

_THREADS = (Processor.UNPACK, Processor.MATH, Processor.PACK)

Images = Mapping[int, Sequence[Image]]  # of each chip that takes part


def compile_program(described: Program, chip: Chip, sanitized: bool) -> Compiled:
    """Compile the kernels of a program."""
    builds = [
        Build(kernel, processor, sanitized)
        for kernel in described.kernels
        for processor in (_THREADS if sanitized and kernel.compute else (kernel.processor,))
    ]
    libraries = compiler.kernel_libraries(builds, described, chip)
    loaded = (Loaded(build.kernel, build.processor, path) for build, path in zip(builds, libraries))
    return Compiled(described, tuple(loaded))


@dataclass(frozen=True)
class Execution:
    """Compiled programs that run together, by the chips that they run on.

    `seeds` is how many orders of events a run tries with checks. With 0 it runs once without. Programs of several chips
    have a `fabric`, by which they reach each other.
    """

    name: str
    programs: Mapping[int, Compiled]
    chip: Chip
    seeds: int
    fabric: Fabric | None = None

    def run(self, images: Images) -> dict[int, list[bool]]:
        """Change the images as the kernels do, and return which images of each chip were changed."""
        if not self.seeds:
            return self._run_once(images, None)
        first, changed = None, {}
        for seed in range(self.seeds):
            copies = {
                number: [dataclasses.replace(image, data=image.data.copy()) for image in of_chip]
                for number, of_chip in images.items()
            }
            changed = self._run_once(copies, seed)
            if first is None:
                first = copies
            elif not all(np.array_equal(one.data, other.data) for one, other in zip(_all(first), _all(copies))):
                raise KernelFault(
                    f"{self.name}: the results of seeds 0 and {seed} differ: they depend on who is faster"
                )
        for image, copy in zip(_all(images), _all(first)):
            image.data[:] = copy.data
        return changed

    def _run_once(self, images: Images, seed: int | None) -> dict[int, list[bool]]:
        errors, changed = machine.run(self.programs, self.chip, self.fabric, images, seed)
        if errors:
            order = "" if seed is None else f"seed {seed}: "
            raise KernelFault(f"{self.name}: {order}{errors.rstrip()}")
        return changed


def _all(images: Images) -> list[Image]:
    return [image for of_chip in images.values() for image in of_chip]
