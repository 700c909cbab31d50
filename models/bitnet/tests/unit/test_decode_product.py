# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of decode against its definition: integers exactly, float32 results within a few ulps.

A program of several stages gives the bits of programs of one stage, one after the other.
"""

from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import random_ternary, spread
from models.bitnet.tests.ternary import (
    EPS,
    FACTOR,
    KINDS,
    ULPS,
    VALUES,
    Codes,
    check_near,
    check_scaled,
    coded_rows,
    gamma_to_device,
    powers_of_two,
    random_values,
    rows_to_device,
    to_device,
)
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Role
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.decode.decode_product import DecodeProduct
from models.bitnet.tt.kernels.decode.stages import Stage
from models.bitnet.tt.layout import TILE


def weights_to_device(pages, weight, device):
    return rows_to_device(pages.pack(weight)[None, None], device, ttnn.uint32)


class Product:
    """A program for a matrix of `inner` by `width` tiles, and its weight.

    A core quantises `parts` tile columns of the rows. It computes `columns` tile columns of the results, and multiplies
    `group` of them together.
    """

    def __init__(
        self,
        device,
        users,
        inner,
        width,
        parts=1,
        columns=1,
        group=1,
        epilogue=Epilogue.SCALE,
        dtype=ttnn.float32,
        head_tiles=0,
        normed=True,
    ):
        matrices = epilogue.matrices
        self.device, self.users, self.inner = device, users, inner * TILE
        self.pages = TernaryPages.of(inner, matrices * width, matrices * group, matrices)
        stage = Stage(CoreAssignment(inner, parts), CoreAssignment(width, columns), self.pages, epilogue, normed)
        self.program = DecodeProduct(users, (stage,), dtype, ttnn.DRAM_MEMORY_CONFIG, head_tiles)
        self.weight = random_ternary(inner * TILE, matrices * width * TILE)

    def __call__(self, x, gamma, residual=None, constant=EPS):
        """Run the program: [users, K] -> [users, N]. With `head_tiles`, x is [users, heads, head width].

        If there is no norm, gamma is not used, and the constant is the factor of the results.
        """
        added = None if residual is None else to_device(residual[None, None], self.device)
        if x.dim() == 2:
            rows = to_device(x[None, None], self.device)
        else:
            rows = to_device(x[None], self.device, ttnn.bfloat16, ttnn.L1_MEMORY_CONFIG)
        (y,) = self.program(
            rows,
            [gamma_to_device(gamma, self.device)] if self.program.stages[0].normed else [],
            [weights_to_device(self.pages, self.weight, self.device)],
            added,
            constants=[constant],
        )
        return ttnn.to_torch(y)[0, 0].float()

    def batches(self, gamma):
        """Input rows of every kind, `users` rows at a time."""
        for first in range(0, KINDS, self.users):
            yield coded_rows(self.users, self.inner, gamma, first)


# users, tiles of K, tiles of N, tiles of K of a core, tiles of N of a core, tiles of N that are multiplied together
SHAPES = {
    "one core": (1, 8, 1, 8, 1, 1),
    "uneven": (7, 7, 5, 3, 2, 1),
    "half a tile": (16, 9, 2, 4, 2, 2),
    "more columns than parts": (17, 3, 10, 2, 1, 1),
    "more parts than a tile has rows": (32, 34, 6, 1, 2, 2),
    "2560": (32, 80, 4, 2, 1, 1),
    "6912": (7, 216, 4, 4, 4, 4),
}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@every_shape
def test_sums_are_the_integers(device, reset_seeds, shape):
    product = Product(device, *shape)
    gamma = powers_of_two(product.inner)
    for x in product.batches(gamma):
        y, codes = product(x, gamma), Codes.of(x, gamma)
        assert not codes.tied.any()
        check_scaled(y, codes, product.weight, ULPS)
        assert (y[(x == 0).all(-1)] == 0).all()


some_shapes = pytest.mark.parametrize("name", ["one core", "uneven", "more parts than a tile has rows"])


@some_shapes
def test_sums_are_the_integers_without_a_norm(device, reset_seeds, name):
    product = Product(device, *SHAPES[name], normed=False)
    for x in product.batches(torch.ones(product.inner)):
        y, codes = product(x, None, constant=FACTOR), Codes.without_norm(x, FACTOR)
        assert not codes.tied.any()
        check_scaled(y, codes, product.weight, ULPS)
        assert (y[(x == 0).all(-1)] == 0).all()


@pytest.mark.parametrize("shape", [SHAPES["uneven"], SHAPES["half a tile"]], ids=["uneven", "half a tile"])
def test_the_residual_is_added(device, reset_seeds, shape):
    product = Product(device, *shape, epilogue=Epilogue.RESIDUAL)
    gamma = powers_of_two(product.inner)
    for x in product.batches(gamma):
        codes = Codes.of(x, gamma)
        added = codes.rounded @ product.weight.double() * codes.step
        residual = torch.randn(added.shape) * spread(*added.shape)
        y = product(x, gamma, residual)
        check_near(y, added + residual, ULPS, size=torch.maximum(added.abs(), residual.abs()))
        assert torch.equal(y[added == 0], residual[added == 0])


@pytest.mark.parametrize("epilogue", [Epilogue.RELU2_GATED, Epilogue.SILU_GATED], ids=["relu2", "silu"])
@pytest.mark.parametrize("shape", [SHAPES["uneven"], SHAPES["more parts than a tile has rows"]])
def test_each_column_has_the_gate_of_the_same_column(device, reset_seeds, shape, epilogue):
    product = Product(device, *shape, epilogue=epilogue)
    gamma = powers_of_two(product.inner)
    for x in product.batches(gamma):
        codes = Codes.of(x, gamma)
        gate, up = (codes.rounded @ product.weight.double() * codes.step).chunk(2, dim=-1)
        if epilogue is Epilogue.SILU_GATED:
            expected = gate / (1 + torch.exp(-gate)) * up
            # An error of the gate, relative to it, is up to 1 + |gate| times as large after silu.
            check_near(product(x, gamma), expected, 2 * ULPS, size=expected.abs() * (1 + gate.abs()) / 2)
        else:
            check_near(product(x, gamma), gate.clamp(min=0).square() * up, 2 * ULPS)


def test_results_in_bfloat16(device, reset_seeds):
    product = Product(device, *SHAPES["uneven"], dtype=ttnn.bfloat16)
    gamma = powers_of_two(product.inner)
    for x in product.batches(gamma):
        codes = Codes.of(x, gamma)
        check_near(product(x, gamma), codes.rounded @ product.weight.double() * codes.step, 2**15 + ULPS)


@pytest.mark.parametrize("users, heads, head_tiles", [(8, 20, 1), (17, 3, 2)])
def test_heads_are_joined(device, reset_seeds, users, heads, head_tiles):
    """Attention leaves a tile of heads for every user."""
    inner = heads * head_tiles
    product = Product(device, users, inner, 2, parts=2, head_tiles=head_tiles)
    gamma = powers_of_two(product.inner)
    for x in product.batches(gamma):
        y = product(x.reshape(users, heads, -1), gamma)
        check_scaled(y, Codes.of(x, gamma), product.weight, ULPS)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("shape", [SHAPES["uneven"], SHAPES["2560"]], ids=["uneven", "2560"])
def test_any_values(device, reset_seeds, shape, kind):
    """Half of the results are single codes, the other half are sums of all codes."""
    product = Product(device, *shape)
    half = product.weight.shape[1] // 2
    product.weight[:, :half] = 0
    product.weight[torch.randperm(product.inner)[:half], torch.arange(half)] = 1
    x, gamma = random_values(kind, product.users, product.inner)
    check_scaled(product(x, gamma), Codes.of(x, gamma), product.weight, ULPS)


@pytest.mark.parametrize("kind", VALUES)
def test_any_values_without_a_norm(device, reset_seeds, kind):
    product = Product(device, *SHAPES["uneven"], normed=False)
    x, _ = random_values(kind, product.users, product.inner)
    check_scaled(product(x, None, constant=FACTOR), Codes.without_norm(x, FACTOR), product.weight, ULPS)


def test_a_program_takes_other_tensors_and_another_eps(device, reset_seeds):
    product = Product(device, *SHAPES["uneven"])
    kept = []  # so that the next tensors have other addresses
    for eps in (1e-5, 1e3):
        gamma = powers_of_two(product.inner)
        x = coded_rows(product.users, product.inner, gamma)
        kept.append(to_device(x, device))
        check_scaled(product(x, gamma, constant=eps), Codes.of(x, gamma, eps), product.weight, ULPS)


@pytest.mark.parametrize("shape", [SHAPES["uneven"], SHAPES["half a tile"], SHAPES["more columns than parts"]])
def test_rows_below_the_last_user_do_not_matter(device, reset_seeds, shape):
    """The values of a tile below its last user change no user's results."""
    product = Product(device, *shape)
    gamma = powers_of_two(product.inner)
    x = coded_rows(product.users, product.inner, gamma)
    results = []
    for filling in (0.0, float("inf")):
        rows = to_device(x[None, None], device, pad_value=filling)
        weights = weights_to_device(product.pages, product.weight, device)
        (y,) = product.program(rows, [gamma_to_device(gamma, device)], [weights], constants=[EPS])
        results.append(ttnn.to_torch(y))
    assert torch.equal(*results)


# --- several stages --------------------------------------------------------------------------------------------------


L1 = 1 << 20


class Chain:
    """A program of several stages, and as many programs of one stage. Results have `dtype` in both.

    The first stage has `inner` tile columns, `parts` of them on each core. A row of `stages` is the tile columns of the
    results, those of a core, those that are multiplied together, the epilogue, `Stage.adds_rows_of`, and `Stage.normed`
    if that is false. The results of the stage `leaving` leave the program too. A program of one stage has no limit of
    its L1, the program of all stages has `l1_limit`.
    """

    def __init__(self, device, users, head_tiles, inner, parts, *stages, dtype=ttnn.float32, leaving=None, l1_limit=L1):
        self.device, self.users, self.head_tiles, self.inner = device, users, head_tiles, inner * TILE
        self.stages, self.weights, self.gammas = [], [], []
        of_rows = CoreAssignment(inner, parts)
        for width, columns, group, epilogue, adds_rows_of, *normed in stages:
            matrices = epilogue.matrices
            pages = TernaryPages.of(of_rows.tiles, matrices * width, matrices * group, matrices)
            results = CoreAssignment(width, columns)
            leaves_in = ttnn.DRAM_MEMORY_CONFIG if len(self.stages) == leaving else None
            self.stages.append(Stage(of_rows, results, pages, epilogue, normed != [False], adds_rows_of, leaves_in))
            self.weights.append(random_ternary(of_rows.tiles * TILE, matrices * width * TILE))
            self.gammas.append(torch.rand(of_rows.tiles * TILE) + 0.5)
            of_rows = results
        self.program = self._program(self.stages, dtype, head_tiles, l1_limit)
        self.added = next((stage.columns.tiles * TILE for stage in self.stages if stage.adds_tensor), None)

    def _program(self, stages, dtype, head_tiles, l1_limit=L1):
        return DecodeProduct(self.users, tuple(stages), dtype, ttnn.DRAM_MEMORY_CONFIG, head_tiles, l1_limit)

    def values(self):
        """Random rows, and the residual stream if a stage adds one that enters.

        Heads that no norm follows are small. A bfloat16 value can lie half-way between two codes, and the comparison
        with the golden function moves no whole numbers.
        """
        high = 1e3 if self.stages[0].normed else 1.0
        x = torch.randn(self.users, self.inner) * spread(self.users, 1, low=1e-3, high=high)
        return x, None if self.added is None else torch.randn(self.users, self.added)

    def _tensors(self, x, residual, filling=0.0):
        if self.head_tiles:
            heads = x.unflatten(-1, (-1, self.head_tiles * TILE))
            rows = to_device(heads[None], self.device, ttnn.bfloat16, ttnn.L1_MEMORY_CONFIG, filling)
        else:
            rows = to_device(x[None, None], self.device, pad_value=filling)
        weights = [weights_to_device(one.pages, weight, self.device) for one, weight in zip(self.stages, self.weights)]
        gammas = [gamma_to_device(gamma, self.device) for one, gamma in zip(self.stages, self.gammas) if one.normed]
        added = None if residual is None else to_device(residual[None, None], self.device, pad_value=filling)
        return rows, gammas, weights, added

    def constants(self):
        return [(EPS if one.normed else FACTOR) * 10**number for number, one in enumerate(self.stages)]

    def __call__(self, x, residual, filling=0.0):
        """What leaves one program: results of the last stage, after those of a stage before it if there is one.

        `filling` fills tiles up below the last user.
        """
        results = self.program(*self._tensors(x, residual, filling), constants=self.constants())
        return [ttnn.to_torch(result)[0, 0] for result in results]

    def one_by_one(self, x, residual):
        """Run a program for each stage, and return what the program of all stages should give."""
        first, gammas, weights, entering = self._tensors(x, residual)
        rows, of_norms = [first], iter(gammas)
        for number, (stage, constant) in enumerate(zip(self.stages, self.constants())):
            is_last, is_first = number == len(self.stages) - 1, number == 0
            alone = replace(stage, adds_rows_of=None, leaves_in=None)
            dtype = self.program.result_dtype if is_last else ttnn.float32
            program = self._program([alone], dtype, self.head_tiles if is_first else 0)
            added = entering if stage.adds_rows_of is None else rows[stage.adds_rows_of]
            added = added if stage.epilogue is Epilogue.RESIDUAL else None
            of_stage = [next(of_norms)] if stage.normed else []
            rows += program(rows[-1], of_stage, [weights[number]], added, constants=[constant])
        leaving = [row for stage, row in zip(self.stages, rows[1:]) if stage.leaves_in]
        return [ttnn.to_torch(row)[0, 0] for row in (*leaving, rows[-1])]


SCALE, RESIDUAL, GATED, SILU = Epilogue
# users, tile columns of a head, tiles of K and those of a core; then the stages
CHAINS = {
    "one stage": (1, 0, 4, 2, (5, 2, 1, RESIDUAL, None)),
    "two stages": (8, 0, 4, 2, (7, 2, 1, GATED, None), (4, 2, 2, RESIDUAL, 0)),
    "fewer cores": (7, 0, 7, 1, (3, 3, 1, SCALE, None), (8, 2, 2, SCALE, None)),
    "one core": (17, 0, 2, 2, (3, 3, 1, GATED, None), (2, 2, 2, RESIDUAL, 0)),
    "a layer, one user": (1, 2, 6, 2, (5, 2, 1, RESIDUAL, None), (9, 2, 1, GATED, None), (5, 2, 1, RESIDUAL, 1)),
    "a layer, 8 users": (8, 1, 20, 1, (8, 2, 2, RESIDUAL, None), (12, 2, 2, GATED, None), (8, 2, 2, RESIDUAL, 1)),
    "a layer, 32 users": (32, 1, 5, 2, (6, 1, 1, RESIDUAL, None), (35, 1, 1, GATED, None), (6, 1, 1, RESIDUAL, 1)),
    "silu, one user": (1, 3, 6, 2, (5, 2, 1, RESIDUAL, None), (9, 2, 1, SILU, None), (5, 2, 1, RESIDUAL, 1)),
    "no norm": (7, 0, 7, 1, (3, 3, 1, SCALE, None, False), (8, 2, 2, RESIDUAL, None, False)),
    "no sub-norms, 8 users": (
        *(8, 1, 20, 1, (8, 2, 2, RESIDUAL, None, False)),
        *((12, 2, 2, SILU, None), (8, 2, 2, RESIDUAL, 1, False), (9, 3, 1, SCALE, None)),
    ),
    "no sub-norms, 32 users": (
        *(32, 1, 5, 2, (6, 1, 1, RESIDUAL, None, False)),
        *((35, 1, 1, SILU, None), (6, 1, 1, RESIDUAL, 1, False), (9, 3, 1, SCALE, None)),
    ),
}
every_chain = pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)


@every_chain
def test_several_stages_give_the_bits_of_each(device, reset_seeds, chain):
    chain = Chain(device, *chain)
    for _ in range(3):
        values = chain.values()
        assert all(map(torch.equal, chain(*values), chain.one_by_one(*values)))


# users of a program whose weights go through L1 in turns
IN_TURNS = 32, 4, (32, 4, 2, SILU, None), (32, 4, 2, RESIDUAL, 0, False), (32, 8, 4, SCALE, None)


@pytest.mark.parametrize("users, codes", [(9, ttnn.bfloat16), (32, ttnn.bfloat8_b)])
def test_a_program_for_little_l1_gives_the_same_bits(device, reset_seeds, users, codes):
    """Weights arrive in turns. A tile of all rows has codes in bfloat8_b."""
    chain, small = (Chain(device, users, 0, *IN_TURNS, l1_limit=limit) for limit in (L1, 0))
    small.weights, small.gammas = chain.weights, chain.gammas
    buffers, of_small = chain.program._buffers, small.program._buffers
    assert of_small[Role.WEIGHTS].tiles * 3 <= buffers[Role.WEIGHTS].tiles and of_small[Role.CODES].dtype == codes
    values = chain.values()
    assert all(map(torch.equal, small(*values), chain(*values)))


# up to the next layer: the sum of the third stage leaves the program and is the fourth one's rows
TO_NEXT_LAYER = (*CHAINS["a layer, 8 users"], (9, 3, 1, SCALE, None))


@pytest.mark.parametrize(
    "chain, leaving", [(CHAINS["fewer cores"], None), (TO_NEXT_LAYER, 2)], ids=["two stages", "to the next layer"]
)
def test_results_of_several_stages_in_bfloat16(device, reset_seeds, chain, leaving):
    chain = Chain(device, *chain, dtype=ttnn.bfloat16, leaving=leaving)
    values = chain.values()
    *left, last = results = chain(*values)
    assert [y.dtype for y in left] == [torch.float32] * (leaving is not None) and last.dtype == torch.bfloat16
    assert all(map(torch.equal, results, chain.one_by_one(*values)))


@pytest.mark.parametrize("chain", [CHAINS["two stages"], CHAINS["fewer cores"], CHAINS["a layer, one user"]])
def test_rows_below_the_last_user_do_not_matter_in_any_stage(device, reset_seeds, chain):
    chain = Chain(device, *chain)
    values = chain.values()
    assert all(map(torch.equal, chain(*values), chain(*values, filling=float("inf"))))


def test_stages_that_do_not_follow_each_other_are_refused(device):
    pages = TernaryPages.of(4, 4, 2)
    by_one, by_two = CoreAssignment(4, 1), CoreAssignment(4, 2)
    memory = ttnn.float32, ttnn.DRAM_MEMORY_CONFIG
    scales, adds = Stage(by_two, by_two, pages, SCALE), Stage(by_two, by_two, pages, RESIDUAL)
    for stages, message in (
        ([scales, Stage(by_one, by_two, pages, SCALE)], "leaves CoreAssignment.tiles=4, per_core=2. to the next one"),
        ([scales, replace(adds, columns=by_one, adds_rows_of=0)], "adds lie as CoreAssignment.tiles=4, per_core=2"),
        ([adds, adds], "two stages add a tensor"),
        ([scales, replace(scales, leaves_in=ttnn.DRAM_MEMORY_CONFIG)], "leave the program behind its last stage"),
    ):
        with pytest.raises(ValueError, match=message):
            DecodeProduct(1, tuple(stages), *memory)
