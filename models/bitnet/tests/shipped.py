# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers for the whole-model tests: the shipped model in `demo/tiny`, its prompts, and the reference's tokens."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import torch

import ttnn
from models.bitnet.reference.model import Model
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.weights.state_dict import load_state_dict

DEMO = Path(__file__).resolve().parents[1] / "demo"
FOLDER = DEMO / "tiny"
TRACE_REGION = 64 << 20


@functools.cache
def config() -> BitNetConfig:
    return BitNetConfig.from_pretrained(FOLDER)


@functools.cache
def state() -> dict[str, torch.Tensor]:
    return load_state_dict(FOLDER, progress=False)


@functools.cache
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(FOLDER)


def texts(count: int = 32) -> list[str]:
    """The demo's prompts."""
    return [p["prompt"] for p in json.loads((DEMO / "prompts/prompts_32.json").read_text())[:count]]


def prompts(count: int = 32) -> list[list[int]]:
    """The tokens of the demo's prompts."""
    return [tokenizer().encode(text) for text in texts(count)]


def load(device: ttnn.MeshDevice, **options: Any) -> BitNet:
    return BitNet.from_pretrained(FOLDER, device, progress=False, **options)


def load_short(
    device: ttnn.MeshDevice,
    precision: str = "fused",
    max_batch: int = 1,
    max_seq_len: int | None = None,
    cache_dtype: ttnn.DataType | None = None,
    rows: int | None = None,
    **options: Any,
) -> BitNet:
    """Load the first two layers of the shipped model, for tests that do not depend on the quality of its text.

    A step has `rows` rows (default: one for each of the `max_batch` requests at a time).
    """
    short = dataclasses.replace(config(), num_hidden_layers=2)
    return BitNet(
        ModelConfig(short, device, precision, rows or max_batch, max_seq_len, cache_dtype),
        state(),
        tokenizer(),
        max_batch=max_batch,
        **options,
    )


def greedy(model: Model, prompt: list[int], count: int) -> tuple[list[int], torch.Tensor]:
    """The next `count` greedy tokens of the reference, and the logits [count, vocabulary] that they are chosen from.

    An end token does not end the text.
    """
    logits, cache = model.prefill(torch.tensor([prompt]))
    tokens, rows = [], [logits[0, -1]]
    while True:
        tokens.append(int(rows[-1].argmax()))
        if len(tokens) == count:
            return tokens, torch.stack(rows)
        logits, cache = model.decode(torch.tensor(tokens[-1:]), cache)
        rows.append(logits[0])


def prefill(model: BitNet, slots: dict[int, list[int]], **options: Any) -> dict[int, torch.Tensor]:
    """Prefill prompts into the given slots of the batch. Returns the result of `prefill_forward_text` by slot."""
    results = {}
    for slot, prompt in slots.items():
        model.pool.reserve(slot, len(prompt) + 1)
        table = model.pool.page_table()[slot : slot + 1]
        results[slot] = model.generator.prefill_forward_text(torch.tensor([prompt]), table, **options)[0]
    return results
