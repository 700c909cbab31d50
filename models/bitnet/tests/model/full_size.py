# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a model of the 2B-4T's full size with random weights, and prints its results and costs as one line of JSON.

    python -m models.bitnet.tests.model.full_size p150
    python -m models.bitnet.tests.model.full_size 4xp150 4       # tensor parallel on four chips

The model runs in a separate process, so that the peak memory of the process is that of the model.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Mapping

import torch

from models.bitnet.demo.device import open_device

PROMPT, STEPS, CONTEXT = 128, 16, 256
SIZES = {
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "num_hidden_layers": 30,
    "num_attention_heads": 20,
    "num_key_value_heads": 5,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 4096,
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-5,
}


class RandomState(Mapping):
    """A state dict that draws a tensor at every access and keeps none, so that the host never holds a whole model."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], layers: int):
        self._shapes, self._layers = shapes, layers

    def __getitem__(self, name: str) -> torch.Tensor:
        weight = name.removesuffix("_scale")
        shape = self._shapes[weight]
        torch.manual_seed(list(self._shapes).index(weight))
        if name != weight:
            # a normalised row keeps its size; the updates of all layers together are as large as the embedding
            last = weight.endswith(("o_proj.weight", "down_proj.weight"))
            return torch.tensor((2 / 3 * shape[1]) ** -0.5 * ((2 * self._layers) ** -0.5 if last else 1))
        if "_proj" in name:
            return torch.randint(-1, 2, shape, dtype=torch.int8)
        if len(shape) == 1:
            return torch.rand(shape) + 0.5
        return torch.empty(shape, dtype=torch.bfloat16).normal_()

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run(board: str, chips: int = 1) -> dict:
    torch.set_num_threads(1)
    with open_device(board, chips) as opened:
        # the device must be prepared before ttnn is imported, so these imports come here
        from models.bitnet.tt.bitnet import BitNet
        from models.bitnet.tt.config import BitNetConfig
        from models.bitnet.tt.generation.sampling import GREEDY
        from models.bitnet.tt.model_config import ModelConfig
        from models.bitnet.tt.weights.state_dict import tensor_shapes

        sizes = BitNetConfig(**SIZES)
        shapes = tensor_shapes(sizes)
        started = time.perf_counter()
        config = ModelConfig(sizes, opened.device, "accuracy", users=1, max_seq_len=CONTEXT)
        with torch.no_grad(), BitNet(config, RandomState(shapes, sizes.num_hidden_layers), tokenizer=None) as model:
            loaded, loaded_gb = time.perf_counter(), peak_gb()
            generator, table = model.generator, model.pool.page_table()
            text = torch.randint(0, sizes.vocab_size, (PROMPT,)).tolist()
            first = generator.prefill_forward_text(torch.tensor([text]), table)
            prefilled = time.perf_counter()
            text.append(int(first[0, 0].argmax()))
            step_times = []
            for _ in range(STEPS - 1):
                began = time.perf_counter()
                position = torch.tensor([len(text) - 1])
                step = generator.decode_forward(torch.tensor(text[-1:]), position, table, sampling_params=[GREEDY])
                text.append(int(step[0]))
                step_times.append(time.perf_counter() - began)
            logits = generator.decode_forward(torch.tensor(text[-1:]), torch.tensor([len(text) - 1]))[0, 0]
            decoded = time.perf_counter()
            # the same text as one prompt
            again = generator.prefill_forward_text(torch.tensor([text]), table)[0, 0]
            return {
                "device": opened.description,
                "tokens": text[PROMPT:],
                "finite": bool(first.isfinite().all() and logits.isfinite().all()),
                "pcc": torch.corrcoef(torch.stack([logits, again]))[0, 1].item(),
                "load_s": loaded - started,
                "prefill_s": prefilled - loaded,
                "decode_s": decoded - prefilled,
                "median_step_s": statistics.median(step_times),
                "loaded_gb": loaded_gb,
                "peak_gb": peak_gb(),
            }


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], *map(int, sys.argv[2:]))))
