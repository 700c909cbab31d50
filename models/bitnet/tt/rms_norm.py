# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The RMS norm: x / sqrt(mean(x^2) + eps) * gamma.

A constant factor of the input can move into eps: norm(c * x; eps) = norm(x; eps / c^2). So the scales of the
projections before a sub-norm cost no program: see `weights/scales.py`.
"""

import torch

import ttnn
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.stock_programs import NormConfig
from models.common.lightweightmodule import LightweightModule


class RMSNorm(LightweightModule):
    """A norm with weights `gamma` [width]. `decode` says how the rows of decode are sharded."""

    def __init__(self, config: ModelConfig, gamma: torch.Tensor, eps: float, decode: NormConfig):
        self.eps = eps
        self.decode = decode
        # Decode takes gamma row-major. Prefill takes tiles: otherwise the library would keep whole rows of x in L1,
        # where 6912 columns do not fit.
        self.gamma_row = self._upload(config, gamma.reshape(1, 1, -1, TILE), ttnn.ROW_MAJOR_LAYOUT)
        self.gamma_tiles = self._upload(config, gamma.reshape(1, 1, 1, -1), ttnn.TILE_LAYOUT)

    @staticmethod
    def _upload(config: ModelConfig, gamma: torch.Tensor, layout: ttnn.Layout) -> ttnn.Tensor:
        return ttnn.from_torch(
            gamma.float(),
            dtype=config.activations,
            layout=layout,
            device=config.device,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )

    def forward_prefill(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, rows, width] in DRAM -> the same. Keeps x."""
        return ttnn.rms_norm(
            x,
            epsilon=self.eps,
            weight=self.gamma_tiles,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
            compute_kernel_config=self.decode.compute,
        )

    def forward_decode(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, users, width], width-sharded in L1 -> the same. Keeps x."""
        return ttnn.rms_norm(
            x,
            epsilon=self.eps,
            weight=self.gamma_row,
            program_config=self.decode.program,
            memory_config=self.decode.memory,
            compute_kernel_config=self.decode.compute,
        )
