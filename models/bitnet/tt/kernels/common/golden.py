# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the fused programs compute, in torch: float32 steps as on the vector unit, integers exactly."""

import torch

from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.int8_codes import LARGEST_CODE, SMALLEST_PEAK


def codes_of(x: torch.Tensor, gamma: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """RMS norm and int8 codes of rows [.., K] -> (codes in float32, steps [.., 1]: what one code of a row is worth)."""
    x, gamma = x.float(), gamma.float().flatten()
    rstd = torch.rsqrt(x.square().sum(-1, keepdim=True) * (1 / x.shape[-1]) + eps)
    weighted = x * gamma
    peak = (weighted.abs().amax(-1, keepdim=True) * rstd).clamp(min=SMALLEST_PEAK)
    step = peak * (1 / LARGEST_CODE)
    return torch.round(weighted * (rstd * (1 / step))), step


def as_source(x: torch.Tensor) -> torch.Tensor:
    """Values as the sources of the matrix unit hold them: float32 loses its last 13 bits."""
    return (x.float().view(torch.int32) & ~0x1FFF).view(torch.float32)


def words(weights: torch.Tensor) -> torch.Tensor:
    """The packed words [pages, words] that `TernaryPages.unpack` takes, of a tensor of packed weights."""
    return weights.flatten(0, -2).to(torch.int32)


def results(
    codes: torch.Tensor, step: torch.Tensor, weight: torch.Tensor, residual: torch.Tensor | None, epilogue: Epilogue
) -> torch.Tensor:
    """Codes [.., K] times a ternary `weight` int8 [K, N], rescaled by `step` [.., 1], and the epilogue. The sums are
    integers, which float32 holds exactly."""
    sums = codes @ weight.float() * step
    if epilogue is Epilogue.RESIDUAL:
        return sums + residual
    return gated(sums) if epilogue is Epilogue.GATED else sums


def gated(sums: torch.Tensor) -> torch.Tensor:
    """relu(gate)^2 * up. A row of `sums` holds all columns of gate, then all of up."""
    gate, up = sums.chunk(2, dim=-1)
    return torch.relu(gate).square() * up
