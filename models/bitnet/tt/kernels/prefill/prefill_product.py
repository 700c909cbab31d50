# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Prefill's second program: int8 codes of many rows times ternary columns, and what follows the product.

Rows are shared out over rows of cores, columns over all cores of these. A core holds codes of whole rows in L1, as many
as fit, and takes its columns group by group; with more rows it passes over its columns again. Every page that several
cores need is read from DRAM by one of them and multicast to the others. See prefill_product.cpp for the steps.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import TILE_SIZE, Buffer, Described, Role
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TILE, TILE_BYTES, TernaryPages

_SUMS = 7  # float32 tiles of the destination register that hold sums; one more is for what is done with them
_L1 = 1_200_000  # bytes of a core for codes and weights; the other buffers are small


@dataclass(frozen=True)
class Arrangement:
    """Who multiplies what. The grid's rows of cores form bands of `rows.cores`: within a band, each row of cores has
    other rows of the product; the cores of a column have the same columns within a band, others in every band."""

    wide: int
    bands: int
    rows: CoreAssignment
    groups: CoreAssignment  # of columns, over the columns of cores in all bands

    @classmethod
    def on(cls, grid: tuple[int, int], row_tiles: int, groups: int) -> "Arrangement":
        """The one that finishes first; of several, the one that reads the weights least often."""
        wide = min(grid[0], groups)
        shares = [CoreAssignment.over(row_tiles, high) for high in range(1, grid[1] + 1)]
        every = [
            cls(wide, bands, rows, CoreAssignment.over(groups, wide * bands))
            for rows in shares
            for bands in [min(grid[1] // rows.cores, -(-groups // wide))]
        ]
        return min(every, key=lambda it: (it.rows.per_core * it.groups.per_core, it.rows.per_core))

    @property
    def high(self) -> int:
        return self.bands * self.rows.cores


@dataclass(frozen=True)
class PrefillProduct(Described):
    """The product of `row_tiles` rows with `pages`, on the cores of `grid` (columns, rows)."""

    row_tiles: int
    pages: TernaryPages
    epilogue: Epilogue
    result_dtype: ttnn.DataType
    grid: tuple[int, int]

    def __call__(
        self, codes: ttnn.Tensor, steps: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor | None = None
    ) -> ttnn.Tensor:
        """codes, steps: as PrefillCodes makes them; weights: `pages` of K by N; residual: float32 [1, 1, rows, N].
        -> [1, 1, rows, N] in DRAM (N of one matrix). Keeps all."""
        return prefill_product(codes, steps, weights, residual, program=self)

    def run(
        self, codes: ttnn.Tensor, steps: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor | None
    ) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, self.row_tiles * TILE, self.pages.width // self.pages.matrices * TILE])
        result = ttnn.allocate_tensor_on_device(
            shape, self.result_dtype, ttnn.TILE_LAYOUT, codes.device(), ttnn.DRAM_MEMORY_CONFIG
        )
        tensors = [codes, steps, weights, result] if residual is None else [codes, steps, weights, residual, result]
        added = result if residual is None else residual
        descriptor = self.described(codes, steps, weights, added, result)
        reader, writer, _ = descriptor.kernels
        reader.common_runtime_args = [weights.buffer_address()]
        writer.common_runtime_args = [tensor.buffer_address() for tensor in (codes, steps, added, result)]
        return ttnn.generic_op(tensors, descriptor)

    @property
    def l1_bytes(self) -> int:
        """Of the circular buffers on every core."""
        return sum(buffer.tile_bytes * buffer.tiles for buffer in self._buffers)

    @cached_property
    def _places(self) -> Arrangement:
        return Arrangement.on(self.grid, self.row_tiles, self.pages.width // self.pages.group)

    @property
    def _results(self) -> int:
        """Tiles that a group of columns becomes."""
        return self.pages.group // self.pages.matrices

    @property
    def _rows_at_once(self) -> int:
        """That are multiplied together."""
        return min(_SUMS // self.pages.group, self._places.rows.per_core)

    @cached_property
    def _buffers(self) -> list[Buffer]:
        pages, (_, rows) = self.pages, _passes(self._places.rows.per_core, self.pages)
        return [
            Buffer(Role.WEIGHTS, ttnn.bfloat4_b, TILE_BYTES, 2 * pages.inner * pages.group),
            Buffer.of(Role.RESIDUAL, ttnn.float32, 2 * self._results),
            Buffer.of(Role.SCALES, ttnn.float32, rows),
            Buffer.of(Role.ALL_CODES, ttnn.bfloat16, rows * pages.inner),
            Buffer.of(Role.RESULT, self.result_dtype, 2 * self._rows_at_once * self._results),
        ]

    def _describe(
        self,
        codes: ttnn.Tensor,
        steps: ttnn.Tensor,
        weights: ttnn.Tensor,
        residual: ttnn.Tensor,
        result: ttnn.Tensor,
    ) -> ttnn.ProgramDescriptor:
        pages, places, rows_at_once = self.pages, self._places, self._rows_at_once
        passes, rows_of_pass = _passes(places.rows.per_core, pages)
        cores = ttnn.CoreRangeSet([describe.rectangle(0, 0, places.wide, places.high)])
        share = _shares(places, codes.device())
        grid = {"wide": places.wide, "row_shares": places.rows.cores}
        of_all = {"inner": pages.inner, "rows_of_pass": rows_of_pass, "rows_at_once": rows_at_once}
        reader = {**grid, "page_tiles": pages.page_tiles, "pages": pages.pages_of_a_group, "passes": passes}
        width = pages.width // pages.matrices
        writer = {**grid, **of_all, "bands": places.bands, "width": width, "results": self._results}
        compute = {**of_all, "group": pages.group, "passes": passes}
        kernels = [
            ("prefill/prefill_weights.cpp", ttnn.ReaderConfigDescriptor(), reader, [weights]),
            ("prefill/prefill_rows.cpp", ttnn.WriterConfigDescriptor(), writer, [codes, steps, residual, result]),
            ("prefill/prefill_product.cpp", describe.compute_config(self._buffers), compute, []),
        ]
        defines = [f"EPILOGUE_{self.epilogue.value}"]
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, cores, share, *rest, defines) for source, *rest in kernels],
            semaphores=describe.semaphores(4, cores),
            cbs=[buffer.on(cores) for buffer in self._buffers],
        )


def _passes(rows: int, pages: TernaryPages) -> tuple[int, int]:
    """(how many passes over `rows` rows of tiles, rows of one), as L1 allows beside the other buffers."""
    most = max(1, (_L1 - 2 * pages.inner * pages.group * TILE_BYTES) // (pages.inner * TILE_SIZE[ttnn.bfloat16]))
    passes = -(-rows // most)
    return passes, -(-rows // passes)


def _shares(places: Arrangement, device: ttnn.MeshDevice) -> list[tuple[ttnn.CoreCoord, list[int]]]:
    """What every core is told, as core_assignment.h has it."""
    xs = [device.worker_core_from_logical_core(ttnn.CoreCoord(x, 0)).x for x in range(places.wide)]
    ys = [device.worker_core_from_logical_core(ttnn.CoreCoord(0, y)).y for y in range(places.high)]
    return [
        (
            ttnn.CoreCoord(x, y),
            [x, y, *places.rows.of(y % places.rows.cores)]
            + [*places.groups.of(y // places.rows.cores * places.wide + x), *xs, *ys],
        )
        for y in range(places.high)
        for x in range(places.wide)
    ]


def _golden(
    codes: torch.Tensor,
    steps: torch.Tensor,
    weights: torch.Tensor,
    residual: torch.Tensor | None = None,
    *,
    program: PrefillProduct,
) -> torch.Tensor:
    weight = program.pages.unpack(golden.words(weights))
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
    """`program` on tensors that it was described for."""
    return program.run(codes, steps, weights, residual)
