# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the decode speed of the port with transformers on this CPU: same weights, same run, one thread.

On the emulated device both sides compute on the CPU, so the test measures the emulation. On a card it measures that.

transformers runs BitNet in three ways. In `dense`, in bfloat16 or float32, every projection is a linear layer of the
dequantised weights. It does not quantise activations, which is less work than BitNet asks for. In `packed`,
transformers' BitLinear quantises activations and unpacks two-bit weights in every call. The port quantises activations
to int8 in `accuracy` but not in `performance`. It chooses the token on the device and replays a trace.
"""

import statistics
import time
from collections.abc import Callable

import pytest
import torch
import transformers
from transformers.integrations.bitnet import pack_weights, replace_with_bitnet_linear
from transformers.utils.quantization_config import BitNetQuantConfig

import ttnn
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.tt.config import BitNetConfig

MODEL = sizes(layers=4, vocabulary=16384)
CONTEXT, TOKENS = 64, 12


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


def speeds_in_turns(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median tokens/s. Other load on the machine affects all steps, because they take turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(TOKENS + 2):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if round_ >= 2:  # the first two rounds compile and capture
                times[name].append(time.perf_counter() - started)
    return {name: 1 / statistics.median(seconds) for name, seconds in times.items()}


@pytest.mark.slow
def test_decode_against_transformers(open_device, weights):
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        steps = {
            "ours, performance": our_step(open_device, MODEL, weights, "performance"),
            "ours, accuracy": our_step(open_device, MODEL, weights, "accuracy"),
            "transformers, dense bfloat16": transformers_step(dense(MODEL, weights, torch.bfloat16)),
            "transformers, dense float32": transformers_step(dense(MODEL, weights, torch.float32)),
            "transformers, packed float32": transformers_step(packed(MODEL, weights, torch.float32)),
        }
        speeds = speeds_in_turns(steps)
    for name, speed in speeds.items():
        print(f"{name:<32}{speed:8.2f} tokens/s")
    # both do the arithmetic of BitNet; dense layers do less, and the emulation does every step of the kernels
    assert speeds["ours, accuracy"] >= speeds["transformers, packed float32"]
