# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the descriptions of our programs share: kernels, buffers, semaphores, and how compute works."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import ttnn


class Role(IntEnum):
    """What the buffers of ternary products are for, by their numbers; see buffers.h."""

    ROWS = 0
    GAMMA = 1
    WEIGHTS = 2
    RESIDUAL = 3
    PARTIALS = 4
    GATHERED = 5
    FACTORS = 6
    SCALES = 7
    CODES = 8
    ALL_CODES = 9
    RESULT = 16


_KERNELS = Path(__file__).parents[1]
TILE_SIZE = {ttnn.float32: 4096, ttnn.bfloat16: 2048}  # bytes


@dataclass(frozen=True)
class Buffer:
    """A circular buffer."""

    number: int
    dtype: ttnn.DataType
    tile_bytes: int
    tiles: int
    tile: ttnn.TileDescriptor | None = None  # where it is not 32 by 32

    @classmethod
    def of(cls, number: int, dtype: ttnn.DataType, tiles: int) -> "Buffer":
        return cls(number, dtype, TILE_SIZE[dtype], tiles)

    def on(self, cores: ttnn.CoreRangeSet) -> ttnn.CBDescriptor:
        options = {} if self.tile is None else {"tile": self.tile}
        page = ttnn.CBFormatDescriptor(
            buffer_index=self.number, data_format=self.dtype, page_size=self.tile_bytes, **options
        )
        size = self.tile_bytes * self.tiles
        return ttnn.CBDescriptor(total_size=size, core_ranges=cores, format_descriptors=[page])


class Described:
    """A program whose description is made at the first call, from its tensors: those of later calls lie elsewhere, and
    are otherwise the same. A subclass has `_describe`."""

    def described(self, *tensors: Any) -> ttnn.ProgramDescriptor:
        if not self._descriptors:
            self._descriptors.append(self._describe(*tensors))
        return self._descriptors[0]

    @cached_property
    def _descriptors(self) -> list[ttnn.ProgramDescriptor]:
        return []


def kernel(
    source: str,
    cores: ttnn.CoreRangeSet,
    arguments: list,
    config: ttnn.ReaderConfigDescriptor | ttnn.WriterConfigDescriptor | ttnn.ComputeConfigDescriptor,
    constants: dict[str, int],
    tensors: Sequence[ttnn.Tensor] = (),
    defines: Sequence[str] = (),
) -> ttnn.KernelDescriptor:
    """A kernel by its path below `kernels/`. `tensors` are those whose layout it knows when it is compiled."""
    return ttnn.KernelDescriptor(
        kernel_source=str(_KERNELS / source),
        source_type=ttnn.KernelDescriptor.SourceType.FILE_PATH,
        core_ranges=cores,
        compile_time_args=[n for t in tensors for n in ttnn.TensorAccessorArgs(t).get_compile_time_args()],
        named_compile_time_args=list(constants.items()),
        defines=[(name, "1") for name in defines],
        runtime_args=arguments,
        config=config,
        compiler_include_paths=[str((_KERNELS / source).parent), str(_KERNELS / "common")],
    )


def semaphores(count: int, cores: ttnn.CoreRangeSet) -> list[ttnn.SemaphoreDescriptor]:
    return [ttnn.SemaphoreDescriptor(id=i, core_ranges=cores, initial_value=0) for i in range(count)]


def compute_config(buffers: list[Buffer]) -> ttnn.ComputeConfigDescriptor:
    """LoFi is exact for codes times ternary weights; float32 goes to the destination register without passing the
    matrix unit's sources, which would cut it."""
    module = ttnn._ttnn.program_descriptor
    modes = [module.UnpackToDestMode.Default] * 64
    for buffer in buffers:
        if buffer.dtype == ttnn.float32:
            modes[buffer.number] = module.UnpackToDestMode.UnpackToDestFp32
    config = ttnn.ComputeConfigDescriptor(
        math_fidelity=ttnn.MathFidelity.LoFi, fp32_dest_acc_en=True, dst_full_sync_en=True
    )
    config.unpack_to_dest_mode = module.VectorUnpackToDestMode(modes)
    return config


def rectangle(left: int, top: int, wide: int, high: int) -> ttnn.CoreRange:
    return ttnn.CoreRange(ttnn.CoreCoord(left, top), ttnn.CoreCoord(left + wide - 1, top + high - 1))


def bits(number: float) -> int:
    """Of a float32."""
    return struct.unpack("<I", struct.pack("<f", number))[0]
