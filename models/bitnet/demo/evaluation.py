# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how close the model on the device is to the reference, by the teacher-forced logits of both.

A text is cut into windows. The first half of a window is prefilled. The second half is forced token by token through
decode. The figures therefore cover both paths. Each position of the second half predicts the token after it.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.bitnet.reference.model import Model
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.generation.sampling import GREEDY, NO_DRAWS
from models.bitnet.tt.weights.checkpoint import load_tokenizer, read_config
from models.bitnet.tt.weights.state_dict import load_state_dict

LONGEST_PREFILL = 512  # as upstream measures: prefill 512, force 511


@dataclass(frozen=True)
class Windows:
    """The windows of a text: tokens [windows, prefill + positions]. The last `positions` of a window are predicted."""

    tokens: Tensor
    prefill: int

    @property
    def targets(self) -> Tensor:
        return self.tokens[:, self.prefill :]


def cut(
    ids: Sequence[int], context: int, positions: int | None = None, most: int = 32, bos: int | None = None
) -> Windows:
    """Cut the tokens of a text into windows. Each window predicts the next run of tokens, and no token twice."""
    prefill = min(LONGEST_PREFILL, context // 2)
    positions = positions or prefill
    if not 1 <= positions <= context - prefill:
        raise ValueError(f"positions is {positions}; after a prefill of {prefill} the context has {context - prefill}")
    start = [] if bos is None else [bos]
    length = prefill + positions - len(start)
    begins = range(0, len(ids) - length + 1, positions)[:most]
    if not begins:
        raise ValueError(f"the text has {len(ids)} tokens; a window needs {length}: give a longer one or --positions")
    return Windows(torch.tensor([[*start, *ids[begin : begin + length]] for begin in begins]), prefill)


def reference_logits(reference: Model, windows: Windows) -> Tensor:
    """The logits of the reference, float32 [windows, positions, vocabulary]."""
    rows = [reference.prefill(tokens[None, :-1])[0][:, windows.prefill - 1 :] for tokens in windows.tokens]
    return torch.cat(rows)


@dataclass(frozen=True)
class Case:
    """The reference model of a checkpoint, and the windows of the text to measure on."""

    folder: Path
    reference: Model
    windows: Windows
    target_bytes: int  # the length of the predicted text

    @classmethod
    def load(cls, folder: str | Path, text: str | Path, positions: int | None = None, most: int = 32) -> "Case":
        """Load the checkpoint in `folder` and cut the file `text`. Raises ValueError if the text is too short."""
        folder = Path(folder)
        config = read_config(folder)
        reference = Model(config, load_state_dict(folder, config))
        tokenizer = load_tokenizer(folder).backend_tokenizer
        ids = tokenizer.encode(Path(text).read_text(encoding="utf-8"), add_special_tokens=False).ids
        windows = cut(ids, config.max_position_embeddings, positions, most, config.bos_token_id)
        spelt = "".join(tokenizer.decode(row, skip_special_tokens=False) for row in windows.targets.tolist())
        return cls(folder, reference, windows, len(spelt.encode()))

    @property
    def context(self) -> int:
        """The positions of KV cache that a window needs, in whole tiles."""
        return -(-self.windows.tokens.shape[1] // 32) * 32

    def reference_logits(self) -> Tensor:
        return reference_logits(self.reference, self.windows)

    def disturbed_logits(self, size: float = 1e-6) -> Tensor:
        """The logits of the reference with relative noise of about float32's precision on its embedding.

        The noise flips an int8 code that lies next to a rounding boundary, which flips later codes. No implementation
        that rounds float32 values differently can agree with the reference better than the reference with noise does.
        """
        exact = self.reference.embedding
        noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))
        self.reference.embedding = exact.float() * (1 + size * noise)
        try:
            return self.reference_logits()
        finally:
            self.reference.embedding = exact

    def describe(self) -> str:
        count, length = self.windows.tokens.shape
        return f"{self.folder.name}: {count} windows of {length} tokens, {self.windows.prefill} of them prefilled"


def device_logits(model: BitNet, windows: Windows) -> Tensor:
    """The logits of the device, float32 [windows, positions, vocabulary]."""
    return _forced(model, windows)


def device_choices(model: BitNet, windows: Windows) -> Tensor:
    """The tokens that the device chooses greedily at the same positions [windows, positions].

    Prefill always chooses from the logits. A decode step of a two-pass head computes no logits.
    """
    users = len(windows.tokens)
    return _forced(model, windows, sampling_params=[GREEDY] * users, draws=[NO_DRAWS] * users).long()


def agreement(choices: Tensor, reference: Tensor) -> float:
    """The fraction of positions where a choice [windows, positions] is the likeliest token of the reference."""
    return (choices == reference.argmax(-1)).float().mean().item()


def _forced(model: BitNet, windows: Windows, **choice: Any) -> Tensor:
    """What the device gives at every position. Each window is a user, whose tokens are those of the text.

    The first position is the last of the prefill. Each other position is a decode step.
    """
    tokens, generator = windows.tokens, model.generator
    users, length = tokens.shape
    for user in range(users):
        model.pool.reserve(user, length)
    table = model.pool.page_table()
    steps = [generator.prefill_forward_text(tokens[:, : windows.prefill], table, **choice)]
    for position in range(windows.prefill, length - 1):
        at = torch.full((users,), position)
        trace = model.enable_trace
        steps.append(generator.decode_forward(tokens[:, position], at, table, enable_trace=trace, **choice))
    for user in range(users):
        model.pool.release(user)
    return torch.cat([step.reshape(users, 1, *step.shape[2:]) for step in steps], dim=1)


@dataclass(frozen=True)
class Scores:
    """The agreement of the device with the reference. `worst` and `mean` are taken over positions."""

    positions: int
    top1: float  # fraction of positions where the device's likeliest token is the reference's
    top5: float  # fraction where the reference's likeliest token is among the device's five likeliest
    pcc: float  # PCC of all logits
    pcc_mean: float
    pcc_worst: float
    relative_error: float  # Frobenius norm of the difference over that of the reference
    relative_error_mean: float
    relative_error_worst: float
    kl: float  # KL(reference || device) in nats, mean
    perplexity: float
    perplexity_reference: float
    bits_per_byte: float | None = None
    bits_per_byte_reference: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score(device: Tensor, reference: Tensor, targets: Tensor, text_bytes: int | None = None) -> Scores:
    """Compare logits of the device and of the reference, both [windows, positions, vocabulary].

    targets: [windows, positions], the tokens of the text; text_bytes: the length of that text.
    """
    if not device.isfinite().all():
        raise ValueError(f"{int((~device.isfinite()).sum())} of the device's logits are not finite")
    pccs, errors, divergences, losses, losses_reference = [], [], [], [], []
    top1 = top5 = 0
    sums = _Sums()
    rows = zip(device.flatten(0, 1), reference.flatten(0, 1), targets.flatten().tolist())
    for ours, theirs, target in rows:  # row by row: a large vocabulary in float64 fits no memory otherwise
        ours, theirs = ours.double(), theirs.double()
        best = theirs.argmax()
        top1 += bool(ours.argmax() == best)
        top5 += bool((ours.topk(5).indices == best).any())
        pccs.append(_pcc(ours, theirs))
        errors.append(((ours - theirs).norm() / theirs.norm()).item())
        p, q = theirs.log_softmax(-1), ours.log_softmax(-1)
        divergences.append((p.exp() * (p - q)).sum().item())
        losses.append(-q[target].item())
        losses_reference.append(-p[target].item())
        sums.add(ours, theirs)
    count = len(losses)

    def bits(nats: list[float]) -> float | None:
        return sum(nats) / math.log(2) / text_bytes if text_bytes else None

    return Scores(
        positions=count,
        top1=top1 / count,
        top5=top5 / count,
        pcc=sums.pcc(),
        pcc_mean=sum(pccs) / count,
        pcc_worst=min(pccs),
        relative_error=sums.relative_error(),
        relative_error_mean=sum(errors) / count,
        relative_error_worst=max(errors),
        kl=sum(divergences) / count,
        perplexity=math.exp(sum(losses) / count),
        perplexity_reference=math.exp(sum(losses_reference) / count),
        bits_per_byte=bits(losses),
        bits_per_byte_reference=bits(losses_reference),
    )


def _pcc(first: Tensor, second: Tensor) -> float:
    return torch.corrcoef(torch.stack([first, second]))[0, 1].item()


class _Sums:
    """Computes the PCC and the relative error of two long tensors in float64, piece by piece."""

    def __init__(self) -> None:
        self.count = 0
        self.moments = torch.zeros(6, dtype=torch.float64)

    def add(self, x: Tensor, y: Tensor) -> None:
        self.count += x.numel()
        self.moments += torch.stack([x.sum(), y.sum(), x @ x, y @ y, x @ y, (x - y) @ (x - y)])

    def pcc(self) -> float:
        x, y, xx, yy, xy, _ = (self.moments / self.count).tolist()
        return (xy - x * y) / math.sqrt((xx - x * x) * (yy - y * y))

    def relative_error(self) -> float:
        return math.sqrt(self.moments[5] / self.moments[3])
