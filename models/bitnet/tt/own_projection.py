# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The projections of `projection.py` by programs of our own: in decode one each, in prefill one for the codes and one
for the product, both from the same two-bit weights."""

from collections.abc import Mapping
from functools import partial

import torch
import ttnn

from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.common.lightweightmodule import LightweightModule


class OwnProjection(LightweightModule):
    """As `StockProjection`; the joined heads of `o` it takes as attention leaves them."""

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        which: str,
        matrices: Mapping[str, torch.Tensor],
        gamma: torch.Tensor,
        eps: float,
    ):
        self.eps = eps
        self.decode = config.own_programs.decode[which]
        self.prefill = partial(config.own_programs.prefill, which)
        self.gamma = ttnn.from_torch(
            gamma.float().reshape(1, 1, -1, TILE),
            dtype=ttnn.float32,
            layout=ttnn.ROW_MAJOR_LAYOUT,
            device=config.device,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )
        self.weights = weights.load_ternary(matrices, self.decode.pages)

    def forward_prefill(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, rows, in] in DRAM -> [1, 1, rows, out] in DRAM. Keeps x, consumes the residual."""
        quantise, multiply = self.prefill(x.shape[2] // TILE)
        codes, steps = quantise(x, self.gamma, eps=self.eps)
        y = multiply(codes, steps, self.weights, residual)
        for tensor in (codes, steps) if residual is None else (codes, steps, residual):
            ttnn.deallocate(tensor)
        return y

    def forward_decode(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, users, in] (o: [1, users, heads, head width]) -> [1, 1, users, out] in L1. Keeps x, consumes the
        residual."""
        y = self.decode(x, self.gamma, self.weights, residual, eps=self.eps)
        if residual is not None:
            ttnn.deallocate(residual)
        return y
