# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""BitNet b1.58 for training on a CPU, with the parameter names and arithmetic of transformers' BitNetForCausalLM.

The forward pass multiplies ternary weights by int8 activations. The backward pass treats both roundings as the identity
(straight-through estimator). Integers up to 128 and {-1, 0, 1} are exact in bf16. Training may therefore multiply in
bf16, which is several times faster on CPUs with bf16 arithmetic. Measuring multiplies in fp32, where the sums are exact
too.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def ternary(master: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise a full-precision matrix to (W in {-1, 0, 1}, the scale of W)."""
    scale = master.abs().mean().clamp(min=1e-5)
    return (master * (1.0 / scale)).round().clamp(-1, 1), scale


class _BitLinear(torch.autograd.Function):
    """Several projections of one input: x [N, in] -> y [N, sum of outs]. x is quantised once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype, *masters: Tensor) -> Tensor:
        s = 127.0 / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
        q = (x * s).round().clamp(-128, 127).to(dtype)
        pairs = [ternary(m) for m in masters]
        weight = torch.cat([w for w, _ in pairs]).to(dtype)
        scale = torch.cat([sc.expand(m.shape[0]) for (_, sc), m in zip(pairs, masters)])
        ctx.save_for_backward(q, s, weight, scale)
        ctx.outs = [m.shape[0] for m in masters]
        return (q @ weight.t()).float() * (scale / s)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, s, weight, scale = ctx.saved_tensors
        dx = ((grad * scale).to(q.dtype) @ weight).float()
        dw = ((grad / s).to(q.dtype).t() @ q).float()
        return dx, None, *dw.split(ctx.outs)


class BitLinear(nn.Module):
    """The full-precision master of one ternary matrix."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * 0.02)


def project(x: Tensor, dtype: torch.dtype, *layers: BitLinear) -> tuple[Tensor, ...]:
    """Apply several projections to x [..., in]. x is quantised once."""
    y = _BitLinear.apply(x.reshape(-1, x.shape[-1]), dtype, *(m.weight for m in layers))
    return y.view(*x.shape[:-1], -1).split([m.weight.shape[0] for m in layers], dim=-1)


class Norm(nn.Module):
    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        self.heads, self.kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        self.head_dim = c["hidden_size"] // self.heads
        self.q_proj = BitLinear(c["hidden_size"], self.heads * self.head_dim)
        self.k_proj = BitLinear(c["hidden_size"], self.kv_heads * self.head_dim)
        self.v_proj = BitLinear(c["hidden_size"], self.kv_heads * self.head_dim)
        self.o_proj = BitLinear(self.heads * self.head_dim, c["hidden_size"])
        self.attn_sub_norm = Norm(c["hidden_size"], c["rms_norm_eps"])

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], dtype: torch.dtype) -> Tensor:
        b, t, _ = x.shape
        q, k, v = (
            y.view(b, t, -1, self.head_dim).transpose(1, 2)
            for y in project(x, dtype, self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, rope), rotate(k, rope)
        k, v = (y.repeat_interleave(self.heads // self.kv_heads, dim=1) for y in (k, v))
        y = F.scaled_dot_product_attention(q.to(dtype), k.to(dtype), v.to(dtype), is_causal=True).float()
        y = self.attn_sub_norm(y.transpose(1, 2).reshape(b, t, -1))
        return project(y, dtype, self.o_proj)[0]


class MLP(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        self.gate_proj = BitLinear(c["hidden_size"], c["intermediate_size"])
        self.up_proj = BitLinear(c["hidden_size"], c["intermediate_size"])
        self.down_proj = BitLinear(c["intermediate_size"], c["hidden_size"])
        self.ffn_sub_norm = Norm(c["intermediate_size"], c["rms_norm_eps"])

    def forward(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        gate, up = project(x, dtype, self.gate_proj, self.up_proj)
        return project(self.ffn_sub_norm(F.relu(gate).square() * up), dtype, self.down_proj)[0]


class Layer(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        self.input_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = MLP(c)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], dtype: torch.dtype) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, dtype)
        return x + self.mlp(self.post_attention_layernorm(x), dtype)


class Decoder(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])


class TinyBitNet(nn.Module):
    """The model: tokens [B, T] -> logits [B, T, vocab]. The output matrix is the embedding."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.dtype = torch.float32
        head_dim = config["hidden_size"] // config["num_attention_heads"]
        inverse = config["rope_theta"] ** (-torch.arange(0, head_dim, 2).float() / head_dim)
        angle = torch.outer(torch.arange(config["max_position_embeddings"]).float(), inverse)
        angle = torch.cat([angle, angle], dim=-1)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        rope = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, rope, self.dtype)
        x = self.model.norm(x)
        return (x.to(self.dtype) @ self.model.embed_tokens.weight.to(self.dtype).t()).float()


def rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding on [B, heads, T, head_dim]. The first half of a head is paired with the second half."""
    first, second = x.chunk(2, dim=-1)
    return x * rope[0] + torch.cat([-second, first], dim=-1) * rope[1]
