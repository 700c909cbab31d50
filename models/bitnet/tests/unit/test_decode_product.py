# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of decode against its definition: integers exactly, float32 results within a few ulps."""

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import random_ternary, spread
from models.bitnet.tests.ternary import (
    EPS,
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
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.decode.decode_product import DecodeProduct
from models.bitnet.tt.layout import TILE


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
    ):
        matrices = 2 if epilogue is Epilogue.GATED else 1
        pages = TernaryPages.of(inner, matrices * width, matrices * group, matrices)
        self.device, self.users, self.inner = device, users, inner * TILE
        self.program = DecodeProduct(
            users,
            CoreAssignment(inner, parts),
            CoreAssignment(width, columns),
            pages,
            epilogue,
            dtype,
            ttnn.DRAM_MEMORY_CONFIG,
            head_tiles,
        )
        self.weight = random_ternary(inner * TILE, matrices * width * TILE)

    def __call__(self, x, gamma, residual=None, eps=EPS):
        """Run the program: [users, K] -> [users, N]. With `head_tiles`, x is [users, heads, head width]."""
        added = None if residual is None else to_device(residual[None, None], self.device)
        if x.dim() == 2:
            rows = to_device(x[None, None], self.device)
        else:
            rows = to_device(x[None], self.device, ttnn.bfloat16, ttnn.L1_MEMORY_CONFIG)
        y = self.program(
            rows,
            gamma_to_device(gamma, self.device),
            rows_to_device(self.program.pages.pack(self.weight)[None, None], self.device, ttnn.uint32),
            added,
            eps=eps,
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


@pytest.mark.parametrize("shape", [SHAPES["uneven"], SHAPES["more parts than a tile has rows"]])
def test_each_column_has_the_gate_of_the_same_column(device, reset_seeds, shape):
    product = Product(device, *shape, epilogue=Epilogue.GATED)
    gamma = powers_of_two(product.inner)
    for x in product.batches(gamma):
        codes = Codes.of(x, gamma)
        gate, up = (codes.rounded @ product.weight.double() * codes.step).chunk(2, dim=-1)
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


def test_a_program_takes_other_tensors_and_another_eps(device, reset_seeds):
    product = Product(device, *SHAPES["uneven"])
    kept = []  # so that the next tensors have other addresses
    for eps in (1e-5, 1e3):
        gamma = powers_of_two(product.inner)
        x = coded_rows(product.users, product.inner, gamma)
        kept.append(to_device(x, device))
        check_scaled(product(x, gamma, eps=eps), Codes.of(x, gamma, eps), product.weight, ULPS)


@pytest.mark.parametrize("shape", [SHAPES["uneven"], SHAPES["half a tile"], SHAPES["more columns than parts"]])
def test_rows_below_the_last_user_do_not_matter(device, reset_seeds, shape):
    """The values of a tile below its last user change no user's results."""
    product = Product(device, *shape)
    gamma = powers_of_two(product.inner)
    x = coded_rows(product.users, product.inner, gamma)
    results = []
    for filling in (0.0, float("inf")):
        rows = to_device(x[None, None], device, pad_value=filling)
        weights = rows_to_device(product.program.pages.pack(product.weight)[None, None], device, ttnn.uint32)
        y = product.program(rows, gamma_to_device(gamma, device), weights, eps=EPS)
        results.append(ttnn.to_torch(y))
    assert torch.equal(*results)
