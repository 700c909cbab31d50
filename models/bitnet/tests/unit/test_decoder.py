# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A whole decoder layer on the device against the reference, one user at a time."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.random_weights import FULL, OTHER_MODELS, SharedWeights, random_state, shape
from models.bitnet.reference.decoder import DecoderLayer as ReferenceLayer
from models.bitnet.tests.common import (
    BATCHES,
    LENGTHS,
    PRECISIONS,
    SMALL,
    TINY,
    Pages,
    assert_level,
    decode_bars,
    decode_rotation,
    empty_cache,
    every_other_family,
    every_precision,
    random_past,
    random_stream,
    reference_steps,
    to_decode,
    to_integers,
    with_float_weights,
)
from models.bitnet.tests.unit.layer_case import CONTEXT, LayerCase, mixed_positions
from models.bitnet.tt.decode_layers import SeparateDecodeLayers, decode_layers
from models.bitnet.tt.decoder import DecoderLayer

# At full width the ordinary run has badly scaled weights, which show lost scales besides all other errors.
# `performance` is slow there: its operations are those of `accuracy` without the int8 codes.
every_layer = pytest.mark.parametrize(
    "model, badly_scaled, precision",
    [
        pytest.param(
            model, scaled, precision, id=f"{name}-{precision}", marks=pytest.mark.slow if precision in slow else ()
        )
        for name, model, scaled, slow in (
            ("tiny-even", TINY, False, ()),
            ("tiny-badly_scaled", TINY, True, ()),
            ("small-even", SMALL, False, ()),
            ("small-badly_scaled", SMALL, True, ()),
            ("2b-even", FULL, False, PRECISIONS),
            ("2b-badly_scaled", FULL, True, ("performance",)),
        )
        for precision in PRECISIONS
    ],
)


def _torch(dtype: ttnn.DataType) -> torch.dtype:
    return {ttnn.float32: torch.float32, ttnn.bfloat16: torch.bfloat16}[dtype]


class Case(LayerCase):
    """Decoder layer `number` on the device and in the reference."""

    def __init__(self, device, model, precision, users, state, weights=None, number=0):
        super().__init__(device, model, precision, users)
        self.block = DecoderLayer(self.config, weights or SharedWeights(device), state, number)
        self.reference = ReferenceLayer(model, state, f"model.layers.{number}")
        with_float_weights(self.reference.self_attn, self.reference.mlp)
        self._stream_of = (model, state, number)

    def forward_decode(self, x, rotation, cache, *others):
        """A step as a model of this layer runs it."""
        return decode_layers(self.config, [self.block])(x, rotation, [cache], *others)

    def stream(self, rows):
        """Return random token rows as the device holds them."""
        return random_stream(rows, *self._stream_of).to(_torch(self.config.activations)).float()

    def check(self, x, golden, y, bars):
        """Check the residual stream, and the update that the layer added to it."""
        assert_level(bars, "layer", golden, y)
        assert_level(bars, "update", golden - x, y - x)

    def check_prefill(self, x, pages, cache, user=0):
        """Check a prefill against the reference. Returns the reference's cache."""
        golden, reference_cache = self.golden(x)
        self.check(x, golden, self.prefill(x, pages, cache, user), self.config.precision)
        return reference_cache

    def check_decode(self, x, pages, cache, positions, past):
        golden, _ = reference_steps(self.reference, x, self.model, past)
        bars = decode_bars(self.config.precision.name, self.model)
        self.check(x, golden, self.decode(x, pages, cache, positions), bars)


@every_layer
def test_decoder_prefill(device, reset_seeds, model, precision, badly_scaled):
    case = Case(device, model, precision, 1, random_state(model, badly_scaled))
    for length in (33, 127) if model is FULL else LENGTHS:
        pages = Pages(2, length)
        case.check_prefill(case.stream(length), pages, empty_cache(case.config, pages), user=1)


@every_layer
def test_decoder_decode(device, reset_seeds, model, precision, badly_scaled):
    state, weights = random_state(model, badly_scaled), SharedWeights(device)
    for users in BATCHES:
        check_decode(device, model, precision, users, state, weights)


@pytest.mark.board
@every_precision
@every_other_family
def test_decoder_of_other_families(device, reset_seeds, model, precision):
    state, weights = random_state(model), SharedWeights(device)
    case = Case(device, model, precision, 1, state, weights)
    case.check_prefill(case.stream(65), Pages(1, 65), empty_cache(case.config, Pages(1, 65)))
    for users in BATCHES:
        check_decode(device, model, precision, users, state, weights)


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.parametrize("model", OTHER_MODELS.values(), ids=OTHER_MODELS)
def test_decoder_of_the_widths_of_other_models(device, reset_seeds, model):
    model = replace(model, num_hidden_layers=1, vocab_size=320)
    state, weights = random_state(model), SharedWeights(device)
    case = Case(device, model, "fused", 1, state, weights)
    case.check_prefill(case.stream(33), Pages(1, 33), empty_cache(case.config, Pages(1, 33)))
    check_decode(device, model, "fused", 7, state, weights)


def check_decode(device, model, precision, users, state, weights):
    """Check a decode step of a batch. When this returns, the batch's reference is freed."""
    case = Case(device, model, precision, users, state, weights)
    pages, positions = Pages(users, CONTEXT), mixed_positions(users)
    cache, past = random_past(case.config, pages, state, positions)
    case.check_decode(case.stream(users), pages, cache, positions, past)


@every_precision
@pytest.mark.parametrize("model", [SMALL, pytest.param(FULL, marks=pytest.mark.slow)], ids=["small", "2b"])
def test_decoder_decode_after_prefill(device, reset_seeds, model, precision):
    """Decode steps after a prefill give the rows of a prefill of the longer sequence, up to a flipped int8 code."""
    case = Case(device, model, precision, 2, random_state(model))
    for length in (33,) if model is FULL else (31, 32, 127):
        pages, x = Pages(2, length + 2 + 32), case.stream(length + 2)
        longer = case.prefill(x, pages, empty_cache(case.config, pages))
        cache = empty_cache(case.config, pages)
        for user in range(2):
            case.prefill(x[:length], pages, cache, user)
        for position in range(length, length + 2):
            step = case.decode(x[position].expand(2, -1), pages, cache, [position] * 2)
            assert_level(decode_bars(precision, model), "layer", longer[position].expand(2, -1), step)


@every_precision
def test_decoder_prefill_and_decode_of_the_second_layer(device, reset_seeds, precision):
    """The second layer uses the weights of the second layer, not of the first."""
    model = shape(4, 2, 32, 224, layers=2)
    state = random_state(model, badly_scaled=True)
    case = Case(device, model, precision, 3, state, number=1)
    pages = Pages(3, 96)
    cache = empty_cache(case.config, pages)
    past = [case.check_prefill(case.stream(n), pages, cache, u) for u, n in enumerate((40, 65, 7))]
    case.check_decode(case.stream(3), pages, cache, [40, 65, 7], past)


@pytest.mark.board
@pytest.mark.parametrize("count", [1, 3])
def test_a_step_through_all_layers_is_one_layer_after_the_other(device, reset_seeds, count):
    """Fused programs reach from one layer into the next. They give every bit of the layers' own programs."""
    model = shape(4, 2, 32, 224, layers=count)
    state, users = random_state(model, badly_scaled=True), 5
    cases = [Case(device, model, "fused", users, state, number=number) for number in range(count)]
    config, pages, positions = cases[0].config, Pages(users, CONTEXT), mixed_positions(users)
    table, at = to_integers(pages.table, device), to_integers(torch.tensor(positions), device)
    x, results = random_stream(users, model, state), []
    for layers in (SeparateDecodeLayers, partial(decode_layers, config)):
        torch.manual_seed(7)  # the same noise in the caches
        caches = [empty_cache(config, pages) for _ in range(count)]
        rotation, row = decode_rotation(cases[0].rope, positions), to_decode(x, config, config.residual_memory)
        y = layers([case.block for case in cases])(row, rotation, caches, table, at)
        pools = [pool for cache in caches for pool in (cache.keys, cache.values)]
        results.append([ttnn.to_torch(tensor) for tensor in (y, *pools)])
    assert all(map(torch.equal, *results))


@pytest.mark.board
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_decoder_prefill_then_decode_of_any_shape(device, data):
    """Prefill of every user and then one decode step of all users, with any sizes, pages, batch and lengths."""
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    kv_heads = data.draw(st.integers(1, 3), "kv heads")
    heads = kv_heads * data.draw(st.integers(1, 4), "queries a kv head")
    intermediate = 32 * data.draw(st.integers(4, 40), "intermediate tiles")
    model = shape(heads, kv_heads, data.draw(st.sampled_from([32, 64, 128]), "head_dim"), intermediate)
    lengths = data.draw(st.lists(st.integers(1, 100), min_size=1, max_size=3), "lengths")
    precision = data.draw(st.sampled_from(["accuracy", "performance"]), "precision")
    case = Case(device, model, precision, len(lengths), random_state(model))
    pages = Pages(len(lengths), 128, block_size=data.draw(st.sampled_from([32, 64]), "block size"))
    cache, past = empty_cache(case.config, pages), []
    for user, length in enumerate(lengths):
        past.append(case.check_prefill(case.stream(length), pages, cache, user))
    case.check_decode(case.stream(len(lengths)), pages, cache, lengths, past)
