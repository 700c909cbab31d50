# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A ternary projection against the integer definition. In `accuracy` only the final scaling rounds."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.random_weights import FULL, SharedWeights, random_ternary, shape, spread
from models.bitnet.reference.bit_linear import BitLinear as ReferenceBitLinear
from models.bitnet.reference.bit_linear import quantise_activation
from models.bitnet.tests.common import (
    BATCHES,
    LENGTHS,
    SMALL,
    TINY,
    assert_level,
    stock_precision,
    tiny_and_full,
    to_decode,
    to_prefill,
    to_rows,
)
from models.bitnet.tt.bit_linear import BitLinear
from models.bitnet.tt.model_config import ModelConfig

PROJECTIONS = ("qkv", "o", "gate", "up", "down")
ULP = 2.0**-23  # the distance of two neighbouring float32 values, relative to the smaller


def random_rows(rows: int, width: int) -> torch.Tensor:
    """Rows of very different sizes. One row is all zeros. One row has an outlier, which leaves the rest few codes."""
    x = torch.randn(rows, width) * spread(rows, 1)
    x[rows // 2] = 0
    x[rows - 1, width // 3] *= 1000
    return x


def check_codes(codes: torch.Tensor, x: torch.Tensor) -> None:
    """Assert that `codes` are the reference's int8 codes.

    A code may differ if float32 cannot tell on which side of a rounding boundary its value lies.
    """
    expected, s = quantise_activation(x)
    assert torch.equal(codes, codes.round()) and codes.abs().max() <= 127
    differ = codes != expected.float()
    assert (codes - expected).abs().max() <= 1
    exact = x.double() * s.double()
    assert ((exact - exact.floor() - 0.5).abs() < 127 * 2 * ULP)[differ].all(), "a code is wrong"
    assert differ.float().mean() < 1e-3


def check_exact(
    codes: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, y: torch.Tensor, dtype: ttnn.DataType
) -> None:
    """Assert that y is the rescaled integer product of the codes.

    The three float32 roundings of the scaling change a sum by less than half an integer. The sums are therefore
    recovered from y and compared.
    """
    check_codes(codes, x)
    sums = codes.double() @ weight.double().T  # integers below 2**53: exact
    peak = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5).double()
    expected = sums * peak / 127
    assert y.isfinite().all()
    if dtype == ttnn.float32:
        assert torch.equal((y.double() * 127 / peak).round(), sums)
        assert ((y - expected).abs() <= 2 * ULP * expected.abs()).all()
    else:  # one rounding to bfloat16 more
        assert ((y - expected).abs() <= (2.0**-8 + 2 * ULP) * expected.abs()).all()


def check(precision, x, weight, codes, y, dtype):
    """Check results against the integer definition, and each row against the reference.

    The rows are compared one by one, because each row has another size.
    """
    if precision == "accuracy":
        check_exact(codes, x, weight, y, dtype)
    golden = ReferenceBitLinear({"w.weight": weight, "w.weight_scale": torch.tensor(1.0)}, "w")(x)
    ordinary = torch.arange(len(x)) < len(x) - 1  # without the outlier's row, which quantising represents badly
    size = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    assert_level(precision, "module", (golden / size)[ordinary], (y / size)[ordinary])


def input_memory(config: ModelConfig, name: str) -> ttnn.MemoryConfig:
    """The memory config of the input rows of a projection in decode."""
    stock = config.programs
    return {"o": stock.heads_norm.memory, "down": stock.hidden_memory}.get(name, config.residual_memory)


class Case:
    def __init__(self, device, model, precision, users, name, weight=None, weights=None):
        self.config, self.name = ModelConfig(model, device, precision, users, max_seq_len=64), name
        matmul = getattr(self.config.programs, name)
        self.weight = random_ternary(matmul.width, matmul.inner) if weight is None else weight
        self.dtype = ttnn.bfloat16 if name == "qkv" else self.config.activations
        weights = weights or SharedWeights(device)
        self.linear = BitLinear(self.config, weights, name, self.weight, matmul, dtype=self.dtype)

    def prefill(self, x):
        """Run the projection in prefill. Returns (codes, results)."""
        rows = self.linear.rows.take(to_prefill(x, self.config), ttnn.DRAM_MEMORY_CONFIG)
        return to_rows(rows.values, len(x)), to_rows(self.linear.forward_prefill(rows), len(x))

    def decode(self, x):
        memory = input_memory(self.config, self.name)
        rows = self.linear.rows.take(to_decode(x, self.config, memory), memory)
        return to_rows(rows.values, len(x)), to_rows(self.linear.forward_decode(rows), len(x))


@stock_precision
@tiny_and_full
def test_bit_linear_prefill(device, reset_seeds, model, precision):
    """Every projection of a layer. Small models run at every length, the 2B-4T at a length that ends inside a tile."""
    weights = SharedWeights(device)
    for name in PROJECTIONS:
        case = Case(device, model, precision, 1, name, weights=weights)
        for length in (65,) if model is FULL else LENGTHS:
            x = random_rows(length, case.weight.shape[1])
            check(precision, x, case.weight, *case.prefill(x), case.dtype)


@pytest.mark.board
@stock_precision
@tiny_and_full
def test_bit_linear_decode(device, reset_seeds, model, precision):
    """Every projection of a layer at every batch size."""
    for name in PROJECTIONS:
        weight, weights = None, SharedWeights(device)
        for users in BATCHES:
            case = Case(device, model, precision, users, name, weight, weights)
            weight = case.weight
            x = random_rows(users, weight.shape[1]) if users > 2 else torch.randn(users, weight.shape[1])
            codes, y = case.decode(x)
            if users > 2:
                check(precision, x, weight, codes, y, case.dtype)
            elif precision == "accuracy":
                check_exact(codes, x, weight, y, case.dtype)


@pytest.mark.board
@pytest.mark.parametrize("name", ["gate", "down"])
def test_bit_linear_largest_sums(device, reset_seeds, name):
    """All codes are +-127 and no weight is zero. The largest sum of the 2B-4T is 877,824: bfloat16 has too few bits."""
    weight = torch.randint(0, 2, (FULL.intermediate_size, FULL.hidden_size), dtype=torch.int8) * 2 - 1
    weight[:64] = 1
    case = Case(device, FULL, "accuracy", 7, name, weight if name == "gate" else weight.T.contiguous())
    x = torch.randint(0, 2, (7, case.weight.shape[1])) * 2.0 - 1
    x[0] = x[0].abs()
    x[1, 7] = 0.5  # 63.5 rounds to an even 64
    for codes, y in (case.prefill(x), case.decode(x)):
        check_exact(codes, x, case.weight, y, case.dtype)


@stock_precision
def test_bit_linear_decode_equals_prefill(device, reset_seeds, precision):
    """Prefill and decode of the same rows give the same integers, and therefore the same result in `accuracy`."""
    case = Case(device, SMALL, precision, 32, "up")
    x = random_rows(32, SMALL.hidden_size)
    (prefill_codes, prefill), (decode_codes, decode) = case.prefill(x), case.decode(x)
    if precision == "accuracy":
        assert torch.equal(prefill_codes, decode_codes) and torch.equal(prefill, decode)
    else:
        assert_level(precision, "operation", prefill, decode)


def test_bit_linear_zero_and_tiny_rows_prefill(device, reset_seeds):
    """A row of zeros gives zeros. A row below the smallest peak is quantised with that peak, as in the definition."""
    case = Case(device, TINY, "accuracy", 3, "gate")
    x = torch.randn(3, TINY.hidden_size)
    x[0], x[1] = 0, x[1] * 1e-6
    for codes, y in (case.prefill(x), case.decode(x)):
        check_exact(codes, x, case.weight, y, case.dtype)
        assert (y[0] == 0).all() and codes[1].abs().max() < 127


@pytest.mark.board
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 12),
    intermediate=st.integers(1, 40),
    name=st.sampled_from(PROJECTIONS),
    rows=st.integers(1, 200),
    users=st.integers(1, 32),
    seed=st.integers(0, 1000),
)
def test_bit_linear_prefill_and_decode_of_any_shape(device, heads, intermediate, name, rows, users, seed):
    torch.manual_seed(seed)
    model = shape(heads, 1, 32, 32 * intermediate)
    case = Case(device, model, "accuracy", users, name)
    width = case.weight.shape[1]
    for x, run in (
        (torch.randn(rows, width), case.prefill),
        (torch.randn(users, width) * spread(users, 1), case.decode),
    ):
        codes, y = run(x)
        check_exact(codes, x, case.weight, y, case.dtype)
