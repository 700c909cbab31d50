# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused programs of a model on a chip: which tile columns each core works on, and where results lie."""

from collections.abc import Mapping
from dataclasses import replace

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.decode.decode_product import DecodeProduct, Stage
from models.bitnet.tt.kernels.decode.rotate_and_cache import CACHE_TILE_BYTES, WIDEST_HEAD, RotateAndCache
from models.bitnet.tt.kernels.head.head_product import HeadProduct
from models.bitnet.tt.kernels.prefill.prefill_codes import PrefillCodes
from models.bitnet.tt.kernels.prefill.prefill_product import PrefillProduct
from models.bitnet.tt.layout import (
    PREFILL_CHUNK,
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
_OF_STREAM = ("qkv", "gate_up")  # the projections whose rows are the residual stream
# What follows attention, in the last layer and in the others: one program of decode
LAST_LAYER = ("o", "gate_up", "down")
TO_NEXT_LAYER = (*LAST_LAYER, "qkv")


class FusedProgramsDoNotFit(ValueError):
    """The model and the device have no fused programs, because of `reason`."""

    def __init__(self, reason: str):
        super().__init__(f"{reason}; use precision accuracy")
        self.reason = reason


class FusedPrograms:
    """The fused programs of a model.

    `decode` and `prefill` give the programs of projections by their names, whose stages in decode are in `stages`.
    `rotate_and_cache` is the program between qkv and attention. It reads cosines and sines in `angles_memory`, and in
    `pairs_memory` the matrix that swaps neighbours. `head` has the programs of lm_head: one for rows that are sharded
    over cores (True), one for rows in DRAM (False).

    Raises `FusedProgramsDoNotFit` if a core has less L1 than a program needs, or if the programs cannot take the heads
    of the model or the dtype of the KV cache. `l1_bytes` is the free L1 of a core, `head_weight` the dtype of the
    head's weight, `cache` that of the KV cache.
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
        self._users, self._grid, self._head_tiles = users, chip.grid, model.head_dim // TILE
        self._l1_bytes = l1_bytes
        self._decode: dict[tuple[str, ...], DecodeProduct] = {}
        self._prefill: dict[tuple[str, int], tuple[PrefillCodes, PrefillProduct]] = {}
        wide = min(WIDE, chip.grid[0])
        cores = wide * chip.grid[1]
        residual = columns(model.hidden_size, chip)
        head_tiles, heads = self._head_tiles, model.num_attention_heads + 2 * model.num_key_value_heads

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

        self._results = {
            "qkv": (ttnn.bfloat16, qkv_memory),
            "o": (ttnn.float32, residual_memory),
            "gate_up": (ttnn.float32, hidden_memory),
            "down": (ttnn.float32, residual_memory),
        }
        gated = Epilogue.gated_by(model.hidden_act)
        forms = {
            "qkv": self._form("qkv", stream, qkv, Epilogue.SCALE, normed=True),
            "o": self._form("o", joined, stream, Epilogue.RESIDUAL, normed=model.sub_norms),
            "gate_up": self._form("gate_up", stream, hidden, gated, normed=True),
            "down": self._form("down", hidden, stream, Epilogue.RESIDUAL, normed=model.sub_norms),
        }
        self.stages: Mapping[str, Stage] = {name: of_stage for name, (of_stage, _) in forms.items()}
        self._codes = {name: codes for name, (_, codes) in forms.items()}  # the dtype of prefill's codes
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
        # Beside the buffers of a decode program, L1 holds the stream before and after it, a head of qkv, the queries of
        # a user before and after attention, cosines, sines, and the matrix that swaps neighbours. A freed tensor leaves
        # a hole, so those that follow each other count too. Prefill has no tensors in L1.
        float32_tiles, bfloat16_tiles = 2 * residual.tiles, 3 * head_tiles + 3
        kept = float32_tiles * describe.tile_bytes(ttnn.float32) + bfloat16_tiles * describe.tile_bytes(ttnn.bfloat16)
        self._decode_limit = l1_bytes - kept
        inner, vocabulary = model.hidden_size // TILE, model.vocab_size
        # The rows of decode are sharded over cores, those of prefill lie in DRAM. Each needs a program of its own.
        self.head = {
            sharded: HeadProduct(rows, inner, vocabulary, chip.dram_banks, chip.grid, ttnn.float32, head_weight)
            for sharded, rows in ((False, TILE), (True, users))
        }
        for program in self.head.values():
            _check_l1("the head's program", inner, program.l1_bytes + kept, l1_bytes)
        # Those of fewer projections need less.
        widest = max(of_stage.pages.inner for of_stage in self.stages.values())
        needed = self.decode(*TO_NEXT_LAYER).l1_bytes + kept
        _check_l1(f"decode's program of {', '.join(TO_NEXT_LAYER)}", widest, needed, l1_bytes)
        for name, of_stage in self.stages.items():
            needed = self._prefill_bytes(name, of_stage, self._codes[name])
            _check_l1(f"prefill's program of {name}", of_stage.pages.inner, needed, l1_bytes)
        needed = self.rotate_and_cache.l1_bytes + kept
        _check_l1("decode's program that rotates heads", head_tiles, needed, l1_bytes)

    def _form(
        self, name: str, parts: CoreAssignment, results: CoreAssignment, epilogue: Epilogue, normed: bool
    ) -> tuple[Stage, ttnn.DataType]:
        """The stage of a projection, and the dtype of its codes in prefill.

        A group has up to 4 tile columns, and every core has whole groups. The form is the fastest that fits L1 in
        prefill: with large groups and codes in bfloat16. The smallest form is returned if none fits.
        """
        matrices = epilogue.matrices
        groups = [n for n in (4 // matrices, 2, 1) if results.per_core % n == 0 and results.tiles % n == 0]
        for group in groups:
            pages = TernaryPages.of(parts.tiles, results.tiles * matrices, matrices * group, matrices)
            stage = Stage(parts, results, pages, epilogue, normed)
            for codes in (ttnn.bfloat16, ttnn.bfloat8_b):
                if self._prefill_bytes(name, stage, codes) <= self._l1_bytes:
                    return stage, codes
        return stage, codes

    def decode(self, *names: str) -> DecodeProduct:
        """The program of one projection, or of several, each of which takes the results of the one before it.

        All layers use the same program. Where a projection adds the residual stream that another one before it takes
        as rows, the program adds these rows, and no tensor. The last of several sums leaves the program, and so do the
        last projection's results.
        """
        if names not in self._decode:
            stages, stream = [], None
            sums = [number for number, name in enumerate(names) if self.stages[name].epilogue is Epilogue.RESIDUAL]
            for number, name in enumerate(names):
                leaves = number in sums[-1:] and number < len(names) - 1
                stages.append(
                    replace(
                        self.stages[name],
                        adds_rows_of=stream if number in sums else None,
                        leaves_in=self._results[name][1] if leaves else None,
                    )
                )
                stream = number if name in _OF_STREAM else stream
            head_tiles = self._head_tiles if names[0] == "o" else 0
            self._decode[names] = DecodeProduct(
                self._users, tuple(stages), *self._results[names[-1]], head_tiles, self._decode_limit
            )
        return self._decode[names]

    def prefill(self, which: str, token_tiles: int) -> tuple[PrefillCodes, PrefillProduct]:
        """The two programs of a projection for `token_tiles` tiles of 32 tokens. All layers use the same two."""
        if (which, token_tiles) not in self._prefill:
            stage, codes = self.stages[which], self._codes[which]
            self._prefill[which, token_tiles] = (
                PrefillCodes(token_tiles, stage.pages.inner, self._grid, stage.normed, codes),
                self._prefill_product(which, stage, codes, token_tiles),
            )
        return self._prefill[which, token_tiles]

    def _prefill_product(self, which: str, stage: Stage, codes: ttnn.DataType, token_tiles: int) -> PrefillProduct:
        dtype, _ = self._results[which]
        return PrefillProduct(token_tiles, stage.pages, stage.epilogue, dtype, self._grid, codes)

    def _prefill_bytes(self, which: str, stage: Stage, codes: ttnn.DataType) -> int:
        """The L1 that prefill's product needs, at the number of tokens that needs most."""
        lengths = range(1, PREFILL_CHUNK // TILE + 1)
        return max(self._prefill_product(which, stage, codes, token_tiles).l1_bytes for token_tiles in lengths)


def _check_l1(program: str, inner_tiles: int, needed: int, l1_bytes: int) -> None:
    if needed > l1_bytes:
        raise FusedProgramsDoNotFit(
            f"fused: {program}, {inner_tiles * TILE} wide, needs {needed} bytes of a core's L1, there are {l1_bytes}"
        )
