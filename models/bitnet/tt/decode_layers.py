# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decode step through all layers.

`SeparateDecodeLayers` runs layer after layer, in any precision. `MergedDecodeLayers` does the same with fewer programs,
in precisions that use fused ones: a program begins behind the attention of a layer and has the projection qkv of the
next layer too.
"""

from collections.abc import Sequence

import ttnn
from models.bitnet.tt.decoder import DecoderLayer, ResidualHook, no_hook
from models.bitnet.tt.fused_programs import LAST_LAYER, TO_NEXT_LAYER
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FusedPrecision
from models.bitnet.tt.projection import FusedProjections
from models.bitnet.tt.rope import Rotation
from models.common.lightweightmodule import LightweightModule


class SeparateDecodeLayers(LightweightModule):
    """Every program belongs to one layer. In `fused` every projection is a program of its own."""

    def __init__(self, layers: Sequence[DecoderLayer]):
        self.layers = layers

    def forward(
        self,
        x: ttnn.Tensor,
        rotation: Rotation,
        cache: Sequence[LayerCache],
        page_table: ttnn.Tensor,
        positions: ttnn.Tensor,
        on_residual: ResidualHook = no_hook,
    ) -> ttnn.Tensor:
        """The residual stream [1, 1, users, hidden], sharded in L1 -> the same. Frees x."""
        for layer, layer_cache in zip(self.layers, cache):
            x = layer.forward_decode(x, rotation, layer_cache, page_table, positions, on_residual)
        return x


class MergedDecodeLayers(LightweightModule):
    """Three programs a layer: heads are rotated and cached; attention; o, the MLP, and qkv of the next layer."""

    def __init__(self, config: ModelConfig, layers: Sequence[DecoderLayer]):
        self.layers = layers
        self.after_attention = []
        for number, layer in enumerate(layers):
            projections = [layer.attention.o, layer.mlp.gate_up, layer.mlp.down]
            projections += [following.attention.qkv for following in layers[number + 1 : number + 2]]
            names = TO_NEXT_LAYER if len(projections) == len(TO_NEXT_LAYER) else LAST_LAYER
            self.after_attention.append(FusedProjections(config, dict(zip(names, projections, strict=True))))

    def forward(
        self,
        x: ttnn.Tensor,
        rotation: Rotation,
        cache: Sequence[LayerCache],
        page_table: ttnn.Tensor,
        positions: ttnn.Tensor,
        on_residual: ResidualHook = no_hook,
    ) -> ttnn.Tensor:
        """The residual stream [1, 1, users, hidden], sharded in L1 -> the same. Frees x."""
        qkv = [self.layers[0].attention.qkv.forward_decode(x)]
        for layer, after_attention, layer_cache in zip(self.layers, self.after_attention, cache):
            heads = layer.attention.attend(*qkv, rotation, layer_cache, page_table, positions)
            x, *qkv = after_attention(heads, x)
            ttnn.deallocate(heads)
            on_residual(f"{layer.prefix}.mlp", x)
        return x


def decode_layers(config: ModelConfig, layers: Sequence[DecoderLayer]) -> SeparateDecodeLayers | MergedDecodeLayers:
    """`MergedDecodeLayers` if the precision uses fused programs, `SeparateDecodeLayers` otherwise."""
    if isinstance(config.precision, FusedPrecision):
        return MergedDecodeLayers(config, layers)
    return SeparateDecodeLayers(layers)
