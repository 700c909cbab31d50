# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The output matrix: logits = x @ Whead^T. `StockLMHead` uses the library's matmul, `FusedLMHead` a fused program."""

import torch

import ttnn
from models.bitnet.tt.layout import TILE, dram_sharded
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FusedPrecision
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule

_TILES_PER_CORE = 64  # tile columns whose sums and weights fit the L1 of a core


class StockLMHead(LightweightModule):
    """The head by the library's matmul. `weight` is [vocabulary, hidden].

    The vocabulary is sharded over the devices. Each device's shard is cut into pieces of `tiles_per_core` tile columns
    on every core, which fit its L1.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        weight: torch.Tensor,
        tiles_per_core: int = _TILES_PER_CORE,
    ):
        self.config = config
        self.programs = config.programs
        dtype = config.precision.matmuls["lm_head"].weight
        widest = tiles_per_core * TILE * config.chip.cores
        sharding, shards = config.parallelism.column_sharding, weight.unflatten(0, (config.parallelism.chips, -1))
        self.pieces = []
        for start in range(0, shards.shape[1], widest):
            piece = shards[:, start : start + widest]
            # The name says where a piece ends: boards with other grids cut differently and may use the same folder.
            name = f"lm_head.{start}-{start + piece.shape[1]}"
            held = weights.load(name, piece.flatten(0, 1), dtype, ttnn.DRAM_MEMORY_CONFIG, sharding)
            self.pieces.append((held, self.programs.head_program(piece.shape[1])))

    def forward(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, rows <= 32, hidden] in DRAM or L1 -> [1, 1, rows, vocabulary] in DRAM. Keeps x.

        Every device has the logits of its shard of the vocabulary.
        """
        logits = [
            ttnn.linear(
                x,
                weight,
                program_config=program,
                compute_kernel_config=self.programs.head_compute,
                dtype=self.config.activations,
                memory_config=ttnn.DRAM_MEMORY_CONFIG,
            )
            for weight, program in self.pieces
        ]
        return logits[0] if len(logits) == 1 else ttnn.concat(logits, dim=-1)


class FusedLMHead(LightweightModule):
    """The head by a fused program, which reads the matrix from all DRAM banks at once, in long runs.

    `weight` is [vocabulary, hidden].
    """

    def __init__(self, config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor):
        vocabulary, hidden = weight.shape
        self.programs = config.programs.head
        memory = dram_sharded(hidden, vocabulary, config.chip)
        self.weight = weights.load("lm_head", weight, config.precision.head_weight, memory)

    def forward(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, rows <= 32, hidden] in DRAM or L1 -> [1, 1, rows, vocabulary] in DRAM. Keeps x."""
        return self.programs[x.is_sharded()](x, self.weight)


def lm_head(config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor) -> StockLMHead | FusedLMHead:
    """`FusedLMHead` if the precision uses fused programs, `StockLMHead` otherwise."""
    build = FusedLMHead if isinstance(config.precision, FusedPrecision) else StockLMHead
    return build(config, weights, weight)
