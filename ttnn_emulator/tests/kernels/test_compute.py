# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Compute kernels: from buffers to the destination register, through both units, and back."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.kernels.programs import buffer, compute, read_pages, result_like, run, write_pages

TILES = 3
PAGES = {ttnn.float32: 4096, ttnn.bfloat16: 2048, ttnn.bfloat8_b: 1088, ttnn.bfloat4_b: 576, ttnn.uint32: 4096}
HEADERS = """
#include "api/compute/bcast.h"
#include "api/compute/compute_kernel_api.h"
#include "api/compute/eltwise_binary.h"
#include "api/compute/eltwise_binary_sfpu.h"
#include "api/compute/eltwise_unary/recip.h"
#include "api/compute/eltwise_unary/rounding.h"
#include "api/compute/matmul.h"
#include "api/compute/tile_move_copy.h"
#include "api/compute/transpose_dest.h"
"""


def numbers(tiles: int = TILES) -> torch.Tensor:
    """Small whole numbers, which every format here holds."""
    return torch.randint(-7, 8, (1, 1, 32, 32 * tiles), generator=torch.Generator().manual_seed(5)).float()


def on(device: ttnn.MeshDevice, value: torch.Tensor, dtype: ttnn.DataType = ttnn.float32) -> ttnn.Tensor:
    return ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device)


def mapped(
    tensor: ttnn.Tensor,
    steps: str,
    dtype: ttnn.DataType = ttnn.float32,
    unpacks: str = "copy_init(0); copy_tile(0, 0, 0);",
    at_once: int = 1,
    straight: tuple[int, ...] = (0,),
    **settings: bool,
) -> torch.Tensor:
    """Each `at_once` tiles of a tensor as destination tile 0 after some steps on what `unpacks` leaves there."""
    result, tiles = result_like(tensor, dtype), tensor.buffer_num_pages()
    body = f"""
    compute_kernel_hw_startup(0, 16);
    for (uint32_t i = 0; i < {tiles}; i += {at_once}) {{
        cb_wait_front(0, {at_once});
        tile_regs_acquire();
        {unpacks}
        {steps}
        tile_regs_commit();
        cb_pop_front(0, {at_once});
        cb_reserve_back(16, 1);
        tile_regs_wait();
        pack_tile(0, 16);
        tile_regs_release();
        cb_push_back(16, 1);
    }}"""
    settings = {"fp32_dest_acc_en": True, **settings}
    kernels = [
        read_pages(tensor, tiles),
        compute(body, HEADERS, straight, **settings),
        write_pages(result, tiles // at_once, 16),
    ]
    buffers = [
        buffer(0, tensor.dtype, 2 * at_once, PAGES[tensor.dtype]),
        buffer(16, dtype, 2, PAGES[dtype]),
    ]
    return run([tensor, result], kernels, buffers)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("result", [ttnn.float32, ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b])
@pytest.mark.parametrize("dtype", [ttnn.float32, ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b])
def test_formats(device, dtype, result, wide):
    value = numbers()
    assert torch.equal(mapped(on(device, value, dtype), "", result, fp32_dest_acc_en=wide).float(), value)


def test_integers_keep_their_bits(device):
    value = torch.randint(-(1 << 31), 1 << 31, (1, 1, 32, 64))
    tensor = ttnn.from_torch(value.int(), dtype=ttnn.uint32, layout=ttnn.TILE_LAYOUT, device=device)
    assert torch.equal(mapped(tensor, "", ttnn.uint32), ttnn.to_torch(tensor))


@pytest.mark.parametrize("straight", [True, False])
def test_a_float32_that_goes_through_a_source_loses_13_bits(device, straight):
    value = torch.randn(1, 1, 32, 32)
    expected = value if straight else (value.view(torch.int32) & ~0x1FFF).view(torch.float32)
    assert torch.equal(mapped(on(device, value), "", straight=(0,) * straight), expected)


@pytest.mark.parametrize(
    "steps, expected",
    [
        ("square_tile_init(); square_tile(0);", lambda x: x * x),
        ("abs_tile_init(); abs_tile(0);", torch.abs),
        ("transpose_dest_init<true>(); transpose_dest<true>(0);", lambda x: x.mT),
        ("copy_tile(0, 0, 1); add_binary_tile_init(); add_binary_tile(0, 1, 0);", lambda x: x + x),
        ("copy_tile(0, 0, 1); mul_binary_tile_init(); mul_binary_tile(0, 1, 0);", lambda x: x * x),
        ("unary_max_tile_init(); unary_max_tile(0, 0x40000000);", lambda x: x.clamp(min=2)),
        ("rounding_op_tile_init(); round_tile(0, 0);", torch.round),
        ("rounding_op_tile_init(); floor_tile(0);", torch.floor),
    ],
)
def test_functions_of_the_vector_unit(device, steps, expected):
    value = numbers(1) + 0.25
    assert torch.equal(mapped(on(device, value), steps), expected(value))


@pytest.mark.parametrize("pool, expected", [("SUM", torch.sum), ("MAX", torch.amax), ("MIN", torch.amin)])
@pytest.mark.parametrize("dim", ["REDUCE_COL", "REDUCE_ROW"])
def test_reductions_leave_the_first_row_or_column(device, pool, expected, dim):
    value = numbers(1)
    call = f"<PoolType::{pool}, DataFormat::Float32"
    result = mapped(on(device, value), f"sfpu_reduce_init{call}>(); sfpu_reduce{call}, ReduceDim::{dim}>(0);")[0, 0]
    over_rows = dim == "REDUCE_COL"
    assert torch.equal(result[0] if over_rows else result[:, 0], expected(value[0, 0], dim=0 if over_rows else 1))


def sum_of_rows(x: torch.Tensor, is_blackhole: bool) -> torch.Tensor:
    """[32, 32] -> [32]. The groups of four rows of a face come first, then both faces, then the rows of a group."""
    groups = x.reshape(2, 4, 4, 32)
    faces = groups[:, 0] + (groups[:, 1] + (groups[:, 2] + groups[:, 3]))
    first, second, third, last = faces[0] + faces[1]
    return first + (second + (third + last)) if is_blackhole else (first + second) + (third + last)


def sum_of_columns(x: torch.Tensor) -> torch.Tensor:
    """[32, 32] -> [32]. The neighbours in both faces come first, then sums that are 4, 2 and 1 pairs apart."""
    left, right = x.reshape(32, 2, 8, 2).unbind(1)
    sums = left[..., 0] + (left[..., 1] + (right[..., 0] + right[..., 1]))
    for apart in (4, 2, 1):
        sums = sums[:, :apart] + sums[:, apart:]
    return sums[:, 0]


@pytest.mark.parametrize("dim", ["REDUCE_COL", "REDUCE_ROW"])
def test_sums_are_added_in_the_chips_order(device, dim):
    """The last bits show the order. The simulated chips have it too."""
    value = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(6))
    call = "<PoolType::SUM, DataFormat::Float32"
    result = mapped(on(device, value), f"sfpu_reduce_init{call}>(); sfpu_reduce{call}, ReduceDim::{dim}>(0);")[0, 0]
    if dim == "REDUCE_COL":
        assert torch.equal(result[0], sum_of_rows(value[0, 0], ttnn.get_arch_name() == "blackhole"))
    else:
        assert torch.equal(result[:, 0], sum_of_columns(value[0, 0]))


@pytest.mark.parametrize(
    "call, expected",
    [
        ("add_tiles(0, 0, 0, 1, 0);", lambda a, b: a + b),
        ("sub_tiles(0, 0, 0, 1, 0);", lambda a, b: a - b),
        ("mul_tiles(0, 0, 0, 1, 0);", lambda a, b: a * b),
        ("add_tiles_bcast_cols(0, 0, 0, 1, 0);", lambda a, b: a + b[:, :1]),
        ("mul_tiles_bcast_rows(0, 0, 0, 1, 0);", lambda a, b: a * b[:1]),
        ("sub_tiles_bcast_scalar(0, 0, 0, 1, 0);", lambda a, b: a - b[0, 0]),
    ],
)
def test_functions_of_the_matrix_unit(device, call, expected):
    value = numbers(2)
    tensor = on(device, value, ttnn.bfloat16)
    result = ttnn.from_torch(value[..., :32], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    body = f"""
    compute_kernel_hw_startup(0, 16);
    cb_wait_front(0, 2);
    tile_regs_acquire();
    {call}
    tile_regs_commit();
    tile_regs_wait();
    cb_reserve_back(16, 1);
    pack_tile(0, 16);
    cb_push_back(16, 1);
    tile_regs_release();"""
    kernels = [read_pages(tensor, 2), compute(body, HEADERS, fp32_dest_acc_en=True), write_pages(result, 1, 16)]
    value_of = run([tensor, result], kernels, [buffer(0), buffer(16, ttnn.float32, page=4096)])[0, 0]
    assert torch.equal(value_of, expected(*value[0, 0].split(32, dim=1)))


@pytest.mark.parametrize("full_sync", [True, False])
def test_matrix_products(device, full_sync):
    """[32, 96] @ [96, 64], two tile columns at once."""
    a, b = numbers(3), torch.randint(-3, 4, (1, 1, 96, 64)).float()
    first, second = on(device, a, ttnn.bfloat16), on(device, b, ttnn.bfloat16)
    result = ttnn.from_torch(torch.zeros(1, 1, 32, 64), dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    body = """
    compute_kernel_hw_startup<SrcOrder::Reverse>(0, 1, 16);
    matmul_block_init(0, 1, 0, 2, 1, 3);
    cb_wait_front(0, 3);
    cb_wait_front(1, 6);
    tile_regs_acquire();
    for (uint32_t k = 0; k < 3; k++) matmul_block(0, 1, k, 2 * k, 0, 0, 2, 1, 3);
    tile_regs_commit();
    tile_regs_wait();
    cb_reserve_back(16, 2);
    pack_tile(0, 16);
    pack_tile(1, 16);
    cb_push_back(16, 2);
    tile_regs_release();"""
    both = read_pages(first, 3)
    both.body = (
        both.body
        + "\n{"
        + read_pages(second, 6, 1)
        .body.replace("<0>", "<TensorAccessorArgs<0>().next_compile_time_args_offset()>")
        .replace("val<uint32_t>(0)", "val<uint32_t>(1)")
        + "}"
    )
    both.common, both.tensors = [first.buffer_address(), second.buffer_address()], [first, second]
    settings = {"fp32_dest_acc_en": True, "dst_full_sync_en": full_sync}
    kernels = [both, compute(body, HEADERS, **settings), write_pages(result, 2, 16)]
    buffers = [buffer(0, pages=3), buffer(1, pages=6), buffer(16, ttnn.float32, page=4096)]
    assert torch.equal(run([first, second, result], kernels, buffers), a @ b)
