# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Comparing a calculated tensor with a golden one, under tt-metal's names: each returns (passed, message)."""

import torch


def comp_pcc(golden: torch.Tensor, calculated: torch.Tensor, pcc: float = 0.99) -> tuple[bool, float]:
    """Pearson correlation of two tensors. Blind to scale, and undefined for constants: assert `comp_relative` too."""
    first, second = golden.double().flatten(), calculated.double().flatten()
    if not (torch.isfinite(first).all() and torch.isfinite(second).all()):
        return False, 0.0
    first, second = first - first.mean(), second - second.mean()
    norms = first.norm() * second.norm()
    measured = (first @ second / norms).item() if norms > 0 else float(torch.equal(first, second))
    return measured >= pcc, measured


def comp_relative(golden: torch.Tensor, calculated: torch.Tensor, limit: float) -> tuple[bool, float]:
    """Relative Frobenius error |calculated - golden| / |golden|: sees the scale errors that PCC does not."""
    error = (calculated.double() - golden.double()).norm() / golden.double().norm().clamp_min(1e-30)
    return bool(torch.isfinite(error)) and error.item() <= limit, error.item()
