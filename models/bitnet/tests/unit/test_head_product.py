# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of lm_head: bit for bit for integer rows and weights, close to a float64 product otherwise."""

import pytest
import torch

import ttnn
from models.bitnet.tests.common import BATCHES
from models.bitnet.tests.ternary import to_device
from models.bitnet.tt.kernels.head.head_product import HeadProduct
from models.bitnet.tt.layout import TILE, Chip, columns, dram_sharded, free_l1_bytes
from models.bitnet.tt.precision import HEAD_WEIGHTS

pytestmark = pytest.mark.board

DTYPES = [ttnn.float32, ttnn.bfloat16]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])
EXACT = (
    2**10
)  # The matrix unit aligns 16 products to the largest of them. Integers up to this one lose no bits by that.


def product(
    device: ttnn.MeshDevice,
    x: torch.Tensor,
    weight: torch.Tensor,
    dtype: ttnn.DataType,
    sharded: bool,
    held_as: ttnn.DataType = ttnn.bfloat8_b,
) -> torch.Tensor:
    """Compute [rows, K] @ [K, N] by the program.

    The weight is stored as `held_as`. The rows are in L1 if `sharded`, in DRAM otherwise.
    """
    chip = Chip.of(device)
    inner, width = weight.shape
    program = HeadProduct(len(x), inner // TILE, width, chip.dram_banks, chip.grid, dtype, held_as)
    memory = columns(inner, chip).memory_config() if sharded else ttnn.DRAM_MEMORY_CONFIG
    rows = to_device(x[None, None], device, dtype, memory)
    matrix = to_device(weight[None, None], device, held_as, dram_sharded(inner, width, chip))
    result = program(rows, matrix)
    assert result.dtype == dtype and list(result.shape) == [1, 1, len(x), width]
    return ttnn.to_torch(result)[0, 0]


@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize("sharded", [False, True], ids=["dram", "sharded"])
@pytest.mark.parametrize(
    "inner, width",
    # fewer tile columns than banks; fewer than cores; 5 runs at once, and groups of columns that do not come out even
    [(1, 1), (3, 30), (8, 50), (5, 777), pytest.param(80, 4008, marks=pytest.mark.slow)],
)
def test_integers(device, reset_seeds, inner, width, sharded, rows):
    """Integer rows and weights give exact results. Each face of the matrix has another exponent: a wrong tile shows."""
    x = torch.randint(-EXACT, EXACT + 1, (rows, inner * TILE)).float()
    weight = torch.randint(-1, 2, (inner * TILE, width * TILE)) * 2.0 ** (torch.arange(width * TILE) // 16 % 40 - 20)
    expected = (x.double() @ weight.double()).float()
    assert torch.equal(product(device, x, weight, ttnn.float32, sharded), expected)


@pytest.mark.parametrize("width", [33, 415, 32002])
def test_a_width_that_is_no_whole_tiles(device, reset_seeds, width):
    x, weight = torch.randint(-EXACT, EXACT + 1, (7, 32)).float(), torch.randint(-1, 2, (32, width)).float()
    assert torch.equal(product(device, x, weight, ttnn.float32, True), x @ weight)


@pytest.mark.parametrize("rows", [1, 9])
def test_no_order_of_events_changes_a_bit(device, reset_seeds, rows):
    x, weight = torch.randint(-EXACT, EXACT + 1, (rows, 64)).float(), torch.randint(-1, 2, (64, 416)).float()
    assert torch.equal(product(device, x, weight, ttnn.float32, True), x @ weight)


@pytest.mark.parametrize("held_as", HEAD_WEIGHTS, ids=lambda dtype: dtype.name.lower())
def test_every_weight_dtype(device, reset_seeds, held_as):
    """The weight of lm_head in every dtype that `FusedPrecision.head_weight` may have."""
    x, weight = torch.randint(-EXACT, EXACT + 1, (7, 96)).float(), torch.randint(-1, 2, (96, 416)).float()
    assert torch.equal(product(device, x, weight, ttnn.float32, False, held_as), x @ weight)


@every_dtype
@pytest.mark.parametrize("inner", [4, 80])
def test_fractions(device, reset_seeds, inner, dtype):
    """Rows of many magnitudes, and weights that bfloat8_b holds exactly."""
    x = torch.randn(32, inner * TILE) * 10.0 ** torch.linspace(-6, 6, 32)[:, None]
    weight = ttnn.to_torch(
        ttnn.from_torch(torch.randn(inner * TILE, 416), dtype=ttnn.bfloat8_b, layout=ttnn.TILE_LAYOUT)
    )
    x = x if dtype == ttnn.float32 else x.bfloat16().float()
    result = product(device, x, weight, dtype, True).double()
    expected = x.double() @ weight.double()
    # The product uses 11 significant bits of a float32 row, all bits of a bfloat16 row. The latter's result has 8 bits.
    error = (result - expected).norm(dim=1) / expected.norm(dim=1)
    assert error.max() < {ttnn.float32: 2.0**-10, ttnn.bfloat16: 2.0**-8}[dtype]


def test_the_buffers_take_less_than_half_of_l1(device):
    """The width is that of BitNet b1.58 2B4T."""
    program = HeadProduct(32, 80, 128256, 12, (8, 7), ttnn.float32, ttnn.bfloat8_b)
    assert program.l1_bytes == 80 * 4096 + 2 * 8 * 4 * 1088 + 2 * 4 * 4096
    assert program.l1_bytes < free_l1_bytes(device) / 2
