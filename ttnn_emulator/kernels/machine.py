# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The interface to the runner, C++ that executes a program on an emulated chip (`runner/interface.cpp`)."""

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttnn_emulator.errors import EmulatorError, UnsupportedOperation
from ttnn_emulator.kernels import compiler
from ttnn_emulator.kernels.chip import Chip
from ttnn_emulator.kernels.layout import Layout
from ttnn_emulator.kernels.program import Kernel, Processor, Program

_LOWEST_L1 = 0x10000  # runner/machine.h says why
_MOST_SWITCHES = 1 << 34  # switches of fibers: more than a program takes unless it hangs


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compiler.runner_library()), mode=ctypes.RTLD_GLOBAL)  # kernels call it
    library.emu_kernel.restype = library.emu_errors.restype = ctypes.c_char_p
    library.emu_region.argtypes = [ctypes.c_int32, *[ctypes.c_uint32] * 3, ctypes.c_void_p, ctypes.c_int32]
    library.emu_run.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
    return library


@dataclass(frozen=True)
class Image:
    """The memory image of a tensor."""

    layout: Layout
    data: np.ndarray  # uint8 [banks, rows, page bytes]
    is_written: bool  # False where no program has written this memory


@dataclass(frozen=True)
class Loaded:
    """A compiled kernel."""

    kernel: Kernel
    processor: Processor
    library: Path


def run(
    program: Program, chip: Chip, kernels: Sequence[Loaded], images: Sequence[Image], seed: int | None = None
) -> tuple[str, list[bool]]:
    """Execute a program on the images, and return its faults and which images it changed.

    With a `seed` the program runs with checks, in the order of events of that seed.
    """
    library = _library()
    places = [number for core in chip.cores for number in (core.x, core.y, core.noc_x, core.noc_y)]
    sanitized = seed is not None
    library.emu_begin(_words(places), len(chip.cores), chip.dram_alignment, int(sanitized))
    for image in images:
        _add_image(library, image)
    _add_program(library, program, chip, kernels)
    library.emu_run(seed or 0, _MOST_SWITCHES)
    errors = library.emu_errors().decode()
    regions = sum(len(image.layout.banks) for image in images)
    changed = (ctypes.c_uint8 * max(1, regions))()
    library.emu_fetch(changed)
    flags, first = list(changed), 0
    results = []
    for image in images:
        results.append(any(flags[first : first + len(image.layout.banks)]))
        first += len(image.layout.banks)
    return errors, results


def rounds_products() -> bool:
    """Return whether the matrix unit may have rounded products since the last call.

    The unit does not round products of small whole numbers.
    """
    return bool(_library().emu_rounds_products())


def _add_image(library: ctypes.CDLL, image: Image) -> None:
    layout, data = image.layout, image.data
    if not layout.in_dram and layout.address < _LOWEST_L1:
        raise UnsupportedOperation(
            f"ttnn.generic_op: a tensor at L1 address {layout.address}: below {_LOWEST_L1} kernels cannot reach it here"
        )
    each = data.strides[0]
    for index, bank in enumerate(layout.banks):
        core = -1 if layout.in_dram else bank
        start = data.ctypes.data + index * each
        library.emu_region(core, bank, layout.address, layout.rows * layout.page_bytes, start, int(image.is_written))


def _add_program(library: ctypes.CDLL, program: Program, chip: Chip, kernels: Sequence[Loaded]) -> None:
    straight = {number for one in program.kernels if one.compute for number in one.compute.straight_to_dest}
    for buffer in program.buffers:
        for page in buffer.formats:
            settings = (buffer.size, page.page_bytes, page.code, page.rows, int(page.number in straight))
            for core in buffer.cores:
                library.emu_buffer(core, page.number, buffer.address, *settings, int(buffer.is_tensor))
    for semaphore in program.semaphores:
        for core in semaphore.cores:
            library.emu_add_semaphore(core, semaphore.number, semaphore.value)
    for loaded in kernels:
        kernel, compute = loaded.kernel, loaded.kernel.compute
        name, path, common = kernel.name.encode(), str(loaded.library).encode(), _words(kernel.common_args)
        for core, arguments in zip(kernel.cores, kernel.runtime_args):
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
