# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the sub-blocks that add error: compares the residual stream of the device and of the reference after each."""

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import ttnn
from models.bitnet.reference.model import Model
from models.bitnet.reference.rope import rope_tables
from models.bitnet.tt.bitnet import BitNet

Stream = dict[str, Tensor]  # name of a sub-block -> the residual stream after it, [positions, hidden] float32


@dataclass(frozen=True)
class LayerError:
    """The error of the device's residual stream after one sub-block, relative to the reference's stream."""

    name: str
    stream: float  # the error so far
    growth: float  # the increase of the error in this sub-block
    own: float  # the error that this sub-block adds: the device against the reference, both on the device's input


def device_stream(model: BitNet, tokens: Tensor) -> Stream:
    """The residual stream of the device in a prefill of `tokens` [positions] as the first user."""
    parts: dict[str, list[Tensor]] = defaultdict(list)
    decoder, forward = model.generator.model, model.generator.model.forward_prefill

    def record(name: str, residual: ttnn.Tensor) -> None:
        parts[name].append(ttnn.to_torch(residual).float()[0, 0])

    model.pool.reserve(0, len(tokens))
    decoder.forward_prefill = partial(forward, on_residual=record)
    try:
        model.generator.prefill_forward_text(tokens[None], model.pool.page_table()[:1])
    finally:
        del decoder.forward_prefill  # restores the method of the class
        model.pool.release(0)
    return {name: torch.cat(chunks)[: len(tokens)] for name, chunks in parts.items()}


def reference_stream(reference: Model, tokens: Tensor) -> Stream:
    stream: Stream = {}
    reference.prefill(tokens[None], on_residual=lambda name, x: stream.update({name: x[0]}))
    return stream


def layer_errors(reference: Model, device: Stream, golden: Stream) -> list[LayerError]:
    """The errors of the embedding and of every sub-block, in the order of the model."""
    names = list(golden)
    assert list(device) == names, "the two sides have different sub-blocks"
    cos, sin = rope_tables(reference.config, 0, len(golden[names[0]]))
    errors, before = [], 0.0
    for previous, name in zip([None, *names], names):
        size = golden[name].norm()
        stream = ((device[name] - golden[name]).norm() / size).item()
        if previous is None:
            own = stream
        else:
            x = device[previous]
            layer = reference.layers[int(name.split(".")[2])]
            if name.endswith(".self_attn"):
                update = layer.self_attn(layer.input_layernorm(x[None]), cos, sin)[0][0]
            else:
                update = layer.mlp(layer.post_attention_layernorm(x[None]))[0]
            own = ((device[name] - (x + update)).norm() / size).item()
        errors.append(LayerError(name, stream, stream - before, own))
        before = stream
    return errors


def ranked_table(errors: list[LayerError], most: int = 20) -> str:
    """A table of the sub-blocks that add most error, largest first."""
    ranked = sorted(errors, key=lambda error: error.own, reverse=True)
    lines = [f"  {'sub-block':<28}{'adds itself':>12}{'grows by':>12}{'error after':>13}"]
    lines += [f"  {e.name:<28}{e.own:>12.3%}{e.growth:>+12.3%}{e.stream:>13.3%}" for e in ranked[:most]]
    if len(ranked) > most:
        lines.append(f"  … and {len(ranked) - most} that add less")
    return "\n".join(lines)


def plot(errors: list[LayerError], path: Path, title: str) -> None:
    """Write a PNG of the error over the depth of the model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(max(6, 0.25 * len(errors)), 4.5), layout="constrained")
    axes.plot([100 * e.stream for e in errors], "o-", label="residual stream")
    axes.bar(range(len(errors)), [100 * e.own for e in errors], color="tab:orange", label="added by the sub-block")
    labels = [e.name.removeprefix("model.").removeprefix("layers.") for e in errors]
    axes.set_xticks(range(len(errors)), labels, rotation=90, fontsize=7)
    axes.set(ylabel="relative error, %", title=title)
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
