# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Rounding into every number format, and what math fidelity and the accumulator do to a product."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.arithmetic.formats import round_to_block_float, truncate
from ttnn_emulator.device.data_types import round_from_host, round_to

LIBRARY = settings(max_examples=40)
INF, NAN = float("inf"), float("nan")


def compute(device, fidelity, wide=True):
    return ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=fidelity, fp32_dest_acc_en=wide, math_approx_mode=False
    )


def product(device, a, b, fidelity, wide=True, dtypes=(ttnn.bfloat16, ttnn.bfloat16, ttnn.float32)):
    first, second = (
        ttnn.from_torch(x, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device) for x, dtype in zip((a, b), dtypes)
    )
    result = ttnn.matmul(first, second, dtype=dtypes[2], compute_kernel_config=compute(device, fidelity, wide))
    return ttnn.to_torch(result)


def ternary(*shape):
    return torch.randint(-1, 2, shape).to(torch.bfloat16)


def int8(*shape):
    return torch.randint(-128, 128, shape).to(torch.bfloat16)


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(-30, 30),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(ttnn.bfloat8_b, 7), (ttnn.bfloat4_b, 3)]),
)
@LIBRARY
def test_block_floats_equal_the_librarys_packer(rows, columns, exponent, seed, format):
    dtype, bits = format
    generator = torch.Generator().manual_seed(seed)
    spread = torch.randint(-8, 9, (rows, columns), generator=generator)
    value = torch.ldexp(torch.randn(rows, columns, generator=generator), spread + exponent)
    packed = ttnn.to_torch(ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT))
    assert torch.equal(round_to_block_float(value, bits).float(), packed.float())


def test_block_floats_of_large_tensors_do_not_depend_on_how_they_are_cut():
    value = torch.randn(300, 1000) * torch.logspace(-3, 3, 300)[:, None]
    row_by_row = torch.stack([round_to_block_float(row, 7) for row in value])
    assert torch.equal(round_to_block_float(value, 7), row_by_row)


@pytest.mark.parametrize("shape", [(), (1,), (0, 16), (4, 0), (2, 3, 17)])
def test_block_floats_of_odd_shapes(shape):
    rounded = round_to_block_float(torch.ones(shape), 7)
    assert rounded.shape == shape and bool((rounded == 1).all())


def test_bfloat16_ties_go_away_from_zero_on_the_device_and_to_even_on_the_host():
    tie = torch.tensor([1 + 2**-8, -1 - 2**-8, 1 + 3 * 2**-8])
    assert round_to(tie, ttnn.bfloat16).tolist() == [1 + 2**-7, -1 - 2**-7, 1 + 2**-6]
    assert round_from_host(tie, ttnn.bfloat16).tolist() == [1, -1, 1 + 2**-6]


@given(st.floats(width=32, allow_nan=False))
@example(0.0)
@example(3.4e38)
@LIBRARY
def test_bfloat16_is_a_nearest_neighbour(number):
    exact = torch.tensor([number], dtype=torch.float32)
    rounded = round_to(exact, ttnn.bfloat16)
    if torch.isfinite(rounded) and torch.isfinite(exact):
        error = (rounded.double() - exact.double()).abs()
        other = (exact.to(torch.bfloat16).double() - exact.double()).abs()
        assert error <= other  # torch's own rounding is nearest too
    assert torch.signbit(rounded) == (torch.signbit(exact) and rounded != 0)  # the packer knows no negative zero


@pytest.mark.parametrize("special", [INF, -INF, NAN])
@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.float32])
def test_infinities_and_nan_survive_rounding(special, dtype):
    value = torch.tensor([special])
    assert torch.equal(round_to(value, dtype).float().nan_to_num(7.0), value.nan_to_num(7.0))


@pytest.mark.parametrize("bits", [0x7F800001, 0x7FC00000, 0x7FFF7FFF, 0x7FFF8000, 0x7FFFFFFF])
@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b])
def test_nan_of_every_payload_stays_nan(bits, dtype):
    value = torch.tensor([bits, bits - 2**31], dtype=torch.int32).view(torch.float32)
    assert round_to(value, dtype).isnan().all()


@pytest.mark.parametrize(
    "dtype, given, kept",
    [
        (ttnn.uint8, 257, 1),
        (ttnn.uint16, -1, 65535),
        (ttnn.int32, 2**31, -(2**31)),
        (ttnn.uint32, -1, 2**32 - 1),
        (ttnn.int32, -5, -5),
    ],
)
def test_integers_wrap_around(dtype, given, kept):
    assert round_to(torch.tensor([given]), dtype).tolist() == [kept]


def test_truncate_cuts_towards_zero():
    value = torch.tensor([1.9921875, -1.9921875], dtype=torch.bfloat16)  # eight significant ones
    assert truncate(value, 5).tolist() == [1.9375, -1.9375]
    assert truncate(value.float(), 7).tolist() == [1.984375, -1.984375]


@pytest.mark.parametrize("k", [2560, 6912])
@pytest.mark.parametrize("weights", [ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b])
def test_lofi_is_exact_for_int8_times_ternary(device, k, weights):
    a, b = int8(32, k), ternary(k, 64)
    exact = (a.long() @ b.long()).float()
    dtypes = (ttnn.bfloat16, weights, ttnn.float32)
    low = product(device, a, b, ttnn.MathFidelity.LoFi, dtypes=dtypes)
    high = product(device, a, b, ttnn.MathFidelity.HiFi4, dtypes=dtypes)
    # a LoFi pass sees seven bits of an activation, and an int8 has no more (128 is a power of two)
    assert torch.equal(low, high) and torch.equal(low, exact)


def test_hifi2_equals_lofi_for_ternary_weights_whatever_the_activations(device):
    a, b = torch.randn(32, 512).to(torch.bfloat16), ternary(512, 64)
    low, two, four = (product(device, a, b, getattr(ttnn.MathFidelity, name)) for name in ("LoFi", "HiFi2", "HiFi4"))
    assert torch.equal(low, two) and not torch.equal(two, four)


def test_each_fidelity_is_more_exact_than_the_one_below(device):
    a, b = torch.randn(64, 1024).to(torch.bfloat16), torch.randn(1024, 64).to(torch.bfloat16)
    exact = a.double() @ b.double()
    errors = [
        float((product(device, a, b, getattr(ttnn.MathFidelity, name)).double() - exact).norm() / exact.norm())
        for name in ("LoFi", "HiFi2", "HiFi3", "HiFi4")
    ]
    # operands cut to 7 and 5 bits, to 7 and 8, to all but both remainders, and not at all
    assert errors == sorted(errors, reverse=True) and len(set(errors)) == 4
    # what is left are the sums: the matrix unit aligns eight terms at a time, to 11 bits
    assert 0.01 < errors[0] < 0.05 and errors[1] < 0.01 and errors[3] < 5e-4


def test_lofi_sees_seven_bits_of_the_first_operand_and_five_of_the_second(device):
    ones = torch.ones(32, 32, dtype=torch.bfloat16)
    full = ones * 1.9921875  # eight significant ones
    of_first = product(device, full, ones, ttnn.MathFidelity.LoFi)
    of_second = product(device, ones, full, ttnn.MathFidelity.LoFi)
    assert of_first[0, 0] == 32 * 1.984375 and of_second[0, 0] == 32 * 1.9375


def test_bfloat16_accumulation_is_not_exact(device):
    a, b = int8(32, 2560), ternary(2560, 64)
    exact = (a.long() @ b.long()).float()
    narrow = product(device, a, b, ttnn.MathFidelity.LoFi, wide=False)
    assert not torch.equal(narrow, exact)
    assert torch.equal(narrow, narrow.to(torch.bfloat16).float())  # nothing finer leaves a bfloat16 accumulator
    assert float((narrow - exact).norm() / exact.norm()) < 0.05


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b, ttnn.float32])
def test_an_upload_holds_what_the_library_packs(device, dtype):
    value = torch.randn(3, 40, 50)
    on_device = ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device)
    on_host = ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT)
    assert torch.equal(ttnn.to_torch(on_device), ttnn.to_torch(on_host))


@given(st.sampled_from([ttnn.uint8, ttnn.uint16, ttnn.int32, ttnn.uint32]), st.integers(0, 2**32 - 1))
@LIBRARY
def test_integers_come_back_as_they_went(device_of_module, dtype, seed):
    ranges = {ttnn.uint8: (0, 2**8), ttnn.uint16: (0, 2**16), ttnn.int32: (-(2**31), 2**31)}
    low, high = ranges.get(dtype, (0, 2**31))
    value = torch.randint(low, high, (5, 33), generator=torch.Generator().manual_seed(seed)).to(torch.int64)
    given = value.to({ttnn.uint8: torch.uint8}.get(dtype, torch.int32) if dtype != ttnn.uint16 else torch.int32)
    uploaded = ttnn.from_torch(given, dtype=dtype, device=device_of_module)
    assert torch.equal(ttnn.to_torch(uploaded).to(torch.int64), value)


@pytest.fixture(scope="module")
def device_of_module():
    opened = ttnn.open_device(device_id=0)
    yield opened
    ttnn.close_device(opened)
