# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module says how far two records are apart."""

import math
from dataclasses import dataclass

import torch

from ttnn_emulator.ledger.record import Ledger

_WIDTHS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}


@dataclass(frozen=True)
class Distance:
    """The percentage of equal values, the largest difference in units of the last place, and the correlation."""

    equal: float
    ulps: float
    pcc: float

    def meets(self, bar: str) -> bool:
        kind, _, limit = bar.partition("=")
        if kind == "exact":
            return self.equal == 100
        return self.ulps <= float(limit) if kind == "ulps" else self.pcc >= float(limit)

    def __str__(self) -> str:
        return f"{self.equal:6.2f} %  {self.ulps:10g} ulps  PCC {self.pcc:.6f}"


def distance(first: list[torch.Tensor], second: list[torch.Tensor]) -> Distance:
    """Return the distance over all outputs of a case."""
    if [(t.shape, t.dtype) for t in first] != [(t.shape, t.dtype) for t in second]:
        return Distance(0.0, math.inf, 0.0)
    steps = torch.cat([_steps(a, b) for a, b in zip(first, second)])
    equal = torch.cat([_same_bits(a, b) for a, b in zip(first, second)])
    return Distance(
        equal=100 * float(equal.double().mean()),
        ulps=float(steps.max()),
        pcc=min(_correlation(a, b) for a, b in zip(first, second)),
    )


def compare(first: Ledger, second: Ledger) -> list[tuple[str, str]]:
    """Return a line for each case that either record has."""
    lines = []
    for name in dict.fromkeys([*first.cases, *second.cases]):
        missing = [where for where, ledger in (("first", first), ("second", second)) if name not in ledger.cases]
        failed = [
            f"failed in the {where}: {ledger.cases[name]['failed']}"
            for where, ledger in (("first", first), ("second", second))
            if "failed" in ledger.cases.get(name, {})
        ]
        if missing or failed:
            lines.append((name, "; ".join([*(f"not in the {where}" for where in missing), *failed])))
        elif first.cases[name]["inputs"] != second.cases[name]["inputs"]:
            lines.append((name, "had other inputs"))
        else:
            lines.append((name, str(distance(first.outputs(name), second.outputs(name)))))
    return lines


def _same_bits(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if a.is_floating_point():
        width = _WIDTHS[a.dtype]
        return ((a.view(width) == b.view(width)) | (a.isnan() & b.isnan())).flatten()
    return (a == b).flatten()


def _steps(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return how many representable numbers lie between two. From a NaN to a number it is infinitely many."""
    if not a.is_floating_point():
        return (a.double() - b.double()).abs().flatten()
    steps = (_rank(a) - _rank(b)).abs().double()
    steps[a.isnan() | b.isnan()] = math.inf
    steps[a.isnan() & b.isnan()] = 0
    return steps.flatten()


def _rank(value: torch.Tensor) -> torch.Tensor:
    """Map consecutive numbers to consecutive integers, and both zeros to the same one."""
    bits = value.view(_WIDTHS[value.dtype]).long()
    largest = (1 << 8 * value.element_size() - 1) - 1
    return torch.where(bits < 0, -(bits & largest), bits)


def _correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    if _same_bits(a, b).all():
        return 1.0
    finite = (a.double().isfinite() & b.double().isfinite()).flatten()
    x, y = a.double().flatten()[finite], b.double().flatten()[finite]
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / (x.norm() * y.norm()).clamp_min(1e-300))
