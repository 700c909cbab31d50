# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The MLP sub-block on the device, with its norm and the residual stream, against the reference."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bitnet.perf.random_weights import FULL, SharedWeights, random_state, shape
from models.bitnet.reference.mlp import MLP as ReferenceMLP
from models.bitnet.reference.rms_norm import RMSNorm as ReferenceNorm
from models.bitnet.tests.common import (
    BATCHES,
    LENGTHS,
    OTHER_FAMILIES,
    SMALL,
    assert_level,
    every_other_family,
    every_precision,
    every_scaling,
    faint_stream,
    tiny_and_full,
    to_decode,
    to_prefill,
    to_rows,
)
from models.bitnet.tt.mlp import MLP
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.weights.scales import fold_scales

PREFIX, NORM = "model.layers.0.mlp", "model.layers.0.post_attention_layernorm"


class Case:
    def __init__(self, device, model, precision, users, state, weights=None):
        self.config = ModelConfig(model, device, precision, users, max_seq_len=64)
        self.mlp = MLP(self.config, weights or SharedWeights(device), state, PREFIX, fold_scales(model, state, 0))
        self.parts = ReferenceNorm(model, state, NORM), ReferenceMLP(model, state, PREFIX)
        self.random_rows = lambda rows: faint_stream(rows, model, state)

    def reference(self, x):
        norm, mlp = self.parts
        return x + mlp(norm(x))

    def prefill(self, x):
        return to_rows(self.mlp.forward_prefill(to_prefill(x, self.config)), len(x))

    def decode(self, x):
        y = self.mlp.forward_decode(to_decode(x, self.config, self.config.residual_memory))
        assert y.is_sharded()
        return to_rows(y, len(x))


@every_scaling
@every_precision
@tiny_and_full
def test_mlp_prefill(device, reset_seeds, model, precision, badly_scaled):
    case = Case(device, model, precision, 1, random_state(model, badly_scaled))
    for length in (33,) if model is FULL else LENGTHS:
        x = case.random_rows(length)
        assert_level(precision, "sub-block", case.reference(x), case.prefill(x))


@pytest.mark.board
@every_scaling
@every_precision
@tiny_and_full
def test_mlp_decode(device, reset_seeds, model, precision, badly_scaled):
    state, weights = random_state(model, badly_scaled), SharedWeights(device)
    for users in BATCHES:
        case = Case(device, model, precision, users, state, weights)
        x = case.random_rows(users)
        assert_level(precision, "sub-block", case.reference(x), case.decode(x))


@every_precision
def test_mlp_prefill_and_decode_where_eps_counts(device, reset_seeds, precision):
    """The scales are so small that hidden rows have about the size of eps. Eps without one of the scales is far off."""
    state = random_state(SMALL)
    state |= {
        f"{PREFIX}.gate_proj.weight_scale": torch.tensor(1e-2),
        f"{PREFIX}.up_proj.weight_scale": torch.tensor(1e-2),
    }
    case = Case(device, SMALL, precision, 7, state)
    x = case.random_rows(7)
    for run in (case.prefill, case.decode):
        assert_level(precision, "sub-block", case.reference(x), run(x))


@pytest.mark.board
@every_precision
@every_other_family
def test_mlp_prefill_and_decode_of_other_families(device, reset_seeds, model, precision):
    case = Case(device, model, precision, 7, random_state(model))
    for run in (case.prefill, case.decode):
        x = case.random_rows(7)
        assert_level(precision, "sub-block", case.reference(x), run(x))


@every_precision
def test_down_without_a_norm_keeps_its_input(device, reset_seeds, precision):
    """The caller frees the hidden rows, which the product reads as they are."""
    model = OTHER_FAMILIES["falcon3"]
    case = Case(device, model, precision, 7, random_state(model))
    x = case.random_rows(7)
    hidden = case.mlp.gate_up.forward_prefill(to_prefill(x, case.config))
    case.mlp.down.forward_prefill(hidden, to_prefill(x, case.config))
    assert hidden.is_allocated()
    hidden = case.mlp.gate_up.forward_decode(to_decode(x, case.config, case.config.residual_memory))
    case.mlp.down.forward_decode(hidden, to_decode(x, case.config, case.config.residual_memory))
    assert hidden.is_allocated()


@every_precision
def test_mlp_decode_equals_prefill(device, reset_seeds, precision):
    case = Case(device, SMALL, precision, 32, random_state(SMALL))
    x = case.random_rows(32)
    assert_level(precision, "sub-block", case.prefill(x), case.decode(x))


@pytest.mark.board
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 12),
    intermediate=st.integers(2, 40),
    rows=st.integers(1, 130),
    users=st.integers(1, 32),
    precision=st.sampled_from(["accuracy", "performance", "fused"]),
    seed=st.integers(0, 1000),
)
def test_mlp_prefill_and_decode_of_any_shape(device, heads, intermediate, rows, users, precision, seed):
    torch.manual_seed(seed)
    model = shape(heads, 1, 32, 32 * intermediate)
    case = Case(device, model, precision, users, random_state(model, badly_scaled=True))
    for run, count in ((case.prefill, rows), (case.decode, users)):
        x = case.random_rows(count)
        assert_level(precision, "sub-block", case.reference(x), run(x))
