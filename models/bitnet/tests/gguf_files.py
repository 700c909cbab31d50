# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Writes GGUF files as bitnet.cpp has them, with the writer of the package `gguf`, for the tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter, quantize

from models.bitnet.tt.config import BitNetConfig

ARCHITECTURE = "bitnet-b1.58"
I2_S = 36
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.attn_sub_norm": "attn_sub_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.ffn_sub_norm": "ffn_sub_norm",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    """The name in a GGUF file of a tensor with Hugging Face's name."""
    parts = name.removesuffix(".weight").split(".")
    if parts[:2] == ["model", "layers"]:
        return f"blk.{parts[2]}.{NAMES['.'.join(parts[3:])]}.weight"
    return f"{NAMES['.'.join(parts)]}.weight"


def places(shape: tuple[int, int], layout: str = "x86") -> tuple[np.ndarray, np.ndarray]:
    """The byte of each value of a matrix, and the place of its lowest bit in this byte."""
    i, columns = np.arange(shape[0] * shape[1]), shape[1]
    if layout == "x86":  # byte j of a block of 128: values j, 32 + j, 64 + j, 96 + j from the highest bits on
        return i // 128 * 32 + i % 32, 6 - 2 * (i % 128 // 32)
    if layout == "arm":  # the same in blocks of 64
        return i // 64 * 16 + i % 16, 6 - 2 * (i % 64 // 16)
    row, column = i // columns, i % columns  # a column of four rows in a byte
    return row // 4 * columns + column, 6 - 2 * (row % 4)


def pack_i2_s(ternary: torch.Tensor, scale: float, layout: str = "x86") -> np.ndarray:
    """The bytes of an i2_s tensor: codes, the scale as a float32, and 28 bytes to fill up."""
    packed = np.zeros(ternary.numel() // 4, np.uint8)
    byte, bit = places(tuple(ternary.shape), layout)
    np.bitwise_or.at(packed, byte, (ternary.flatten().numpy() + 1).astype(np.uint8) << bit.astype(np.uint8))
    return np.concatenate([packed, np.float32([scale]).view(np.uint8), np.zeros(28, np.uint8)])


def in_pairs(rows: torch.Tensor, width: int) -> torch.Tensor:
    """The rows of heads of this width as llama.cpp stores them: row i of both halves of a head, one behind the other.

    The rows of a part of a head stay as they are.
    """
    heads, halves = range(0, len(rows) - width + 1, width), (0, width // 2)
    order = [head + half + i for head in heads for i in range(width // 2) for half in halves]
    return torch.cat([rows[order], rows[len(order) :]])


def metadata(config: BitNetConfig, architecture: str = ARCHITECTURE) -> dict[str, Any]:
    """The metadata that bitnet.cpp's converter writes, without the tokenizer's texts."""
    sizes = {
        "vocab_size": config.vocab_size,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "rope.dimension_count": config.head_dim,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": config.rope_theta,
    }
    return {f"{architecture}.{name}": value for name, value in sizes.items()} | {
        "general.file_type": 40,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.bos_token_id": config.bos_token_id,
        "tokenizer.ggml.eos_token_id": config.eos_token_ids[0],
        "tokenizer.ggml.add_bos_token": True,
    }


def write_gguf(
    path: Path,
    values: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    architecture: str = ARCHITECTURE,
    embedding: str = "F16",
    layout: str = "x86",
    more: Mapping[str, tuple[np.ndarray, int]] | None = None,
) -> Path:
    """Write a normalised state dict. The type of the embedding and the head is `embedding`.

    `more` has further tensors under their names in the file: bytes [rows, bytes of a row], and the type.
    """
    writer = GGUFWriter(path, architecture)
    for name, value in values.items():
        add = {str: writer.add_string, bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
        add.get(type(value), writer.add_array)(name, value)
    for name, tensor in state.items():
        if architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            tensor = in_pairs(tensor, values["llama.rope.dimension_count"])
        if f"{name}_scale" in state:
            packed = pack_i2_s(tensor, state[f"{name}_scale"].item(), layout)
            writer.add_tensor(gguf_name(name), packed.view(np.int8), tuple(tensor.shape), I2_S)
        elif not name.endswith("_scale"):
            kind = GGMLQuantizationType[embedding if tensor.dim() == 2 else "F32"]
            data = quantize(tensor.float().numpy(), kind)
            writer.add_tensor(gguf_name(name), data, raw_dtype=kind)
    for name, (data, kind) in (more or {}).items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tokenizer_values(tokenizer: Any, pre: str | None = "gpt-2") -> dict[str, Any]:
    """The metadata of a byte-level BPE tokenizer of transformers."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    whole = {t.content for t in tokenizer.added_tokens_decoder.values()}
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    values = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in whole else 1 for token in tokens],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in model["merges"]],
        "tokenizer.chat_template": tokenizer.chat_template,
    }
    return values | ({"tokenizer.ggml.pre": pre} if pre else {})
