# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the programs of our own compute, in torch: float32 as the vector unit, integers exactly."""

import torch

from models.bitnet.tt.kernels.common.epilogue import Epilogue

LARGEST_CODE = 127.0
SMALLEST_PEAK = 1e-5


def codes_of(x: torch.Tensor, gamma: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """RMS norm and int8 codes of rows [.., K]: (codes in float32, [.., 1] what one code is worth)."""
    x, gamma = x.float(), gamma.float().flatten()
    rstd = torch.rsqrt(x.square().sum(-1, keepdim=True) * (1 / x.shape[-1]) + eps)
    weighted = x * gamma
    peak = (weighted.abs().amax(-1, keepdim=True) * rstd).clamp(min=SMALLEST_PEAK)
    step = peak * (1 / LARGEST_CODE)
    return torch.round(weighted * (rstd * (1 / step))), step


def as_source(x: torch.Tensor) -> torch.Tensor:
    """Values as the matrix unit's sources take them in: float32 loses its last 13 bits."""
    return (x.float().view(torch.int32) & ~0x1FFF).view(torch.float32)


def words(weights: torch.Tensor) -> torch.Tensor:
    """A tensor of packed weights as `TernaryPages` knows it."""
    return weights.flatten(0, -2).to(torch.int32)


def results(
    codes: torch.Tensor, step: torch.Tensor, weight: torch.Tensor, residual: torch.Tensor | None, epilogue: Epilogue
) -> torch.Tensor:
    """Integer codes [.., K] times a ternary int8 [K, N], exact in float32; rescaled by [.., 1], and the epilogue."""
    sums = codes @ weight.float() * step
    if epilogue is Epilogue.RESIDUAL:
        return sums + residual
    return gated(sums) if epilogue is Epilogue.GATED else sums


def gated(sums: torch.Tensor) -> torch.Tensor:
    """relu(gate)^2 * up of rows that hold both, one after the other."""
    gate, up = sums.chunk(2, dim=-1)
    return torch.relu(gate).square() * up
