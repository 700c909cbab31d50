# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Other ternary models: their checkpoints are read exactly, and the reference computes what transformers computes."""

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from models.bitnet.reference.model import Model
from models.bitnet.tests.families import FAMILIES, every_family
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.checkpoint import content_hash
from models.bitnet.tt.weights.state_dict import CheckpointError, load_state_dict, projection_names, save_packed

PROMPT, LENGTH = 11, 19
NORM = "model.layers.1.self_attn.inner_attn_ln.weight"
INV_FREQ = "model.layers.1.self_attn.rotary_emb.inv_freq"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The checkpoint folder of each family, with transformers' model of it."""
    folders = {family: tmp_path_factory.mktemp(family) for family in FAMILIES}
    return {family: (folder, FAMILIES[family](folder)) for family, folder in folders.items()}


def with_tensors(folder: Path, target: Path, changes: dict[str, torch.Tensor]) -> Path:
    """A copy of a checkpoint in `target`, with other or more tensors."""
    (target / "config.json").write_text((folder / "config.json").read_text())
    save_file(load_file(folder / "model.safetensors") | changes, target / "model.safetensors")
    return target


# --- configs ---------------------------------------------------------------------------------------------------------


def published(**fields) -> dict:
    """Fields that all configs of Llama's kind have."""
    return {
        "model_type": "llama",
        "hidden_act": "silu",
        "attention_bias": False,
        "rope_scaling": None,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": False,
    } | fields


FALCON3_7B = published(
    architectures=["LlamaForCausalLM"],
    hidden_size=3072,
    intermediate_size=23040,
    num_hidden_layers=28,
    num_attention_heads=12,
    num_key_value_heads=4,
    head_dim=256,
    vocab_size=131072,
    rope_theta=1000042,
    rms_norm_eps=1e-6,
    quantization_config={"modules_to_not_convert": None, "quant_method": "bitnet"},
)
LARGE = published(
    architectures=["BitnetForCausalLM"],
    hidden_size=1536,
    intermediate_size=4096,
    num_hidden_layers=24,
    num_attention_heads=16,
    num_key_value_heads=16,
    vocab_size=32002,
    rope_theta=10000.0,
    rms_norm_eps=1e-5,
    tie_word_embeddings=True,
    weight_bits=1,
    input_bits=8,
)


@pytest.mark.parametrize(
    "hf, sub_norms, linear_class, head_dim",
    [(FALCON3_7B, False, "bitlinear", 256), (LARGE, True, None, 96)],
    ids=["falcon3-7b", "large"],
)
def test_published_configs(hf, sub_norms, linear_class, head_dim):
    config = BitNetConfig.from_hf(hf)
    assert (config.sub_norms, config.hidden_act, config.linear_class) == (sub_norms, "silu", linear_class)
    assert (config.head_dim, config.vocab_size) == (head_dim, hf["vocab_size"])
    again = transformers.AutoConfig.for_model(**config.to_hf())
    assert again.hidden_act == "silu" and again.architectures == [
        "BitNetForCausalLM" if sub_norms else "LlamaForCausalLM"
    ]
    assert BitNetConfig.from_hf(config.to_hf()) == BitNetConfig.from_hf(again) == config


def test_full_precision_weights_without_sub_norms():
    """A config says that transformers must quantise the weights itself, and no scale is expected."""
    config = replace(BitNetConfig.from_hf(FALCON3_7B), linear_class=None)
    assert config.to_hf()["quantization_config"]["quantization_mode"] == "online"
    assert BitNetConfig.from_hf(config.to_hf()) == config


@pytest.mark.parametrize(
    "change, message",
    [
        ({"hidden_size": 3200, "num_attention_heads": 32, "num_key_value_heads": 32}, "head_dim is 100, must be a pos"),
        ({"intermediate_size": 5460}, "intermediate_size is 5460, must be a positive multiple of 32"),
        ({"architectures": ["LlamaForCausalLM"]}, "nothing says that its weights are ternary"),
        ({"architectures": None}, "nothing says that its weights are ternary"),
        ({"weight_bits": 2}, "weight_bits and input_bits are (2, 8)"),
        ({"mlp_bias": True}, "mlp_bias is set"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope scaling 'llama3' is not supported"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', must be 'relu2' or 'silu'"),
        ({"vocab_size": 32002.0}, "vocab_size is 32002.0, must be a positive whole number"),
    ],
)
def test_config_refuses(change, message):
    with pytest.raises(ValueError) as error:
        BitNetConfig.from_hf(LARGE | change)
    assert message in str(error.value) and "\n" not in str(error.value)


# --- checkpoints -----------------------------------------------------------------------------------------------------


def test_packed_weights_whose_scale_divides(written):
    """The ternary values and scales are those that transformers unpacks and divides by."""
    folder, hf = written["llama"]
    config, state = BitNetConfig.from_pretrained(folder), load_state_dict(folder)
    assert not any("sub_norm" in name for name in state) and "lm_head.weight" in state
    x = torch.eye(config.hidden_size)
    for name in projection_names(config):
        linear = hf.get_submodule(name)
        if linear.in_features == config.hidden_size:
            with torch.no_grad(), torch.compiler.set_stance("force_eager"):
                expected = linear(x).T
            torch.testing.assert_close(state[f"{name}.weight"] * state[f"{name}.weight_scale"], expected)


def test_sub_norms_under_other_names(written):
    """1bitLLM's checkpoint gives the state dict of the same weights under transformers' names, but for the config."""
    folder, hf = written["one_bit"]
    config = BitNetConfig.from_pretrained(folder)
    expected = load_state_dict({name: t for name, t in hf.state_dict().items() if name != "lm_head.weight"}, config)
    loaded = load_state_dict(folder)
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def test_a_sub_norm_under_both_names_is_refused(written, tmp_path):
    folder, _ = written["one_bit"]
    ours = NORM.replace("inner_attn_ln", "attn_sub_norm")
    with pytest.raises(CheckpointError, match="another name of the same tensor"):
        load_state_dict(with_tensors(folder, tmp_path, {ours: load_file(folder / "model.safetensors")[NORM]}))


def test_sub_norms_in_a_model_without_are_refused(written, tmp_path):
    folder = with_tensors(written["llama"][0], tmp_path, {NORM: torch.ones(512)})
    with pytest.raises(CheckpointError, match=f"{NORM.replace('inner_attn_ln', 'attn_sub_norm')}: unexpected tensor"):
        load_state_dict(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_stored_rotary_frequencies_must_be_those_of_the_config(written, tmp_path, dtype):
    folder, hf = written["one_bit"]
    right = hf.model.rotary_emb.inv_freq
    (tmp_path / "right").mkdir()
    loaded = load_state_dict(with_tensors(folder, tmp_path / "right", {INV_FREQ: right.to(dtype)}))
    assert INV_FREQ not in loaded
    with pytest.raises(CheckpointError, match=f"{INV_FREQ}: differs from the frequencies of rope_theta 10000.0"):
        load_state_dict(with_tensors(folder, tmp_path, {INV_FREQ: (right * 0.9).to(dtype)}))


@every_family
def test_save_packed_round_trip(written, tmp_path, family):
    config, state = BitNetConfig.from_pretrained(written[family][0]), load_state_dict(written[family][0])
    save_packed(tmp_path, config, state)
    assert BitNetConfig.from_pretrained(tmp_path) == replace(config, linear_class="autobitlinear")
    again = load_state_dict(tmp_path)
    assert again.keys() == state.keys() and all(torch.equal(again[name], state[name]) for name in state)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "relu2"},
        {"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "bitnet"}},
    ],
    ids=["activation", "sub-norms"],
)
def test_content_hash_sees_the_family(written, tmp_path, change):
    """The same tensors make other device tensors in a model with another activation or without sub-norms."""
    folder = shutil.copytree(written["one_bit"][0], tmp_path / "copy")
    assert content_hash(folder) == content_hash(written["one_bit"][0])
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert content_hash(folder) != content_hash(written["one_bit"][0])


# --- the reference ---------------------------------------------------------------------------------------------------


def check_tokens(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Most tokens agree to float32 accuracy. Noise of float32 may flip an int8 code and change a token by a percent."""
    errors = ((actual - expected).norm(dim=-1) / expected.norm(dim=-1)).flatten().tolist()
    assert statistics.median(errors) < 2e-6 and max(errors) < 5e-2, errors


@every_family
def test_reference_prefill_and_decode(written, family):
    """Prefill of a prompt, then decode of the remaining tokens one after another."""
    folder, hf = written[family]
    model = Model(BitNetConfig.from_pretrained(folder), load_state_dict(folder))
    torch.manual_seed(1)
    tokens = torch.randint(0, hf.config.vocab_size, (8, LENGTH))
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        golden = hf(tokens).logits
    check_tokens(model.prefill(tokens)[0], golden)
    logits, cache = model.prefill(tokens[:, :PROMPT])
    rows = [logits[:, -1]]
    for position in range(PROMPT, LENGTH):
        logits, cache = model.decode(tokens[:, position], cache)
        rows.append(logits)
    check_tokens(torch.stack(rows, dim=1), golden[:, PROMPT - 1 :])
