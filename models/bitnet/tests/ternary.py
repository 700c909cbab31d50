# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of fused programs share: the definition of norm, int8 codes and ternary product in float64 and
integers, and rows whose codes are known beforehand."""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.perf.random_weights import spread

EPS = 1e-5
ULP = 2.0**-23  # the distance of two neighbouring float32 values, relative to the smaller
# A code's place before it is rounded passes through sums, a root, a reciprocal and products of float32. Closer to a
# boundary than this, either side is right.
TIE = 127 * 4 * ULP
# Of float32 results. Sum, mean, root, peak and product of a scale round one after the other: up to 1.8 ulp from float64
# on the real kernels (simulated), 2.2 in torch.
ULPS = 2.5
KINDS = 6  # of rows that `coded_rows` makes


def coded_rows(count: int, width: int, gamma: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Rows [count, width] none of whose codes lies near a boundary, from the `first` kind on: all codes from -127 to
    127 (as many as fit), all 127, all zero, 127 and -127, few small ones beside one peak, and a smaller peak. Each has
    another size; times `gamma`, powers of two, they are integers times that size."""
    rows = []
    for number in range(first, first + count):
        kind = number % KINDS
        if kind == 0:
            codes = (torch.arange(width) % 255 - 127)[torch.randperm(width)]
            codes[number % width] = 127
        elif kind in (1, 2):
            codes = torch.full((width,), 127 if kind == 1 else 0)
        elif kind == 3:
            codes = torch.randint(0, 2, (width,)) * 254 - 127
        else:  # with an odd peak, nothing lies half-way between two codes
            peak = (127, 93)[kind - 4]
            codes = torch.randint(-3 if kind == 4 else 1 - peak, 4 if kind == 4 else peak, (width,))
            codes[number % width] = -peak
        rows.append(codes * 2.0 ** (number % 24 - 14))
    return torch.stack(rows) / gamma


VALUES = ("normal", "twenty binades", "below the smallest peak", "around the smallest peak", "ties")


def random_values(kind: str, rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, gamma) that know nothing of codes."""
    x, gamma = torch.randn(rows, width), torch.rand(width) + 0.5
    if kind == "normal":
        return x * spread(rows, 1, low=1e-6, high=1e6), gamma
    if kind == "twenty binades":
        return 2 ** (20 * torch.rand(rows, width) - 10) * x.sign(), gamma
    if kind == "below the smallest peak":
        return x * 1e-9, gamma
    if kind == "around the smallest peak":
        return x * spread(rows, 1, low=1e-9, high=1e-7), gamma
    halves = torch.randint(-126, 126, (rows, width)) + 0.5
    halves[:, 0] = 127
    return halves, torch.ones(width)


def powers_of_two(width: int) -> torch.Tensor:
    """Of either sign."""
    return 2.0 ** torch.randint(-2, 3, (width,)) * (torch.randint(0, 2, (width,)) * 2 - 1)


@dataclass(frozen=True)
class Codes:
    """Of rows [.., K]: `exact` before rounding, and what one code is worth [.., 1], in float64."""

    exact: torch.Tensor
    step: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, gamma: torch.Tensor, eps: float = EPS) -> "Codes":
        x, gamma = x.double(), gamma.double()
        normed = x * gamma / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        step = normed.abs().amax(-1, keepdim=True).clamp(min=1e-5) / 127
        return cls(normed / step, step)

    @property
    def rounded(self) -> torch.Tensor:
        return self.exact.round()

    @property
    def tied(self) -> torch.Tensor:
        """1 where either neighbour is right."""
        return ((self.exact - self.exact.floor() - 0.5).abs() < TIE).double()


def check_codes(codes: torch.Tensor, expected: Codes) -> None:
    """`codes` as a device gave them."""
    assert torch.equal(codes, codes.round()) and codes.abs().max() <= 127
    wrong = (codes - expected.rounded).abs() > expected.tied
    assert not wrong.any(), f"{wrong.sum()} codes of {wrong.numel()} are wrong"


def check_scaled(y: torch.Tensor, expected: Codes, weight: torch.Tensor, ulps: float) -> None:
    """float32 results of codes times `weight` [K, N]: the integer sums, recovered, and what the scaling rounds."""
    sums = (y.double() / expected.step).round()
    doubt = expected.tied @ weight.abs().double()
    wrong = (sums - expected.rounded @ weight.double()).abs() > doubt
    assert not wrong.any(), f"{wrong.sum()} sums of {wrong.numel()} are wrong"
    check_near(y, sums * expected.step, ulps)


def check_near(y: torch.Tensor, expected: torch.Tensor, ulps: float, size: torch.Tensor | None = None) -> None:
    """No further from `expected` than `ulps` of its own size, or of `size`."""
    assert y.isfinite().all()
    size = expected.abs() if size is None else size
    off = ((y.double() - expected).abs() / size.clamp(min=1e-30) / ULP).max().item()
    print(f"largest error {off:.2f} ulp")
    assert off <= ulps, f"{off:.2f} ulp off, {ulps} are allowed"


def to_device(
    values: torch.Tensor,
    device: ttnn.MeshDevice,
    dtype: ttnn.DataType = ttnn.float32,
    memory: ttnn.MemoryConfig = ttnn.DRAM_MEMORY_CONFIG,
    pad_value: float = 0.0,
) -> ttnn.Tensor:
    """In tiles."""
    return ttnn.from_torch(
        values, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device, memory_config=memory, pad_value=pad_value
    )


def rows_to_device(values: torch.Tensor, device: ttnn.MeshDevice, dtype: ttnn.DataType) -> ttnn.Tensor:
    """One row after the other, in DRAM: packed weights, or a norm's weights as [.., K / 32, 32]."""
    return ttnn.from_torch(
        values, dtype=dtype, layout=ttnn.ROW_MAJOR_LAYOUT, device=device, memory_config=ttnn.DRAM_MEMORY_CONFIG
    )


def gamma_to_device(gamma: torch.Tensor, device: ttnn.MeshDevice) -> ttnn.Tensor:
    return rows_to_device(gamma.reshape(1, 1, -1, 32), device, ttnn.float32)
