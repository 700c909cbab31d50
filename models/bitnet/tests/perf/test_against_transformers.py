# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of a decode step of the port and of transformers on this CPU: same weights, one thread.

pytest models/bitnet/tests/perf/test_against_transformers.py --benchmark-columns=min,median

On the emulated device both sides compute on the CPU, so the port's times are those of the emulation, which does every
step of the kernels. On a card they are the card's.

transformers runs BitNet in three ways. In `dense`, in bfloat16 or float32, every projection is a linear layer of the
dequantised weights. It does not quantise activations, which is less work than BitNet asks for. In `packed`,
transformers' BitLinear quantises activations and unpacks two-bit weights in every call. The port quantises activations
to int8 in `accuracy` but not in `performance`. It chooses the token on the device and replays a trace.
"""

from collections.abc import Callable

import pytest
import torch
import transformers
from transformers.integrations.bitnet import pack_weights, replace_with_bitnet_linear
from transformers.utils.quantization_config import BitNetQuantConfig

import ttnn
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.tt.config import BitNetConfig

pytestmark = pytest.mark.slow  # benchmarks assert nothing

MODEL = sizes(layers=4, vocabulary=16384)
CONTEXT, ROUNDS = 64, 12


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return cheap_state(MODEL)


def transformers_config(config: BitNetConfig) -> transformers.BitNetConfig:
    hf = config.to_hf()
    hf.pop("quantization_config", None)
    return transformers.BitNetConfig(**hf, attn_implementation="sdpa")


def dense(config: BitNetConfig, weights: dict[str, torch.Tensor], dtype: torch.dtype) -> transformers.BitNetForCausalLM:
    """The model in transformers with linear layers of the dequantised weights."""
    state = {}
    for name, tensor in weights.items():
        if name.endswith(".weight_scale"):
            continue
        scale = weights.get(f"{name}_scale")
        state[name] = (tensor if scale is None else tensor * scale).to(dtype)
    return _load(transformers_config(config), state, dtype)


def packed(
    config: BitNetConfig, weights: dict[str, torch.Tensor], dtype: torch.dtype
) -> transformers.BitNetForCausalLM:
    """The model in transformers with transformers' BitLinear, whose scale divides."""
    state = {}
    for name, tensor in weights.items():
        if name.endswith(".weight_scale"):
            state[name] = (1 / tensor).reshape(1).to(dtype)
        elif f"{name}_scale" in weights:
            state[name] = pack_weights(tensor.float())
        else:
            state[name] = tensor.to(dtype)
    quantised = BitNetQuantConfig(linear_class="bitlinear", modules_to_not_convert=["lm_head"])
    return _load(transformers_config(config), state, dtype, quantised)


def _load(config, state, dtype, quantisation=None) -> transformers.BitNetForCausalLM:
    with torch.device("meta"):
        model = transformers.BitNetForCausalLM(config)
        if quantisation is not None:
            model = replace_with_bitnet_linear(
                model, modules_to_not_convert=["lm_head"], quantization_config=quantisation
            )
    missing, unexpected = model.load_state_dict(state, strict=False, assign=True)
    assert not missing and not unexpected, (missing, unexpected)
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    return model.eval()


def transformers_step(model: transformers.BitNetForCausalLM) -> Callable[[], object]:
    """A decode step after a prompt of CONTEXT tokens."""
    cache = transformers.DynamicCache()
    model(torch.zeros(1, CONTEXT, dtype=torch.long), past_key_values=cache, use_cache=True)
    tokens = [torch.zeros(1, 1, dtype=torch.long)]

    def step() -> None:
        logits = model(tokens[-1], past_key_values=cache, use_cache=True).logits
        tokens.append(logits[:, -1:].argmax(-1))

    return step


def our_step(
    device: ttnn.MeshDevice, config: BitNetConfig, weights: dict[str, torch.Tensor], precision: str
) -> Callable[[], object]:
    model = SteppingModel(device, precision, 1, config, weights, max_seq_len=256)
    model.start(CONTEXT)
    return lambda: model.step(trace=True)


STEPS = {
    "ours, fused": lambda device, weights: our_step(device, MODEL, weights, "fused"),
    "ours, performance": lambda device, weights: our_step(device, MODEL, weights, "performance"),
    "ours, accuracy": lambda device, weights: our_step(device, MODEL, weights, "accuracy"),
    "transformers, dense bfloat16": lambda device, weights: transformers_step(dense(MODEL, weights, torch.bfloat16)),
    "transformers, dense float32": lambda device, weights: transformers_step(dense(MODEL, weights, torch.float32)),
    "transformers, packed float32": lambda device, weights: transformers_step(packed(MODEL, weights, torch.float32)),
}


@pytest.mark.parametrize("name", STEPS)
def test_benchmark_decode_step(benchmark, open_device, weights, name):
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        step = STEPS[name](open_device, weights)
        benchmark.pedantic(step, rounds=ROUNDS, warmup_rounds=2)  # the first steps compile and capture
