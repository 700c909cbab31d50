# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers for the tests of fused programs.

They define norm, int8 codes and ternary products in float64 and integers, and make rows whose codes are known.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.perf.random_weights import spread

EPS = 1e-5
FACTOR = 0.37  # of the results of a product without a norm
ULP = 2.0**-23  # the distance of two neighbouring float32 values, relative to the smaller
# A code before rounding is computed by sums, a root, a reciprocal and products in float32. If it is closer to a
# rounding boundary than this, both neighbouring codes are right.
TIE = 127 * 4 * ULP
# The largest error of float32 results, in ulps. Sum, mean, root, peak and product of a scale round one after the other.
# The real kernels (simulated) are up to 1.8 ulp off float64, torch up to 2.2.
ULPS = 2.5
KINDS = 6  # the number of kinds of rows of `coded_rows`


def coded_rows(count: int, width: int, gamma: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Rows [count, width] whose codes are far from rounding boundaries, from the `first` kind on.

    The kinds are: all codes from -127 to 127 (as many as fit), all 127, all zero, 127 and -127, few small codes beside
    one peak, and a smaller peak. Each row has another size. A row times `gamma`, which are powers of two, is integers
    times that size.
    """
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
        else:  # with an odd peak, no value lies half-way between two codes
            peak = (127, 93)[kind - 4]
            codes = torch.randint(-3 if kind == 4 else 1 - peak, 4 if kind == 4 else peak, (width,))
            codes[number % width] = -peak
        rows.append(codes * 2.0 ** (number % 24 - 14))
    return torch.stack(rows) / gamma


VALUES = ("normal", "twenty binades", "below the smallest peak", "around the smallest peak", "ties")


def random_values(kind: str, rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random (rows, gamma) of a kind in VALUES, whose codes may lie anywhere."""
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
    """Random powers of two of both signs."""
    return 2.0 ** torch.randint(-2, 3, (width,)) * (torch.randint(0, 2, (width,)) * 2 - 1)


@dataclass(frozen=True)
class Codes:
    """The int8 codes of rows [.., K] in float64: `exact` before rounding, and `step`, the value of one code [.., 1]."""

    exact: torch.Tensor
    step: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, gamma: torch.Tensor, eps: float = EPS) -> "Codes":
        x, gamma = x.double(), gamma.double()
        normed = x * gamma / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        step = normed.abs().amax(-1, keepdim=True).clamp(min=1e-5) / 127
        return cls(normed / step, step)

    @classmethod
    def without_norm(cls, x: torch.Tensor, factor: float) -> "Codes":
        """The codes of rows that no norm comes before. `factor` multiplies the results."""
        step = x.double().abs().amax(-1, keepdim=True).clamp(min=1e-5) / 127
        return cls(x.double() / step, step * factor)

    @property
    def rounded(self) -> torch.Tensor:
        return self.exact.round()

    @property
    def tied(self) -> torch.Tensor:
        """1 for a code that is so close to a rounding boundary that both neighbours are right, 0 for other codes."""
        return ((self.exact - self.exact.floor() - 0.5).abs() < TIE).double()


def check_codes(codes: torch.Tensor, expected: Codes) -> None:
    """Assert that the device's `codes` are the expected ones."""
    assert torch.equal(codes, codes.round()) and codes.abs().max() <= 127
    wrong = (codes - expected.rounded).abs() > expected.tied
    assert not wrong.any(), f"{wrong.sum()} codes of {wrong.numel()} are wrong"


def check_scaled(y: torch.Tensor, expected: Codes, weight: torch.Tensor, ulps: float) -> None:
    """Assert that `y` is the rescaled product of codes and `weight` [K, N].

    The integer sums are recovered from `y` and must be exact. The scaling may round by `ulps`.
    """
    sums = (y.double() / expected.step).round()
    doubt = expected.tied @ weight.abs().double()
    wrong = (sums - expected.rounded @ weight.double()).abs() > doubt
    assert not wrong.any(), f"{wrong.sum()} sums of {wrong.numel()} are wrong"
    check_near(y, sums * expected.step, ulps)


def check_near(y: torch.Tensor, expected: torch.Tensor, ulps: float, size: torch.Tensor | None = None) -> None:
    """Assert that `y` is at most `ulps` from `expected`, relative to its own size or to `size`."""
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
    """Upload values in tile layout."""
    return ttnn.from_torch(
        values, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device, memory_config=memory, pad_value=pad_value
    )


def rows_to_device(values: torch.Tensor, device: ttnn.MeshDevice, dtype: ttnn.DataType) -> ttnn.Tensor:
    """Upload values in row-major layout to DRAM: packed weights, or the weights of a norm as [.., K / 32, 32]."""
    return ttnn.from_torch(
        values, dtype=dtype, layout=ttnn.ROW_MAJOR_LAYOUT, device=device, memory_config=ttnn.DRAM_MEMORY_CONFIG
    )


def gamma_to_device(gamma: torch.Tensor, device: ttnn.MeshDevice) -> ttnn.Tensor:
    return rows_to_device(gamma.reshape(1, 1, -1, 32), device, ttnn.float32)
