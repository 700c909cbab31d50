# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A GGUF file gives the config, the weights and the tokenizer of the folder that it was made from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType

from models.bitnet.perf.random_weights import random_state
from models.bitnet.tests import shipped
from models.bitnet.tests.gguf_files import metadata, tokenizer_values, write_gguf
from models.bitnet.tests.unit.test_weights import CONFIG, assert_same, ternary_state
from models.bitnet.tt.weights.checkpoint import content_hash, load_tokenizer, read_config
from models.bitnet.tt.weights.entry import CheckpointError
from models.bitnet.tt.weights.packing import unpack_i2_s
from models.bitnet.tt.weights.state_dict import load_state_dict, tensor_shapes

STORED = replace(CONFIG, linear_class="autobitlinear")
TEXTS = ["And it came to pass", "  In 1611, 12345 men\n\n\tI've  seen", "Ægypt's <|eot_id|>קדש 🕊 ", ""]


def test_unpack_by_hand():
    """Byte 5 of the second block holds values 133, 165, 197 and 229 of the rows, one behind the other."""
    packed = torch.full((64,), 0b01010101, dtype=torch.uint8)
    packed[32 + 5] = 0b10000110
    values = unpack_i2_s(packed, (2, 128)).flatten().tolist()
    assert {i: value for i, value in enumerate(values) if value} == {133: 1, 165: -1, 229: 1}


@pytest.mark.parametrize("embedding", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("architecture", ["bitnet-b1.58", "bitnet-25"])
def test_the_same_weights_and_config(tmp_path, architecture, embedding):
    """Ternary values and scales are exact. Norms and embedding have the values of the file's type."""
    state = ternary_state()
    dtype = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[embedding]
    for name, tensor in state.items():
        if tensor.dtype == torch.bfloat16:
            state[name] = tensor.to(dtype if tensor.dim() == 2 else torch.float32)
    path = write_gguf(tmp_path / "m.gguf", metadata(CONFIG, architecture), state, architecture, embedding)
    assert read_config(path) == STORED
    assert_same(load_state_dict(path, progress=False), state)


def test_a_llama(tmp_path):
    """A model without sub-norms. The rows of q and k, which llama.cpp stores in another order, are in order again."""
    config = replace(CONFIG, hidden_size=128, num_attention_heads=4, num_key_value_heads=2, vocab_size=161)
    config = replace(config, sub_norms=False, hidden_act="silu")
    torch.manual_seed(0)
    state = load_state_dict({name: torch.randn(shape) for name, shape in tensor_shapes(config).items()}, config)
    path = write_gguf(tmp_path / "m.gguf", metadata(config, "llama"), state, "llama", "F32")
    assert read_config(path) == replace(config, linear_class="autobitlinear")
    assert_same(load_state_dict(path, progress=False), state)


def test_a_tied_head(tmp_path):
    state = {name: tensor for name, tensor in ternary_state().items() if name != "lm_head.weight"}
    path = write_gguf(tmp_path / "m.gguf", metadata(CONFIG), state)
    assert read_config(path) == replace(STORED, tie_word_embeddings=True)
    assert load_state_dict(path, progress=False).keys() == state.keys()


def test_metadata_that_may_be_missing(tmp_path):
    """llama.cpp has a default for these: one KV head a head, 10000, the count of tokens."""
    gone = ("attention.head_count_kv", "rope.freq_base", "rope.dimension_count", "vocab_size")
    values = metadata(CONFIG) | {"tokenizer.ggml.tokens": [f"t{i}" for i in range(CONFIG.vocab_size)]}
    for name in gone:
        del values[f"bitnet-b1.58.{name}"]
    config = read_config(write_gguf(tmp_path / "m.gguf", values, {}))
    assert config == replace(STORED, num_key_value_heads=2, rope_theta=10000.0, tie_word_embeddings=True)


def test_a_quantised_embedding(tmp_path):
    """A q6_k embedding has the values that the format's description gives: scale * block scale * (code - 32)."""
    config = replace(CONFIG, hidden_size=256, num_attention_heads=8, num_key_value_heads=4, tie_word_embeddings=True)
    rng = np.random.default_rng(0)
    low, high = rng.integers(0, 256, (160, 128), np.uint8), rng.integers(0, 256, (160, 64), np.uint8)
    scales, scale = rng.integers(-128, 128, (160, 16), np.int8), rng.uniform(0.001, 0.01, (160, 1)).astype(np.float16)
    expected = np.zeros((160, 256))
    for j in range(256):  # halves of 128; in each half four parts of 32
        half, part, place = j // 128, j % 128 // 32, j % 32
        four = low[:, 64 * half + 32 * (part % 2) + place] >> 4 * (part // 2) & 15
        two = high[:, 32 * half + place] >> 2 * part & 3
        code = (four | two << 4).astype(int) - 32
        expected[:, j] = scale[:, 0].astype(np.float64) * scales[:, j // 16] * code
    packed = np.concatenate([low, high, scales.view(np.uint8), scale.view(np.uint8)], axis=1)
    state = load_state_dict(random_state(config), config)
    del state["model.embed_tokens.weight"], state["lm_head.weight"]
    more = {"token_embd.weight": (packed, GGMLQuantizationType.Q6_K)}
    path = write_gguf(tmp_path / "m.gguf", metadata(config), state, more=more)
    embedding = load_state_dict(path, progress=False)["model.embed_tokens.weight"]
    assert embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.double(), torch.from_numpy(expected), rtol=1e-6, atol=0)


def test_content_hash(tmp_path):
    """The hash differs for another weight, and for another config."""
    state = ternary_state()
    first = content_hash(write_gguf(tmp_path / "a.gguf", metadata(CONFIG), state))
    assert first == content_hash(write_gguf(tmp_path / "b.gguf", metadata(CONFIG), state))
    other = content_hash(write_gguf(tmp_path / "c.gguf", metadata(replace(CONFIG, rope_theta=1e4)), state))
    state["model.layers.0.self_attn.q_proj.weight_scale"] *= 2
    assert len({first, other, content_hash(write_gguf(tmp_path / "d.gguf", metadata(CONFIG), state))}) == 3


# --- the order of the values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout, name", [("x86", None), ("arm", "blocks of 64 values"), ("rows", "blocks of four rows")]
)
def test_layouts_of_a_trained_model(tmp_path, layout, name):
    """The shipped model is loaded from blocks of 128 values, and is refused by name in each other order."""
    config = shipped.config()
    path = write_gguf(tmp_path / "m.gguf", metadata(config), shipped.state(), embedding="BF16", layout=layout)
    if name is None:
        loaded = load_state_dict(path, progress=False)
        for key, tensor in shipped.state().items():
            assert torch.equal(loaded[key].float(), tensor.float()), key
        return
    with pytest.raises(
        CheckpointError, match=rf"m.gguf: blk.0.ffn_down.weight: packed in {name}.*; only blocks of 128"
    ):
        load_state_dict(path, progress=False)


# --- the tokenizer ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """The shipped tokenizer, and the one from a GGUF file."""
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer())
    path = write_gguf(tmp_path_factory.mktemp("gguf") / "m.gguf", values, {})
    return shipped.tokenizer(), load_tokenizer(path)


def test_the_same_tokens(tokenizers):
    expected, actual = tokenizers
    for text in TEXTS + shipped.texts():
        tokens = expected.encode(text)
        assert actual.encode(text) == tokens, text
        assert actual.encode(text, add_special_tokens=False) == expected.encode(text, add_special_tokens=False)
        for skip in (True, False):
            assert actual.decode(tokens, skip_special_tokens=skip) == expected.decode(tokens, skip_special_tokens=skip)
    assert (actual.bos_token, actual.eos_token) == (expected.bos_token, expected.eos_token)


def test_the_same_chat(tokenizers):
    messages = [{"role": "user", "content": "Tell me about Moses."}]
    expected, actual = (t.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) for t in tokenizers)
    assert actual == expected and "Moses" in actual


def test_no_first_token(tmp_path):
    values = (
        metadata(shipped.config()) | tokenizer_values(shipped.tokenizer()) | {"tokenizer.ggml.add_bos_token": False}
    )
    tokenizer = load_tokenizer(write_gguf(tmp_path / "m.gguf", values, {}))
    assert tokenizer.encode("In") == shipped.tokenizer().encode("In", add_special_tokens=False)


@pytest.mark.parametrize("pre", [None, "llama-bpe", "falcon3"])
def test_words_of_llama_3(tmp_path, pre):
    """Llama 3 cuts three digits at a time, endings in capitals too, and a sign with the word behind it."""
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer(), pre)
    tokenizer = load_tokenizer(write_gguf(tmp_path / "m.gguf", values, {})).backend_tokenizer
    words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str("I'LL pay 12345 (now)...\n\n  so")]
    assert words == ["I", "'LL", "Ġpay", "Ġ", "123", "45", "Ġ(", "now", ")...ĊĊ", "Ġ", "Ġso"]


def test_a_word_that_no_merges_make(tmp_path):
    """The tokenizer of Llama 3 takes a word of its vocabulary as one token, even if no merges make the word."""
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer(), "llama-bpe")
    values["tokenizer.ggml.tokens"][-1] = "Ġzqx"
    values["tokenizer.ggml.merges"].pop()  # it made the last token
    tokenizer = load_tokenizer(write_gguf(tmp_path / "m.gguf", values, {}))
    assert tokenizer.encode(" zqx", add_special_tokens=False) == [2047]


def test_ends_of_a_text(tmp_path):
    """A text ends at the end token, at the end of a turn, and at llama.cpp's own end-of-turn token."""
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer())
    assert read_config(write_gguf(tmp_path / "a.gguf", values, {})).eos_token_ids == (1, 2)
    assert read_config(
        write_gguf(tmp_path / "b.gguf", values | {"tokenizer.ggml.eot_token_id": 7}, {})
    ).eos_token_ids == (1, 7, 2)
