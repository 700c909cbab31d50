# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused programs of a model on a chip: which tile columns each core works on, and where results lie."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.decode.decode_product import DecodeProduct
from models.bitnet.tt.kernels.decode.rotate_and_cache import CACHE_TILE_BYTES, WIDEST_HEAD, RotateAndCache
from models.bitnet.tt.kernels.decode.stages import Stage
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


_LENGTHS = range(1, PREFILL_CHUNK // TILE + 1)  # of prompts in one pass, in tiles of tokens


class _Form(NamedTuple):
    """How a projection is computed: its stage in decode, and the dtype of its codes in prefill."""

    stage: Stage
    codes: ttnn.DataType


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
        # Beside the buffers of a decode program, L1 holds the stream before and after it, a head of qkv, the queries of
        # a user before and after attention, cosines, sines, and the matrix that swaps neighbours. A freed tensor leaves
        # a hole, so those that follow each other count too. Prefill leaves as much free.
        float32_tiles, bfloat16_tiles = 2 * residual.tiles, 3 * head_tiles + 3
        kept = float32_tiles * describe.tile_bytes(ttnn.float32) + bfloat16_tiles * describe.tile_bytes(ttnn.bfloat16)
        self._l1_limit = l1_bytes - kept
        gated = Epilogue.gated_by(model.hidden_act)
        self._forms = {
            "qkv": self._form("qkv", stream, qkv, Epilogue.SCALE, normed=True),
            "o": self._form("o", joined, stream, Epilogue.RESIDUAL, normed=model.sub_norms),
            "gate_up": self._form("gate_up", stream, hidden, gated, normed=True),
            "down": self._form("down", hidden, stream, Epilogue.RESIDUAL, normed=model.sub_norms),
        }
        self.stages: Mapping[str, Stage] = {name: form.stage for name, form in self._forms.items()}
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
            most = max(program.l1_bytes for token_tiles in _LENGTHS for program in self.prefill(name, token_tiles))
            _check_l1(f"prefill's program of {name}", of_stage.pages.inner, most + kept, l1_bytes)
        needed = self.rotate_and_cache.l1_bytes + kept
        _check_l1("decode's program that rotates heads", head_tiles, needed, l1_bytes)

    def _form(
        self, name: str, parts: CoreAssignment, results: CoreAssignment, epilogue: Epilogue, normed: bool
    ) -> _Form:
        """The form of a projection.

        A group has up to 4 tile columns, and every core has whole groups. The form is the fastest that fits L1 in
        prefill: with large groups and codes in bfloat16. If none fits, it is the smallest.
        """
        matrices = epilogue.matrices
        groups = [n for n in (4 // matrices, 2, 1) if results.per_core % n == 0 and results.tiles % n == 0]
        for group in groups:
            pages = TernaryPages.of(parts.tiles, results.tiles * matrices, matrices * group, matrices)
            for codes in (ttnn.bfloat16, ttnn.bfloat8_b):
                form = _Form(Stage(parts, results, pages, epilogue, normed), codes)
                products = (self._prefill_programs(name, form, tiles, ttnn.DRAM_MEMORY_CONFIG)[1] for tiles in _LENGTHS)
                if all(product.l1_bytes <= self._l1_limit for product in products):
                    return form
        return form

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
                self._users, tuple(stages), *self._results[names[-1]], head_tiles, self._l1_limit
            )
        return self._decode[names]

    def prefill(self, which: str, token_tiles: int) -> tuple[PrefillCodes, PrefillProduct]:
        """The two programs of a projection for `token_tiles` tiles of 32 tokens. All layers use the same two.

        Codes lie in L1 between the two programs if they fit there and if that saves bytes of DRAM. The product has less
        L1 then, so that it may read its weights more often.
        """
        if (which, token_tiles) not in self._prefill:
            form = self._forms[which]
            in_dram = self._prefill_programs(which, form, token_tiles, ttnn.DRAM_MEMORY_CONFIG)
            in_l1 = codes, product = self._prefill_programs(which, form, token_tiles, ttnn.L1_MEMORY_CONFIG)
            fits = max(codes.l1_bytes, product.l1_bytes) <= product.most_l1_bytes
            more_weights = product.weight_bytes - in_dram[1].weight_bytes
            self._prefill[which, token_tiles] = in_l1 if fits and more_weights < 2 * codes.result_bytes else in_dram
        return self._prefill[which, token_tiles]

    def _prefill_programs(
        self, which: str, form: _Form, token_tiles: int, memory: ttnn.MemoryConfig
    ) -> tuple[PrefillCodes, PrefillProduct]:
        """The two programs of a projection in this form if codes lie in `memory`."""
        stage, (dtype, _), grid = form.stage, self._results[which], self._grid
        codes = PrefillCodes(token_tiles, stage.pages.inner, grid, memory, stage.normed, form.codes)
        left = self._l1_limit - codes.result_l1_bytes
        return codes, PrefillProduct(token_tiles, stage.pages, stage.epilogue, dtype, grid, left, form.codes)


def _check_l1(program: str, inner_tiles: int, needed: int, l1_bytes: int) -> None:
    if needed > l1_bytes:
        raise FusedProgramsDoNotFit(
            f"fused: {program}, {inner_tiles * TILE} wide, needs {needed} bytes of a core's L1, there are {l1_bytes}"
        )
