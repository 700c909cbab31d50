# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""The shape of a BitNet model, read from a Hugging Face config and checked once."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

TILE = 32
HIDDEN_ACTS = ("relu2", "silu")


@dataclass(frozen=True)
class BitNetConfig:
    """All sizes of one model, under Hugging Face's names. The config is immutable and independent of any device.

    `sub_norms` says whether attention and the MLP have a norm before their last projection. `hidden_act` is the
    activation of the gate: 'relu2' or 'silu'.

    `linear_class` says what the `weight_scale` of a checkpoint means. The scale multiplies the ternary weights for
    'autobitlinear' and divides them for 'bitlinear'. `linear_class` is None if the config does not name it, as for
    full-precision weights, which have no scale.
    """

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    rope_theta: float
    rms_norm_eps: float
    tie_word_embeddings: bool = False
    bos_token_id: int | None = None
    eos_token_ids: tuple[int, ...] = ()
    linear_class: str | None = None
    sub_norms: bool = True
    hidden_act: str = "relu2"

    def __post_init__(self) -> None:
        for name in ("hidden_size", "intermediate_size", "head_dim"):
            size = getattr(self, name)
            fits = type(size) is int and size > 0 and size % TILE == 0
            _require(fits, f"{name} is {size!r}, must be a positive multiple of {TILE}")
        counts = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "max_position_embeddings")
        for name in ("vocab_size", *counts):
            count = getattr(self, name)
            _require(type(count) is int and count > 0, f"{name} is {count!r}, must be a positive whole number")
        for name in ("rope_theta", "rms_norm_eps"):
            value = getattr(self, name)
            positive = type(value) in (int, float) and math.isfinite(value) and value > 0
            _require(positive, f"{name} is {value!r}, must be a positive number")
        for name in ("tie_word_embeddings", "sub_norms"):
            choice = getattr(self, name)
            _require(type(choice) is bool, f"{name} is {choice!r}, must be true or false")
        for token in (*(() if self.bos_token_id is None else (self.bos_token_id,)), *self.eos_token_ids):
            _require(
                type(token) is int and token >= 0, f"{token!r} is no token: bos and eos are whole numbers from 0 on"
            )
        _require(
            self.num_attention_heads % self.num_key_value_heads == 0,
            f"{self.num_attention_heads} attention heads do not divide among {self.num_key_value_heads} KV heads",
        )
        _require(
            self.num_attention_heads * self.head_dim == self.hidden_size,
            f"{self.num_attention_heads} heads of {self.head_dim} do not make up hidden_size {self.hidden_size}",
        )
        _require(
            self.linear_class in (None, "autobitlinear", "bitlinear"),
            f"linear_class is {self.linear_class!r}, must be 'autobitlinear' or 'bitlinear'",
        )
        _require(self.hidden_act in HIDDEN_ACTS, f"hidden_act is {self.hidden_act!r}, must be 'relu2' or 'silu'")

    @classmethod
    def from_hf(cls, hf_config: Any) -> "BitNetConfig":
        """Reads a Hugging Face config: the dict of its config.json, or the config object itself.

        | model_type | marked by                          | sub-norms | default hidden_act |
        |------------|------------------------------------|-----------|--------------------|
        | bitnet     |                                    | yes       | relu2              |
        | llama      | architectures: BitnetForCausalLM   | yes       | silu               |
        | llama      | quantization_config of BitNet      | no        | silu               |

        Raises ValueError with a message of one line if the model is none of these or needs something that this port
        does not have.
        """
        hf = dict(hf_config if isinstance(hf_config, Mapping) else hf_config.to_dict())
        quantization = hf.get("quantization_config") or {}
        is_bitnet, is_llama = (hf.get("model_type") == name for name in ("bitnet", "llama"))
        _require(is_bitnet or is_llama, f"model_type is {hf.get('model_type')!r}, must be 'bitnet' or 'llama'")
        sub_norms = is_bitnet or "BitnetForCausalLM" in (hf.get("architectures") or ())
        method = quantization.get("quant_method", "bitnet")
        _require(method == "bitnet", f"quant_method is {method!r}, must be 'bitnet'")
        _require(
            sub_norms or quantization.get("quant_method") == "bitnet",
            "model_type is 'llama' and nothing says that its weights are ternary; "
            "quantization_config must have the quant_method 'bitnet'",
        )
        for name in ("attention_bias", "mlp_bias"):
            _require(not hf.get(name), f"{name} is set; BitNet's projections have no bias")
        _require(not quantization.get("use_rms_norm"), "use_rms_norm (a norm in every projection) is not supported")
        bits = hf.get("weight_bits", 1), hf.get("input_bits", 8)
        _require(bits == (1, 8), f"weight_bits and input_bits are {bits}, must be (1, 8): ternary weights, int8 rows")
        required = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        required += ("max_position_embeddings", "rms_norm_eps")
        for name in required:
            _require(hf.get(name) is not None, f"{name} is missing")
        return cls(
            **{name: hf[name] for name in required},
            num_key_value_heads=hf.get("num_key_value_heads") or hf["num_attention_heads"],
            head_dim=hf.get("head_dim") or _head_dim(hf["hidden_size"], hf["num_attention_heads"]),
            rope_theta=_rope_theta(hf),
            tie_word_embeddings=hf.get("tie_word_embeddings", False),
            bos_token_id=hf.get("bos_token_id"),
            eos_token_ids=_token_ids(hf.get("eos_token_id")),
            linear_class=_linear_class(quantization),
            sub_norms=sub_norms,
            hidden_act=hf.get("hidden_act") or ("relu2" if is_bitnet else "silu"),
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "BitNetConfig":
        """Reads `config.json` of a checkpoint folder, and the stop tokens of `generation_config.json` if that exists.

        The published model names its end-of-turn token only in `generation_config.json`. Errors name the file.
        """
        path = Path(folder) / "config.json"
        generation_path = path.with_name("generation_config.json")
        try:
            config = cls.from_hf(json.loads(path.read_text(encoding="utf-8")))
            if not generation_path.exists():
                return config
            path = generation_path
            more_eos = _token_ids(json.loads(path.read_text(encoding="utf-8")).get("eos_token_id"))
            return replace(config, eos_token_ids=tuple(dict.fromkeys(config.eos_token_ids + more_eos)))
        except FileNotFoundError:
            raise ValueError(f"{path}: no such file") from None
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from error

    def to_hf(self) -> dict[str, Any]:
        """The dict to write as config.json. `from_hf` reads an equal config from it. transformers reads it too.

        transformers has a class for both kinds of models: BitNet with sub-norms, Llama without.
        """
        hf: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        eos, linear_class, sub_norms = (hf.pop(name) for name in ("eos_token_ids", "linear_class", "sub_norms"))
        architecture, model_type = ("BitNetForCausalLM", "bitnet") if sub_norms else ("LlamaForCausalLM", "llama")
        hf |= {"architectures": [architecture], "model_type": model_type}
        hf |= {"attention_bias": False, "eos_token_id": eos[0] if len(eos) == 1 else list(eos) or None}
        # A Llama config must say that its weights are ternary. In the mode 'online' they are stored in full precision.
        if linear_class is not None or not sub_norms:
            hf["quantization_config"] = {
                "quant_method": "bitnet",
                "linear_class": linear_class or "autobitlinear",
                "quantization_mode": "offline" if linear_class else "online",
                "modules_to_not_convert": ["lm_head"],
            }
        return hf


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _token_ids(value: int | list[int] | None) -> tuple[int, ...]:
    """The token ids of a config field, which holds no token, one token or a list, as a tuple."""
    return () if value is None else tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _linear_class(quantization: Mapping[str, Any]) -> str | None:
    """The `linear_class` of a `quantization_config`. It is None for full-precision weights.

    A config that does not name the class has transformers' default, 'bitlinear'. The mode 'online' means that the
    weights are stored in full precision.
    """
    if not quantization or quantization.get("quantization_mode") == "online":
        return None
    return quantization.get("linear_class", "bitlinear")


def _head_dim(hidden_size: Any, heads: Any) -> Any:
    """The head dimension for a config that does not name it: the hidden size over the number of heads.

    If one of the two is not a valid size, this returns `hidden_size`, and the config's checks refuse the field by name.
    """
    sizes = type(hidden_size) is int and type(heads) is int and heads > 0
    return hidden_size // heads if sizes else hidden_size


def _rope_theta(hf: Mapping[str, Any]) -> float:
    """The base of the rotation. transformers 5 keeps `rope_theta` in `rope_parameters`.

    The published checkpoints keep `rope_theta` at the top level.
    """
    rope = {**(hf.get("rope_scaling") or {}), **(hf.get("rope_parameters") or {})}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    _require(rope_type == "default", f"rope scaling {rope_type!r} is not supported")
    _require(rope.get("partial_rotary_factor", 1.0) == 1.0, "partial_rotary_factor is not supported")
    theta = rope.get("rope_theta", hf.get("rope_theta"))
    _require(theta is not None, "rope_theta is missing")
    return theta
