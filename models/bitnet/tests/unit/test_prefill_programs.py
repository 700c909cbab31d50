# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused programs of prefill against their definition: codes and sums exactly, float32 results within a few ulps."""

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import random_ternary, spread
from models.bitnet.tests.ternary import (
    EPS,
    FACTOR,
    ULPS,
    VALUES,
    Codes,
    check_codes,
    check_near,
    coded_rows,
    gamma_to_device,
    powers_of_two,
    random_values,
    rows_to_device,
    to_device,
)
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.prefill.prefill_codes import PrefillCodes
from models.bitnet.tt.kernels.prefill.prefill_product import PrefillProduct
from models.bitnet.tt.layout import TILE

DRAM, L1 = ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG
L1_BYTES = 1_300_000  # for the buffers of a product

# token tiles, tiles of K, cores (columns, rows)
CODES = {
    "one core": (1, 8, (1, 1)),
    "uneven": (3, 7, (2, 2)),
    "uneven teams": (5, 7, (3, 2)),
    "a last part that does not divide the others": (3, 65, (2, 1)),
    "more parts than a tile has rows": (1, 40, (8, 8)),
    "2560": (2, 80, (4, 4)),
    "6912": (3, 216, (4, 2)),
}
# token tiles, tiles of K, tiles of N, tiles of N that are multiplied together, cores (columns, rows)
PRODUCTS = {
    "one core": (1, 8, 1, 1, (1, 1)),
    "uneven rows": (3, 7, 4, 2, (2, 2)),
    "one row of cores a band": (5, 7, 6, 1, (2, 3)),
    "two bands, a column without work": (2, 3, 3, 1, (2, 4)),
    "more rows than are multiplied at once": (16, 2, 2, 1, (2, 2)),
    "2560": (2, 80, 8, 4, (2, 2)),
    "6912, in passes of one token tile": (3, 216, 4, 4, (1, 2)),
    "five token tiles in passes of two": (5, 240, 2, 1, (2, 1)),
}
FEW = PRODUCTS["two bands, a column without work"]


def quantise(
    device, token_tiles, inner, grid, x, gamma, dtype=ttnn.float32, constant=EPS, held_as=ttnn.bfloat16, memory=DRAM
):
    """Quantise [tokens, K] -> (codes [tokens, K], steps [tokens, 1]). The step of a row is the value of one code.

    `gamma` is None for no norm. `held_as` is the dtype of the codes.
    """
    program = PrefillCodes(token_tiles, inner, grid, memory, gamma is not None, held_as)
    weights = None if gamma is None else gamma_to_device(gamma, device)
    codes, steps = program(to_device(x[None, None], device, dtype), weights, constant=constant)
    assert codes.dtype == held_as
    return ttnn.to_torch(codes)[0, 0].float(), ttnn.to_torch(steps)[0, 0, :, :1]


@pytest.mark.parametrize("shape", CODES.values(), ids=CODES)
def test_codes_are_the_integers(device, reset_seeds, shape):
    token_tiles, inner, _ = shape
    gamma = powers_of_two(inner * TILE)
    x = coded_rows(token_tiles * TILE, inner * TILE, gamma)
    expected = Codes.of(x, gamma)
    assert not expected.tied.any()
    codes, steps = quantise(device, *shape, x, gamma)
    check_codes(codes, expected)
    check_near(steps, expected.step, ULPS)


CODES_HELD_AS = (ttnn.bfloat16, ttnn.bfloat8_b)
every_code_dtype = pytest.mark.parametrize("held_as", CODES_HELD_AS, ids=["bfloat16", "bfloat8_b"])


@every_code_dtype
@pytest.mark.parametrize("name", ["one core", "uneven", "more parts than a tile has rows"])
def test_codes_without_a_norm(device, reset_seeds, name, held_as):
    token_tiles, inner, _ = shape = CODES[name]
    x = coded_rows(token_tiles * TILE, inner * TILE, torch.ones(inner * TILE))
    expected = Codes.without_norm(x, FACTOR)
    codes, steps = quantise(device, *shape, x, None, constant=FACTOR, held_as=held_as)
    check_codes(codes, expected)
    check_near(steps, expected.step, ULPS)


def test_bfloat8_holds_every_code_in_any_block():
    """Codes share an exponent with others, up to 127. None of them rounds."""
    codes = torch.cat([torch.arange(-127, 128).expand(128, -1), torch.arange(128)[:, None]], dim=1)  # 256 wide
    blocks = torch.stack([codes[:, :-1], codes[:, -1:].expand(-1, 255)], dim=-1).repeat(1, 1, 8)  # of two values
    held = ttnn.from_torch(blocks.flatten(1).float(), dtype=ttnn.bfloat8_b, layout=ttnn.TILE_LAYOUT)
    assert torch.equal(ttnn.to_torch(held).long(), blocks.flatten(1))


@pytest.mark.parametrize("dtype", [ttnn.float32, ttnn.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("kind", VALUES)
def test_codes_of_any_values(device, reset_seeds, kind, dtype):
    token_tiles, inner, _ = shape = CODES["uneven"]
    x, gamma = random_values(kind, token_tiles * TILE, inner * TILE)
    if dtype == ttnn.bfloat16:
        x = x.bfloat16().float()
    expected = Codes.of(x, gamma)
    codes, steps = quantise(device, *shape, x, gamma, dtype)
    check_codes(codes, expected)
    check_near(steps, expected.step, ULPS)


def test_codes_in_l1(device, reset_seeds):
    token_tiles, inner, _ = shape = CODES["uneven teams"]
    gamma = powers_of_two(inner * TILE)
    x = coded_rows(token_tiles * TILE, inner * TILE, gamma)
    codes, steps = quantise(device, *shape, x, gamma, memory=L1)
    check_codes(codes, Codes.of(x, gamma))
    check_near(steps, Codes.of(x, gamma).step, ULPS)


class Product:
    """A program of prefill with its weight, and the codes and steps of its tokens, which lie in `memory`."""

    def __init__(
        self,
        device,
        token_tiles,
        inner,
        width,
        group,
        grid,
        epilogue=Epilogue.SCALE,
        dtype=ttnn.float32,
        held_as=ttnn.bfloat16,
        l1_bytes=L1_BYTES,
        memory=DRAM,
    ):
        matrices = epilogue.matrices
        self.device, self.held_as, self.memory = device, held_as, memory
        pages = TernaryPages.of(inner, matrices * width, matrices * group, matrices)
        self.program = PrefillProduct(token_tiles, pages, epilogue, dtype, grid, l1_bytes, held_as)
        self.weight = random_ternary(inner * TILE, matrices * width * TILE)
        self.codes = torch.randint(-127, 128, (token_tiles * TILE, inner * TILE))
        self.codes[1], self.codes[2] = 127, 0
        self.steps = spread(token_tiles * TILE, 1)

    @property
    def scaled(self):
        """The integer sums, rescaled in float32 with one rounding."""
        return (self.codes.double() @ self.weight.double()).float() * self.steps

    def __call__(self, residual=None):
        y = self.program(
            to_device(self.codes.float()[None, None], self.device, self.held_as, self.memory),
            to_device(self.steps.expand(-1, TILE)[None, None], self.device, ttnn.float32, self.memory),
            rows_to_device(self.program.pages.pack(self.weight)[None, None], self.device, ttnn.uint32),
            None if residual is None else to_device(residual[None, None], self.device),
        )
        return ttnn.to_torch(y)[0, 0]


@pytest.mark.parametrize("shape", PRODUCTS.values(), ids=PRODUCTS)
def test_products_are_the_integers_rescaled(device, reset_seeds, shape):
    product = Product(device, *shape)
    assert torch.equal(product(), product.scaled)


def test_products_of_codes_in_l1(device, reset_seeds):
    product = Product(device, *PRODUCTS["uneven rows"], memory=L1)
    assert torch.equal(product(), product.scaled)


@pytest.mark.parametrize(
    "l1_bytes, passes", [(132_096, 1), (132_095, 2), (99_327, 3), (82_944, 4), (82_943, 8), (1, 8)]
)
def test_a_product_with_less_l1_passes_over_its_weights_more_often(device, reset_seeds, l1_bytes, passes):
    """A core has 8 token tiles. The buffers of one of them are the least that the program takes."""
    product = Product(device, *PRODUCTS["more rows than are multiplied at once"], l1_bytes=l1_bytes)
    words = product.program.pages.pack(product.weight)
    assert product.program.weight_bytes == passes * words.numel() * words.element_size()
    assert product.program.l1_bytes <= max(l1_bytes, 74_752)
    assert torch.equal(product(), product.scaled)


def test_the_residual_is_added(device, reset_seeds):
    product = Product(device, *FEW, epilogue=Epilogue.RESIDUAL)
    residual = torch.randn(product.scaled.shape) * spread(*product.scaled.shape)
    assert torch.equal(product(residual), product.scaled + residual)


def test_codes_in_bfloat8(device, reset_seeds):
    product = Product(device, *PRODUCTS["five token tiles in passes of two"], held_as=ttnn.bfloat8_b)
    assert torch.equal(product(), product.scaled)


def test_each_column_has_the_gate_of_the_same_column(device, reset_seeds):
    product = Product(device, *FEW, epilogue=Epilogue.RELU2_GATED)
    gate, up = product.scaled.chunk(2, dim=-1)
    assert torch.equal(product(), gate.clamp(min=0).square() * up)


def test_silu_of_the_gate(device, reset_seeds):
    """Gates from 1e-3 to 1e5 in size, of both signs. Below -87 silu is next to the smallest numbers, or 0."""
    product = Product(device, *PRODUCTS["more rows than are multiplied at once"], epilogue=Epilogue.SILU_GATED)
    gate, up = product.scaled.double().chunk(2, dim=-1)
    y, regular = product(), gate > -87
    check_near(y[regular], (gate / (1 + torch.exp(-gate)) * up)[regular], ULPS)
    assert (y[~regular].abs() < 1e-30).all() and (~regular).any() and (regular & (gate < -1)).any()


def test_products_in_bfloat16(device, reset_seeds):
    product = Product(device, *PRODUCTS["uneven rows"], dtype=ttnn.bfloat16)
    check_near(product().float(), product.scaled.double(), 2**15)


def test_programs_take_other_tensors(device, reset_seeds):
    product = Product(device, *PRODUCTS["uneven rows"])
    kept = []  # so that the next tensors have other addresses
    for _ in range(2):
        kept.append(to_device(product.codes.float(), device))
        assert torch.equal(product(), product.scaled)
        product.codes, product.weight = product.codes.roll(1, 0), random_ternary(*product.weight.shape)
    token_tiles, inner, grid = CODES["uneven"]
    program = PrefillCodes(token_tiles, inner, grid, L1)
    for eps in (1e-5, 1e3):
        gamma = powers_of_two(inner * TILE)
        x = coded_rows(token_tiles * TILE, inner * TILE, gamma)
        expected = Codes.of(x, gamma, eps)
        kept.append(program(to_device(x[None, None], device), gamma_to_device(gamma, device), constant=eps))
        check_codes(ttnn.to_torch(kept[-1][0])[0, 0].float(), expected)
        check_near(ttnn.to_torch(kept[-1][1])[0, 0, :, :1], expected.step, ULPS)
