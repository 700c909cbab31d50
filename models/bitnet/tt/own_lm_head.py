# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The head by a program of our own, which reads its matrix from all DRAM banks at once, in long runs."""

import torch
import ttnn

from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.kernels.head_product import HeadProduct
from models.bitnet.tt.layout import TILE, dram_sharded
from models.bitnet.tt.model_config import ModelConfig
from models.common.lightweightmodule import LightweightModule


class OwnLMHead(LightweightModule):
    """As `StockLMHead`."""

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
