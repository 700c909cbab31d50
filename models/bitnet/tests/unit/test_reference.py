# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""The reference against transformers' BitNet classes in float32, with random weights of very different sizes."""

import math
import statistics

import pytest
import torch
import transformers
from transformers.integrations import bitnet as hf_bitnet
from transformers.models.bitnet import modeling_bitnet

from models.bitnet.reference.attention import Attention
from models.bitnet.reference.bit_linear import BitLinear, integer_matmul, quantise_activation, quantise_weight
from models.bitnet.reference.decoder import DecoderLayer
from models.bitnet.reference.mlp import MLP
from models.bitnet.reference.model import Model
from models.bitnet.reference.rms_norm import RMSNorm
from models.bitnet.reference.rope import apply_rope, rope_tables
from models.bitnet.tt.config import BitNetConfig

BATCH, LENGTH, PROMPT = 2, 19, 11
FLOAT32 = 2e-6  # relative Frobenius error of one module: float32 sums in another order
LAYER = "model.layers.1"
# The ways transformers stores and runs a ternary matrix, as (linear_class, quantization_mode).
MODES = [("autobitlinear", "online"), ("autobitlinear", "offline"), ("bitlinear", "offline")]
every_mode = pytest.mark.parametrize("mode", MODES, ids="-".join)


@pytest.fixture(autouse=True)
def plain_torch():
    """Switch off gradients and transformers' torch.compile decorators."""
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        yield


def hf_config() -> transformers.BitNetConfig:
    return transformers.BitNetConfig(
        hidden_size=128,
        intermediate_size=224,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=160,
        max_position_embeddings=64,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        bos_token_id=1,
        eos_token_id=2,
        attn_implementation="eager",
    )


CONFIG = BitNetConfig.from_hf(hf_config())


def relative_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype == torch.float32
    assert actual.isfinite().all() and expected.isfinite().all()
    return ((actual - expected).norm() / expected.norm()).item()


def token_errors(actual: torch.Tensor, expected: torch.Tensor) -> list[float]:
    """The relative error of each token, i.e. of each row of the last dimension."""
    relative_error(actual, expected)
    return ((actual - expected).norm(dim=-1) / expected.norm(dim=-1)).flatten().tolist()


def check_tokens(errors: list[float]) -> None:
    """Check the errors of tokens after several BitLinears.

    Most tokens must agree to float32 accuracy. If an activation lies next to a rounding boundary, float32 noise can
    move it by one of its 127 steps. That changes a token by about one percent here. Few tokens may have this error, and
    none a larger one.
    """
    print(f"median {statistics.median(errors):.1e}, above 1e-6: {sum(e > 1e-6 for e in errors)} of {len(errors)}")
    assert statistics.median(errors) < 1e-6
    assert max(errors) < 5e-2


def random_master(seed: int) -> dict[str, torch.Tensor]:
    """Random full-precision weights under transformers' names. The sizes of matrices differ by up to ten thousand."""
    torch.manual_seed(seed)
    state = {}
    for name, tensor in transformers.BitNetForCausalLM(hf_config()).state_dict().items():
        if "norm" in name:
            state[name] = torch.rand(tensor.shape) + 0.5
        elif "q_proj" in name or "k_proj" in name:
            state[name] = torch.randn(tensor.shape) * 0.1  # moderate, because a saturated softmax would only show noise
        else:
            state[name] = torch.randn(tensor.shape) * 10 ** (4 * torch.rand(()).item() - 2)
    return state


def ternary_state(master: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict with every projection as int8 `weight` and `weight_scale`, computed in float64."""
    state = dict(master)
    for name in [name for name in master if "_proj" in name]:
        scale = master[name].double().abs().mean()
        state[name] = (master[name] / scale).round().clamp(-1, 1).to(torch.int8)
        state[name + "_scale"] = scale.float()
    return state


def hf_state(master: dict[str, torch.Tensor], linear_class: str, quantization_mode: str) -> dict[str, torch.Tensor]:
    """The state dict of transformers for these weights in this mode."""
    if quantization_mode == "online":
        return master
    state = ternary_state(master)
    for name in [name for name in state if name.endswith("_scale")]:
        weight, scale = name.removesuffix("_scale"), state[name].reshape(1)
        state[name] = scale if linear_class == "autobitlinear" else 1 / scale
        state[weight] = (
            state[weight].float() if linear_class == "autobitlinear" else hf_bitnet.pack_weights(state[weight])
        )
    return state


def build(seed: int, mode: tuple[str, str]) -> tuple[transformers.BitNetForCausalLM, dict[str, torch.Tensor]]:
    """The model of transformers in one mode, and the state dict for the reference (full precision or ternary)."""
    master = random_master(seed)
    quantization = transformers.BitNetQuantConfig(linear_class=mode[0], quantization_mode=mode[1])
    hf = transformers.BitNetForCausalLM(hf_config()).eval()
    hf_bitnet.replace_with_bitnet_linear(hf, modules_to_not_convert=["lm_head"], quantization_config=quantization)
    hf.load_state_dict(hf_state(master, *mode), strict=True, assign=True)
    return hf, master if mode[1] == "online" else ternary_state(master)


def hf_causal_mask(length: int) -> torch.Tensor:
    return torch.full((length, length), -math.inf).triu(1)


def hf_rope(start: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    positions = torch.arange(start, start + length)[None]
    return modeling_bitnet.BitNetRotaryEmbedding(hf_config())(torch.zeros(1), positions)


@pytest.mark.parametrize("features", [32, 2560, 6912])
def test_integer_matmul_is_exact(features):
    """The product equals that of int64, for random values and for the largest possible sums."""
    torch.manual_seed(features)
    q = torch.randint(-128, 128, (5, features), dtype=torch.int8)
    ternary = torch.randint(-1, 2, (7, features), dtype=torch.int8)
    q[0], ternary[0], ternary[1] = -128, 1, -1
    product = integer_matmul(q, ternary)
    assert product.dtype == torch.int32
    assert torch.equal(product.long(), (q.long()[:, None] * ternary.long()).sum(-1))


@pytest.mark.parametrize("size", [0.0, 1e-8, 1e-3, 1.0, 1e3])
def test_activation_quantisation(size):
    """Codes are within half a step of x. The largest magnitude becomes 127. Rows of zeros give zeros and no NaN."""
    torch.manual_seed(0)
    x = torch.randn(4, 96) * size
    q, s = quantise_activation(x)
    assert q.dtype == torch.int8 and s.shape == (4, 1) and s.isfinite().all()
    assert ((q.double() / s.double() - x.double()).abs() * s.double() <= 0.5 + 1e-4).all()
    assert (q.abs().amax(-1) == (127 if size > 1e-5 else 0)).all()


def test_activation_quantisation_rounds_halves_to_even():
    q, _ = quantise_activation(torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5]]))
    assert q.tolist() == [[127, 0, 2, 2, 0, -2]]


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weight_quantisation(size, dtype):
    """The result is that of the definition in float64. A bfloat16 matrix is converted first."""
    torch.manual_seed(1)
    master = (torch.randn(64, 96) * size).to(dtype)
    ternary, w = quantise_weight(master)
    scale = master.double().abs().mean()
    assert torch.equal(ternary.double(), (master.double() / scale).round().clamp(-1, 1))
    assert w.dtype == torch.float32 and w.item() == pytest.approx(scale.item(), rel=1e-6)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_bit_linear_equals_dequantised_form(size, scale):
    """BitLinear computes (q @ W^T) * (w / s), which equals (q / s) @ (w * W)^T."""
    torch.manual_seed(2)
    x = torch.randn(3, 5, 160) * size
    state = {
        "p.weight": torch.randint(-1, 2, (96, 160), dtype=torch.int8),
        "p.weight_scale": torch.tensor(scale),
    }
    q, s = quantise_activation(x)
    dequantised = (q.double() / s.double()) @ (state["p.weight"].double() * scale).T
    assert relative_error(BitLinear(state, "p")(x), dequantised.float()) < FLOAT32


@every_mode
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_bit_linear_against_transformers(mode, size):
    hf, state = build(3, mode)
    x = torch.randn(BATCH, LENGTH, CONFIG.hidden_size) * size
    for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"):
        hf_linear = hf.get_submodule(f"{LAYER}.{name}")
        assert isinstance(hf_linear, hf_bitnet.BitLinear if mode[0] == "bitlinear" else hf_bitnet.AutoBitLinear)
        assert relative_error(BitLinear(state, f"{LAYER}.{name}")(x), hf_linear(x)) < FLOAT32


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_rms_norm(size):
    hf, state = build(4, MODES[0])
    x = torch.randn(BATCH, LENGTH, CONFIG.hidden_size) * size
    assert relative_error(RMSNorm(CONFIG, state, "model.norm")(x), hf.model.norm(x)) < FLOAT32


def test_rope():
    torch.manual_seed(5)
    tables = rope_tables(CONFIG, 7, LENGTH)
    for table, expected in zip(tables, hf_rope(7, LENGTH), strict=True):
        assert torch.equal(table, expected[0])
    x = torch.randn(BATCH, 4, LENGTH, CONFIG.head_dim)
    expected, _ = modeling_bitnet.apply_rotary_pos_emb(x, x, *hf_rope(7, LENGTH))
    assert relative_error(apply_rope(x, *tables), expected) < FLOAT32


@every_mode
def test_mlp(mode):
    hf, state = build(6, mode)
    x = torch.randn(BATCH, LENGTH, CONFIG.hidden_size)
    check_tokens(token_errors(MLP(CONFIG, state, f"{LAYER}.mlp")(x), hf.model.layers[1].mlp(x)))


@every_mode
def test_attention_prefill(mode):
    hf, state = build(7, mode)
    x = torch.randn(BATCH, LENGTH, CONFIG.hidden_size)
    expected, _ = hf.model.layers[1].self_attn(x, hf_rope(0, LENGTH), hf_causal_mask(LENGTH))
    actual, (k, v) = Attention(CONFIG, state, f"{LAYER}.self_attn")(x, *rope_tables(CONFIG, 0, LENGTH))
    check_tokens(token_errors(actual, expected))
    assert k.shape == v.shape == (BATCH, CONFIG.num_key_value_heads, LENGTH, CONFIG.head_dim)


@every_mode
def test_attention_decode(mode):
    """Decode of one position after another from an empty cache. The caches agree too."""
    hf, state = build(8, mode)
    attention, cache = Attention(CONFIG, state, f"{LAYER}.self_attn"), None
    hf_attention, hf_cache = hf.model.layers[1].self_attn, transformers.DynamicCache()
    errors = []
    for position in range(LENGTH):
        x = torch.randn(BATCH, 1, CONFIG.hidden_size)
        expected, _ = hf_attention(x, hf_rope(position, 1), None, past_key_values=hf_cache)
        actual, cache = attention(x, *rope_tables(CONFIG, position, 1), cache)
        errors += token_errors(actual, expected)
    check_tokens(errors)
    assert relative_error(cache[0], hf_cache.layers[1].keys) < FLOAT32
    assert relative_error(cache[1], hf_cache.layers[1].values) < FLOAT32


@every_mode
def test_decoder_prefill(mode):
    errors = []
    for seed in range(8):
        hf, state = build(seed, mode)
        x = torch.randn(BATCH, LENGTH, CONFIG.hidden_size)
        expected = hf.model.layers[1](x, hf_causal_mask(LENGTH), position_embeddings=hf_rope(0, LENGTH))
        actual, _ = DecoderLayer(CONFIG, state, LAYER)(x, *rope_tables(CONFIG, 0, LENGTH))
        errors += token_errors(actual, expected)
    check_tokens(errors)


@every_mode
def test_model_prefill(mode):
    errors = []
    for seed in range(8):
        hf, state = build(seed, mode)
        tokens = torch.randint(0, CONFIG.vocab_size, (BATCH, LENGTH))
        logits, _ = Model(CONFIG, state).prefill(tokens)
        errors += token_errors(logits, hf(tokens).logits)
    check_tokens(errors)


@every_mode
def test_model_decode(mode):
    """Prefill of a prompt and decode of the remaining tokens, in the reference and in transformers."""
    errors = []
    for seed in range(8):
        hf, state = build(seed, mode)
        model = Model(CONFIG, state)
        tokens = torch.randint(0, CONFIG.vocab_size, (BATCH, LENGTH))
        expected = hf(tokens[:, :PROMPT], use_cache=True)
        _, cache = model.prefill(tokens[:, :PROMPT])
        for position in range(PROMPT, LENGTH):
            expected = hf(tokens[:, position : position + 1], past_key_values=expected.past_key_values, use_cache=True)
            logits, cache = model.decode(tokens[:, position], cache)
            errors += token_errors(logits, expected.logits[:, 0])
    check_tokens(errors)


def test_model_decode_continues_prefill():
    """Decode of the last tokens gives the same logits as a prefill of the whole text."""
    errors = []
    for seed in range(8):
        torch.manual_seed(seed)
        model = Model(CONFIG, random_master(seed))
        tokens = torch.randint(0, CONFIG.vocab_size, (BATCH, LENGTH))
        whole, whole_cache = model.prefill(tokens)
        _, cache = model.prefill(tokens[:, :PROMPT])
        for position in range(PROMPT, LENGTH):
            logits, cache = model.decode(tokens[:, position], cache)
            errors += token_errors(logits, whole[:, position])
        assert [k.shape for k, _ in cache] == [k.shape for k, _ in whole_cache]
    check_tokens(errors)


def test_model_ties_lm_head_to_the_embedding_only_without_one():
    state = random_master(9)
    tokens = torch.randint(0, CONFIG.vocab_size, (1, 5))
    untied, _ = Model(CONFIG, state).prefill(tokens)
    residuals = {}
    tied_state = {name: tensor for name, tensor in state.items() if name != "lm_head.weight"}
    tied, _ = Model(CONFIG, tied_state).prefill(tokens, residuals.__setitem__)
    final = RMSNorm(CONFIG, state, "model.norm")(residuals["model.layers.1.mlp"])
    assert relative_error(untied, final @ state["lm_head.weight"].T) < FLOAT32
    assert relative_error(tied, final @ state["model.embed_tokens.weight"].T) < FLOAT32


def test_model_reports_the_residual_stream_after_every_sub_block():
    hf, state = build(10, MODES[0])
    tokens = torch.randint(0, CONFIG.vocab_size, (BATCH, LENGTH))
    residuals = {}
    Model(CONFIG, state).prefill(tokens, residuals.__setitem__)
    blocks = [f"model.layers.{layer}.{block}" for layer in range(2) for block in ("self_attn", "mlp")]
    assert list(residuals) == ["model.embed_tokens", *blocks]
    hidden_states = hf(tokens, output_hidden_states=True).hidden_states
    assert torch.equal(residuals["model.embed_tokens"], hidden_states[0])
    assert relative_error(residuals["model.layers.0.mlp"], hidden_states[1]) < 1e-2
    assert all(residual.shape == (BATCH, LENGTH, CONFIG.hidden_size) for residual in residuals.values())
