# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the GGUF files of bitnet.cpp (type i2_s): the config, and tensors in the form that `state_dict.py` takes."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from models.bitnet.tt.checks import shown
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.entry import CheckpointError, Entry
from models.bitnet.tt.weights.gguf_file import FLOATS, I2_S, GGUFFile
from models.bitnet.tt.weights.gguf_layout import foreign_layout
from models.bitnet.tt.weights.packing import I2_S_BLOCK, rows_in_halves, unpack_i2_s

# what Hugging Face's config would say of each architecture
_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bitnet-b1.58": {"model_type": "bitnet", "hidden_act": "relu2"},
    "bitnet-25": {"model_type": "bitnet", "hidden_act": "relu2"},  # the same model under its earlier name
    "llama": {"model_type": "llama", "hidden_act": "silu"},  # Llama 3 and Falcon 3 with ternary weights
}
_SIZES = {
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads",
    "context_length": "max_position_embeddings",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}
_ENDS = ("<|eot_id|>", "<|im_end|>")  # llama.cpp ends a text at these tokens too, whatever the file's end token is

_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_PROJECTIONS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_ROTATED = {"attn_q": "attention.head_count", "attn_k": "attention.head_count_kv"}  # and the number of their heads
_NORMS = {
    "attn_norm": "input_layernorm",
    "attn_sub_norm": "self_attn.attn_sub_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_sub_norm": "mlp.ffn_sub_norm",
}
_CHECKED_FOR_LAYOUT = [f"blk.{layer}.ffn_down.weight" for layer in range(3)]
_LEAST_ZEROS, _MOST_ZEROS, _LARGEST_MEAN = 0.05, 0.95, 0.3  # of a ternary matrix that was trained


def read_config(path: Path) -> BitNetConfig:
    """The model's config from the metadata of the file. Errors name the file."""
    file = GGUFFile(path)
    try:
        config = BitNetConfig.from_hf(hf_config(file))
        _check_head_dim(file, config.head_dim)
        return config
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def hf_config(file: GGUFFile) -> dict[str, Any]:
    """The config.json that the metadata stands for. Raises ValueError for metadata that no BitNet here has."""
    metadata = file.metadata
    name = metadata.get("general.architecture")
    if name not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise ValueError(f"general.architecture is {name!r}, must be one of {known}")

    def value(key: str, default: Any = None) -> Any:
        return metadata.get(f"{name}.{key}", default)

    for key in _SIZES:
        if value(key) is None:
            raise ValueError(f"{name}.{key} is missing")
    if value("expert_count", 0):
        raise ValueError(f"{name}.expert_count is {value('expert_count')}: experts are not supported")
    if metadata.get("split.count", 1) != 1:
        raise ValueError(f"it is one of {metadata['split.count']} parts of a model; join them first (llama-gguf-split)")
    tokens = metadata.get("tokenizer.ggml.tokens", [])
    if type(tokens) is not list:
        raise ValueError(f"tokenizer.ggml.tokens is {shown(tokens)}, must be a list")
    hf = _ARCHITECTURES[name] | {ours: _decimal(value(theirs)) for theirs, ours in _SIZES.items()}
    ends = [metadata.get(f"tokenizer.ggml.{end}_token_id") for end in ("eos", "eot")]
    ends += [tokens.index(end) for end in _ENDS if end in tokens]
    return hf | {
        "num_key_value_heads": value("attention.head_count_kv"),
        "head_dim": value("attention.key_length"),
        "vocab_size": value("vocab_size", len(tokens)),
        "rope_theta": _decimal(value("rope.freq_base", 10000.0)),  # llama.cpp's default
        "rope_scaling": {"rope_type": _rope_type(file)},
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "bos_token_id": metadata.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": list(dict.fromkeys(end for end in ends if end is not None)),
        "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear"},
    }


def _check_head_dim(file: GGUFFile, head_dim: int) -> None:
    for key in ("attention.value_length", "rope.dimension_count"):
        width = file.metadata.get(f"{file.metadata['general.architecture']}.{key}", head_dim)
        if width != head_dim:
            raise ValueError(f"{key} is {width}, must be the width of a head, {head_dim}")


def open_tensors(path: Path) -> dict[str, Entry]:
    """Every tensor of the file under Hugging Face's name, opened but not read.

    A projection is read as ternary int8, and its scale, which multiplies, as `weight_scale`.
    """
    file = GGUFFile(path)
    entries = {}

    def add(name: str, stored: str, read: Callable[[GGUFFile, str], torch.Tensor]) -> None:
        entries[name] = Entry(str(path), stored, lambda: read(file, stored))

    for stored in file.tensors:
        layer = re.fullmatch(r"blk\.(0|[1-9]\d*)\.(\w+)\.weight", stored)
        prefix, part = (f"model.layers.{layer[1]}.", layer[2]) if layer else ("", "")
        if part in _PROJECTIONS:
            name = f"{prefix}{_PROJECTIONS[part]}.weight"
            add(name, stored, _projection)
            add(f"{name}_scale", stored, _scale)
        elif part in _NORMS:
            add(f"{prefix}{_NORMS[part]}.weight", stored, _floats)
        else:  # an unknown tensor keeps its name, and `state_dict.py` refuses it
            add(_NAMES.get(stored, stored), stored, _floats)
    return entries


def _decimal(value: Any) -> Any:
    """A float32 of the metadata as the decimal number that was written, which has at most 7 digits."""
    return float(f"{value:.7g}") if type(value) is float else value


def _rope_type(file: GGUFFile) -> Any:
    if "rope_freqs.weight" in file.tensors:
        return "llama3"
    scaling = file.metadata.get(f"{file.metadata['general.architecture']}.rope.scaling.type", "none")
    return "default" if scaling == "none" else scaling


def _floats(file: GGUFFile, stored: str) -> torch.Tensor:
    """A norm, an embedding or a head. A quantised one is read as float32."""
    tensor, content = file.tensors[stored], file.read(stored)
    if tensor.type in FLOATS:
        return content.view(FLOATS[tensor.type]).reshape(tensor.shape)
    if tensor.type == I2_S:
        raise CheckpointError(f"{file.path}: {stored}: is i2_s, which only projections are")
    from gguf import GGMLQuantizationType, dequantize

    rows = content.reshape(*tensor.shape[:-1], -1)
    return torch.from_numpy(dequantize(rows.numpy(), GGMLQuantizationType(tensor.type)))


def _codes(file: GGUFFile, stored: str) -> tuple[torch.Tensor, tuple[int, ...]]:
    """The packed codes of a projection, and its shape."""
    shape = _check_type(file, stored)
    return file.read(stored, 0, math.prod(shape) // 4), shape


def _check_type(file: GGUFFile, stored: str) -> tuple[int, ...]:
    """The shape of a projection. Raises CheckpointError if it is not stored as i2_s."""
    tensor = file.tensors[stored]
    if tensor.type != I2_S:
        why = ", which llama.cpp computes with activations in blocks of 256" if "tq" in tensor.type_name else ""
        raise CheckpointError(f"{file.path}: {stored}: is {tensor.type_name}{why}; only i2_s is read")
    if len(tensor.shape) != 2 or math.prod(tensor.shape) % I2_S_BLOCK:
        raise CheckpointError(f"{file.path}: {stored}: shape {tensor.shape} does not make whole blocks of {I2_S_BLOCK}")
    return tensor.shape


def _scale(file: GGUFFile, stored: str) -> torch.Tensor:
    """The scale behind the codes: float32 [1]."""
    codes = math.prod(_check_type(file, stored)) // 4
    return file.read(stored, codes, 4).view(torch.float32)


def _projection(file: GGUFFile, stored: str) -> torch.Tensor:
    """A ternary matrix, int8 [out, in]. Raises CheckpointError if it is packed or distributed as no such matrix is."""
    packed, shape = _codes(file, stored)
    try:
        ternary = unpack_i2_s(packed, shape)
    except ValueError as error:
        raise CheckpointError(f"{file.path}: {stored}: {error}") from None
    zeros, mean = 1 - ternary.count_nonzero().item() / ternary.numel(), ternary.sum().item() / ternary.numel()
    if not (_LEAST_ZEROS < zeros < _MOST_ZEROS and abs(mean) < _LARGEST_MEAN):
        raise CheckpointError(f"{file.path}: {stored}: {zeros:.0%} zeros and a mean of {mean:.2f} are not a BitNet's")
    if stored in _CHECKED_FOR_LAYOUT:
        _check_layout(file, stored)
    return _rows_in_halves(file, stored, ternary)


def _rows_in_halves(file: GGUFFile, stored: str, matrix: torch.Tensor) -> torch.Tensor:
    """Undo llama.cpp's order of the rows of q and k, which it rotates in adjacent pairs for the architecture llama."""
    part = stored.split(".")[2]
    if file.metadata["general.architecture"] != "llama" or part not in _ROTATED:
        return matrix
    heads = file.metadata.get(f"llama.{_ROTATED[part]}", file.metadata["llama.attention.head_count"])
    if len(matrix) % (2 * heads):
        return matrix  # its shape is refused, whatever the order
    return rows_in_halves(matrix, heads)


def _check_layout(file: GGUFFile, down: str) -> None:
    """Raise CheckpointError if the MLP of the matrix `down` shows that the file packs its values in another order."""
    names = [down.replace("ffn_down", part) for part in ("ffn_gate", "ffn_up", "ffn_down")]
    shapes = [file.tensors[name].shape if name in file.tensors else None for name in names]
    if shapes[0] == shapes[1] == shapes[2][::-1]:  # otherwise a shape or a name is refused elsewhere
        layout = foreign_layout(*(_codes(file, name) for name in names))
        if layout:
            raise CheckpointError(
                f"{file.path}: {down}: packed in {layout}; only blocks of {I2_S_BLOCK} values are read"
            )
