# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A damaged or foreign checkpoint is refused with an error of one line that names the file.

test_weights.py has the folders whose single tensors or configs are wrong.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, quantize
from hypothesis import given
from hypothesis import strategies as st

from models.bitnet.tests import shipped
from models.bitnet.tests.gguf_files import gguf_name, metadata, tokenizer_values, write_gguf
from models.bitnet.tests.unit.test_weights import CONFIG, NORM, Q, fixed, stored_state, ternary_state, write_folder
from models.bitnet.tt.weights.checkpoint import load_tokenizer
from models.bitnet.tt.weights.state_dict import load_state_dict, open_state_dict

STATE = ternary_state()
BITNET = "bitnet-b1.58"
UP = "model.layers.0.mlp.up_proj.weight"
nan, inf = float("nan"), float("inf")


def refusal(path: Path, load: Callable = load_state_dict) -> str:
    """The error of `load`, without the path that it begins with."""
    with pytest.raises(ValueError) as error:
        load(path)
    text = str(error.value)
    assert text.startswith(str(path)) and "\n" not in text and len(text) < 500
    return text.removeprefix(str(path))


# --- GGUF: the container ---------------------------------------------------------------------------------------------


def string(text: str | bytes) -> bytes:
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(text)) + text


def value(name: str | bytes, kind: int, content: bytes) -> bytes:
    return string(name) + struct.pack("<I", kind) + content


def tensor(name: str, shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def container(
    values: list[bytes],
    tensors: list[bytes] = (),
    data: int = 256,
    magic: bytes = b"GGUF",
    version: int = 3,
    **counts: int,
) -> bytes:
    """The bytes of a file. `counts` may tell another `tensor_count` and `value_count`."""
    numbers = counts.get("tensor_count", len(tensors)), counts.get("value_count", len(values))
    head = magic + struct.pack("<IQQ", version, *numbers) + b"".join([*values, *tensors])
    return head + bytes(-len(head) % 32) + bytes(data)


NAME = value("general.architecture", 8, string(BITNET))
CONTAINERS = {
    "empty": (b"", "empty"),
    "three bytes": (b"GGU", "ends early"),
    "the magic only": (b"GGUF", "ends early"),
    "another magic": (container([NAME], magic=b"GGML"), "does not begin with GGUF"),
    "safetensors": (struct.pack("<Q", 2) + b"{}" + bytes(64), "does not begin with GGUF"),
    "zeros": (bytes(1000), "does not begin with GGUF"),
    "version 1": (container([NAME], version=1), "its version is 1, must be 2 or 3"),
    "version 4": (container([NAME], version=4), "its version is 4, must be 2 or 3"),
    "big-endian": (container([NAME], version=3 << 24), "as in a big-endian file"),
    "more values than there are": (container([NAME], value_count=1 << 40), "'' occurs twice"),
    "more tensors than there are": (container([NAME], [tensor("a")], data=0, tensor_count=9), "ends early"),
    "a long name": (container([struct.pack("<Q", 1 << 60) + b"name"]), "ends early"),
    "a long text": (container([value("a", 8, struct.pack("<Q", (1 << 64) - 1))]), "ends early"),
    "a name that is no text": (container([value(b"\xff\xfe", 4, bytes(4))]), "can't decode byte 0xff"),
    "a text that is no text": (container([value("a", 8, string(b"caf\xe9"))]), "can't decode byte 0xe9"),
    "an unknown value": (container([value("a", 13, bytes(8))]), "a value has the unknown type 13"),
    "a list of lists": (container([value("a", 9, struct.pack("<IQ", 9, 1))]), "a value has the unknown type 9"),
    "a list of unknowns": (container([value("a", 9, struct.pack("<IQ", 77, 1))]), "a value has the unknown type 77"),
    "a long list": (container([value("a", 9, struct.pack("<IQ", 4, 1 << 61))]), "ends early"),
    "a long list of texts": (container([value("a", 9, struct.pack("<IQ", 8, 1 << 61))]), "ends early"),
    "a name twice": (container([NAME, NAME]), "'general.architecture' occurs twice"),
    "a tensor twice": (container([NAME], [tensor("a"), tensor("a", offset=128)]), "'a' occurs twice"),
    "five dimensions": (container([NAME], [tensor("a", (1, 1, 1, 1, 32))]), "a tensor has 5 dimensions"),
    "a huge tensor": (container([NAME], [tensor("a", (1 << 63, 1 << 63))]), "a reaches beyond byte"),
    "a tensor behind the end": (container([NAME], [tensor("a", offset=1 << 63)]), "a reaches beyond byte"),
    "a tensor that ends too late": (container([NAME], [tensor("a", offset=160)]), "a reaches beyond byte"),
    "tensors over each other": (container([NAME], [tensor("a"), tensor("b", offset=64)]), "a reaches beyond byte"),
    "tensors at one place": (container([NAME], [tensor("a"), tensor("b")]), "a reaches beyond byte"),
    "an unknown type": (container([NAME], [tensor("a", kind=38)]), "a has the unknown type 38"),
    "half a block": (container([NAME], [tensor("a", kind=14)]), "a has 32 elements, which are no whole blocks of 256"),
    "alignment 0": (container([NAME, value("general.alignment", 4, bytes(4))]), "general.alignment is 0"),
    "alignment 3": (container([NAME, value("general.alignment", 4, b"\3\0\0\0")]), "general.alignment is 3"),
    "alignment as a text": (container([NAME, value("general.alignment", 8, string("32"))]), "alignment is '32'"),
    "nothing": (container([]), "general.architecture is None, must be one of"),
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_a_container_that_is_refused(tmp_path, case):
    content, message = CONTAINERS[case]
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    assert message in refusal(path)


def test_a_file_that_is_not_there(tmp_path):
    assert "truncated, missing or not a GGUF file" in refusal(tmp_path / "m.gguf")


def test_a_folder_of_several_files(tmp_path):
    for name in ("a.gguf", "b.gguf"):
        write_gguf(tmp_path / name, metadata(CONFIG), {})
    assert refusal(tmp_path) == ": has 2 GGUF files; name one: a.gguf, b.gguf"


# --- GGUF: metadata and tensors --------------------------------------------------------------------------------------

VALUES = {
    **{
        f"no {name}": ({f"{BITNET}.{name}": None}, f"{BITNET}.{name} is missing")
        for name in (
            "embedding_length",
            "feed_forward_length",
            "block_count",
            "attention.head_count",
            "context_length",
            "attention.layer_norm_rms_epsilon",
        )
    },
    "no vocabulary": ({f"{BITNET}.vocab_size": None}, "vocab_size is 0"),
    "another width": ({f"{BITNET}.embedding_length": 60}, "hidden_size is 60"),
    "no layers": ({f"{BITNET}.block_count": 0}, "num_hidden_layers is 0"),
    "layers as a text": ({f"{BITNET}.block_count": "2"}, "num_hidden_layers is '2'"),
    "heads of each layer": ({f"{BITNET}.attention.head_count": [2, 2]}, "num_attention_heads is [2, 2]"),
    "no heads": ({f"{BITNET}.attention.head_count": 0}, "num_attention_heads is 0"),
    "a width as a text": ({f"{BITNET}.embedding_length": "64"}, "hidden_size is '64'"),
    "three KV heads": ({f"{BITNET}.attention.head_count_kv": 3}, "do not divide among 3 KV heads"),
    "eps 0": ({f"{BITNET}.attention.layer_norm_rms_epsilon": 0.0}, "rms_norm_eps is 0.0"),
    "eps NaN": ({f"{BITNET}.attention.layer_norm_rms_epsilon": nan}, "rms_norm_eps is nan"),
    "theta infinite": ({f"{BITNET}.rope.freq_base": inf}, "rope_theta is inf"),
    "scaled positions": ({f"{BITNET}.rope.scaling.type": "linear"}, "rope scaling 'linear' is not supported"),
    "half rotated": ({f"{BITNET}.rope.dimension_count": 16}, "rope.dimension_count is 16, must be the width of a head"),
    "narrow values": ({f"{BITNET}.attention.value_length": 16}, "attention.value_length is 16"),
    "wide heads": ({f"{BITNET}.attention.key_length": 64}, "2 heads of 64 do not make up hidden_size 64"),
    "experts": ({f"{BITNET}.expert_count": 8}, "experts are not supported"),
    "parts": ({"split.count": 3}, "it is one of 3 parts of a model"),
    "an end that is no token": ({"tokenizer.ggml.eos_token_id": "2"}, "'2' is no token"),
    "tokens that are no list": (
        {"tokenizer.ggml.tokens": 7, f"{BITNET}.vocab_size": 160},
        "tokenizer.ggml.tokens is 7",
    ),
}
TENSORS = {
    "no norm": ({NORM: None}, f"{NORM}: missing tensor"),
    "no projection": ({Q: None}, f"{Q}: missing tensor"),
    "a transposed projection": (
        {Q: STATE[UP].T.contiguous()},
        "blk.0.attn_q.weight: wrong shape (64, 96), must be (64, 64)",
    ),
    "a short norm": ({NORM: torch.ones(64)}, "blk.1.ffn_sub_norm.weight: wrong shape (64,), must be (96,)"),
    "NaN in a norm": ({NORM: torch.full((96,), nan)}, "blk.1.ffn_sub_norm.weight: contains NaN or infinity"),
    "a scale of 0": ({f"{Q}_scale": torch.tensor(0.0)}, "blk.0.attn_q.weight: is 0.0, must be positive and finite"),
    "a negative scale": ({f"{Q}_scale": torch.tensor(-1.0)}, "blk.0.attn_q.weight: is -1.0, must be positive"),
    "a scale of NaN": ({f"{Q}_scale": torch.tensor(nan)}, "blk.0.attn_q.weight: is nan, must be positive and finite"),
    "all zeros": ({Q: torch.zeros(64, 64, dtype=torch.int8)}, "100% zeros and a mean of 0.00 are not a BitNet's"),
    "all ones": ({Q: torch.ones(64, 64, dtype=torch.int8)}, "0% zeros and a mean of 1.00 are not a BitNet's"),
    "code 3": ({Q: torch.full((64, 64), 2, dtype=torch.int8)}, "blk.0.attn_q.weight: code 3 occurs"),
}


@pytest.mark.parametrize("case", VALUES)
def test_metadata_that_is_refused(tmp_path, case):
    changes, message = VALUES[case]
    values = {name: value for name, value in (metadata(CONFIG) | changes).items() if value is not None}
    assert message in refusal(write_gguf(tmp_path / "m.gguf", values, {}))


@pytest.mark.parametrize("name", ["gemma", "qwen3", "bitnet"])
def test_an_architecture_that_is_refused(tmp_path, name):
    path = write_gguf(tmp_path / "m.gguf", metadata(CONFIG, name), {}, architecture=name)
    assert f"general.architecture is {name!r}, must be one of bitnet-b1.58, bitnet-25, llama" in refusal(path)


def test_a_llama_with_part_of_a_head(tmp_path):
    """The rows of q are no whole pairs, so they cannot be put in order."""
    config = replace(CONFIG, sub_norms=False, hidden_act="silu")
    state = {name: tensor for name, tensor in STATE.items() if "_sub_norm" not in name}
    state |= {Q: STATE[Q][:62].contiguous()}
    path = write_gguf(tmp_path / "m.gguf", metadata(config, "llama"), state, "llama")
    assert "blk.0.attn_q.weight: wrong shape (62, 64), must be (64, 64)" in refusal(path)


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_are_refused(tmp_path, case):
    changes, message = TENSORS[case]
    state = {name: tensor for name, tensor in (STATE | changes).items() if tensor is not None}
    assert message in refusal(write_gguf(tmp_path / "m.gguf", metadata(CONFIG), state))


@pytest.mark.parametrize(
    "name", ["blk.0.attn_q.bias", "blk.2.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "x", "blk.00.attn_norm.weight"]
)
def test_tensors_of_other_models(tmp_path, name):
    more = {name: (np.ones(64, np.float32), GGMLQuantizationType.F32)}
    assert "unexpected tensor" in refusal(write_gguf(tmp_path / "m.gguf", metadata(CONFIG), STATE, more=more))


def test_factors_of_the_rotation(tmp_path):
    more = {"rope_freqs.weight": (np.ones(16, np.float32), GGMLQuantizationType.F32)}
    assert "rope scaling 'llama3'" in refusal(write_gguf(tmp_path / "m.gguf", metadata(CONFIG), STATE, more=more))


@pytest.mark.parametrize(
    "kind, message",
    [
        ("F16", "is float16; only i2_s is read"),
        ("Q8_0", "is q8_0; only i2_s is read"),
        ("TQ1_0", "is tq1_0, which llama.cpp computes with activations in blocks of 256; only i2_s is read"),
        ("TQ2_0", "is tq2_0, which llama.cpp computes with activations in blocks of 256; only i2_s is read"),
    ],
)
def test_projections_in_other_formats(tmp_path, kind, message):
    """The matrix is 256 wide, a whole block of all these formats."""
    config = replace(CONFIG, hidden_size=256, num_attention_heads=8)
    kind = GGMLQuantizationType[kind]
    more = {gguf_name(Q): (quantize(np.ones((256, 256), np.float32), kind), kind)}
    state = {name: tensor for name, tensor in STATE.items() if not name.startswith(Q)}
    path = write_gguf(tmp_path / "m.gguf", metadata(config), state, more=more)
    assert f"blk.0.attn_q.weight: {message}" in refusal(path, lambda path: open_state_dict(path)[Q])


def test_an_embedding_in_ternary(tmp_path):
    state = STATE | {"model.embed_tokens.weight_scale": torch.tensor(1.0)}
    state["model.embed_tokens.weight"] = torch.randint(-1, 2, (160, 64), dtype=torch.int8)
    path = write_gguf(tmp_path / "m.gguf", metadata(CONFIG), state)
    assert "token_embd.weight: is i2_s, which only projections are" in refusal(path)


# --- GGUF: the tokenizer ---------------------------------------------------------------------------------------------

TOKENIZERS = {
    "sentencepiece": ({"model": "llama"}, "tokenizer.ggml.model is 'llama', must be 'gpt2'"),
    "no model": ({"model": None}, "tokenizer.ggml.model is None, must be 'gpt2'"),
    "other words": ({"pre": "qwen2"}, "tokenizer.ggml.pre is 'qwen2', must be one of llama-bpe"),
    "no tokens": ({"tokens": None}, "tokenizer.ggml.tokens is missing"),
    "no merges": ({"merges": None}, "tokenizer.ggml.merges is missing"),
    "tokens as a text": ({"tokens": "abc"}, "tokenizer.ggml.tokens is 'abc', must be a list of texts"),
    "tokens as numbers": ({"tokens": [1, 2, 3]}, "tokenizer.ggml.tokens is [1, 2, 3], must be a list of texts"),
    "types as a number": ({"token_type": 3}, "tokenizer.ggml.token_type is 3, must be a list"),
    "a token twice": ({"tokens": ["a", "b", "a"]}, "a token of tokenizer.ggml.tokens occurs twice"),
    "a merge of one": ({"merges": ["ab"]}, "the merge 'ab' is not one of two tokens to a token"),
    "a merge of three": ({"merges": ["a b c"]}, "the merge 'a b c' is not one of two tokens to a token"),
    "a merge of unknowns": ({"merges": ["\u2603 x"]}, "is not one of two tokens to a token"),
    "a first token too large": ({"bos_token_id": 2048}, "tokenizer.ggml.bos_token_id is 2048, must be a token"),
    "a last token as a text": ({"eos_token_id": "1"}, "tokenizer.ggml.eos_token_id is '1', must be a token"),
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_a_tokenizer_that_is_refused(tmp_path, case):
    changes, message = TOKENIZERS[case]
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer())
    values |= {f"tokenizer.ggml.{name}": value for name, value in changes.items()}
    values = {name: value for name, value in values.items() if value is not None}
    text = refusal(write_gguf(tmp_path / "m.gguf", values, {}), load_tokenizer)
    assert text.startswith(": its tokenizer cannot be used: ") and message in text


# --- safetensors: the container --------------------------------------------------------------------------------------


def safetensors(header: object, data: int = 64, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)


def stored(kind: str = "F32", shape: object = (16,), places: object = (0, 64)) -> dict:
    return {"a": {"dtype": kind, "shape": shape, "data_offsets": places}}


SAFETENSORS = {
    "empty": b"",
    "three bytes": b"abc",
    "zeros": bytes(1000),
    "a pickle": b"\x80\x04\x95" + bytes(100),
    "a GGUF file": container([NAME]),
    "a long header": safetensors({}, length=1 << 62),
    "no JSON": safetensors(b"{"),
    "no text": safetensors(b"\xff\xfe{}"),
    "a list": safetensors([]),
    "a number": safetensors(7),
    "an unknown type": safetensors(stored("TERNARY")),
    "no shape": safetensors({"a": {"dtype": "F32", "data_offsets": [0, 64]}}),
    "a shape that is a text": safetensors(stored(shape="16")),
    "a negative shape": safetensors(stored(shape=[-16])),
    "another size": safetensors(stored(shape=[17])),
    "a huge shape": safetensors(stored(shape=[1 << 62, 1 << 62])),
    "places in reverse": safetensors(stored(places=[64, 0])),
    "behind the end": safetensors(stored(places=[64, 128])),
    "a gap": safetensors(stored(places=[32, 96]), data=96),
    "more data": safetensors(stored(), data=128),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors_that_are_refused(tmp_path, case):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_hf()))
    (tmp_path / "model.safetensors").write_bytes(SAFETENSORS[case])
    assert refusal(tmp_path).startswith("/model.safetensors: truncated, missing or not safetensors (")


# --- any damage ------------------------------------------------------------------------------------------------------


def loads_or_is_refused(path: Path, damaged: Path) -> None:
    try:
        load_state_dict(path, progress=False)
    except ValueError as error:
        assert str(damaged) in str(error) and "\n" not in str(error)


@fixed
@given(data=st.data())
def test_bytes_of_a_gguf_file(tmp_path_factory, data):
    """A GGUF file with any bytes changed, or cut anywhere, is loaded or refused. No other error comes."""
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    write_gguf(path, metadata(CONFIG), STATE)
    damage(data, path)
    loads_or_is_refused(path, path)


@fixed
@given(data=st.data())
def test_bytes_of_a_safetensors_file(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    config = replace(CONFIG, linear_class="autobitlinear")
    write_folder(folder, stored_state(STATE, "autobitlinear"), config)
    damage(data, folder / "model.safetensors")
    loads_or_is_refused(folder, folder)


def damage(data: st.DataObject, path: Path) -> None:
    """Change up to three bytes, most of them in the header, and cut some files."""
    content = bytearray(path.read_bytes())
    header = st.integers(0, 4000) | st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(header, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | header)
    path.write_bytes(content[:cut])
