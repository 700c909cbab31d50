# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Proves in float64 that folding the weight scales is right.

A block with the scales of the model and a block with ternary matrices and folded constants give the same rows. If one
scale is lost, the rows differ.
"""

import math
from dataclasses import replace

import pytest
import torch

from models.bitnet.perf.random_weights import random_state, spread
from models.bitnet.tests.common import TINY
from models.bitnet.tt.weights.scales import LayerScales, NoNorm, Norm, fold_scales

PREFIX = "model.layers.0"
PROJECTIONS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
PROJECTIONS += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
KINDS = {
    f"{act}, {'' if sub_norms else 'no '}sub-norms": replace(TINY, hidden_act=act, sub_norms=sub_norms)
    for act in ("relu2", "silu")
    for sub_norms in (True, False)
}
every_kind = pytest.mark.parametrize("model", KINDS.values(), ids=KINDS)
ROUNDED = 1e-6  # the folded gammas and the softmax scale are float32
ROWS = 9


class Layer:
    """The parts of a layer in float64. If `quantised`, rows are quantised to int8 before every projection."""

    def __init__(self, state, quantised=False, model=TINY):
        self.state, self.quantised, self.model = state, quantised, model
        self.act = torch.nn.functional.silu if model.hidden_act == "silu" else lambda g: g.relu().square()

    def scale(self, name):
        return self.state[f"{PREFIX}.{name}.weight_scale"].double()

    def gamma(self, name):
        return self.state[f"{PREFIX}.{name}.weight"].double()

    def bare(self, x, name):
        """Compute x @ W^T with the ternary matrix W, without its scale."""
        if self.quantised:
            s = 127 / x.abs().amax(dim=-1, keepdim=True)
            x = (x * s).round() / s
        return x @ self.state[f"{PREFIX}.{name}.weight"].double().T

    def scaled(self, x, name):
        return self.bare(x, name) * self.scale(name)

    def normed(self, x, name):
        return norm(x, self.gamma(name), self.model.rms_norm_eps)

    def sub_normed(self, x, name):
        return self.normed(x, name) if self.model.sub_norms else x

    def folded(self, x, before, name):
        """The product of x with a ternary matrix, with what the device has before it."""
        if isinstance(before, NoNorm):
            return self.bare(x, name) * before.factor
        return self.bare(norm(x, before.gamma.double(), before.eps), name)


def norm(x, gamma, eps):
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps) * gamma


def attend(q, k, v, scale):
    """Grouped-query attention without a mask. q: [rows, heads * d]; k and v: [rows, kv_heads * d]."""
    q, k, v = (x.unflatten(-1, (-1, TINY.head_dim)).transpose(0, 1) for x in (q, k, v))
    group = q.shape[0] // k.shape[0]
    k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
    return ((q @ k.transpose(1, 2) * scale).softmax(-1) @ v).transpose(0, 1).flatten(1)


def plain_attention(layer, x):
    n = layer.normed(x, "input_layernorm")
    q, k, v = (layer.scaled(n, f"self_attn.{name}_proj") for name in "qkv")
    a = attend(q, k, v, 1 / math.sqrt(TINY.head_dim))
    return layer.scaled(layer.sub_normed(a, "self_attn.attn_sub_norm"), "self_attn.o_proj")


def folded_attention(layer, x, scales: LayerScales):
    q, k, v = (layer.folded(x, scales.qkv, f"self_attn.{name}_proj") for name in "qkv")
    return layer.folded(attend(q, k, v, scales.softmax), scales.o, "self_attn.o_proj")


def plain_mlp(layer, x):
    n = layer.normed(x, "post_attention_layernorm")
    hidden = layer.act(layer.scaled(n, "mlp.gate_proj")) * layer.scaled(n, "mlp.up_proj")
    return layer.scaled(layer.sub_normed(hidden, "mlp.ffn_sub_norm"), "mlp.down_proj")


def folded_mlp(layer, x, scales: LayerScales):
    gate, up = (layer.folded(x, scales.gate_up, f"mlp.{name}_proj") for name in ("gate", "up"))
    return layer.folded(layer.act(gate) * up, scales.down, "mlp.down_proj")


def error(golden, calculated):
    assert calculated.isfinite().all()
    return ((calculated - golden).norm() / golden.norm()).item()


def with_scales(state, **scales):
    return state | {f"{PREFIX}.{name}.weight_scale": torch.as_tensor(value) for name, value in scales.items()}


def row_sizes(scale: torch.Tensor, power: int = 1) -> torch.Tensor:
    """Sizes of rows. After the scale, sub-norms get values from well below sqrt(eps) to well above it."""
    return (spread(ROWS, 1, low=1e-5, high=1.0).double() / (9 * scale)) ** (1 / power)


@pytest.fixture(autouse=True)
def seeds(reset_seeds):
    """Reset the seeds for every test, because every test here draws random numbers."""


@pytest.mark.parametrize("seed", range(8))
def test_softmax_scale_takes_those_of_q_and_k(seed):
    torch.manual_seed(seed)
    layer = Layer(random_state(TINY, badly_scaled=True))
    x = torch.randn(ROWS, TINY.hidden_size).double()
    q, k = layer.bare(x, "self_attn.q_proj"), layer.bare(x, "self_attn.k_proj")
    plain = layer.scale("self_attn.q_proj") * q @ (layer.scale("self_attn.k_proj") * q).T / math.sqrt(TINY.head_dim)
    softmax = fold_scales(TINY, layer.state, 0).softmax
    assert error(plain, q @ q.T * softmax) < ROUNDED
    assert k.shape[1] == TINY.num_key_value_heads * TINY.head_dim
    assert torch.tensor(softmax, dtype=torch.float32).item() == softmax, "kernels refuse what float32 does not hold"


@pytest.mark.parametrize("v", [1e-3, 0.03, 1.0, 50.0, 1e3])
def test_attention_eps_takes_the_scale_of_v(v):
    state = with_scales(random_state(TINY), **{"self_attn.v_proj": v, "self_attn.o_proj": 1.0})
    layer, scales = Layer(state), fold_scales(TINY, state, 0)
    a = torch.randn(ROWS, TINY.hidden_size).double() * row_sizes(layer.scale("self_attn.v_proj"))
    plain = norm(v * a, layer.gamma("self_attn.attn_sub_norm"), TINY.rms_norm_eps)
    assert error(plain, norm(a, scales.o.gamma.double(), scales.o.eps)) < ROUNDED
    if v != 1.0:
        assert error(plain, norm(a, scales.o.gamma.double(), TINY.rms_norm_eps)) > 0.1


@pytest.mark.parametrize("gate", [1e-3, 0.1, 1.0, 1e3])
@pytest.mark.parametrize("up", [1e-3, 1.0, 7.0, 1e3])
def test_hidden_eps_takes_those_of_gate_and_up(gate, up):
    """The folded eps has the square of gate's scale, because gate goes through relu2."""
    state = with_scales(random_state(TINY), **{"mlp.gate_proj": gate, "mlp.up_proj": up, "mlp.down_proj": 1.0})
    layer, scales = Layer(state), fold_scales(TINY, state, 0)
    product = layer.scale("mlp.gate_proj") ** 2 * layer.scale("mlp.up_proj")
    hidden = torch.randn(ROWS, TINY.intermediate_size).double() * row_sizes(product)
    plain = norm(product * hidden, layer.gamma("mlp.ffn_sub_norm"), TINY.rms_norm_eps)
    assert error(plain, norm(hidden, scales.down.gamma.double(), scales.down.eps)) < ROUNDED


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("quantised", [False, True], ids=["plain", "int8"])
def test_gammas_take_the_scales_of_o_and_down(scale, quantised):
    """The folded gammas are right with and without int8: the codes of a row do not depend on a factor of the row."""
    state = with_scales(random_state(TINY), **{"self_attn.o_proj": scale, "mlp.down_proj": scale})
    layer, scales = Layer(state, quantised), fold_scales(TINY, state, 0)
    for name, width, gamma_name, folded in (
        ("self_attn.o_proj", TINY.hidden_size, "self_attn.attn_sub_norm", scales.o.gamma),
        ("mlp.down_proj", TINY.intermediate_size, "mlp.ffn_sub_norm", scales.down.gamma),
    ):
        x = torch.randn(ROWS, width).double()
        plain = layer.scaled(x * layer.gamma(gamma_name), name)
        assert error(plain, layer.bare(x * folded.double(), name)) < ROUNDED


@pytest.mark.parametrize("quantised", [False, True], ids=["plain", "int8"])
@pytest.mark.parametrize("seed", range(6))
@every_kind
def test_blocks_with_folded_scales_are_the_blocks(model, seed, quantised):
    """All scales are folded at once. They are from 1e-3 to 1e3. An int8 code next to a rounding boundary may flip."""
    torch.manual_seed(seed)
    layer = Layer(random_state(model, badly_scaled=True), quantised, model)
    scales = fold_scales(model, layer.state, 0)
    x = torch.randn(ROWS, TINY.hidden_size).double()
    assert error(plain_attention(layer, x), folded_attention(layer, x, scales)) < (5e-3 if quantised else 1e-5)
    assert error(plain_mlp(layer, x), folded_mlp(layer, x, scales)) < (5e-3 if quantised else 1e-5)


@every_kind
def test_places_have_norms_as_the_config_says(model):
    scales = fold_scales(model, random_state(model), 0)
    assert isinstance(scales.qkv, Norm) and isinstance(scales.gate_up, Norm)
    assert isinstance(scales.o, Norm if model.sub_norms else NoNorm) and type(scales.down) is type(scales.o)


@pytest.mark.parametrize("lost", PROJECTIONS)
@every_kind
def test_a_lost_scale_shows(model, lost):
    """Every scale has a size at which it matters. Without one of the scales, the rows are at least 5 % off."""
    scales = {"self_attn.q_proj": 0.25, "self_attn.k_proj": 0.05, "self_attn.v_proj": 1e-3, "self_attn.o_proj": 40.0}
    scales |= {"mlp.gate_proj": 2e-2, "mlp.up_proj": 5e-3, "mlp.down_proj": 1e-2}
    state = with_scales(random_state(model), **scales)
    layer, without = Layer(state, model=model), fold_scales(model, with_scales(state, **{lost: 1.0}), 0)
    x = torch.randn(ROWS, TINY.hidden_size).double() * 0.3
    plain, folded = (plain_mlp, folded_mlp) if lost.startswith("mlp") else (plain_attention, folded_attention)
    golden = plain(layer, x)
    assert error(golden, folded(layer, x, fold_scales(model, state, 0))) < 1e-5
    assert error(golden, folded(layer, x, without)) > 0.05


def test_folding_takes_the_layer_asked_for():
    model = replace(TINY, num_hidden_layers=2)
    state = random_state(model, badly_scaled=True)
    first, second = fold_scales(model, state, 0), fold_scales(model, state, 1)
    o = state["model.layers.1.self_attn.o_proj.weight_scale"]
    assert torch.equal(second.o.gamma, state["model.layers.1.self_attn.attn_sub_norm.weight"] * o)
    assert first.down.eps != second.down.eps
