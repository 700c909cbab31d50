# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A tensor parallel decoder layer against the reference and against one chip."""

import functools
from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import FULL, random_state, shape
from models.bitnet.tests.common import Pages, empty_cache, reference_steps, stock_precision
from models.bitnet.tests.mesh.rows import row_of
from models.bitnet.tests.unit.test_decoder import Case
from models.bitnet.tt.bit_linear import BitLinear, Rows

LENGTHS = (33, 5)  # the lengths of the users' prompts
MODELS = {
    "padded": shape(12, 3, 32, 768, vocab=512),  # groups of heads on two chips: 2 and 1; on four: 1, 1, 1 and none
    "idle": shape(4, 2, 64, 256, vocab=512),  # on four chips: 1, 1, none and none
}


class WatchedRows:
    """The `rows` of a ternary product, which calls `look(integer sums, rows)` before it rescales the sums."""

    def __init__(self, rows, look):
        self._rescale, self._look = rows.rescale, look

    def rescale(self, y: ttnn.Tensor, rows: Rows, *options) -> ttnn.Tensor:
        self._look(y, rows)
        return self._rescale(y, rows, *options)


class ShardedCase(Case):
    """A layer whose ternary products can be watched: their int8 codes and integer sums, by name and in order."""

    def __init__(self, device, model, precision, users):
        torch.manual_seed(7)
        super().__init__(device, model, precision, users, random_state(model))
        attention, mlp = self.block.attention, self.block.mlp
        gate, up = mlp.gate_up.linears
        (qkv,), (o,), (down,) = attention.qkv.linears, attention.o.linears, mlp.down.linears
        self.products: dict[str, BitLinear] = {"qkv": qkv, "o": o, "gate": gate, "up": up, "down": down}
        self.codes = {name: [] for name in self.products}
        self.sums = {name: [] for name in self.products}

    def watch(self):
        """Record the codes and sums of every product from now on."""
        for name, product in self.products.items():
            product.rows = WatchedRows(product.rows, functools.partial(self.look, name))

    def look(self, name, y, rows):
        codes = [ttnn.to_torch(chip).float() for chip in ttnn.get_device_tensors(rows.values)]
        assert all(torch.equal(codes[0], other) for other in codes), "every chip has the same rows"
        sums = self.config.parallelism.read_sharded(y)
        self.codes[name].append(codes[0])
        self.sums[name].append(self.one_chips_order(sums) if name == "qkv" else sums)

    def one_chips_order(self, sums):
        """Columns of q, k and v of each chip -> all of q, then of k, then of v. Padding must be zero and is removed."""
        config, model = self.config, self.model
        counts = [config.heads, config.kv_heads, config.kv_heads]
        heads = sums.unflatten(-1, (config.parallelism.chips, -1, model.head_dim))
        whole = []
        for part, real in zip(
            heads.split(counts, dim=-2), (model.num_attention_heads, *2 * [model.num_key_value_heads])
        ):
            part = part.flatten(-3, -2)
            assert not part[..., real:, :].any()
            whole.append(part[..., :real, :].flatten(-2))
        return torch.cat(whole, dim=-1)


def run(chips, model, precision, lengths=LENGTHS):
    """Prefill prompts and run a decode step: (the case, [(input rows, rows of the reference, rows of the device)])."""
    with row_of(chips) as device:
        case = ShardedCase(device, model, precision, len(lengths))
        if precision == "accuracy":  # performance has no int8 codes
            case.watch()
        pages = Pages(len(lengths), max(lengths) + 1)
        cache = empty_cache(case.config, pages)
        torch.manual_seed(8)
        results, past = [], []
        for user, length in enumerate(lengths):
            x = case.stream(length)
            golden, reference_cache = case.golden(x)
            past.append(reference_cache)
            results.append((x, golden, case.prefill(x, pages, cache, user)))
        x = case.stream(len(lengths))
        golden, _ = reference_steps(case.reference, x, model, past)
        results.append((x, golden, case.decode(x, pages, cache, lengths)))
    return case, results


def check(case, results):
    """Check results against the reference. Decode has looser bars: a chip has few heads, see HALF_TILE_HEADS."""
    for (x, golden, rows), bars in zip(
        results, [case.config.precision] * (len(results) - 1) + ["performance"], strict=True
    ):
        case.check(x, golden, rows, bars)


@functools.cache
def on_one_chip(name):
    return run(1, MODELS[name], "accuracy")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("chips", [2, 4])
def test_accuracy_is_one_chips_bit_by_bit(chips, name):
    """Int8 codes, integer sums and result rows in accuracy equal those of one chip bit for bit."""
    case, results = run(chips, MODELS[name], "accuracy")
    check(case, results)
    alone, expected = on_one_chip(name)
    for product in case.products:
        assert len(case.codes[product]) == len(alone.codes[product]) == len(LENGTHS) + 1
        assert all(map(torch.equal, case.codes[product], alone.codes[product])), f"codes that enter {product}"
        assert all(map(torch.equal, case.sums[product], alone.sums[product])), f"integer sums of {product}"
    for (_, _, rows), (_, _, one_chips) in zip(results, expected, strict=True):
        assert torch.equal(rows, one_chips)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("chips", [2, 4])
def test_performance(chips, name):
    check(*run(chips, MODELS[name], "performance"))


@stock_precision
def test_a_layer_without_sub_norms(precision):
    """A chip has its columns of gate and up. The factor of o's and of down's result is applied to whole rows."""
    model = replace(MODELS["idle"], sub_norms=False, hidden_act="silu")
    check(*run(2, model, precision, LENGTHS[:1]))


@stock_precision
def test_a_layer_of_the_2b_on_four_chips(precision):
    """The 5 groups of heads on 4 chips are padded to 8 with 3 groups of zeros."""
    check(*run(4, replace(FULL, vocab_size=512), precision, LENGTHS[:1]))
