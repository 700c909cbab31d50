# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The norm on the device against the reference, in the layouts of all three norms of a layer."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bitnet.perf.random_weights import FULL, shape, spread
from models.bitnet.reference.rms_norm import RMSNorm as ReferenceRMSNorm
from models.bitnet.tests.common import (
    BATCHES,
    LENGTHS,
    SMALL,
    assert_level,
    every_precision,
    tiny_and_full,
    to_decode,
    to_prefill,
    to_rows,
)
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rms_norm import RMSNorm

pytestmark = pytest.mark.board

PLACES = ("residual_norm", "heads_norm", "hidden_norm")


class Eps:
    def __init__(self, eps: float):
        self.rms_norm_eps = eps


def places(precision: str) -> tuple[str, ...]:
    """The norms that the module computes in this precision.

    In `fused` it computes only the norm before lm_head, because the fused programs contain all other norms.
    """
    return PLACES[:1] if precision == "fused" else PLACES


class Case:
    """One norm with a random `gamma` of the norm's width."""

    def __init__(self, device, model, precision, users, place, eps=1e-5):
        self.config = ModelConfig(model, device, precision, users, max_seq_len=64)
        self.width = model.intermediate_size if place == "hidden_norm" else model.hidden_size
        owner = self.config if place == "residual_norm" else self.config.programs
        self.gamma, self.decoded = torch.rand(self.width) + 0.5, getattr(owner, place)
        self.norm = RMSNorm(self.config, self.gamma, eps, self.decoded)
        self.reference = ReferenceRMSNorm(Eps(eps), {"n.weight": self.gamma}, "n")

    def check_prefill(self, x):
        y = to_rows(self.norm.forward_prefill(to_prefill(x, self.config)), len(x))
        assert_level(self.config.precision, "operation", self.reference(x), y)

    def check_decode(self, x):
        y = self.norm.forward_decode(to_decode(x, self.config, self.decoded.memory))
        assert y.memory_config() == self.decoded.memory
        assert_level(self.config.precision, "operation", self.reference(x), to_rows(y, len(x)))


@every_precision
@tiny_and_full
def test_rms_norm_prefill(device, reset_seeds, model, precision):
    for place in places(precision):
        case = Case(device, model, precision, 1, place)
        for length in (33,) if model is FULL else LENGTHS:
            # all rows of the result have about the same size, so a wrong row shows
            case.check_prefill(torch.randn(length, case.width) * spread(length, 1, low=0.1))


@every_precision
@tiny_and_full
def test_rms_norm_decode(device, reset_seeds, model, precision):
    for place in places(precision):
        for users in BATCHES:
            case = Case(device, model, precision, users, place)
            case.check_decode(torch.randn(users, case.width) * spread(users, 1, low=0.1))


@every_precision
@pytest.mark.parametrize("eps", [1e-20, 1e-11, 10.0, 1e6, 1e12], ids="{:.0e}".format)
def test_rms_norm_prefill_and_decode_with_folded_eps(device, reset_seeds, precision, eps):
    """Folded scales make eps as small as 1e-23 or as large as 1e13. The rows have sizes at which eps has an effect."""
    case = Case(device, SMALL, precision, 7, places(precision)[-1], eps)
    x = torch.randn(7, case.width) * eps**0.5
    case.check_prefill(x)
    case.check_decode(x)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 12),
    head_dim=st.sampled_from([32, 64, 96, 128]),
    intermediate=st.integers(1, 60),
    users=st.integers(1, 32),
    precision=st.sampled_from(["accuracy", "performance"]),
    place=st.sampled_from(PLACES),
    seed=st.integers(0, 1000),
)
def test_rms_norm_decode_of_any_shape(device, heads, head_dim, intermediate, users, precision, place, seed):
    torch.manual_seed(seed)
    case = Case(device, shape(heads, 1, head_dim, 32 * intermediate), precision, users, place)
    case.check_decode(torch.randn(users, case.width) * spread(users, 1, low=0.1))
