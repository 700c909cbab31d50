# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The description of a program for `ttnn.generic_op`, read into plain values."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import ttnn
from ttnn_emulator.arithmetic.compute_config import PHASES
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.kernels.chip import Chip

_L1_STEP = 32  # circular buffers begin at multiples of it


class Processor(IntEnum):
    """The processors of a core that run a kernel. The runner's machine.h has the same numbers."""

    READER = 0
    WRITER = 1
    COMPUTE = 2
    UNPACK = 3
    MATH = 4
    PACK = 5


@dataclass(frozen=True)
class Compute:
    """The compute configuration of a kernel."""

    phases: int  # of the matrix unit: the math fidelity
    wide: bool  # the destination register holds float32
    full_sync: bool  # the whole register goes to the packer, not half of it
    straight_to_dest: frozenset[int]  # circular buffers that are not unpacked to the matrix unit's sources

    @property
    def dest_tiles(self) -> int:
        """The tiles that fit in the part of the register that a kernel has."""
        return 16 // (2 if self.wide else 1) // (1 if self.full_sync else 2)


@dataclass(frozen=True)
class Kernel:
    """A kernel on some cores."""

    source: Path | None  # None: `text` is the source
    text: str
    processor: Processor
    noc: int
    compile_time_args: tuple[int, ...]
    named_args: tuple[tuple[str, int], ...]
    defines: tuple[tuple[str, str], ...]
    include_paths: tuple[str, ...]
    cores: tuple[int, ...]  # their numbers on the chip
    runtime_args: tuple[tuple[int, ...], ...]  # for each of these cores
    common_args: tuple[int, ...]
    compute: Compute | None

    @property
    def name(self) -> str:
        return self.source.stem if self.source else "inline kernel"


@dataclass(frozen=True)
class Format:
    """The format of one of the circular buffers that share memory."""

    number: int
    page_bytes: int
    code: int  # of the data format, as the unpacker has it
    rows: int  # of a tile


@dataclass(frozen=True)
class CircularBuffer:
    """The memory that circular buffers share on some cores."""

    cores: tuple[int, ...]
    address: int
    size: int
    formats: tuple[Format, ...]
    is_tensor: bool  # the memory is a tensor's


@dataclass(frozen=True)
class Semaphore:
    """A semaphore on some cores."""

    cores: tuple[int, ...]
    number: int
    value: int


@dataclass(frozen=True)
class Program:
    """All that the description of a program says."""

    kernels: tuple[Kernel, ...]
    buffers: tuple[CircularBuffer, ...]
    semaphores: tuple[Semaphore, ...]

    @property
    def shape(self) -> tuple:
        """All but runtime arguments and addresses, which differ between calls with tensors of the same shapes."""
        kernels = (replace(kernel, runtime_args=(), common_args=()) for kernel in self.kernels)
        return (*kernels, *(replace(buffer, address=0) for buffer in self.buffers), *self.semaphores)

    @property
    def formats(self) -> dict[int, Format]:
        """The formats of circular buffers, by number."""
        return {page.number: page for buffer in self.buffers for page in buffer.formats}


def of_chips(
    descriptor: ttnn.ProgramDescriptor | ttnn.MeshProgramDescriptor, mesh: ttnn.MeshDevice
) -> dict[int, ttnn.ProgramDescriptor]:
    """The program of each chip of a mesh, by its number. A chip may have none."""
    if isinstance(descriptor, ttnn.ProgramDescriptor):
        return dict.fromkeys(range(mesh.get_num_devices()), descriptor)
    columns = mesh.shape[1]
    return {y * columns + x: one for places, one in descriptor for y, x in map(tuple, places)}


def read(descriptor: ttnn.ProgramDescriptor, chip: Chip) -> Program:
    """Read the description of a program."""
    return Program(
        tuple(_kernel(kernel, chip) for kernel in descriptor.kernels),
        tuple(_buffers(descriptor.cbs, chip)),
        tuple(
            Semaphore(_cores(one.core_ranges, chip), int(one.id), int(one.initial_value))
            for one in descriptor.semaphores
        ),
    )


def _cores(ranges: ttnn.CoreRangeSet, chip: Chip) -> tuple[int, ...]:
    return tuple(chip.numbers[core.x, core.y] for core in ttnn.corerange_to_cores(ranges, None, True))


def _kernel(kernel: Any, chip: Chip) -> Kernel:
    is_file = kernel.source_type == ttnn.KernelDescriptor.SourceType.FILE_PATH
    processor, noc = _processor(kernel.config)
    places = ttnn.corerange_to_cores(kernel.core_ranges, None, True)
    return Kernel(
        source=_path(kernel.kernel_source) if is_file else None,
        text="" if is_file else kernel.kernel_source,
        processor=processor,
        noc=noc,
        compile_time_args=tuple(kernel.compile_time_args),
        named_args=tuple((name, int(value)) for name, value in kernel.named_compile_time_args),
        defines=tuple((name, value) for name, value in kernel.defines),
        include_paths=tuple(map(str, kernel.compiler_include_paths)),
        cores=tuple(chip.numbers[core.x, core.y] for core in places),
        runtime_args=tuple(_arguments(kernel.runtime_args, core) for core in places),
        common_args=tuple(kernel.common_runtime_args),
        compute=_compute(kernel.config) if processor is Processor.COMPUTE else None,
    )


def _arguments(of_cores: ttnn.RuntimeArgs, core: ttnn.CoreCoord) -> tuple[int, ...]:
    try:
        return tuple(of_cores[core.x][core.y])
    except IndexError:  # this core has no arguments
        return ()


def _path(source: str) -> Path:
    """Return a kernel's file. A relative path begins at the current folder or at the library's root."""
    candidates = [Path(source), Path(ttnn.__file__).parent / source]
    return next((path.resolve() for path in candidates if path.exists()), candidates[0])


def _processor(config: Any) -> tuple[Processor, int]:
    """Return the processor that runs a kernel, and its NoC."""
    if isinstance(config, ttnn.ComputeConfigDescriptor):
        return Processor.COMPUTE, 0
    if isinstance(config, ttnn.ReaderConfigDescriptor):
        return Processor.READER, 0
    if isinstance(config, ttnn.WriterConfigDescriptor):
        return Processor.WRITER, 1
    first = config.processor.value == 0
    return (Processor.WRITER if first else Processor.READER), int(config.noc.value)


def _compute(config: ttnn.ComputeConfigDescriptor) -> Compute:
    if config.math_approx_mode:
        raise UnsupportedOperation("ttnn.generic_op: kernels with math_approx_mode are not emulated")
    straight = (number for number, mode in enumerate(config.unpack_to_dest_mode) if "Fp32" in mode.name)
    return Compute(
        PHASES[config.math_fidelity.name], config.fp32_dest_acc_en, config.dst_full_sync_en, frozenset(straight)
    )


def _buffers(descriptors: Iterable[Any], chip: Chip) -> Iterable[CircularBuffer]:
    """Place circular buffers one after the other as on a card, but behind the end of L1: runner/machine.h says why."""
    free = [chip.l1_bytes] * len(chip.cores)
    for descriptor in descriptors:
        if descriptor.has_global_circular_buffer():
            raise UnsupportedOperation("ttnn.generic_op: global circular buffers are not emulated")
        cores, size = _cores(descriptor.core_ranges, chip), int(descriptor.total_size)
        if descriptor.has_buffer():
            address = descriptor.buffer_address() + descriptor.address_offset
        else:
            address = max((free[core] for core in cores), default=0)
            for core in cores:
                free[core] = address + -(-size // _L1_STEP) * _L1_STEP
        formats = tuple(_format(page) for page in descriptor.format_descriptors)
        yield CircularBuffer(cores, address, size, formats, descriptor.has_buffer())


def _format(page: Any) -> Format:
    tile = page.tile
    if tile is not None and tile.width != 32:
        raise UnsupportedOperation(f"ttnn.generic_op: tiles {tile.width} wide are not emulated")
    rows = 32 if tile is None else tile.height
    return Format(int(page.buffer_index), int(page.page_size), int(page.data_format_as_uint8), rows)
