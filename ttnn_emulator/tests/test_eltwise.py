# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Elementwise operations of two and three tensors or scalars against torch in float64."""

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ttnn
import ttnn_emulator
from ttnn_emulator.device.ignored import drop_ignored
from ttnn_emulator.errors import IgnoredOption, UnsupportedOperation
from ttnn_emulator.tests.tensors import (
    assert_close,
    assert_same,
    examples,
    floats,
    get,
    integers,
    put,
    random,
    seeds,
    shapes,
)

F = torch.nn.functional
BINARY = {  # name -> torch in float64
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "div": torch.div,
    "rsub": lambda a, b: b - a,
    "squared_difference": lambda a, b: (a - b) ** 2,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "eq": torch.eq,
    "ne": torch.ne,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "logical_and": lambda a, b: (a != 0) & (b != 0),
    "logical_or": lambda a, b: (a != 0) | (b != 0),
    "logical_xor": lambda a, b: (a != 0) ^ (b != 0),
    "logaddexp": lambda a, b: (a.exp() + b.exp()).log(),
    "logaddexp2": lambda a, b: (2**a + 2**b).log2(),
    "ldexp": lambda a, b: a * 2**b,
    "bias_gelu": lambda a, b: F.gelu(a + b),
}
INTEGER = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "eq": torch.eq,
    "lt": torch.lt,
    "ge": torch.ge,
    "bitwise_and": torch.bitwise_and,
    "bitwise_or": torch.bitwise_or,
    "bitwise_xor": torch.bitwise_xor,
    "logical_or": torch.logical_or,
}


def _error(name: str) -> float:
    """Beside the rounding of the result: what is squared was rounded too, and float32 sums may cancel."""
    return 1e-2 if name == "squared_difference" else 1e-3


def _fused(name: str, *parameters: float) -> ttnn.UnaryWithParam:
    return ttnn.UnaryWithParam(getattr(ttnn.UnaryOpType, name), *parameters)


@examples
@given(shape=shapes, dtype=st.sampled_from((ttnn.bfloat16, ttnn.float32)), seed=seeds, data=st.data())
def test_binary_broadcasts(device, shape, dtype, seed, data):
    """Any dimension of the second operand may be 1, and leading ones may be missing."""
    name = data.draw(st.sampled_from(sorted(BINARY)))
    other = tuple(data.draw(st.sampled_from((1, size))) for size in shape)
    other = other[-data.draw(st.integers(2, len(shape))) :]
    a, x = put(random(shape, seed), device, dtype)
    b, y = put(random(other, seed + 1, 1, 4), device, dtype)
    assert_close(getattr(ttnn, name)(a, b), BINARY[name](x, y), _error(name))


@examples
@given(shape=shapes, dtype=floats, seed=seeds, scalar=st.sampled_from((2, 0.5, -3, 1.25)), data=st.data())
def test_binary_with_a_scalar(device, shape, dtype, seed, scalar, data):
    name = data.draw(st.sampled_from(sorted(set(BINARY) - {"logaddexp", "logaddexp2", "ldexp", "eq", "ne"})))
    a, x = put(random(shape, seed, 1, 4), device, dtype)
    assert_close(
        getattr(ttnn, name)(a, scalar), BINARY[name](x, torch.tensor(scalar, dtype=torch.float64)), _error(name)
    )


def test_operators(device):
    a, x = put(random((32, 50), 1, 1, 4), device)
    for result, expected in (
        (a + 1, x + 1),
        (1 - a, 1 - x),
        (a * a, x * x),
        (a / 2, x / 2),
        (2 / a, 2 / x),
        (a > 2.0, x > 2),
        (a == a, x == x),
    ):
        assert_close(result, expected)


def test_a_scalar_is_rounded_to_bfloat16_beside_bfloat16_only(device):
    ones = torch.ones(32, 32)
    assert get(ttnn.multiply(put(ones, device, ttnn.float32)[0], 0.1))[0, 0] == torch.tensor(0.1)
    wide = ttnn.multiply(put(ones, device)[0], 0.1, dtype=ttnn.float32)
    assert get(wide)[0, 0] == torch.tensor(0.1).bfloat16()


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "rsub", "gt", "squared_difference"])
def test_in_place(name, device):
    a, x = put(random((2, 40, 50), 1), device)
    b, y = put(random((1, 40, 50), 2, 1, 4), device)
    result = getattr(ttnn, f"{name}_")(a, b)
    expected = {"divide": torch.div, **BINARY}[name](x, y)
    assert_close(a, expected, _error(name))
    assert torch.equal(get(result), get(a))


def test_fused_activations(device):
    a, x = put(random((1, 1, 40, 50), 1), device, ttnn.float32)
    b, y = put(random((1, 1, 40, 50), 2), device, ttnn.float32)
    result = ttnn.multiply(
        a, b, input_tensor_a_activations=[ttnn.UnaryOpType.SILU], activations=[_fused("RELU"), _fused("SQUARE")]
    )
    assert_close(result, (F.silu(x) * y).clamp(min=0) ** 2, 1e-4)
    result = ttnn.add(a, b, input_tensor_b_activations=[_fused("LEAKY_RELU", 0.1)])
    assert_close(result, x + F.leaky_relu(y, 0.1), 1e-4)


def test_a_fused_isfinite(device):
    x = torch.tensor([[1.0, -0.0, math.inf, -math.inf, math.nan, 3e38]])
    result = ttnn.multiply(
        put(x, device, ttnn.float32)[0],
        put(torch.full_like(x, 5.0), device, ttnn.float32)[0],
        input_tensor_a_activations=[ttnn.UnaryOpType.ISFINITE],
    )
    assert get(result).tolist() == [[5.0, 5.0, 0.0, 0.0, 0.0, 5.0]]


def test_output_dtype(device):
    a, x = put(random((40, 50), 1), device)
    assert ttnn.add(a, a, dtype=ttnn.bfloat8_b).dtype == ttnn.bfloat8_b
    assert_close(ttnn.add(a, a, dtype=ttnn.bfloat8_b), x + x)
    assert_close(ttnn.add(a, a, dtype=ttnn.float32), x + x)


@examples
@given(
    shape=shapes, dtype=st.sampled_from((ttnn.int32, ttnn.uint32)), name=st.sampled_from(sorted(INTEGER)), seed=seeds
)
def test_integers(device, shape, dtype, name, seed):
    low = -1000 if dtype == ttnn.int32 else 1000
    a, x = put(integers(shape, seed, low, 2000), device, dtype)
    b, y = put(integers(shape, seed + 1, low, 1 << 16), device, dtype)
    expected = INTEGER[name](x, y)
    if dtype == ttnn.uint32:
        expected = expected.long() & 0xFFFFFFFF
    assert_close(getattr(ttnn, name)(a, b), expected)


def test_integers_keep_every_bit_and_wrap(device):
    value = torch.tensor([[2**31 - 1, -(2**31), 2**24 + 1, -7]])
    a, _ = put(value, device, ttnn.int32)
    assert get(ttnn.add(a, 1)).tolist() == [[-(2**31), 1 - 2**31, 2**24 + 2, -6]]
    assert get(ttnn.bitwise_right_shift(a, 1)).tolist() == [[2**30 - 1, -(2**30), 2**23, -4]]
    assert get(ttnn.bitwise_left_shift(a, 1)).tolist() == [[-2, 0, 2**25 + 2, -14]]
    assert get(ttnn.remainder(a, 5)).tolist() == [[x % 5 for x in value[0].tolist()]]
    assert get(ttnn.fmod(a, 5)).tolist() == [[int(math.fmod(x, 5)) for x in value[0].tolist()]]


def test_an_integer_tensor_times_a_fraction_is_float(device):
    a, x = put(torch.arange(-20, 20).reshape(1, 40), device, ttnn.int32)
    result = ttnn.multiply(a, 2.5)
    assert result.dtype == ttnn.float32
    assert_close(result, x * 2.5)


def test_divisions(device):
    a, x = put(random((32, 50), 1), device, ttnn.float32)
    b, y = put(random((32, 50), 2, 1, 3), device, ttnn.float32)
    assert_close(ttnn.div(a, b, rounding_mode="floor"), torch.floor(x / y))
    assert_close(ttnn.div(a, b, rounding_mode="trunc"), torch.trunc(x / y))
    assert_close(ttnn.floor_div(a, b), torch.floor(x / y))
    assert_close(ttnn.remainder(a, b), x - y * torch.floor(x / y), 1e-2)
    zero, _ = put(torch.zeros(32, 50), device, ttnn.float32)
    assert get(ttnn.div_no_nan(a, zero)).abs().sum() == 0


def test_three_operands(device):
    (a, x), (b, y), (c, z) = (put(random((2, 33, 40), seed, 1, 4), device, ttnn.float32) for seed in (1, 2, 3))
    assert_close(ttnn.addcmul(a, b, c, value=2.0), x + 2 * y * z)
    assert_close(ttnn.addcdiv(a, b, c, value=2.0), x + 2 * y / z)
    assert_close(ttnn.lerp(a, b, 0.25), x + 0.25 * (y - x))
    assert_close(ttnn.lerp(a, b, c), x + z * (y - x), 1e-4)
    assert_close(ttnn.mac(a, b, c), x * y + z)
    assert_close(ttnn.where(ttnn.gt(a, b), a, c), torch.where(x > y, x, z))
    assert_close(ttnn.hypot(a, b), (x * x + y * y).sqrt())
    assert_close(ttnn.atan2(a, b), torch.atan2(x, y))
    assert_close(ttnn.addalpha(a, b, 3.0), x + 3 * y)
    assert_close(ttnn.subalpha(a, b, 3.0), x - 3 * y, 1e-4)
    assert_close(ttnn.xlogy(a, b), x * y.log(), 1e-4)


def test_activations_of_a_program_that_does_not_list_them_are_refused(device):
    """A program's attributes show which activations it runs. Those of a matrix product do not say it."""
    x, _ = put(random((32, 32), 8), device)
    with ttnn_emulator.record() as record:
        ttnn.matmul(x, x)
    with pytest.raises(UnsupportedOperation, match="whether MatmulDeviceOperation runs the fused activations"):
        drop_ignored("ttnn.add", {"activations": [_fused("RELU")]}, record.programs)


@pytest.mark.parametrize("option", ["input_tensor_a_activations", "activations"])
def test_activations_that_the_program_drops_are_dropped_with_a_warning(device, option):
    """`maximum` with a scalar is a unary program, which fuses nothing; with a tensor it is a binary one."""
    held, x = put(random((32, 32), 7), device, ttnn.float32)
    ones, _ = put(torch.ones(32, 32), device, ttnn.float32)
    with pytest.warns(IgnoredOption, match=f"ttnn.maximum: {option} is ignored"):
        dropped = ttnn.maximum(held, 1.0, **{option: [_fused("SQUARE")]})
    assert_close(dropped, x.clamp(min=1.0), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        applied = ttnn.maximum(held, ones, **{option: [_fused("SQUARE")]})
    before, after = (x.square(), lambda y: y) if option.startswith("input") else (x, torch.square)
    assert_close(applied, after(before.clamp(min=1.0)), 1e-6)


def test_a_quotient_is_rounded_down_after_it_was_stored(device):
    """The program multiplies by a number's inverse, which is rounded to 16 bits too."""
    a, x = put(random((32, 32), 1, -30, 30), device)
    b, y = put(random((32, 32), 2, 0.1, 3), device)
    stored = (x.float() / y.float()).bfloat16()
    assert_same(ttnn.floor_div(a, b), stored.floor())
    assert_same(ttnn.div(a, b, rounding_mode="floor"), stored.floor())
    assert_same(ttnn.div(a, b, rounding_mode="trunc"), stored.trunc())
    inverse = torch.tensor(1 / 0.3).bfloat16().float()
    assert_same(ttnn.floor_div(a, 0.3), (x.float() * inverse).bfloat16().floor())


def test_fmod_by_a_number_may_leave_a_whole_step(device):
    a, _ = put(torch.tensor([[1.0, -1.0, 3.0, 0.25]]), device)
    result = get(ttnn.fmod(a, 0.3))  # 3 * (1 / 0.3) is 10 in float32, and the rest is cut to 16 bits
    assert result.flatten().tolist() == [0.099609375, -0.099609375, 2**-23, 0.25]
    assert get(ttnn.fmod(a, 0.0)).isinf().all()


def test_shifts_out_of_range_leave_nothing(device):
    a, _ = put(torch.tensor([[-8, -8, -8, 8]]), device, ttnn.int32)
    count, _ = put(torch.tensor([[1, 31, 32, -1]]), device, ttnn.int32)
    assert get(ttnn.bitwise_right_shift(a, count)).flatten().tolist() == [-4, -1, 0, 0]
