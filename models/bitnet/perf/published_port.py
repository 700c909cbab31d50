# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the published BitNet port for comparison: its programs, and its logits and tokens against transformers.

git clone https://github.com/deveworld/bitnet-tt
python models/bitnet/perf/published_port.py bitnet-tt

The model has random weights of the 2B-4T's sizes, two layers and a vocabulary of 4096. ttnn 0.81.1 has no
`argmax(use_multicore=...)`, so the port runs without this option. The published prefill rotates adjacent columns of
queries and keys, although the projections are in the order of halves. It also rotates by the negative angle. The
published decode does neither. "Mended" is the port with a prefill that agrees with its decode.
"""

import argparse
import importlib
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

import torch  # noqa: E402

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402

LAYERS, VOCABULARY, PROMPT, STEPS = 2, 4096, 24, 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a checkout of deveworld/bitnet-tt")
    parser.add_argument("--board", default="p150", help="which board to emulate without a card")
    parser.add_argument("--weights", default="bf16", choices=("bf16", "bfp8", "bfp4"), help="the port's weight dtype")
    options = parser.parse_args()
    if not (options.folder / "src" / "bitnet_tt").is_dir():
        parser.error(f"{options.folder} has no src/bitnet_tt; give a checkout of deveworld/bitnet-tt")
    sys.path.insert(0, str(options.folder / "src"))
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    with open_device(options.board) as opened:
        weights = master_weights()
        golden = transformers_model(weights)
        prompt = torch.randint(0, VOCABULARY, (1, PROMPT))
        expected, texts = golden(prompt).logits[0], greedy(golden, prompt)
        print(f"{LAYERS} layers, {options.weights} weights, a prompt of {PROMPT} tokens, on {opened.description}")
        for mended in (False, True):
            port = Port(opened.device, weights, options.weights, mended)
            prefill, logits = port.prefill(prompt)
            step, chosen = port.generate(prompt)
            pcc = torch.corrcoef(torch.stack([expected.flatten(), logits.flatten()]))[0, 1]
            same = next((n for n, (a, b) in enumerate(zip(texts, chosen)) if a != b), STEPS)
            print(
                f"{'mended' if mended else 'as published'}: {prefill} programs a prefill, {step} a step, "
                f"PCC of the prompt's logits {pcc:.4f}, the first {same} of {STEPS} greedy tokens are transformers'"
            )
    return 0


def master_weights() -> dict[str, torch.Tensor]:
    """Random full-precision weights under Hugging Face's names."""
    from models.bitnet.perf.random_model import sizes
    from models.bitnet.tt.weights.state_dict import tensor_shapes

    shapes = tensor_shapes(sizes(LAYERS, VOCABULARY))
    return {
        name: torch.rand(shape) + 0.5 if len(shape) == 1 else torch.randn(shape) * (1 if "_proj" not in name else 0.02)
        for name, shape in shapes.items()
    }


def transformers_model(weights: dict[str, torch.Tensor]) -> Any:
    """transformers' BitNet, which quantises weights and activations in every call."""
    import transformers
    from transformers.integrations.bitnet import replace_with_bitnet_linear
    from transformers.utils.quantization_config import BitNetQuantConfig

    from models.bitnet.perf.random_model import sizes

    config = replace(sizes(LAYERS, VOCABULARY), eos_token_ids=(), linear_class=None)
    model = transformers.BitNetForCausalLM(transformers.BitNetConfig(**config.to_hf())).eval()
    online = BitNetQuantConfig(linear_class="autobitlinear", quantization_mode="online")
    replace_with_bitnet_linear(model, ["lm_head"], online)
    model.load_state_dict(weights, strict=False, assign=True)
    return model


def greedy(model: Any, prompt: torch.Tensor) -> list[int]:
    text = prompt
    for _ in range(STEPS):
        text = torch.cat([text, model(text).logits[:, -1:].argmax(-1)], dim=1)
    return text[0, prompt.shape[1] :].tolist()


def theirs(name: str) -> Any:
    """Import a module of the published port from the given folder."""
    return importlib.import_module(f"bitnet_tt.{name}")


class Port:
    """The published port with the given weights. It is called through its public functions."""

    def __init__(self, device: Any, weights: dict[str, torch.Tensor], dtype: str, mended: bool):
        import ttnn

        files, generator_batch32 = theirs("utils.weights"), theirs("inference.generator_batch32")
        sizes = theirs("config").BitNetConfig(num_layers=LAYERS, vocab_size=VOCABULARY)
        model = theirs("model.bitnet").create_model(sizes, device, weight_dtype=dtype)
        files.load_weights_to_model(model, files.convert_hf_state_dict({n: t.numpy() for n, t in weights.items()}))
        if mended:
            for number, layer in enumerate(model.layers):
                mend(layer.self_attn, f"model.layers.{number}.self_attn", weights)
        without_option = types.ModuleType("ttnn")
        without_option.__dict__.update(ttnn.__dict__)
        without_option.argmax = lambda x, use_multicore=None, **rest: ttnn.argmax(x, **rest)
        generator_batch32.ttnn = without_option
        self.generator = generator_batch32.Batch32Generator(model, Tokens(), enable_trace=False)
        self.generator._ensure_kv_caches(max_seq_len=256)

    def prefill(self, prompt: torch.Tensor) -> tuple[int, torch.Tensor]:
        """The number of programs of a prefill, and the logits of the prompt [tokens, vocabulary]."""
        import ttnn

        results = []
        programs = count(lambda: results.append(self.generator._prefill_batch32(prompt.numpy())[0]))
        logits = ttnn.to_torch(results[0]).float().reshape(-1, VOCABULARY)[: prompt.shape[1]]
        return programs, logits

    def generate(self, prompt: torch.Tensor) -> tuple[int, list[int]]:
        """The number of programs of a decode step, and the greedy tokens."""
        text = self.generator.generate(prompt.numpy(), max_new_tokens=STEPS, temperature=0.0, top_k=1)
        position = prompt.shape[1] + STEPS

        def step() -> None:
            logits = self.generator._execute_decode_untraced(text[-1], position)
            self.generator._sample_token(logits, temperature=0.0, top_k=1)

        return count(step), text[prompt.shape[1] :]


def mend(attention: Any, name: str, weights: dict[str, torch.Tensor]) -> None:
    """Reorder the projections of prefill for its rotation, and rotate by the positive angle."""
    import ttnn

    permute = theirs("layers.attention")._permute_halfsplit_to_adjacent
    attention._rope_rotation_mat = ttnn.neg(attention._rope_rotation_mat)
    for projection, heads in (("q_proj", attention.num_heads), ("k_proj", attention.num_kv_heads)):
        linear = getattr(attention, projection)
        columns = weights[f"{name}.{projection}.weight"].numpy().T
        linear.load_weights(permute(columns, heads, attention.head_dim).T.copy())
        linear.weight_scale = 1.0  # the scale of attention includes the weight scale


class Tokens:
    """A tokenizer that takes and returns tokens."""

    eos_token_id = None

    def __call__(self, prompt: Any, return_tensors: str) -> dict[str, Any]:
        return {"input_ids": prompt}

    def decode(self, tokens: list, skip_special_tokens: bool) -> list[int]:
        return [int(token) for token in tokens]


def count(work: Any) -> int:
    from models.bitnet.perf.programs import capture

    return len(capture(work))


if __name__ == "__main__":
    command.run(main)
