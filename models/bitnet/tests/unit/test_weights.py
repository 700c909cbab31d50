# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""Configs and checkpoints are read exactly, and wrong ones are refused with an error of one line."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers.integrations import bitnet as hf_bitnet

from models.bitnet.reference.bit_linear import quantise_weight
from models.bitnet.reference.model import Model
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.checkpoint import content_hash
from models.bitnet.tt.weights.entry import CheckpointError
from models.bitnet.tt.weights.packing import (
    fuse_qkv,
    pack_ternary,
    permute_rows_for_device_rope,
    ternarise,
    unpack_ternary,
)
from models.bitnet.tt.weights.state_dict import load_state_dict, projection_names, save_packed, tensor_shapes

CONFIG = BitNetConfig(
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=32,
    vocab_size=160,
    max_position_embeddings=64,
    rope_theta=500.0,
    rms_norm_eps=1e-5,
    bos_token_id=1,
    eos_token_ids=(2,),
)
Q = "model.layers.0.self_attn.q_proj.weight"
DOWN = "model.layers.1.mlp.down_proj.weight"
NORM = "model.layers.1.mlp.ffn_sub_norm.weight"
EMBEDDING = "model.embed_tokens.weight"

fixed = settings(deadline=None, derandomize=True)


# --- checkpoints to read ---------------------------------------------------------------------------------------------


def master_state(seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> dict[str, torch.Tensor]:
    """Random full-precision weights. Each matrix has another size."""
    torch.manual_seed(seed)
    shapes = tensor_shapes(CONFIG).items()
    return {name: (torch.randn(shape) * 10 ** (4 * torch.rand(()) - 2)).to(dtype) for name, shape in shapes}


def ternary_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """A normalised state dict: random ternary matrices, each with another scale."""
    state = master_state(seed)
    for name in projection_names(CONFIG):
        state[f"{name}.weight"] = torch.randint(-1, 2, state[f"{name}.weight"].shape, dtype=torch.int8)
        state[f"{name}.weight_scale"] = 10 ** (4 * torch.rand(()) - 2)
    return state


def stored_state(state: dict[str, torch.Tensor], linear_class: str) -> dict[str, torch.Tensor]:
    """A normalised state dict in the form of a published packed checkpoint, packed by transformers."""
    stored = dict(state)
    for name in projection_names(CONFIG):
        scale = state[f"{name}.weight_scale"].reshape(1)
        stored[f"{name}.weight_scale"] = 1 / scale if linear_class == "bitlinear" else scale
        stored[f"{name}.weight"] = hf_bitnet.pack_weights(state[f"{name}.weight"].clone())
    return stored


def write_folder(folder: Path, state: dict[str, torch.Tensor], config: BitNetConfig, shards: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.to_hf()))
    if shards == 1:
        save_file(state, folder / "model.safetensors")
        return folder
    names = sorted(state)
    weight_map = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
    for file in set(weight_map.values()):
        save_file({name: state[name] for name in names if weight_map[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def assert_same(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype and actual[name].shape == tensor.shape, name
        assert torch.equal(actual[name], tensor), name


# --- bits and rows ---------------------------------------------------------------------------------------------------


@fixed
@given(rows=st.integers(1, 40), columns=st.integers(1, 70), seed=st.integers(0, 1000))
def test_pack_round_trip(rows, columns, seed):
    """The packed bytes are those of transformers, and unpacking gives the matrix back."""
    torch.manual_seed(seed)
    weight = torch.randint(-1, 2, (4 * rows, columns), dtype=torch.int8)
    packed = pack_ternary(weight)
    assert packed.dtype == torch.uint8 and packed.shape == (rows, columns)
    assert torch.equal(packed, hf_bitnet.pack_weights(weight.clone()))
    unpacked = unpack_ternary(packed)
    assert unpacked.dtype == torch.int8 and torch.equal(unpacked, weight)


def test_pack_by_hand():
    weight = torch.tensor([[-1], [0], [1], [1], [0], [-1], [1], [0]], dtype=torch.int8)
    # Row 0 holds rows 0, 2, 4, 6: codes 0, 2, 1, 2. Row 1 holds rows 1, 3, 5, 7: codes 1, 2, 0, 1.
    assert pack_ternary(weight).tolist() == [[0b10011000], [0b01001001]]


@pytest.mark.parametrize("position", range(4))
def test_unpack_refuses_code_3_in_every_position(position):
    packed = torch.zeros(2, 3, dtype=torch.uint8)
    packed[1, 2] = 3 << 2 * position
    with pytest.raises(ValueError, match="code 3"):
        unpack_ternary(packed)


def test_every_valid_byte_unpacks():
    codes = [byte for byte in range(256) if all(byte >> shift & 3 < 3 for shift in (0, 2, 4, 6))]
    unpacked = unpack_ternary(torch.tensor([codes], dtype=torch.uint8))
    assert unpacked.T.tolist() == [[(byte >> shift & 3) - 1 for shift in (0, 2, 4, 6)] for byte in codes]


@pytest.mark.parametrize(
    "weight", [torch.zeros(6, 2, dtype=torch.int8), torch.full((4, 1), 2), torch.full((4, 1), -128)]
)
def test_pack_refuses(weight):
    with pytest.raises(ValueError, match="pack"):
        pack_ternary(weight.to(torch.int8))


@fixed
@given(seed=st.integers(0, 1000), size=st.sampled_from([1e-6, 1e-3, 1.0, 1e3]))
def test_ternarise_is_the_reference_quantisation(seed, size):
    torch.manual_seed(seed)
    master = (torch.randn(32, 64) * size).bfloat16()
    for actual, expected in zip(ternarise(master), quantise_weight(master), strict=True):
        assert actual.dtype == expected.dtype and torch.equal(actual, expected)


@fixed
@given(heads=st.integers(1, 7), half=st.integers(1, 33), columns=st.integers(1, 5))
def test_rope_permutation(heads, half, columns):
    """The permutation turns the halves of each head into adjacent pairs."""
    weight = torch.arange(heads * 2 * half * columns).reshape(heads * 2 * half, columns)
    permuted = permute_rows_for_device_rope(weight, heads, 2 * half)
    for head in range(heads):
        for i in range(half):
            row = head * 2 * half
            assert torch.equal(permuted[row + 2 * i], weight[row + i])
            assert torch.equal(permuted[row + 2 * i + 1], weight[row + half + i])


def test_rope_permutation_keeps_attention_scores():
    """A rotation of adjacent pairs (as complex numbers) of permuted rows gives the scores of transformers."""
    torch.manual_seed(0)
    heads, dim, length = 3, 32, 5
    q_weight, k_weight, x = torch.randn(heads * dim, 64), torch.randn(heads * dim, 64), torch.randn(length, 64)
    angle = torch.arange(length)[:, None] * 500.0 ** (-torch.arange(0, dim, 2) / dim)

    def halves(weight):
        rows = (x @ weight.T).view(length, heads, dim).transpose(0, 1)[None]
        cos, sin = angle.repeat(1, 2).cos()[None], angle.repeat(1, 2).sin()[None]
        return transformers.models.bitnet.modeling_bitnet.apply_rotary_pos_emb(rows, rows, cos, sin)[0][0]

    def pairs(weight):
        rows = (x @ permute_rows_for_device_rope(weight, heads, dim).T).view(length, heads, dim // 2, 2).transpose(0, 1)
        rotated = torch.view_as_complex(rows.contiguous()) * torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(rotated).flatten(2)

    expected = halves(q_weight) @ halves(k_weight).transpose(1, 2)
    actual = pairs(q_weight) @ pairs(k_weight).transpose(1, 2)
    assert ((actual - expected).norm() / expected.norm()).item() < 2e-6


def test_fuse_qkv():
    q, k, v = (torch.randint(-1, 2, (rows, 64), dtype=torch.int8) for rows in (64, 32, 32))
    x = torch.randint(-128, 128, (5, 64))
    fused = x @ fuse_qkv(q, k, v, kv_heads=1).long().T
    assert torch.equal(fused, torch.cat([x @ part.long().T for part in (q, k, v)], dim=-1))


def test_fuse_qkv_for_several_chips():
    """Three groups of two query heads on two chips: the first chip has two groups, the second one and one of zeros."""
    size = 4
    q, k, v = (torch.randint(1, 100, (heads * size, 8)) for heads in (6, 3, 3))
    nothing = torch.zeros(size, 8, dtype=q.dtype)
    first = [q[: 4 * size], k[: 2 * size], v[: 2 * size]]
    second = [q[4 * size :], nothing, nothing, k[2 * size :], nothing, v[2 * size :], nothing]
    assert torch.equal(fuse_qkv(q, k, v, kv_heads=3, chips=2), torch.cat(first + second))


# --- loading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("linear_class", ["autobitlinear", "bitlinear"])
def test_load_packed(tmp_path, linear_class, shards):
    """Ternary values are loaded exactly. A scale that divides is loaded as its reciprocal."""
    expected = ternary_state()
    stored = stored_state(expected, linear_class)
    folder = write_folder(tmp_path, stored, replace(CONFIG, linear_class=linear_class), shards)
    if linear_class == "bitlinear":
        expected |= {name: (1 / stored[name]).reshape(()) for name in expected if name.endswith("_scale")}
    assert_same(load_state_dict(folder, progress=False), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shards", [1, 3])
def test_load_master(tmp_path, dtype, shards):
    """Projections are quantised as the definition in float64 says. All other tensors stay as stored."""
    master = master_state(dtype=dtype)
    loaded = load_state_dict(write_folder(tmp_path, master, CONFIG, shards), progress=False)
    assert loaded.keys() == master.keys() | {f"{name}.weight_scale" for name in projection_names(CONFIG)}
    for name, tensor in master.items():
        if name.removesuffix(".weight") in projection_names(CONFIG):
            scale = tensor.double().abs().mean()
            assert loaded[name].dtype == torch.int8
            assert torch.equal(loaded[name].double(), (tensor.double() / scale).round().clamp(-1, 1)), name
            assert loaded[f"{name}_scale"].dtype == torch.float32 and loaded[f"{name}_scale"].shape == ()
            assert loaded[f"{name}_scale"].item() == pytest.approx(scale.item(), rel=1e-6)
        else:
            assert loaded[name].dtype == dtype and torch.equal(loaded[name], tensor)


@pytest.mark.parametrize("linear_class", [None, "autobitlinear", "bitlinear"])
def test_load_normalised_state_changes_nothing(linear_class):
    """A normalised state dict is loaded unchanged: the scale of int8 weights multiplies, whatever the config says."""
    state = ternary_state()
    assert_same(load_state_dict(state, replace(CONFIG, linear_class=linear_class), progress=False), state)


def test_load_unpacked_floats():
    """Weights that are stored as floats -1, 0 and +1, as transformers also stores them, are loaded as int8."""
    expected = ternary_state()
    state = {name: t.bfloat16() if t.dtype == torch.int8 else t for name, t in expected.items()}
    assert_same(load_state_dict(state, replace(CONFIG, linear_class="autobitlinear"), progress=False), expected)


@pytest.mark.parametrize("tied_in_config", [True, False])
@pytest.mark.parametrize("in_file", [True, False])
def test_tied_lm_head(tied_in_config, in_file):
    """An lm_head in the file is used whatever the config says. Without one the config must say that it is tied."""
    config = replace(CONFIG, tie_word_embeddings=tied_in_config)
    state = ternary_state()
    expected = state if in_file else {name: t for name, t in state.items() if name != "lm_head.weight"}
    if not in_file and not tied_in_config:
        with pytest.raises(CheckpointError, match="^state dict: lm_head.weight: missing tensor$"):
            load_state_dict(expected, config)
    else:
        assert_same(load_state_dict(expected, config), expected)


def test_load_needs_a_config_for_a_state_dict():
    with pytest.raises(ValueError, match="BitNetConfig"):
        load_state_dict(ternary_state())


# --- saving ----------------------------------------------------------------------------------------------------------


@settings(fixed, max_examples=20)
@given(
    heads=st.sampled_from([(1, 1), (2, 1), (2, 2), (3, 1)]),
    head_dim=st.sampled_from([32, 64]),
    wide=st.integers(1, 4),
    layers=st.integers(1, 2),
    tied=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_save_packed_round_trip(tmp_path_factory, heads, head_dim, wide, layers, tied, seed):
    """A state dict and its config of any shape, tied or not, are equal after saving and loading."""
    config = replace(
        CONFIG,
        num_attention_heads=heads[0],
        num_key_value_heads=heads[1],
        head_dim=head_dim,
        hidden_size=heads[0] * head_dim,
        intermediate_size=32 * wide,
        num_hidden_layers=layers,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(seed)
    master = {name: torch.randn(shape) for name, shape in tensor_shapes(config).items()}
    if tied:
        del master["lm_head.weight"]
    state = load_state_dict(master, config)
    folder = tmp_path_factory.mktemp("packed")
    save_packed(folder, config, state)
    assert BitNetConfig.from_pretrained(folder) == replace(config, linear_class="autobitlinear")
    assert_same(load_state_dict(folder), state)
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_save_packed_over_the_folder_it_came_from(tmp_path):
    state = ternary_state()
    save_packed(tmp_path, CONFIG, state)
    loaded = load_state_dict(tmp_path)
    save_packed(tmp_path, CONFIG, loaded)
    assert_same(loaded, state)
    assert_same(load_state_dict(tmp_path), state)


def test_save_packed_while_another_process_does(tmp_path, monkeypatch):
    state, write, others = ternary_state(), save_file, []

    def while_another_does(*args, **kwargs) -> None:
        write(*args, **kwargs)
        if not others:
            others.append(args)
            save_packed(tmp_path, CONFIG, state)

    monkeypatch.setattr("models.bitnet.tt.weights.state_dict.save_file", while_another_does)
    save_packed(tmp_path, CONFIG, state)
    assert others and sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert_same(load_state_dict(tmp_path), state)


def test_save_packed_separates_shared_memory(tmp_path):
    state = ternary_state()
    state["lm_head.weight"] = state[EMBEDDING]
    save_packed(tmp_path, CONFIG, state)
    assert_same(load_state_dict(tmp_path), state)


def test_save_packed_refuses_a_wrong_state_and_writes_nothing(tmp_path):
    with pytest.raises(CheckpointError, match=Q):
        save_packed(tmp_path / "new", CONFIG, ternary_state() | {Q: torch.full((64, 64), 2, dtype=torch.int8)})
    assert not (tmp_path / "new").exists()


def test_transformers_reads_what_save_packed_writes(tmp_path, monkeypatch):
    """transformers' loader reads the written folder. Its check for `accelerate` is off: it is not needed here."""
    quantizer = transformers.quantizers.quantizer_bitnet.BitNetHfQuantizer
    monkeypatch.setattr(quantizer, "validate_environment", lambda self, *args, **kwargs: None)
    # transformers keeps the norms in the file's dtype, whatever dtype is asked for
    state = {name: t.float() if t.dtype == torch.bfloat16 else t for name, t in ternary_state().items()}
    save_packed(tmp_path, CONFIG, state)
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        hf = transformers.BitNetForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        hf_linear = hf.get_submodule(Q.removesuffix(".weight"))
        assert torch.equal(hf_linear.weight, state[Q].float())
        assert torch.equal(hf_linear.weight_scale.reshape(()), state[f"{Q}_scale"])
        tokens = torch.randint(0, CONFIG.vocab_size, (2, 9))
        expected, (actual, _) = hf(tokens).logits, Model(CONFIG, load_state_dict(tmp_path)).prefill(tokens)
    errors = (actual - expected).norm(dim=-1) / expected.norm(dim=-1)
    assert errors.median() < 1e-6 and errors.max() < 5e-2  # see check_tokens in test_reference.py


# --- the content hash ------------------------------------------------------------------------------------------------


def test_content_hash(tmp_path):
    """The hash of a copy is equal. It differs for a changed weight, another shape, or another meaning of scales."""
    config = replace(CONFIG, linear_class="autobitlinear")
    stored = stored_state(ternary_state(), "autobitlinear")
    first = content_hash(write_folder(tmp_path / "a", stored, config))
    assert re.fullmatch("[0-9a-f]{64}", first)
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    assert content_hash(tmp_path / "copy") == first
    (tmp_path / "copy" / "README.md").write_text("not a weight")
    assert content_hash(tmp_path / "copy") == first

    changed = stored | {Q: stored[Q] ^ (stored[Q] != stored[Q][0, 0])}
    others = [
        content_hash(write_folder(tmp_path / "weight", changed, config)),
        content_hash(write_folder(tmp_path / "scale", stored, replace(config, linear_class="bitlinear"))),
        content_hash(write_folder(tmp_path / "rope", stored, replace(config, rope_theta=1e4))),
    ]
    assert len({first, *others}) == 4


def test_content_hash_of_shards(tmp_path):
    state = master_state()
    folder = write_folder(tmp_path, state, CONFIG, shards=3)
    first = content_hash(folder)
    write_folder(tmp_path, state | {NORM: state[NORM] + 1}, CONFIG, shards=3)
    assert content_hash(folder) != first


# --- what is refused -------------------------------------------------------------------------------------------------


def with_value(tensor: torch.Tensor, value: float) -> torch.Tensor:
    tensor = tensor.clone()
    tensor.view(-1)[tensor.numel() // 2] = value
    return tensor


MASTER, TERNARY = master_state(), ternary_state()
PACKED = stored_state(TERNARY, "autobitlinear")
nan, inf = float("nan"), float("inf")

WRONG_TENSORS = {
    "missing projection": (MASTER, {Q: None}, f"{Q}: missing tensor"),
    "missing norm": (PACKED, {NORM: None}, f"{NORM}: missing tensor"),
    "several missing": (PACKED, {NORM: None, Q: None, EMBEDDING: None}, "missing tensor (and 2 more)"),
    "missing scale": (PACKED, {f"{DOWN}_scale": None}, f"{DOWN}_scale: missing tensor"),
    "no scales at all": (PACKED, {f"{name}.weight_scale": None for name in projection_names(CONFIG)}, f"{Q}: "),
    "bias": (MASTER, {"model.layers.0.self_attn.q_proj.bias": torch.zeros(64)}, "q_proj.bias: unexpected tensor"),
    "extra layer": (
        MASTER,
        {"model.layers.2.mlp.up_proj.weight": MASTER[Q].clone()},
        "model.layers.2.mlp.up_proj.weight: unex",
    ),
    "wrong projection shape": (
        MASTER,
        {DOWN: MASTER[DOWN].T.contiguous()},
        f"{DOWN}: wrong shape (96, 64), must be (64, 96)",
    ),
    "wrong packed shape": (PACKED, {Q: PACKED[Q][:8]}, f"{Q}: wrong shape (8, 64), must be (16, 64)"),
    "unpacked uint8": (
        PACKED,
        {Q: torch.ones(64, 64, dtype=torch.uint8)},
        f"{Q}: wrong shape (64, 64), must be (16, 64)",
    ),
    "wrong int8 shape": (TERNARY, {Q: TERNARY[Q][:32]}, f"{Q}: wrong shape (32, 64), must be (64, 64)"),
    "wrong norm shape": (MASTER, {NORM: MASTER[NORM][:64]}, f"{NORM}: wrong shape (64,), must be (96,)"),
    "wrong vocabulary": (MASTER, {EMBEDDING: MASTER[EMBEDDING][:-1]}, f"{EMBEDDING}: wrong shape (159, 64)"),
    "integer norm": (MASTER, {NORM: MASTER[NORM].int()}, f"{NORM}: wrong dtype torch.int32"),
    "integer master": (MASTER, {Q: MASTER[Q].int()}, f"{Q}: wrong dtype torch.int32"),
    "wide ternary": (TERNARY, {Q: TERNARY[Q].int()}, f"{Q}: wrong dtype torch.int32"),
    "integer scale": (PACKED, {f"{Q}_scale": torch.ones(1, dtype=torch.int32)}, f"{Q}_scale: wrong dtype torch.int32"),
    "scale for each row": (PACKED, {f"{Q}_scale": torch.ones(64)}, f"{Q}_scale: wrong shape (64,)"),
    "code 3": (PACKED, {Q: with_value(PACKED[Q], 0b01110101)}, f"{Q}: packed data contains code 3"),
    "int8 not ternary": (TERNARY, {Q: with_value(TERNARY[Q], -128)}, f"{Q}: has a weight_scale, but values other"),
    "float not ternary": (TERNARY, {Q: TERNARY[Q] * 0.5}, f"{Q}: has a weight_scale, but values other"),
    "float NaN ternary": (
        TERNARY,
        {Q: with_value(TERNARY[Q].float(), nan)},
        f"{Q}: has a weight_scale, but values other",
    ),
    "NaN master": (MASTER, {DOWN: with_value(MASTER[DOWN], nan)}, f"{DOWN}: contains NaN or infinity"),
    "infinite master": (MASTER, {DOWN: with_value(MASTER[DOWN], -inf)}, f"{DOWN}: contains NaN or infinity"),
    "NaN norm": (PACKED, {NORM: with_value(PACKED[NORM], nan)}, f"{NORM}: contains NaN or infinity"),
    "infinite embedding": (PACKED, {EMBEDDING: with_value(PACKED[EMBEDDING], inf)}, f"{EMBEDDING}: contains NaN or"),
    "NaN scale": (PACKED, {f"{Q}_scale": torch.tensor([nan])}, f"{Q}_scale: is nan, must be positive and finite"),
    "infinite scale": (PACKED, {f"{Q}_scale": torch.tensor([inf])}, f"{Q}_scale: is inf, must be positive and finite"),
    "zero scale": (PACKED, {f"{Q}_scale": torch.tensor([0.0])}, f"{Q}_scale: is 0.0, must be positive and finite"),
    "negative scale": (
        PACKED,
        {f"{Q}_scale": torch.tensor([-1.0])},
        f"{Q}_scale: is -1.0, must be positive and finite",
    ),
}


@pytest.mark.parametrize("form", ["state dict", "folder"])
@pytest.mark.parametrize("case", WRONG_TENSORS)
def test_wrong_tensors_are_refused(tmp_path, case, form):
    base, changes, message = WRONG_TENSORS[case]
    state = {name: tensor for name, tensor in (base | changes).items() if tensor is not None}
    config = replace(CONFIG, linear_class="autobitlinear")
    source = state if form == "state dict" else write_folder(tmp_path, state, config)
    with pytest.raises(CheckpointError) as error:
        load_state_dict(source, config, progress=False)
    assert message in str(error.value)
    assert str(error.value).startswith("state dict: " if form == "state dict" else str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("scale", [0.0, inf, nan])
def test_wrong_dividing_scales_are_refused(scale):
    state = stored_state(TERNARY, "bitlinear") | {f"{Q}_scale": torch.tensor([scale])}
    with pytest.raises(CheckpointError, match="must be positive and finite"):
        load_state_dict(state, replace(CONFIG, linear_class="bitlinear"))


def test_packed_weights_without_a_convention_are_refused():
    with pytest.raises(CheckpointError, match="weight_scale: the config's quantization_config does not say"):
        load_state_dict(PACKED, CONFIG)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, -1])
@pytest.mark.parametrize("shards", [1, 2])
def test_truncated_file_is_refused(tmp_path, keep, shards):
    write_folder(tmp_path, MASTER, CONFIG, shards)
    path = max(tmp_path.glob("*.safetensors"))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match=f"^{re.escape(str(path))}: truncated") as error:
        load_state_dict(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_shard_is_refused(tmp_path):
    write_folder(tmp_path, MASTER, CONFIG, shards=2)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="model-00002-of-00002.safetensors: truncated, missing"):
        load_state_dict(tmp_path)


def test_shard_that_differs_from_the_index_is_refused(tmp_path):
    write_folder(tmp_path, MASTER, CONFIG, shards=2)
    path = tmp_path / "model-00001-of-00002.safetensors"
    shard = load_file(path)
    lost = min(shard)
    save_file({name: tensor for name, tensor in shard.items() if name != lost}, path)
    with pytest.raises(CheckpointError, match=f"{path.name}: {lost}: missing tensor"):
        load_state_dict(tmp_path)
    save_file(shard | {"surplus": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=f"{path.name}: surplus: not in the index"):
        load_state_dict(tmp_path)


@pytest.mark.parametrize(
    "index", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": "../model.safetensors"}}']
)
def test_bad_index_is_refused(tmp_path, index):
    write_folder(tmp_path, MASTER, CONFIG, shards=2)
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match="model.safetensors.index.json: not an index"):
        load_state_dict(tmp_path)


def test_pickled_weights_are_not_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_hf()))
    torch.save(MASTER, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="no model.safetensors .*never read"):
        load_state_dict(tmp_path)


# --- the config ------------------------------------------------------------------------------------------------------


def test_config_of_the_published_model():
    """The config has the values of microsoft/bitnet-b1.58-2B-4T's config.json."""
    config = BitNetConfig.from_hf(
        {
            "architectures": ["BitNetForCausalLM"],
            "attention_bias": False,
            "bos_token_id": 128000,
            "eos_token_id": 128001,
            "hidden_act": "relu2",
            "hidden_size": 2560,
            "intermediate_size": 6912,
            "max_position_embeddings": 4096,
            "model_type": "bitnet",
            "rms_norm_eps": 1e-05,
            "num_attention_heads": 20,
            "num_hidden_layers": 30,
            "num_key_value_heads": 5,
            "rope_theta": 500000.0,
            "tie_word_embeddings": True,
            "vocab_size": 128256,
            "quantization_config": {
                "quant_method": "bitnet",
                "linear_class": "autobitlinear",
                "quantization_mode": "offline",
            },
        }
    )
    assert (config.head_dim, config.rope_theta, config.tie_word_embeddings) == (128, 500000.0, True)
    assert (config.bos_token_id, config.eos_token_ids, config.linear_class) == (128000, (128001,), "autobitlinear")
    weights = sum(
        torch.Size(shape).numel() for name, shape in tensor_shapes(config).items() if name != "lm_head.weight"
    )
    assert weights == 2_412_820_480


def test_config_from_transformers_object_and_back():
    hf = transformers.BitNetConfig(
        hidden_size=128,
        num_attention_heads=4,
        num_key_value_heads=2,
        rope_parameters={"rope_type": "default", "rope_theta": 7.0},
    )
    config = BitNetConfig.from_hf(hf)
    assert (config.hidden_size, config.head_dim, config.rope_theta, config.linear_class) == (128, 32, 7.0, None)
    again = transformers.BitNetConfig(**config.to_hf())
    assert again.rope_parameters["rope_theta"] == 7.0 and again.num_key_value_heads == 2
    assert BitNetConfig.from_hf(again) == BitNetConfig.from_hf(config.to_hf()) == config


@pytest.mark.parametrize("eos, expected", [(None, ()), (5, (5,)), ([128001, 128009], (128001, 128009))])
def test_config_eos_tokens(eos, expected):
    config = BitNetConfig.from_hf(CONFIG.to_hf() | {"eos_token_id": eos})
    assert config.eos_token_ids == expected
    assert BitNetConfig.from_hf(config.to_hf()) == config


def test_config_eos_tokens_of_the_generation_config(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_hf() | {"eos_token_id": 128001}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [128001, 128009]}))
    assert BitNetConfig.from_pretrained(tmp_path).eos_token_ids == (128001, 128009)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(ValueError, match="generation_config.json: "):
        BitNetConfig.from_pretrained(tmp_path)


def test_config_is_frozen_and_hashable():
    with pytest.raises(AttributeError):
        CONFIG.hidden_size = 32
    assert hash(CONFIG) == hash(replace(CONFIG))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model_type": "llama"}, "model_type is 'llama' and nothing says that its weights are ternary"),
        ({"model_type": "qwen3"}, "model_type is 'qwen3', must be 'bitnet' or 'llama'"),
        ({"model_type": None}, "model_type is None"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', must be 'relu2' or 'silu'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"rope_theta": None}, "rope_theta is missing"),
        ({"intermediate_size": 100}, "intermediate_size is 100, must be a positive multiple of 32"),
        ({"vocab_size": 0}, "vocab_size is 0, must be a positive whole number"),
        ({"head_dim": 16, "num_attention_heads": 4}, "head_dim is 16, must be"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_attention_heads": 0, "head_dim": None}, "num_attention_heads is 0, must be a positive"),
        ({"num_attention_heads": 2, "num_key_value_heads": 3}, "2 attention heads do not divide among 3 KV heads"),
        ({"head_dim": 64}, "2 heads of 64 do not make up hidden_size 64"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope scaling 'linear' is not supported"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope scaling 'yarn' is not supported"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ({"rms_norm_eps": 0.0}, "rms_norm_eps is 0.0, must be a positive number"),
        ({"rms_norm_eps": float("inf")}, "rms_norm_eps is inf"),
        ({"rms_norm_eps": "1e-5"}, "rms_norm_eps is '1e-5'"),
        ({"rope_theta": float("nan")}, "rope_theta is nan"),
        ({"hidden_size": 64.0}, "hidden_size is 64.0, must be a positive multiple of 32"),
        ({"vocab_size": "320"}, "vocab_size is '320'"),
        ({"num_hidden_layers": 2.0}, "num_hidden_layers is 2.0, must be a positive whole number"),
        ({"num_attention_heads": 2.0, "head_dim": None}, "num_attention_heads is 2.0"),
        ({"num_attention_heads": True}, "num_attention_heads is True"),
        ({"eos_token_id": -1}, "-1 is no token"),
        ({"eos_token_id": [2, "3"]}, "'3' is no token"),
        ({"bos_token_id": 1.5}, "1.5 is no token"),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings is 'false', must be true or false"),
        ({"quantization_config": {"linear_class": "linear"}}, "linear_class is 'linear'"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quant_method is 'gptq', must be 'bitnet'"),
        ({"quantization_config": {"use_rms_norm": True}}, "use_rms_norm"),
    ],
)
def test_config_refuses(tmp_path, change, message):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_hf() | change))
    with pytest.raises(ValueError) as error:
        load_state_dict(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'config.json'}: ")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, "", "[]", "{", '"bitnet"', "7", "[" * 100_000])
def test_config_that_is_no_config_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match="config.json: "):
        BitNetConfig.from_pretrained(tmp_path)
