# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The programs of our own that a model's shape and chip ask for: how rows and columns are shared out over the cores."""

from collections.abc import Mapping

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.decode.decode_product import WIDE, DecodeProduct
from models.bitnet.tt.kernels.prefill.prefill_codes import PrefillCodes
from models.bitnet.tt.kernels.prefill.prefill_product import PrefillProduct
from models.bitnet.tt.layout import TILE, Chip, columns, first_cores, users_columns

_MOST_HEADS = 32  # of a user, in the tiles that decode's attention leaves


class FusedPrograms:
    """`decode` has a program for every projection; `hidden_memory` is where the hidden rows lie between two of them."""

    def __init__(self, model: BitNetConfig, chip: Chip, users: int, l1_bytes: int):
        if model.num_attention_heads > _MOST_HEADS:
            raise ValueError(
                f"fused joins up to {_MOST_HEADS} heads, the model has {model.num_attention_heads}; "
                "use precision accuracy"
            )
        self._grid = chip.grid
        self._prefill: dict[tuple[str, int], tuple[PrefillCodes, PrefillProduct]] = {}
        wide = min(WIDE, chip.grid[0])
        cores = wide * chip.grid[1]
        residual = columns(model.hidden_size, chip)
        head_tiles = model.head_dim // TILE
        heads = model.num_attention_heads + 2 * model.num_key_value_heads

        def share(width: int, each: int) -> tuple[CoreAssignment, ttnn.MemoryConfig]:
            shares = CoreAssignment(width // TILE, each)
            grid = first_cores(shares.cores, chip, wide=wide)
            return shares, users_columns(shares.cores * each * TILE, grid, each * TILE)

        spread = CoreAssignment.over(model.intermediate_size // TILE, cores)
        hidden, self.hidden_memory = share(model.intermediate_size, spread.per_core)
        joined = CoreAssignment.over(model.num_attention_heads * head_tiles, cores)
        stream, residual_memory = CoreAssignment(residual.width // TILE, residual.tiles), residual.memory_config()
        qkv, qkv_memory = share(heads * model.head_dim, head_tiles)

        def program(
            parts: CoreAssignment,
            results: CoreAssignment,
            epilogue: Epilogue,
            dtype: ttnn.DataType,
            memory: ttnn.MemoryConfig,
            **more: int,
        ) -> DecodeProduct:
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
            "gate_up": program(stream, hidden, Epilogue.GATED, ttnn.float32, self.hidden_memory),
            "down": program(hidden, stream, Epilogue.RESIDUAL, *stream_of),
        }
        # beside decode's buffers lie the stream before and after a program, and the hidden rows
        kept = (2 * residual.tiles + spread.per_core) * TILE * TILE * 4
        for name, program in self.decode.items():
            for phase, needed in (("decode", program.l1_bytes + kept), ("prefill", self.prefill(name, 1)[1].l1_bytes)):
                if needed > l1_bytes:
                    raise ValueError(
                        f"fused: {phase}'s program of {name}, {program.pages.inner * TILE} wide, needs {needed} bytes "
                        f"of a core's L1, there are {l1_bytes}; use precision accuracy"
                    )

    def prefill(self, which: str, row_tiles: int) -> tuple[PrefillCodes, PrefillProduct]:
        """The two programs of a projection of so many rows: all layers have the same."""
        if (which, row_tiles) not in self._prefill:
            decode = self.decode[which]
            self._prefill[which, row_tiles] = (
                PrefillCodes(row_tiles, decode.pages.inner, self._grid),
                PrefillProduct(row_tiles, decode.pages, decode.epilogue, decode.result_dtype, self._grid),
            )
        return self._prefill[which, row_tiles]
