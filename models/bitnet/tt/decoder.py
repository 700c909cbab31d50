# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decoder layer: x = x + attention(norm(x));  x = x + mlp(norm(x))."""

from collections.abc import Callable, Mapping

import torch

import ttnn
from models.bitnet.tt.attention import Attention
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.mlp import MLP
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import Rotation
from models.bitnet.tt.weights.scales import fold_scales
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule

# A layer calls the hook after each sub-block, with a name and the residual stream. The hook must not keep the tensor,
# because the next sub-block frees it. `MergedDecodeLayers` calls it after the MLP only.
ResidualHook = Callable[[str, ttnn.Tensor], None]


def no_hook(name: str, residual: ttnn.Tensor) -> None:
    """The hook that does nothing."""


class DecoderLayer(LightweightModule):
    """Layer `number` of the model."""

    def __init__(self, config: ModelConfig, weights: DeviceWeights, state: Mapping[str, torch.Tensor], number: int):
        self.prefix = prefix = f"model.layers.{number}"
        scales = fold_scales(config.model, state, number)
        self.attention = Attention(config, weights, state, f"{prefix}.self_attn", scales)
        self.mlp = MLP(config, weights, state, f"{prefix}.mlp", scales)

    def forward_prefill(
        self,
        x: ttnn.Tensor,
        rotation: Rotation,
        cache: LayerCache,
        page_table: ttnn.Tensor,
        chunk: ttnn.Tensor,
        start: int,
        on_residual: ResidualHook = no_hook,
    ) -> ttnn.Tensor:
        """The residual stream [1, 1, rows, hidden] in DRAM -> the same. Frees x. See `Attention.forward_prefill`.

        The names that `on_residual` gets are those of the reference: `<prefix>.self_attn` and `<prefix>.mlp`.
        """
        x = self.attention.forward_prefill(x, rotation, cache, page_table, chunk, start)
        on_residual(f"{self.prefix}.self_attn", x)
        x = self.mlp.forward_prefill(x)
        on_residual(f"{self.prefix}.mlp", x)
        return x

    def forward_decode(
        self,
        x: ttnn.Tensor,
        rotation: Rotation,
        cache: LayerCache,
        page_table: ttnn.Tensor,
        positions: ttnn.Tensor,
        on_residual: ResidualHook = no_hook,
    ) -> ttnn.Tensor:
        """The residual stream [1, 1, users, hidden], sharded in L1 -> the same. Frees x."""
        x = self.attention.forward_decode(x, rotation, cache, page_table, positions)
        on_residual(f"{self.prefix}.self_attn", x)
        x = self.mlp.forward_decode(x)
        on_residual(f"{self.prefix}.mlp", x)
        return x
