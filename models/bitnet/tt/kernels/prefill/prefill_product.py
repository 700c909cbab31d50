# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Prefill's second fused program: int8 codes of many tokens times ternary columns, and the epilogue.

A token tile is a row of tiles: 32 tokens. A core multiplies some token tiles by some groups of tile columns. It holds
the codes of whole token tiles in L1, as many as fit, and takes its columns group by group. With more token tiles it
passes over its columns again. A page that several cores need is read by one of them, which multicasts it to the others.
See prefill_product.cpp for the steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Buffer, Described, Role
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TILE_BYTES, TernaryPages
from models.bitnet.tt.layout import TILE

_SUMS = 7  # float32 tiles of the destination register that hold sums; the eighth is scratch


class ProductArguments(NamedTuple):
    """What every core is told; see product_arguments.h."""

    core_x: int
    core_y: int
    first_token_tile: int
    token_tiles: int
    first_group: int
    groups: int
    noc_coordinates: tuple[int, ...]


class WeightsAddresses(NamedTuple):
    weights_at: int


class ProductAddresses(NamedTuple):
    codes_at: int
    steps_at: int
    residual_at: int
    result_at: int


class ProductSemaphores(IntEnum):
    """See exchange.h."""

    WEIGHTS_READY = 0
    WEIGHTS_ARRIVED = 1
    ROWS_READY = 2
    ROWS_ARRIVED = 3


@dataclass(frozen=True)
class Arrangement:
    """The token tiles and the groups of columns that each core of a grid multiplies.

    Bands are equal numbers of neighbouring rows of cores. Within a band, each row of cores has other token tiles, and
    all cores of a column have the same groups. Every band has other groups.
    """

    wide: int  # columns of cores
    bands: int
    token_tiles: CoreAssignment  # token tiles over the rows of cores of a band
    groups: CoreAssignment  # groups over the columns of cores of all bands

    @classmethod
    def on(cls, grid: tuple[int, int], token_tiles: int, groups: int) -> "Arrangement":
        """The arrangement that finishes first. Of several, it is the one that reads the weights least often."""
        wide = min(grid[0], groups)
        every = []
        for high in range(1, grid[1] + 1):
            tokens = CoreAssignment.over(token_tiles, high)
            bands = min(grid[1] // tokens.cores, -(-groups // wide))
            every.append(cls(wide, bands, tokens, CoreAssignment.over(groups, wide * bands)))
        return min(every, key=lambda it: (it.token_tiles.per_core * it.groups.per_core, it.token_tiles.per_core))

    @property
    def band_rows(self) -> int:
        """Rows of cores in a band."""
        return self.token_tiles.cores

    @property
    def high(self) -> int:
        """Rows of cores in all bands."""
        return self.bands * self.band_rows


@dataclass(frozen=True)
class PrefillProduct(Described):
    """The product of `token_tiles` token tiles with the matrix in `pages`, on the cores of `grid` (columns, rows).

    The buffers take at most `most_l1_bytes` of a core's L1, unless those for a single token tile take more. `codes` is
    the dtype that holds the codes: bfloat16 or bfloat8_b.
    """

    token_tiles: int
    pages: TernaryPages
    epilogue: Epilogue
    result_dtype: ttnn.DataType
    grid: tuple[int, int]
    most_l1_bytes: int
    codes: ttnn.DataType = ttnn.bfloat16

    def __call__(
        self, codes: ttnn.Tensor, steps: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor | None = None
    ) -> ttnn.Tensor:
        """[1, 1, tokens, K] -> [1, 1, tokens, N] in DRAM. N is the width of one matrix. Keeps all.

        codes, steps: as PrefillCodes makes them, in DRAM or L1; weights: `pages` of the matrix; residual: float32
        [1, 1, tokens, N].
        """
        return prefill_product(codes, steps, weights, residual, program=self)

    def run(
        self, codes: ttnn.Tensor, steps: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor | None
    ) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, self.token_tiles * TILE, self.pages.width // self.pages.matrices * TILE])
        result = ttnn.allocate_tensor_on_device(
            shape, self.result_dtype, ttnn.TILE_LAYOUT, codes.device(), ttnn.DRAM_MEMORY_CONFIG
        )
        tensors = [codes, steps, weights, result] if residual is None else [codes, steps, weights, residual, result]
        added = result if residual is None else residual  # a program without a residual never reads its address
        descriptor = self.described(codes, steps, weights, added, result)
        reader, writer, _ = descriptor.kernels
        reader.common_runtime_args = WeightsAddresses(weights_at=weights.buffer_address())
        writer.common_runtime_args = ProductAddresses(
            codes_at=codes.buffer_address(),
            steps_at=steps.buffer_address(),
            residual_at=added.buffer_address(),
            result_at=result.buffer_address(),
        )
        return ttnn.generic_op(tensors, descriptor)

    @property
    def l1_bytes(self) -> int:
        """Bytes of the circular buffers on every core."""
        return _bytes(self._buffers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that the program reads, in all passes."""
        return self._passes * self.pages.inner * self.pages.width * TILE_BYTES

    @cached_property
    def _arrangement(self) -> Arrangement:
        return Arrangement.on(self.grid, self.token_tiles, self.pages.width // self.pages.group)

    @property
    def _results(self) -> int:
        """Result tiles that a group of tile columns becomes."""
        return self.pages.group // self.pages.matrices

    @cached_property
    def _passes(self) -> int:
        """Passes over a core's token tiles: as few as `most_l1_bytes` allow."""
        token_tiles = self._arrangement.token_tiles.per_core
        fitting = (n for n in range(1, token_tiles) if _bytes(self._buffers_of(n)) <= self.most_l1_bytes)
        return next(fitting, token_tiles)

    def _tiles_of_pass(self, passes: int) -> int:
        """Token tiles of one pass."""
        return -(-self._arrangement.token_tiles.per_core // passes)

    @property
    def _tiles_at_once(self) -> int:
        """Token tiles that are multiplied together."""
        return min(_SUMS // self.pages.group, self._arrangement.token_tiles.per_core)

    @cached_property
    def _buffers(self) -> dict[Role, Buffer]:
        return self._buffers_of(self._passes)

    def _buffers_of(self, passes: int) -> dict[Role, Buffer]:
        pages, tiles_of_pass = self.pages, self._tiles_of_pass(passes)
        return {
            Role.WEIGHTS: Buffer(ttnn.bfloat4_b, TILE_BYTES, 2 * pages.inner * pages.group),
            Role.RESIDUAL: Buffer.of(ttnn.float32, 2 * self._results),
            Role.SCALES: Buffer.of(ttnn.float32, tiles_of_pass),
            Role.ALL_CODES: Buffer.of(self.codes, tiles_of_pass * pages.inner),
            Role.RESULT: Buffer.of(self.result_dtype, 2 * self._tiles_at_once * self._results),
        }

    def _describe(
        self,
        codes: ttnn.Tensor,
        steps: ttnn.Tensor,
        weights: ttnn.Tensor,
        residual: ttnn.Tensor,
        result: ttnn.Tensor,
    ) -> ttnn.ProgramDescriptor:
        pages, arrangement = self.pages, self._arrangement
        cores = ttnn.CoreRangeSet([describe.rectangle(0, 0, arrangement.wide, arrangement.high)])
        arguments = _core_arguments(arrangement, codes.device())
        grid = {"wide": arrangement.wide, "band_rows": arrangement.band_rows}
        token_tiles = {"tiles_of_pass": self._tiles_of_pass(self._passes), "tiles_at_once": self._tiles_at_once}
        numbers = describe.role_numbers(self._buffers)
        reader = {
            **numbers,
            **grid,
            "page_tiles": pages.page_tiles,
            "page_bytes": pages.page_bytes,
            "pages": pages.pages_of_a_group,
            "passes": self._passes,
        }
        writer = {
            **numbers,
            **grid,
            **token_tiles,
            "inner": pages.inner,
            "bands": arrangement.bands,
            "width": pages.width // pages.matrices,
            "results": self._results,
            "adds_residual": int(self.epilogue is Epilogue.RESIDUAL),
        }
        compute = {
            **numbers,
            **token_tiles,
            "inner": pages.inner,
            "group": pages.group,
            "passes": self._passes,
            "epilogue": self.epilogue,
        }
        kernels = [
            ("prefill/prefill_weights.cpp", ttnn.ReaderConfigDescriptor(), reader, [weights]),
            ("prefill/prefill_rows.cpp", ttnn.WriterConfigDescriptor(), writer, [codes, steps, residual, result]),
            ("prefill/prefill_product.cpp", describe.compute_config(self._buffers.values()), compute, []),
        ]
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, cores, arguments, *rest) for source, *rest in kernels],
            semaphores=describe.semaphores(ProductSemaphores, cores),
            cbs=describe.circular_buffers(self._buffers.values(), cores),
        )


def _bytes(buffers: Mapping[Role, Buffer]) -> int:
    return sum(buffer.bytes for buffer in buffers.values())


def _core_arguments(arrangement: Arrangement, device: ttnn.MeshDevice) -> list[tuple[ttnn.CoreCoord, ProductArguments]]:
    """The cores of the grid and what each is told."""
    xs = [device.worker_core_from_logical_core(ttnn.CoreCoord(x, 0)).x for x in range(arrangement.wide)]
    ys = [device.worker_core_from_logical_core(ttnn.CoreCoord(0, y)).y for y in range(arrangement.high)]
    arguments = []
    for y in range(arrangement.high):
        band, row = divmod(y, arrangement.band_rows)
        first_token_tile, token_tiles = arrangement.token_tiles.of(row)
        for x in range(arrangement.wide):
            first_group, groups = arrangement.groups.of(band * arrangement.wide + x)
            told = ProductArguments(
                core_x=x,
                core_y=y,
                first_token_tile=first_token_tile,
                token_tiles=token_tiles,
                first_group=first_group,
                groups=groups,
                noc_coordinates=(*xs, *ys),
            )
            arguments.append((ttnn.CoreCoord(x, y), told))
    return arguments


def _golden(
    codes: torch.Tensor,
    steps: torch.Tensor,
    weights: torch.Tensor,
    residual: torch.Tensor | None = None,
    *,
    program: PrefillProduct,
) -> torch.Tensor:
    weight = golden.unpacked(weights, program.pages)
    return golden.results(codes.float(), steps[..., :1], weight, residual, program.epilogue)


@ttnn.register_python_operation(name="ttnn.bitnet.prefill_product", golden_function=_golden)
def prefill_product(
    codes: ttnn.Tensor,
    steps: ttnn.Tensor,
    weights: ttnn.Tensor,
    residual: ttnn.Tensor | None = None,
    *,
    program: PrefillProduct,
) -> ttnn.Tensor:
    """Runs `program`. See `PrefillProduct.__call__`."""
    return program.run(codes, steps, weights, residual)
