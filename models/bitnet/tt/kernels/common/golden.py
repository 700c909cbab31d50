# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the fused programs compute, in torch: float32 steps as on the vector unit, integers exactly."""

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.int8_codes import LARGEST_CODE, SMALLEST_PEAK
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages


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


# The unpacked matrices of packed weights that are alive, for unpacking costs far more than a product of a few rows.
_UNPACKED = WeakTensorKeyDictionary()


def unpacked(weights: torch.Tensor, pages: TernaryPages) -> torch.Tensor:
    """The ternary matrix int8 [K, N] of a tensor of packed weights. Its columns are contiguous, as `_int_mm` wants."""
    version, matrix = _UNPACKED.get(weights, (None, None))
    if version != weights._version:
        matrix = pages.unpack(weights.flatten(0, -2).to(torch.int32)).T.contiguous().T
        _UNPACKED[weights] = (weights._version, matrix)
    return matrix


def results(
    codes: torch.Tensor, step: torch.Tensor, weight: torch.Tensor, residual: torch.Tensor | None, epilogue: Epilogue
) -> torch.Tensor:
    """Codes [.., K] times a ternary `weight` int8 [K, N], rescaled by `step` [.., 1], and the epilogue. The sums are
    integers, which float32 holds exactly. A row whose codes are no numbers has no number as its step too."""
    sums = torch._int_mm(codes.flatten(0, -2).to(torch.int8), weight).unflatten(0, codes.shape[:-1]) * step
    if epilogue is Epilogue.RESIDUAL:
        return sums + residual
    return gated(sums) if epilogue is Epilogue.GATED else sums


def gated(sums: torch.Tensor) -> torch.Tensor:
    """relu(gate)^2 * up. A row of `sums` holds all columns of gate, then all of up."""
    gate, up = sums.chunk(2, dim=-1)
    return torch.relu(gate).square() * up
