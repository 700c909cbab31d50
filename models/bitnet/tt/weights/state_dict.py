# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""Reads a checkpoint into a checked state dict of ternary weights and scales, and writes them.

The state dict has one normalised form for every form of checkpoint. It has Hugging Face's tensor names:

    <projection>.weight         int8 [out, in], every value -1, 0 or +1
    <projection>.weight_scale   float32, 0-d, multiplies the weight
    norms, embedding, lm_head   as stored (float32, float16 or bfloat16)

`lm_head.weight` is in the state dict only if the checkpoint has it. Otherwise the embedding is the output matrix too.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.checkpoint import open_tensors, read_config
from models.bitnet.tt.weights.entry import CheckpointError, Entry
from models.bitnet.tt.weights.packing import is_ternary, pack_ternary, ternarise, unpack_ternary

# The sub-norms of 1bitLLM's checkpoints, and their names here
_OTHER_NAMES = {".self_attn.inner_attn_ln.": ".self_attn.attn_sub_norm.", ".mlp.ffn_layernorm.": ".mlp.ffn_sub_norm."}
_FREQUENCIES = "rotary_emb.inv_freq"

_FLOATS = (torch.float32, torch.float16, torch.bfloat16)


class StateDict(Mapping[str, torch.Tensor]):
    """A checkpoint in the normalised form that the top of this file describes.

    A tensor is read and checked when it is asked for. The projections of one layer are kept until another layer's are
    asked for, so a model that is loaded layer by layer needs the memory of a layer.
    """

    def __init__(self, origin: str, entries: Mapping[str, Entry], config: BitNetConfig):
        """Raises CheckpointError for a missing or unknown tensor."""
        entries = dict(entries)
        _take_frequencies(entries, config)
        entries = _under_our_names(entries)
        self._entries, self._config = entries, config
        self._shapes = tensor_shapes(config)
        if config.tie_word_embeddings and "lm_head.weight" not in entries:
            del self._shapes["lm_head.weight"]
        self._projections = projection_names(config)
        _check_names(origin, entries, self._shapes, self._projections)
        scales = {f"{name}.weight": f"{name}.weight_scale" for name in self._projections}
        self._names = [part for name in self._shapes for part in (name, scales.get(name)) if part]
        self._layer = ""
        self._kept: dict[str, torch.Tensor] = {}

    def __getitem__(self, name: str) -> torch.Tensor:
        """Raises CheckpointError if the stored tensor is none of this model."""
        if name not in self:
            raise KeyError(name)
        weight = name.removesuffix("_scale")
        prefix = weight.removesuffix(".weight")
        if prefix not in self._projections:
            return _read_float(self._entries[name], self._shapes[name])
        layer = prefix.rsplit(".", 2)[0]
        if layer != self._layer:
            self._layer, self._kept = layer, {}
        if name not in self._kept:
            scale = self._entries.get(f"{weight}_scale")
            read = _read_projection(self._entries[weight], scale, self._shapes[weight], self._config)
            self._kept[weight], self._kept[f"{weight}_scale"] = read
        return self._kept[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def open_state_dict(source: str | Path | Mapping[str, torch.Tensor], config: BitNetConfig | None = None) -> StateDict:
    """Open a checkpoint, whose tensors are read one by one.

    source: a Hugging Face folder (`config.json`, and `model.safetensors` or shards with an index), a GGUF file, or a
    state dict. A state dict needs `config`. Projections may be stored in full precision, packed four to a byte, or
    already ternary.

    Raises CheckpointError for any error in the checkpoint, and ValueError for an error in its config.
    """
    if not isinstance(source, Mapping):
        config = config or read_config(source)
        return StateDict(str(source), open_tensors(source), config)
    if config is None:
        raise ValueError("a state dict does not say the model's shape: pass a BitNetConfig")
    origin = "state dict"
    entries = {name: Entry(origin, name, lambda tensor=tensor: tensor) for name, tensor in source.items()}
    return StateDict(origin, entries, config)


def load_state_dict(
    source: str | Path | Mapping[str, torch.Tensor], config: BitNetConfig | None = None, progress: bool = True
) -> dict[str, torch.Tensor]:
    """Read a whole checkpoint into memory. The source and the errors are those of `open_state_dict`.

    progress: show a progress bar on a terminal's stderr if loading takes more than a second.
    """
    state = open_state_dict(source, config)
    hidden = None if progress else True  # None: hidden unless stderr is a terminal
    return {name: state[name] for name in tqdm(state, "loading weights", unit="tensor", delay=1, disable=hidden)}


def projection_names(config: BitNetConfig) -> list[str]:
    """The names of the ternary projections, seven a layer, e.g. `model.layers.0.self_attn.q_proj`."""
    parts = [f"self_attn.{p}_proj" for p in "qkvo"] + [f"mlp.{p}_proj" for p in ("gate", "up", "down")]
    return [f"model.layers.{layer}.{part}" for layer in range(config.num_hidden_layers) for part in parts]


def tensor_shapes(config: BitNetConfig) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight of the model, with `lm_head.weight` and without the scales."""
    hidden, wide, kv = config.hidden_size, config.intermediate_size, config.num_key_value_heads * config.head_dim
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config.vocab_size, hidden)}
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}"
        shapes |= {
            f"{prefix}.input_layernorm.weight": (hidden,),
            f"{prefix}.self_attn.q_proj.weight": (hidden, hidden),
            f"{prefix}.self_attn.k_proj.weight": (kv, hidden),
            f"{prefix}.self_attn.v_proj.weight": (kv, hidden),
            f"{prefix}.self_attn.attn_sub_norm.weight": (hidden,),
            f"{prefix}.self_attn.o_proj.weight": (hidden, hidden),
            f"{prefix}.post_attention_layernorm.weight": (hidden,),
            f"{prefix}.mlp.gate_proj.weight": (wide, hidden),
            f"{prefix}.mlp.up_proj.weight": (wide, hidden),
            f"{prefix}.mlp.ffn_sub_norm.weight": (wide,),
            f"{prefix}.mlp.down_proj.weight": (hidden, wide),
        }
        if not config.sub_norms:
            del shapes[f"{prefix}.self_attn.attn_sub_norm.weight"], shapes[f"{prefix}.mlp.ffn_sub_norm.weight"]
    return shapes | {"model.norm.weight": (hidden,), "lm_head.weight": (config.vocab_size, hidden)}


def save_packed(folder: str | Path, config: BitNetConfig, state: Mapping[str, torch.Tensor]) -> None:
    """Write a normalised state dict as a checkpoint folder in the published packed layout. transformers reads it too.

    Scales are stored in float32, so that loading gives back exactly this state dict. Each file replaces an older file
    of the same name only when it is complete.
    """
    config = replace(config, linear_class="autobitlinear")
    projections = {f"{name}.weight" for name in projection_names(config)}
    packed = {}
    for name, tensor in load_state_dict(state, config, progress=False).items():
        tensor = pack_ternary(tensor) if name in projections else tensor
        packed[name] = tensor.reshape(1) if name.endswith(".weight_scale") else tensor.contiguous()
    if "lm_head.weight" in packed:
        packed["lm_head.weight"] = packed["lm_head.weight"].clone()  # save_file refuses a tied head's shared memory

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        save_file(packed, Path(unfinished) / "model.safetensors", metadata={"format": "pt"})
        (Path(unfinished) / "config.json").write_text(json.dumps(config.to_hf(), indent=2) + "\n", encoding="utf-8")
        for name in ("model.safetensors", "config.json"):
            os.replace(Path(unfinished) / name, folder / name)


def _take_frequencies(entries: dict[str, Entry], config: BitNetConfig) -> None:
    """Remove the rotary frequencies that older checkpoints store. They must be those of the config."""
    expected = config.rope_theta ** (-torch.arange(0, config.head_dim, 2).double() / config.head_dim)
    for name in [name for name in entries if name.endswith(_FREQUENCIES)]:
        entry = entries.pop(name)
        stored = _read_float(entry, tuple(expected.shape)).double()
        # within the rounding of bfloat16, and of the smallest float16
        if not torch.allclose(stored, expected, rtol=2**-8, atol=2**-24):
            entry.fail(f"differs from the frequencies of rope_theta {config.rope_theta}")


def _under_our_names(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The entries, with 1bitLLM's names replaced by ours. Errors still show the names in the file."""
    renamed: dict[str, Entry] = {}
    for name, entry in entries.items():
        for other, ours in _OTHER_NAMES.items():
            name = name.replace(other, ours)
        if name in renamed:
            entry.fail(f"the checkpoint has {renamed[name].name} too, which is another name of the same tensor")
        renamed[name] = entry
    return renamed


def _check_names(origin: str, entries: dict[str, Entry], shapes: dict[str, tuple], projections: list[str]) -> None:
    """Raise CheckpointError for missing and unknown tensors. Either every projection has a weight_scale or none has."""
    scales = {f"{name}.weight_scale" for name in projections}
    required = list(shapes) + (sorted(scales) if not scales.isdisjoint(entries) else [])
    for problem, names in (
        ("missing tensor", [name for name in required if name not in entries]),
        ("unexpected tensor", sorted(entries.keys() - shapes.keys() - scales)),
    ):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise CheckpointError(f"{origin}: {names[0]}: {problem}{more}")


def _read_float(entry: Entry, shape: tuple[int, ...]) -> torch.Tensor:
    """Read a floating-point tensor. Raises CheckpointError if its shape is another or a value is not finite."""
    tensor = entry.read()
    if tensor.dtype not in _FLOATS:
        entry.fail(f"wrong dtype {tensor.dtype}, must be floating point")
    _check_shape(entry, tensor, shape)
    if not torch.stack(torch.aminmax(tensor)).isfinite().all():
        entry.fail("contains NaN or infinity")
    return tensor


def _read_projection(
    weight: Entry, scale: Entry | None, shape: tuple[int, ...], config: BitNetConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read one projection in any stored form -> (ternary int8 [out, in], float32 0-d scale that multiplies)."""
    if scale is None:
        if (stored := weight.read()).dtype in (torch.uint8, torch.int8):
            weight.fail(f"{stored.dtype} weights need a weight_scale: missing tensor")
        return ternarise(_read_float(weight, shape))

    stored = weight.read()
    if stored.dtype == torch.uint8:
        _check_shape(weight, stored, (shape[0] // 4, shape[1]))
        try:
            ternary = unpack_ternary(stored)
        except ValueError as error:
            weight.fail(str(error))
    elif stored.dtype == torch.int8 or stored.dtype in _FLOATS:
        _check_shape(weight, stored, shape)
        if not is_ternary(stored):
            weight.fail("has a weight_scale, but values other than -1, 0 and +1")
        ternary = stored.to(torch.int8)
    else:
        weight.fail(f"wrong dtype {stored.dtype}, must be uint8, int8 or floating point")
    # int8 is the normalised form of this module. Its scale always multiplies, whatever the config says.
    linear_class = "autobitlinear" if stored.dtype == torch.int8 else config.linear_class
    return ternary, _read_scale(scale, linear_class)


def _read_scale(entry: Entry, linear_class: str | None) -> torch.Tensor:
    """Read a weight_scale and convert it to the scale that multiplies."""
    if linear_class is None:
        entry.fail("the config's quantization_config does not say whether this multiplies or divides")
    stored = entry.read()
    if stored.dtype not in _FLOATS:
        entry.fail(f"wrong dtype {stored.dtype}, must be floating point")
    if stored.numel() != 1:
        entry.fail(f"wrong shape {tuple(stored.shape)}, must be a single number")
    scale = stored.float().reshape(())
    scale = 1.0 / scale if linear_class == "bitlinear" else scale
    if not (scale.isfinite() and scale > 0):
        entry.fail(f"is {stored.item()}, must be positive and finite")
    return scale


def _check_shape(entry: Entry, tensor: torch.Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        entry.fail(f"wrong shape {tuple(tensor.shape)}, must be {shape}")
