# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused programs of a model on a chip: which tile columns each core works on, and where results lie."""

from collections.abc import Mapping

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.decode.decode_product import DecodeProduct
from models.bitnet.tt.kernels.decode.rotate_and_cache import CACHE_TILE_BYTES, WIDEST_HEAD, RotateAndCache
from models.bitnet.tt.kernels.head.head_product import HeadProduct
from models.bitnet.tt.kernels.prefill.prefill_codes import PrefillCodes
from models.bitnet.tt.kernels.prefill.prefill_product import PrefillProduct
from models.bitnet.tt.layout import (
    TILE,
    WIDE,
    Chip,
    columns,
    cores_behind,
    first_cores,
    tile_on_each,
    users_columns,
    users_memory_config,
)

_MOST_HEADS = TILE  # attention leaves the heads of a user in one tile of rows


class FusedProgramsDoNotFit(ValueError):
    """The model and the device have no fused programs, because of `reason`."""

    def __init__(self, reason: str):
        super().__init__(f"{reason}; use precision accuracy")
        self.reason = reason


class FusedPrograms:
    """The fused programs of a model.

    `decode` has the decode program of each projection by its name. `rotate_and_cache` is the program between qkv and
    attention. It reads cosines and sines in `angles_memory`, and in `pairs_memory` the matrix that swaps neighbours.
    `head` has the programs of lm_head: one for rows that are sharded over cores (True), one for rows in DRAM (False).

    Raises `FusedProgramsDoNotFit` if a core has less L1 than a program needs, or if the programs cannot take the heads
    of the model or the dtype of the KV cache. `l1_bytes` is the L1 of a core, `head_weight` the dtype of the head's
    weight, `cache` that of the KV cache.
    """

    def __init__(
        self,
        model: BitNetConfig,
        chip: Chip,
        users: int,
        l1_bytes: int,
        head_weight: ttnn.DataType,
        cache: ttnn.DataType,
    ):
        if model.num_attention_heads > _MOST_HEADS:
            raise FusedProgramsDoNotFit(
                f"fused joins up to {_MOST_HEADS} heads, the model has {model.num_attention_heads}"
            )
        if model.head_dim > WIDEST_HEAD:
            raise FusedProgramsDoNotFit(
                f"fused rotates heads up to {WIDEST_HEAD} wide, the model's are {model.head_dim} wide"
            )
        if cache not in CACHE_TILE_BYTES:
            choices = " or ".join(dtype.name.lower() for dtype in CACHE_TILE_BYTES)
            raise FusedProgramsDoNotFit(f"fused writes a KV cache of {choices}, not {cache.name.lower()}")
        self._grid = chip.grid
        self._prefill: dict[tuple[str, int], tuple[PrefillCodes, PrefillProduct]] = {}
        wide = min(WIDE, chip.grid[0])
        cores = wide * chip.grid[1]
        residual = columns(model.hidden_size, chip)
        head_tiles = model.head_dim // TILE
        heads = model.num_attention_heads + 2 * model.num_key_value_heads

        def assign(width: int, per_core: int) -> tuple[CoreAssignment, ttnn.MemoryConfig]:
            """`per_core` tile columns on each core, and the memory of rows that lie so."""
            assignment = CoreAssignment(width // TILE, per_core)
            grid = first_cores(assignment.cores, chip, wide=wide)
            return assignment, users_columns(assignment.cores * per_core * TILE, grid, per_core * TILE)

        even = CoreAssignment.over(model.intermediate_size // TILE, cores)
        hidden, hidden_memory = assign(model.intermediate_size, even.per_core)
        joined = CoreAssignment.over(model.num_attention_heads * head_tiles, cores)
        stream, residual_memory = CoreAssignment(residual.width // TILE, residual.tiles), residual.memory_config()
        qkv, qkv_memory = assign(heads * model.head_dim, head_tiles)

        def program(
            parts: CoreAssignment,
            results: CoreAssignment,
            epilogue: Epilogue,
            dtype: ttnn.DataType,
            memory: ttnn.MemoryConfig,
            **more: int,
        ) -> DecodeProduct:
            """The program of a projection. A group has up to 4 tile columns, and every core has whole groups."""
            matrices = 2 if epilogue is Epilogue.GATED else 1
            group = matrices * max(
                n for n in (1, 2, 4 // matrices) if results.per_core % n == 0 and results.tiles % n == 0
            )
            pages = TernaryPages.of(parts.tiles, results.tiles * matrices, group, matrices)
            return DecodeProduct(users, parts, results, pages, epilogue, dtype, memory, **more)

        stream_of = (ttnn.float32, residual_memory)
        self.decode: Mapping[str, DecodeProduct] = {
            "qkv": program(stream, qkv, Epilogue.SCALE, ttnn.bfloat16, qkv_memory),
            "o": program(joined, stream, Epilogue.RESIDUAL, *stream_of, head_tiles=head_tiles),
            "gate_up": program(stream, hidden, Epilogue.GATED, ttnn.float32, hidden_memory),
            "down": program(hidden, stream, Epilogue.RESIDUAL, *stream_of),
        }
        kv_heads, head_cores = model.num_key_value_heads, first_cores(heads, chip, wide=wide)
        self.rotate_and_cache = RotateAndCache(
            users,
            model.num_attention_heads,
            kv_heads,
            model.head_dim,
            cache,
            head_cores,
            users_memory_config(users, model.head_dim, first_cores(users, chip)),
        )
        self.pairs_memory = tile_on_each(first_cores(heads - kv_heads, chip, wide=wide))
        cos_cores = first_cores(head_tiles, chip)
        self.angles_memory = tuple(
            users_columns(model.head_dim, cores, TILE)
            for cores in (cos_cores, cores_behind(cos_cores, head_tiles, chip))
        )
        # Beside the buffers of a decode program, L1 holds the stream before and after it, and the hidden rows.
        kept = (2 * residual.tiles + even.per_core) * TILE * TILE * 4
        for name, program in self.decode.items():
            for phase, needed in (("decode", program.l1_bytes + kept), ("prefill", self.prefill(name, 1)[1].l1_bytes)):
                _check_l1(f"{phase}'s program of {name}", program.pages.inner, needed, l1_bytes)
        needed = self.rotate_and_cache.l1_bytes + kept
        _check_l1("decode's program that rotates heads", head_tiles, needed, l1_bytes)
        inner, vocabulary = model.hidden_size // TILE, model.vocab_size // TILE
        # The rows of decode are sharded over cores, those of prefill lie in DRAM. Each needs a program of its own.
        self.head = {
            sharded: HeadProduct(inner, vocabulary, chip.dram_banks, chip.grid, ttnn.float32, head_weight)
            for sharded in (False, True)
        }
        _check_l1("the head's program", inner, self.head[True].l1_bytes, l1_bytes)

    def prefill(self, which: str, token_tiles: int) -> tuple[PrefillCodes, PrefillProduct]:
        """The two programs of a projection for `token_tiles` tiles of 32 tokens. All layers use the same two."""
        if (which, token_tiles) not in self._prefill:
            decode = self.decode[which]
            self._prefill[which, token_tiles] = (
                PrefillCodes(token_tiles, decode.pages.inner, self._grid),
                PrefillProduct(token_tiles, decode.pages, decode.epilogue, decode.result_dtype, self._grid),
            )
        return self._prefill[which, token_tiles]


def _check_l1(program: str, inner_tiles: int, needed: int, l1_bytes: int) -> None:
    if needed > l1_bytes:
        raise FusedProgramsDoNotFit(
            f"fused: {program}, {inner_tiles * TILE} wide, needs {needed} bytes of a core's L1, there are {l1_bytes}"
        )
