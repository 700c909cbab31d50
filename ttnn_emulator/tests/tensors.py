# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the value families share: shapes, operands on the device, and how exact a result must be."""

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import ttnn

# a device is opened once a test, not once an example
examples = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
shapes = st.one_of(
    st.tuples(*[st.sampled_from((1, 2, 3)), st.sampled_from((1, 2)), st.integers(1, 70), st.integers(1, 70)]),
    st.tuples(st.integers(1, 40), st.sampled_from((1, 16, 32, 50, 96))),
)
floats = st.sampled_from((ttnn.bfloat16, ttnn.float32, ttnn.bfloat8_b))
layouts = st.sampled_from((ttnn.TILE_LAYOUT, ttnn.ROW_MAJOR_LAYOUT))
seeds = st.integers(0, 1 << 16)


def random(shape, seed: int, low: float = -4.0, high: float = 4.0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * (high - low) + low


def integers(shape, seed: int, low: int = -1000, high: int = 1000) -> torch.Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def put(value: torch.Tensor, device, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT) -> tuple[ttnn.Tensor, torch.Tensor]:
    """A device tensor, and the value it holds after rounding, in float64 (or int64)."""
    tensor = ttnn.from_torch(value, dtype=dtype, layout=layout, device=device)
    held = ttnn.to_torch(tensor)
    return tensor, held.double() if held.is_floating_point() else held.long()


def get(tensor: ttnn.Tensor) -> torch.Tensor:
    value = ttnn.to_torch(tensor)
    return value.double() if value.is_floating_point() else value.long()


def assert_close(result: ttnn.Tensor, expected: torch.Tensor, float32_error: float = 1e-5) -> None:
    """Equal but for the rounding of the result's dtype.

    bfloat16 keeps 8 significant bits (error 2**-9 of the value; some kernels cut instead of rounding, and the matrix
    unit rounds an addend before it rounds the sum); bfloat8_b keeps 7 bits of the largest of 16 neighbours; float32 is
    compared with `float32_error`, for cancellation and the order of summing.
    """
    value = get(result)
    assert value.shape == expected.shape
    if not value.is_floating_point():
        assert torch.equal(value, expected.long())
        return
    expected = expected.double()
    scale = expected.abs().clamp_min(1e-2 if result.dtype == ttnn.float32 else 1e-3)
    if result.dtype == ttnn.float32:
        allowed = float32_error * scale
    elif result.dtype == ttnn.bfloat16:
        allowed = (2**-7 + float32_error) * scale
    else:
        allowed = 2**-6 * scale.amax(-1, keepdim=True)
    finite = expected.isfinite() & (expected.abs() < 1e38)
    wrong = finite & ~((value - expected).abs() <= allowed)
    assert not wrong.any(), f"{value[wrong][:4].tolist()} where {expected[wrong][:4].tolist()} was expected"


def packed(value: torch.Tensor) -> torch.Tensor:
    """What the packer writes of bfloat16 numbers into bfloat8_b, in integers: 7 bits and a sign under the largest
    exponent among 16 neighbours."""
    bits = (value.bfloat16().view(torch.int16).int() & 0xFFFF) + 1 & ~1
    bits = bits.unflatten(-1, (-1, 16))
    exponent = bits >> 7 & 255
    largest = exponent.amax(-1, keepdim=True)
    shift = (largest - exponent).clamp_max(20)
    mantissa = ((bits & 127 | 128) + (1 << shift) >> shift + 1).clamp_max(127)
    sign = 1 - 2 * (bits >> 15)
    return torch.ldexp((sign * mantissa).double(), largest - 127 - 6).flatten(-2)


def assert_same(result: ttnn.Tensor, expected: torch.Tensor) -> None:
    """Moved values are exactly what they were."""
    value = get(result)
    assert value.shape == expected.shape and torch.equal(value, expected.to(value.dtype))
