# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The places of tensors on the chip, as pure functions of the shapes of the model and the chip. No device is needed.

Decode works on one tile of rows, which holds at most 32 users. Every activation is width-sharded over cores in L1, and
every ternary weight over all DRAM banks, from which the DRAM-sharded matmul streams it. Prefill works on many tokens.
Its activations are interleaved in DRAM, and its matmuls use the whole grid of cores in two dimensions. The int8 codes
of fused programs are interleaved in L1 where they fit.
"""

import math
from dataclasses import dataclass

import ttnn
from models.bitnet.tt.config import TILE

WIDE = 8  # columns of cores that every supported chip has
PREFILL_CHUNK = 1024  # the most tokens of one prefill pass
_MOST_CORES = 64
_LARGEST_BLOCK = 96  # output tiles that a core keeps in a 2D matmul: their float32 sums fit L1 beside the operands


@dataclass(frozen=True)
class Chip:
    """The shape of a chip, as far as layouts depend on it."""

    grid: tuple[int, int]  # columns and rows of compute cores
    dram_banks: int

    @classmethod
    def of(cls, device: ttnn.MeshDevice) -> "Chip":
        grid = device.compute_with_storage_grid_size()
        return cls((grid.x, grid.y), device.dram_grid_size().x)

    @property
    def cores(self) -> int:
        return self.grid[0] * self.grid[1]


def free_l1_bytes(device: ttnn.MeshDevice) -> int:
    """The L1 of a core that is left for tensors and circular buffers, in one piece."""
    return ttnn.get_memory_view(device, ttnn.BufferType.L1).largest_contiguous_bytes_free_per_bank


@dataclass(frozen=True)
class Columns:
    """One tile of rows, width-sharded evenly over a rectangle of cores in the top left corner."""

    width: int  # elements of a row
    rectangle: tuple[int, int]  # columns and rows of cores

    @property
    def cores(self) -> int:
        return self.rectangle[0] * self.rectangle[1]

    @property
    def tiles(self) -> int:
        """Tiles on each core."""
        return self.width // TILE // self.cores

    def memory_config(self) -> ttnn.MemoryConfig:
        x, y = self.rectangle
        grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(x - 1, y - 1))})
        return _sharded(ttnn.TensorMemoryLayout.WIDTH_SHARDED, grid, [TILE, self.width // self.cores])


def columns(width: int, chip: Chip) -> Columns:
    """`width` over as many cores as hold equal numbers of whole tiles: full rows of cores, or part of the first row."""
    tiles = width // TILE
    rows = range(2, min(chip.grid[1], _MOST_CORES // WIDE) + 1)
    rectangles = [(x, 1) for x in range(1, WIDE + 1)] + [(WIDE, y) for y in rows]
    return Columns(width, max(r for r in rectangles if tiles % (r[0] * r[1]) == 0))


@dataclass(frozen=True)
class Scattered:
    """One tile of rows, width-sharded evenly over the first `cores` cores of the chip, row by row."""

    width: int  # elements of a row
    cores: int
    chip: Chip

    @property
    def tiles(self) -> int:
        """Tiles on each core."""
        return self.width // TILE // self.cores

    def memory_config(self) -> ttnn.MemoryConfig:
        cores = first_cores(self.cores, self.chip, wide=min(WIDE, self.chip.grid[0]))
        return users_columns(self.width, cores, self.width // self.cores)


def scattered(width: int, chip: Chip) -> Scattered:
    """`width` over as many of the first cores as hold equal numbers of whole tiles."""
    most = min(_MOST_CORES, WIDE * chip.grid[1])
    return Scattered(width, largest_divisor(width // TILE, most), chip)


def users_memory_config(users: int, width: int, grid: ttnn.CoreRangeSet) -> ttnn.MemoryConfig:
    """Heads of `users` users, height-sharded: each core holds the heads of one user, in one tile of rows."""
    return _sharded(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, grid, [TILE, width])


def tile_on_each(cores: ttnn.CoreRangeSet) -> ttnn.MemoryConfig:
    """A column of tiles, height-sharded: each of `cores` holds one tile."""
    return _sharded(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, cores, [TILE, TILE])


def users_columns(width: int, cores: ttnn.CoreRangeSet, per_core: int) -> ttnn.MemoryConfig:
    """One tile of rows, width-sharded: each of `cores` holds `per_core` columns."""
    assert cores.num_cores() * per_core == width
    return _sharded(ttnn.TensorMemoryLayout.WIDTH_SHARDED, cores, [TILE, per_core])


def first_cores(count: int, chip: Chip, wide: int | None = None) -> ttnn.CoreRangeSet:
    """The first `count` cores, row by row. A row has `wide` cores, or all of the grid's."""
    grid = ttnn.CoreCoord(wide or chip.grid[0], chip.grid[1])
    return ttnn.num_cores_to_corerangeset(count, grid, row_wise=True)


def cores_behind(first: ttnn.CoreRangeSet, count: int, chip: Chip) -> ttnn.CoreRangeSet:
    """The `count` cores that follow the `first` cores of the chip, row by row."""
    skipped = first.num_cores()
    cores = ttnn.corerange_to_cores(first_cores(skipped + count, chip), skipped + count, row_wise=True)
    return ttnn.CoreRangeSet([ttnn.CoreRange(core, core) for core in cores[skipped:]])


def dram_sharded(rows: int, width: int, chip: Chip) -> ttnn.MemoryConfig:
    """A weight [rows, width], width-sharded over all DRAM banks. The shard of the last bank may be padded."""
    per_bank = math.ceil(width / TILE / chip.dram_banks) * TILE
    banks = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(chip.dram_banks - 1, 0))})
    spec = ttnn.ShardSpec(banks, [rows, per_bank], ttnn.ShardOrientation.ROW_MAJOR)
    return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.DRAM, spec)


def dram_sharded_matmul(
    inner_tiles: int, output_tiles: int
) -> ttnn.MatmulMultiCoreReuseMultiCastDRAMShardedProgramConfig:
    """The product of one tile of rows with a DRAM-sharded weight. Each core holds `inner_tiles` of the input and
    `output_tiles` of the output."""
    return ttnn.MatmulMultiCoreReuseMultiCastDRAMShardedProgramConfig(
        in0_block_w=inner_tiles, per_core_M=1, per_core_N=output_tiles, fused_activation=None
    )


def head_matmul(inner_tiles: int, width: int, chip: Chip) -> ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig:
    """The product of one tile of rows with a wide weight that is interleaved in DRAM. All cores of the grid divide the
    columns among them.

    Where the rows are sharded, each core holds `inner_tiles` of them.
    """
    per_core = math.ceil(width / TILE / chip.cores)
    return ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig(
        compute_with_storage_grid_size=chip.grid,
        in0_block_w=largest_divisor(inner_tiles, 2),
        out_subblock_h=1,
        out_subblock_w=largest_divisor(per_core, 4),
        per_core_M=1,
        per_core_N=per_core,
        fuse_batch=True,
        fused_activation=None,
        mcast_in0=True,
    )


def prefill_matmul(rows: int, inner: int, width: int, chip: Chip) -> ttnn.MatmulMultiCoreReuseMultiCastProgramConfig:
    """[rows, inner] @ [inner, width] over the whole grid: a row of cores has the same rows, a column of cores the same
    columns."""
    per_row, per_column = math.ceil(rows / TILE / chip.grid[1]), math.ceil(width / TILE / chip.grid[0])
    # A block that is too large for L1 is computed in several passes over its columns.
    out_width = max(w for w in range(1, per_column + 1) if per_column % w == 0 and w * per_row <= _LARGEST_BLOCK)
    subblock_width = largest_divisor(out_width, 4)
    return ttnn.MatmulMultiCoreReuseMultiCastProgramConfig(
        compute_with_storage_grid_size=chip.grid,
        in0_block_w=largest_divisor(inner // TILE, 4),
        out_subblock_h=largest_divisor(per_row, 4 // subblock_width),
        out_subblock_w=subblock_width,
        out_block_h=per_row,
        out_block_w=out_width,
        per_core_M=per_row,
        per_core_N=per_column,
        transpose_mcast=False,
        fused_activation=None,
        fuse_batch=True,
    )


def sharded_norm(rectangle: tuple[int, int], tiles: int) -> ttnn.LayerNormShardedMultiCoreProgramConfig:
    """A norm over width-sharded rows: each core inside `rectangle` holds `tiles` tiles."""
    return ttnn.LayerNormShardedMultiCoreProgramConfig(
        compute_with_storage_grid_size=list(rectangle),
        subblock_w=largest_divisor(tiles, 4),
        block_h=1,
        block_w=tiles,
        inplace=False,
    )


def _sharded(layout: ttnn.TensorMemoryLayout, grid: ttnn.CoreRangeSet, shape: list[int]) -> ttnn.MemoryConfig:
    spec = ttnn.ShardSpec(grid, shape, ttnn.ShardOrientation.ROW_MAJOR)
    return ttnn.MemoryConfig(layout, ttnn.BufferType.L1, spec)


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is not above `most`."""
    return max(d for d in range(1, most + 1) if number % d == 0)
