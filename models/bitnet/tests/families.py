# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Small random checkpoints of the other ternary models that run here, all written by transformers.

`llama` is Falcon3-1.58bit and Llama3-8B-1.58: no sub-norms, silu, packed weights, an output matrix of its own.
`one_bit` is 1bitLLM's bitnet_b1_58-large: sub-norms under other names, silu, full-precision weights, a vocabulary that
is no multiple of 32.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.integrations import bitnet as hf_bitnet

Written = transformers.PreTrainedModel
COMMON = {"num_hidden_layers": 2, "max_position_embeddings": 256, "attn_implementation": "eager"}
COMMON |= {"bos_token_id": None, "eos_token_id": None}


def llama(folder: Path) -> Written:
    """Write a checkpoint like Falcon3's into `folder`. Returns transformers' model of it, in float32."""
    sizes = {"hidden_size": 512, "intermediate_size": 352, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = transformers.LlamaConfig(
        **sizes, **COMMON, head_dim=256, vocab_size=320, rms_norm_eps=1e-6, rope_parameters=_rope(1000042.0)
    )
    hf = transformers.LlamaForCausalLM(config).eval()
    state = {name: tensor.bfloat16() for name, tensor in _random_state(hf).items()}
    for name in [name for name in state if "_proj" in name]:
        scale = 1 / state[name].abs().mean()
        state[name] = hf_bitnet.pack_weights((state[name] * scale).round().clamp(-1, 1))
        state[f"{name}_scale"] = scale.reshape(1)
    hf_bitnet.replace_with_bitnet_linear(hf, modules_to_not_convert=["lm_head"])
    hf.load_state_dict(state, strict=True, assign=True)
    hf.config.quantization_config = {"modules_to_not_convert": ["lm_head"], "quant_method": "bitnet"}
    hf.save_pretrained(folder)
    floats = {name: tensor if tensor.dtype == torch.uint8 else tensor.float() for name, tensor in state.items()}
    hf.load_state_dict(floats, strict=True, assign=True)
    return hf


def one_bit(folder: Path) -> Written:
    """Write a checkpoint like bitnet_b1_58-large's into `folder`. Returns transformers' BitNet with its weights."""
    sizes = {"hidden_size": 384, "intermediate_size": 352, "num_attention_heads": 4, "num_key_value_heads": 4}
    config = transformers.BitNetConfig(
        **sizes,
        **COMMON,
        hidden_act="silu",
        vocab_size=290,
        rms_norm_eps=1e-5,
        rope_parameters=_rope(10000.0),
        tie_word_embeddings=True,
    )
    hf = transformers.BitNetForCausalLM(config).eval()
    state = _random_state(hf)
    hf.load_state_dict(state, strict=True, assign=True)
    hf.save_pretrained(folder, state_dict={_one_bit_name(name): tensor for name, tensor in state.items()})
    path = folder / "config.json"
    published = {"architectures": ["BitnetForCausalLM"], "model_type": "llama", "weight_bits": 1, "input_bits": 8}
    path.write_text(json.dumps(json.loads(path.read_text()) | published))
    online = transformers.BitNetQuantConfig(linear_class="autobitlinear", quantization_mode="online")
    hf_bitnet.replace_with_bitnet_linear(hf, modules_to_not_convert=["lm_head"], quantization_config=online)
    hf.load_state_dict(state, strict=True, assign=True)
    return hf


FAMILIES: Mapping[str, Callable[[Path], Written]] = {"llama": llama, "one_bit": one_bit}
every_family = pytest.mark.parametrize("family", FAMILIES)


def _rope(theta: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


def _one_bit_name(name: str) -> str:
    """1bitLLM's name of a tensor of transformers' BitNet."""
    return name.replace("attn_sub_norm", "inner_attn_ln").replace("ffn_sub_norm", "ffn_layernorm")


def _random_state(hf: Written) -> dict[str, torch.Tensor]:
    """Random full-precision weights. The sizes of matrices differ, but for q and k, which would saturate a softmax."""
    torch.manual_seed(0)
    state = {}
    for name, tensor in hf.state_dict().items():
        if "norm" in name:
            state[name] = torch.rand(tensor.shape) + 0.5
        elif "q_proj" in name or "k_proj" in name:
            state[name] = torch.randn(tensor.shape) * 0.1
        elif "_proj" in name:
            state[name] = torch.randn(tensor.shape) * 10 ** (torch.rand(()).item() - 1.5)
        else:
            state[name] = torch.randn(tensor.shape)
    if hf.config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    return state
