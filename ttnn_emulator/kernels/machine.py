# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The interface to the runner, C++ that executes programs on emulated chips (`runner/interface.cpp`)."""

import ctypes
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttnn_emulator.errors import EmulatorError, UnsupportedOperation
from ttnn_emulator.kernels import compiler
from ttnn_emulator.kernels.chip import Chip
from ttnn_emulator.kernels.fabric import Fabric
from ttnn_emulator.kernels.layout import Layout, Words
from ttnn_emulator.kernels.program import Kernel, Processor, Program

_LOWEST_L1 = 0x10000  # runner/machine.h says why
_DRAM_STEP = 64  # of the numbers of DRAM banks, from chip to chip, in runner/machine.h
_MOST_SWITCHES = 1 << 34  # switches of fibers: more than a program takes unless it hangs


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compiler.runner_library()), mode=ctypes.RTLD_GLOBAL)  # kernels call it
    library.emu_kernel.restype = library.emu_errors.restype = ctypes.c_char_p
    library.emu_uses_fabric.argtypes = [ctypes.c_char_p]
    library.emu_region.argtypes = [ctypes.c_int32, *[ctypes.c_uint32] * 3, ctypes.c_void_p, ctypes.c_int32]
    library.emu_run.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
    return library


@dataclass(frozen=True)
class Image:
    """The memory image of a tensor, or of a global semaphore."""

    layout: Layout | Words
    data: np.ndarray  # uint8 [banks, rows, page bytes]
    is_written: bool  # False where no program has written this memory


@dataclass(frozen=True)
class Loaded:
    """A compiled kernel."""

    kernel: Kernel
    processor: Processor
    library: Path


@dataclass(frozen=True)
class Compiled:
    """A program with its compiled kernels."""

    program: Program
    kernels: tuple[Loaded, ...]

    def uses_fabric(self) -> bool:
        """Return whether a kernel may send packets to other chips."""
        return any(_library().emu_uses_fabric(str(loaded.library).encode()) for loaded in self.kernels)


def run(
    programs: Mapping[int, Compiled],
    chip: Chip,
    fabric: Fabric | None,
    images: Mapping[int, Sequence[Image]],
    seed: int | None = None,
) -> tuple[str, dict[int, list[bool]]]:
    """Execute the programs of some chips together, and return their faults and which images of each chip they changed.

    `images` has all chips that take part, by their numbers in the mesh. With a `seed` the programs run with checks, in
    the order of events of that seed.
    """
    library = _library()
    chips = list(images)
    places = [number for core in chip.cores for number in (core.x, core.y, core.noc_x, core.noc_y)]
    packet_bytes, sanitized = fabric.packet_bytes if fabric else 0, int(seed is not None)
    library.emu_begin(
        _words(chips), len(chips), _words(places), len(chip.cores), chip.dram_alignment, packet_bytes, sanitized
    )
    for (number, channel), path in (fabric.paths if fabric else {}).items():
        if number in chips:
            indices = [chips.index(passed) if passed in chips else -1 for passed in path]
            library.emu_link(chips.index(number), channel, (ctypes.c_int32 * len(indices))(*indices), len(indices))
    for index, of_chip in enumerate(images.values()):
        for image in of_chip:
            _add_image(library, image, index, chip)
    for number in sorted(programs.keys() & images.keys()):
        compiled = programs[number]
        _add_program(library, compiled, chip, chips.index(number) * len(chip.cores))
    library.emu_run(seed or 0, _MOST_SWITCHES)
    errors = library.emu_errors().decode()
    regions = sum(len(image.layout.banks) for of_chip in images.values() for image in of_chip)
    changed = (ctypes.c_uint8 * max(1, regions))()
    library.emu_fetch(changed)
    flags = iter(changed)
    return errors, {
        number: [any([next(flags) for _ in image.layout.banks]) for image in of_chip]
        for number, of_chip in images.items()
    }


def rounds_products() -> bool:
    """Return whether the matrix unit may have rounded products since the last call.

    The unit does not round products of small whole numbers.
    """
    return bool(_library().emu_rounds_products())


def _add_image(library: ctypes.CDLL, image: Image, chip_index: int, chip: Chip) -> None:
    layout, data = image.layout, image.data
    if not layout.in_dram and layout.address < _LOWEST_L1:
        raise UnsupportedOperation(
            f"ttnn.generic_op: a tensor at L1 address {layout.address}: below {_LOWEST_L1} kernels cannot reach it here"
        )
    each = data.strides[0]
    for index, bank in enumerate(layout.banks):
        core = -1 if layout.in_dram else chip_index * len(chip.cores) + bank
        start, size = data.ctypes.data + index * each, layout.rows * layout.page_bytes
        library.emu_region(core, chip_index * _DRAM_STEP + bank, layout.address, size, start, int(image.is_written))


def _add_program(library: ctypes.CDLL, compiled: Compiled, chip: Chip, first_core: int) -> None:
    program = compiled.program
    straight = {number for one in program.kernels if one.compute for number in one.compute.straight_to_dest}
    for buffer in program.buffers:
        for page in buffer.formats:
            settings = (buffer.size, page.page_bytes, page.code, page.rows, int(page.number in straight))
            for core in buffer.cores:
                library.emu_buffer(first_core + core, page.number, buffer.address, *settings, int(buffer.is_tensor))
    for semaphore in program.semaphores:
        for core in semaphore.cores:
            library.emu_add_semaphore(first_core + core, semaphore.number, semaphore.value)
    for loaded in compiled.kernels:
        kernel, compute = loaded.kernel, loaded.kernel.compute
        name, path, common = kernel.name.encode(), str(loaded.library).encode(), _words(kernel.common_args)
        for core_on_chip, arguments in zip(kernel.cores, kernel.runtime_args):
            core = first_core + core_on_chip
            if compute and loaded.processor in (Processor.COMPUTE, Processor.UNPACK):
                halves = 1 if compute.full_sync else 2
                library.emu_compute(
                    core, int(chip.blackhole), int(compute.wide), compute.phases, compute.dest_tiles, halves
                )
            counts = (_words(arguments), len(arguments), common, len(kernel.common_args))
            error = library.emu_kernel(core, path, name, int(loaded.processor), kernel.noc, *counts)
            if error:
                raise EmulatorError(f"the compiled kernel {kernel.name} cannot be loaded: {error.decode()}")


def _words(values: Sequence[int]) -> ctypes.Array:
    return (ctypes.c_uint32 * max(1, len(values)))(*values)
