# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A stage of decode's fused program: one projection. decode_product.py describes the program."""

from dataclasses import dataclass
from typing import NamedTuple

import ttnn
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages


class StageArguments(NamedTuple):
    """What every core is told of a stage; see stages.h."""

    part_first: int
    part_tiles: int
    first_column: int
    columns: int


class PageArguments(NamedTuple):
    """The weight pages that a core reads in a stage."""

    first_page: int
    pages: int


@dataclass(frozen=True)
class Stage:
    """One projection of a program."""

    parts: CoreAssignment  # tile columns of the stage's rows that a core measures and quantises
    columns: CoreAssignment  # tile columns of the stage's results that a core computes
    pages: TernaryPages
    epilogue: Epilogue
    normed: bool = True  # whether a norm comes before the product
    # What the epilogue RESIDUAL adds: the rows of the stage of this number. None: a tensor that enters the program.
    adds_rows_of: int | None = None
    # Where the results of a stage before the last leave the program, besides being the next one's rows. None: nowhere.
    leaves_in: ttnn.MemoryConfig | None = None

    @property
    def adds_tensor(self) -> bool:
        return self.epilogue is Epilogue.RESIDUAL and self.adds_rows_of is None

    @property
    def results_at_once(self) -> int:
        """Result tiles that a group of tile columns becomes."""
        return self.pages.group // self.pages.matrices

    @property
    def weight_tiles(self) -> int:
        """The most ternary tiles of a core."""
        return self.columns.per_core * self.pages.matrices * self.pages.inner

    @property
    def gamma_tiles(self) -> int:
        """The most tile columns of the norm's weights of a core."""
        return self.parts.per_core if self.normed else 0

    def pages_of(self, core: int) -> PageArguments:
        first, columns = self.columns.of(core)
        each = self.pages.pages_of_a_group
        return PageArguments(
            first_page=first // self.results_at_once * each, pages=columns // self.results_at_once * each
        )
