# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the descriptions of the fused programs share: kernels, circular buffers, semaphores, and how compute works."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from functools import cached_property
from pathlib import Path
from typing import Any

import ttnn
from models.bitnet.tt.layout import TILE


class Role(Enum):
    """What the circular buffers of products and of codes are for. buffers.h says what each holds."""

    ROWS = auto()
    GAMMA = auto()
    WEIGHTS = auto()
    RESIDUAL = auto()
    PARTIALS = auto()
    GATHERED = auto()
    FACTORS = auto()
    SCALES = auto()
    CODES = auto()
    ALL_CODES = auto()
    LEAVING = auto()
    RESULT = auto()


_NO_BUFFER = 255  # the number of a role that a program has no buffer for
_KERNELS = Path(__file__).parents[1]
VALUE_BYTES = {ttnn.float32: 4, ttnn.bfloat16: 2}
_BLOCK_FLOAT_TILES = {ttnn.bfloat8_b: 1088, ttnn.bfloat4_b: 576}  # bytes, with the exponents


def tile_bytes(dtype: ttnn.DataType) -> int:
    """The size of a tile."""
    return _BLOCK_FLOAT_TILES.get(dtype) or TILE * TILE * VALUE_BYTES[dtype]


def tile_rows(rows: int) -> int:
    """Rows of a tile: 8 or 16 where these hold all `rows`, which is less to multicast and to multiply."""
    return next(high for high in (8, 16, TILE) if rows <= high)


@dataclass(frozen=True)
class Buffer:
    """A circular buffer of `tiles` tiles on every core of a program."""

    dtype: ttnn.DataType
    tile_bytes: int
    tiles: int
    tile: ttnn.TileDescriptor | None = None  # None: 32 by 32

    @classmethod
    def of(cls, dtype: ttnn.DataType, tiles: int) -> "Buffer":
        """A buffer of whole tiles."""
        return cls(dtype, tile_bytes(dtype), tiles)

    @classmethod
    def of_rows(cls, dtype: ttnn.DataType, rows: int, tiles: int) -> "Buffer":
        """A buffer of tiles of `rows` rows: 8, 16 or 32. Block floats have 32."""
        return cls(dtype, tile_bytes(dtype) * rows // TILE, tiles, ttnn.TileDescriptor(rows, TILE))

    @property
    def bytes(self) -> int:
        return self.tile_bytes * self.tiles


def numbers(buffers: Mapping[str, Buffer]) -> dict[str, int]:
    """The named compile-time arguments with the numbers of a program's buffers: 0, 1, 2 and so on, in their order.

    The library warns that numbers left out cost time when the program is dispatched.
    """
    return {name: number for number, name in enumerate(buffers)}


def role_numbers(buffers: Mapping[Role, Buffer]) -> dict[str, int]:
    """`numbers` for kernels that include buffers.h, which has all roles."""
    own = {role.name: buffer for role, buffer in buffers.items()}
    return {role.name: _NO_BUFFER for role in Role} | numbers(own)


def circular_buffers(buffers: Iterable[Buffer], cores: ttnn.CoreRangeSet) -> list[ttnn.CBDescriptor]:
    """A program's circular buffers, numbered in their order."""
    descriptors = []
    for number, buffer in enumerate(buffers):
        options = {} if buffer.tile is None else {"tile": buffer.tile}
        page = ttnn.CBFormatDescriptor(
            buffer_index=number, data_format=buffer.dtype, page_size=buffer.tile_bytes, **options
        )
        descriptors.append(ttnn.CBDescriptor(total_size=buffer.bytes, core_ranges=cores, format_descriptors=[page]))
    return descriptors


class Described:
    """Builds the program descriptor at the first call and reuses it.

    Later calls may pass tensors at other addresses, but of the same shapes, dtypes and layouts. A subclass builds the
    descriptor in `_describe`.
    """

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
    arguments: Iterable[tuple[ttnn.CoreCoord, tuple]],
    config: ttnn.ReaderConfigDescriptor | ttnn.WriterConfigDescriptor | ttnn.ComputeConfigDescriptor,
    constants: Mapping[str, int],
    tensors: Sequence[ttnn.Tensor] = (),
    defines: Sequence[str] = (),
) -> ttnn.KernelDescriptor:
    """A kernel by its path below `kernels/`.

    `arguments` has the runtime arguments of every core: a NamedTuple. The C++ enum of the same name has the same order.
    `constants` are the named compile-time arguments. The layouts of `tensors` are compile-time arguments too.
    """
    return ttnn.KernelDescriptor(
        kernel_source=str(_KERNELS / source),
        source_type=ttnn.KernelDescriptor.SourceType.FILE_PATH,
        core_ranges=cores,
        compile_time_args=[n for t in tensors for n in ttnn.TensorAccessorArgs(t).get_compile_time_args()],
        named_compile_time_args=list(constants.items()),
        defines=[(name, "1") for name in defines],
        runtime_args=[(core, flat(values)) for core, values in arguments],
        config=config,
        compiler_include_paths=[str((_KERNELS / source).parent), str(_KERNELS / "common")],
    )


def flat(arguments: tuple) -> list[int]:
    """Runtime arguments in their order. A field that is a tuple takes as many places as it has numbers."""
    return [n for value in arguments for n in (value if isinstance(value, tuple) else (value,))]


def semaphores(names: type[IntEnum], cores: ttnn.CoreRangeSet) -> list[ttnn.SemaphoreDescriptor]:
    """The semaphores of an enum, 0 when the program starts. The C++ enum of the same name has the same order."""
    return [ttnn.SemaphoreDescriptor(id=name, core_ranges=cores, initial_value=0) for name in names]


def compute_config(buffers: Iterable[Buffer]) -> ttnn.ComputeConfigDescriptor:
    """How compute kernels of ternary products calculate.

    LoFi is exact for int8 codes times ternary weights. Buffers of float32 are unpacked straight to the destination
    register: on the way through the matrix unit's sources they would lose bits.
    """
    module = ttnn._ttnn.program_descriptor
    modes = [module.UnpackToDestMode.Default] * 64
    for number, buffer in enumerate(buffers):
        if buffer.dtype == ttnn.float32:
            modes[number] = module.UnpackToDestMode.UnpackToDestFp32
    config = ttnn.ComputeConfigDescriptor(
        math_fidelity=ttnn.MathFidelity.LoFi, fp32_dest_acc_en=True, dst_full_sync_en=True
    )
    config.unpack_to_dest_mode = module.VectorUnpackToDestMode(modes)
    return config


def rectangle(left: int, top: int, wide: int, high: int) -> ttnn.CoreRange:
    """`wide` by `high` cores whose top left corner is (left, top)."""
    return ttnn.CoreRange(ttnn.CoreCoord(left, top), ttnn.CoreCoord(left + wide - 1, top + high - 1))


def bits(number: float) -> int:
    """The bits of a number as float32."""
    return struct.unpack("<I", struct.pack("<f", number))[0]
