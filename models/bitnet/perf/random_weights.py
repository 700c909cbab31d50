# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Models of random weights: sizes, state dicts, and uploads that several models on one device use together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.tensor_parallel import REPLICATED, WeightSharding
from models.bitnet.tt.weights.upload import DeviceWeights


def shape(
    heads: int, kv_heads: int, head_dim: int, intermediate: int, vocab: int = 320, layers: int = 1
) -> BitNetConfig:
    """A model config with these sizes. All other fields are those of the 2B-4T."""
    return BitNetConfig(
        hidden_size=heads * head_dim,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        vocab_size=vocab,
        max_position_embeddings=4096,
        rope_theta=500000.0,
        rms_norm_eps=1e-5,
    )


FULL = shape(20, 5, 128, 6912)  # one layer of the 2B-4T
# Other ternary models, by their names
OTHER_MODELS = {
    "bitnet_b1_58-large": replace(shape(16, 16, 96, 4096, 32002, 24), hidden_act="silu", tie_word_embeddings=True),
    "Falcon3-1B": replace(shape(8, 4, 256, 8192, 131072, 18), sub_norms=False, hidden_act="silu"),
    "Falcon3-3B": replace(shape(12, 4, 256, 9216, 131072, 22), sub_norms=False, hidden_act="silu"),
    "Falcon3-7B": replace(shape(12, 4, 256, 23040, 131072, 28), sub_norms=False, hidden_act="silu"),
    "Falcon3-10B": replace(shape(12, 4, 256, 23040, 131072, 40), sub_norms=False, hidden_act="silu"),
    "Llama3-8B-1.58": replace(shape(32, 8, 128, 14336, 128256, 32), sub_norms=False, hidden_act="silu"),
}


def random_ternary(out: int, inner: int) -> torch.Tensor:
    return torch.randint(-1, 2, (out, inner), dtype=torch.int8)


def spread(*size: int, low: float = 1e-3, high: float = 1e3) -> torch.Tensor:
    """Random magnitudes, uniform between `low` and `high` on a logarithmic scale."""
    low, high = torch.tensor(low).log10(), torch.tensor(high).log10()
    return 10 ** (low + (high - low) * torch.rand(size))


def random_state(model: BitNetConfig, badly_scaled: bool = False) -> dict[str, torch.Tensor]:
    """A normalised state dict: ternary weights with their scales, norms, embedding and output matrix.

    With `badly_scaled` every weight scale lies anywhere between 1e-3 and 1e3, so that a lost scale shows. Three
    relations are bounded, because results could not be compared otherwise. The product of the scales of q and k is
    bounded, because a saturated softmax shows only rounding. The square of gate's scale times up's is bounded, because
    eps would exceed the hidden row. The ratio of the scales of down and o is bounded, because the smaller update of a
    layer would vanish beside the larger.
    """

    def gamma(width: int) -> torch.Tensor:
        return torch.rand(width) + 0.5

    hidden, inner, vocab = model.hidden_size, model.intermediate_size, model.vocab_size
    state = {
        "model.embed_tokens.weight": torch.randn(vocab, hidden).bfloat16(),
        "model.norm.weight": gamma(hidden),
        "lm_head.weight": torch.randn(vocab, hidden).bfloat16(),
    }
    kv = model.num_key_value_heads * model.head_dim
    for layer in range(model.num_hidden_layers):
        prefix = f"model.layers.{layer}"
        for name, out, into in (
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", kv, hidden),
            ("self_attn.v_proj", kv, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", inner, hidden),
            ("mlp.up_proj", inner, hidden),
            ("mlp.down_proj", hidden, inner),
        ):
            state[f"{prefix}.{name}.weight"] = random_ternary(out, into)
            scale = spread() if badly_scaled else (0.5 + torch.rand(())) * into**-0.5
            state[f"{prefix}.{name}.weight_scale"] = scale
        for name in ("input_layernorm", "post_attention_layernorm"):
            state[f"{prefix}.{name}.weight"] = gamma(hidden)
        if model.sub_norms:
            state[f"{prefix}.self_attn.attn_sub_norm.weight"] = gamma(hidden)
            state[f"{prefix}.mlp.ffn_sub_norm.weight"] = gamma(inner)
        if badly_scaled:
            q, gate = spread(low=1e-2, high=1e1), spread(low=1e-1, high=1e3)
            state[f"{prefix}.self_attn.q_proj.weight_scale"] = q
            state[f"{prefix}.self_attn.k_proj.weight_scale"] = 1.5 / hidden / q  # scores of about 1
            state[f"{prefix}.mlp.gate_proj.weight_scale"] = gate
            state[f"{prefix}.mlp.up_proj.weight_scale"] = spread(low=max(1e-3, 1e-2 / gate.item() ** 2), high=1e3)
            o = state[f"{prefix}.self_attn.o_proj.weight_scale"]
            state[f"{prefix}.mlp.down_proj.weight_scale"] = o * (hidden / inner) ** 0.5 * spread(low=0.7, high=1.4)
    return state


def empty_state(model: BitNetConfig) -> dict[str, torch.Tensor]:
    """A state dict whose tensors have the right shapes and repeat one value, which takes no memory."""
    with torch.device("meta"):
        shapes = random_state(model)
    if model.tie_word_embeddings:
        del shapes["lm_head.weight"]
    return {name: torch.ones((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in shapes.items()}


class SharedWeights(DeviceWeights):
    """Device weights that upload a matrix once, however many models use it in the same form."""

    def __init__(self, device: ttnn.MeshDevice):
        super().__init__(device)
        self._loaded: dict[tuple, ttnn.Tensor] = {}

    def load(self, name: str, weight: torch.Tensor, dtype: ttnn.DataType, *where: Any) -> ttnn.Tensor:
        return self._once((name, dtype), lambda: super(SharedWeights, self).load(name, weight, dtype, *where))

    def load_ternary(self, matrices: Mapping[str, torch.Tensor], pages: TernaryPages) -> ttnn.Tensor:
        return self._once((*matrices, pages), lambda: super(SharedWeights, self).load_ternary(matrices, pages))

    def load_table(self, name: str, table: torch.Tensor, dtype: ttnn.DataType) -> ttnn.Tensor:
        return self._once((name, dtype), lambda: super(SharedWeights, self).load_table(name, table, dtype))

    def _once(self, key: tuple, load: Callable[[], ttnn.Tensor]) -> ttnn.Tensor:
        if key not in self._loaded:
            self._loaded[key] = load()
        return self._loaded[key]


class EmptyWeights(SharedWeights):
    """Device weights that hold nothing, for programs that are counted and never computed."""

    def load(
        self,
        name: str,
        weight: torch.Tensor,
        dtype: ttnn.DataType,
        memory: ttnn.MemoryConfig,
        sharding: WeightSharding = REPLICATED,
    ) -> ttnn.Tensor:
        out, inner = weight.shape
        chips = 1 if sharding is REPLICATED else self._device.get_num_devices()  # which divide the columns
        return self._empty(name, (1, 1, inner, out // chips), dtype, ttnn.TILE_LAYOUT, memory)

    def load_ternary(self, matrices: Mapping[str, torch.Tensor], pages: TernaryPages) -> ttnn.Tensor:
        size = 1, 1, pages.inner * pages.width // pages.page_tiles, pages.page_bytes // 4
        return self._empty("+".join(matrices), size, ttnn.uint32, ttnn.ROW_MAJOR_LAYOUT, ttnn.DRAM_MEMORY_CONFIG)

    def load_table(self, name: str, table: torch.Tensor, dtype: ttnn.DataType) -> ttnn.Tensor:
        return self._empty(name, table.shape, dtype, ttnn.ROW_MAJOR_LAYOUT, ttnn.DRAM_MEMORY_CONFIG)

    def _empty(
        self, name: str, size: Sequence[int], dtype: ttnn.DataType, layout: ttnn.Layout, memory: ttnn.MemoryConfig
    ) -> ttnn.Tensor:
        return self._once((name, dtype), lambda: ttnn.empty(size, dtype, layout, self._device, memory))
