# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""logits = x @ Whead^T, by the library's matmul (`StockLMHead`) or by a fused program (`FusedLMHead`)."""

import torch

import ttnn
from models.bitnet.tt.kernels.head.head_product import HeadProduct
from models.bitnet.tt.layout import TILE, dram_sharded
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule

_TILES_PER_CORE = 64  # columns of tiles whose partial sums and weights a core has room for


class StockLMHead(LightweightModule):
    """`weight` [vocabulary, hidden]; each chip's share of the vocabulary is cut into pieces that fit the cores' L1."""

    def __init__(self, config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor):
        self.config = config
        self.compute = config.compute_of("lm_head")
        dtype = config.precision.matmuls["lm_head"].weight
        widest = _TILES_PER_CORE * TILE * config.chip.cores
        sharding, shards = config.parallelism.column_sharding, weight.unflatten(0, (config.parallelism.chips, -1))
        self.pieces = []
        for start in range(0, shards.shape[1], widest):
            piece = shards[:, start : start + widest]
            # where a piece ends is in its name too: boards cut differently, and may share a folder of weights
            name = f"lm_head.{start}-{start + piece.shape[1]}"
            held = weights.load(name, piece.flatten(0, 1), dtype, ttnn.DRAM_MEMORY_CONFIG, sharding)
            self.pieces.append((held, config.head_program(piece.shape[1])))

    def forward(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """One tile of rows [1, 1, rows <= 32, hidden], anywhere -> [1, 1, rows, vocabulary] in DRAM, a chip's share of
        it. Consumes x."""
        logits = [
            ttnn.linear(
                x,
                weight,
                program_config=program,
                compute_kernel_config=self.compute,
                dtype=self.config.activations,
                memory_config=ttnn.DRAM_MEMORY_CONFIG,
            )
            for weight, program in self.pieces
        ]
        ttnn.deallocate(x)
        return logits[0] if len(logits) == 1 else ttnn.concat(logits, dim=-1)


class FusedLMHead(LightweightModule):
    """The head by a fused program, which reads its matrix from all DRAM banks at once, in long runs."""

    def __init__(self, config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor):
        vocabulary, hidden = weight.shape
        chip, dtype = config.chip, config.precision.matmuls["lm_head"].weight
        # decode's rows are sharded over cores, prefill's lie in DRAM: a program for each
        self.programs = {
            sharded: HeadProduct(
                hidden // TILE, vocabulary // TILE, chip.dram_banks, chip.grid, config.activations, dtype
            )
            for sharded in (False, True)
        }
        needed, there = self.programs[True].l1_bytes, ttnn.get_max_worker_l1_unreserved_size()
        if needed > there:
            raise ValueError(
                f"fused: the head's program, {hidden} wide, needs {needed} bytes of a core's L1, there are {there}; "
                "use precision accuracy"
            )
        self.weight = weights.load("lm_head", weight, dtype, dram_sharded(hidden, vocabulary, chip))

    def forward(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """One tile of rows [1, 1, rows <= 32, hidden], anywhere -> [1, 1, rows, vocabulary] in DRAM. Consumes x."""
        logits = self.programs[x.is_sharded()](x, self.weight)
        ttnn.deallocate(x)
        return logits


def lm_head(config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor) -> StockLMHead | FusedLMHead:
    """The build that the precision asks for."""
    build = FusedLMHead if config.precision.fused_programs else StockLMHead
    return build(config, weights, weight)
