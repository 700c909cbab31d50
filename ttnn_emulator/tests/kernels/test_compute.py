# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Compute kernels: from buffers to the destination register, through both units, and back."""

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.tests.kernels.programs import buffer, compute, read_pages, result_like, run, write_pages

TILES = 3
PAGES = {ttnn.float32: 4096, ttnn.bfloat16: 2048, ttnn.bfloat8_b: 1088, ttnn.bfloat4_b: 576, ttnn.uint32: 4096}
HEADERS = """
#include "api/compute/bcast.h"
#include "api/compute/compute_kernel_api.h"
#include "api/compute/copy_dest_values.h"
#include "api/compute/eltwise_binary.h"
#include "api/compute/eltwise_binary_sfpu.h"
#include "api/compute/eltwise_unary/comp.h"
#include "api/compute/eltwise_unary/recip.h"
#include "api/compute/eltwise_unary/rounding.h"
#include "api/compute/eltwise_unary/where.h"
#include "api/compute/mask.h"
#include "api/compute/matmul.h"
#include "api/compute/pack_untilize.h"
#include "api/compute/reduce.h"
#include "api/compute/tile_move_copy.h"
#include "api/compute/tilize.h"
#include "api/compute/transpose.h"
#include "api/compute/transpose_dest.h"
#include "api/compute/untilize.h"
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
        ("unary_gt_tile_init(); unary_gt_tile(0, 0x3fa00000);", lambda x: x > 1.25),
        ("unary_ge_tile_init(); unary_ge_tile(0, 0x3fa00000);", lambda x: x >= 1.25),
        ("unary_eq_tile_init(); unary_eq_tile(0, 0x3fa00000);", lambda x: x == 1.25),
        ("unary_ne_tile_init(); unary_ne_tile(0, 0x3fa00000);", lambda x: x != 1.25),
        ("ltz_tile_init(); ltz_tile(0);", lambda x: x < 0),
        ("lez_tile_init(); lez_tile(0);", lambda x: x <= 0),
        ("transpose_tile(0, 0, 1); rsub_binary_tile(0, 1, 0);", lambda x: x.mT - x),
        ("transpose_tile(0, 0, 1); lt_binary_tile_init(); lt_binary_tile(0, 1, 0);", lambda x: x < x.mT),
        ("transpose_tile(0, 0, 1); eq_binary_tile_init(); eq_binary_tile(0, 1, 0);", lambda x: x == x.mT),
        (
            "transpose_tile(0, 0, 1); copy_tile(0, 0, 2); gtz_tile(2); where_tile<DataFormat::Float32>(2, 0, 1, 3);"
            "copy_dest_values<DataFormat::Float32>(3, 0);",
            lambda x: torch.where(x > 0, x, x.mT),
        ),
        ("copy_tile(0, 0, 1); gtz_tile(1); mask_tile_init(); mask_tile(0, 1);", lambda x: x.clamp(min=0)),
    ],
)
def test_functions_of_the_vector_unit(device, steps, expected):
    value = numbers(1) + 0.25
    assert torch.equal(mapped(on(device, value), steps), expected(value).float())


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
        ("mul_tiles_bcast<BroadcastType::COL>(0, 0, 0, 1, 0);", lambda a, b: a * b[:, :1]),
        ("transpose_init(0); transpose_tile(0, 1, 0);", lambda a, b: b.T),
        ("unary_bcast_init<BroadcastType::ROW>(0); unary_bcast<BroadcastType::ROW>(0, 1, 0);", lambda a, b: b[:1]),
        (
            "unary_bcast_init<BroadcastType::SCALAR>(0); unary_bcast<BroadcastType::SCALAR>(0, 1, 0);",
            lambda a, b: b[0, 0],
        ),
        ("add_init(0, 0, true); for (uint32_t i = 0; i < 3; i++) add_tiles(0, 0, 0, 1, 0);", lambda a, b: 3 * (a + b)),
        ("mul_init(0, 0); for (uint32_t i = 0; i < 3; i++) mul_tiles(0, 0, 0, 1, 0);", lambda a, b: 3 * a * b),
        (
            "add_init(0, 0, true); add_init(0, 0); add_tiles(0, 0, 0, 0, 0); add_tiles(0, 0, 0, 1, 0);",
            lambda a, b: a + b,
        ),
        (
            "copy_tile(0, 0, 0); sub_reuse_dest_init<EltwiseBinaryReuseDestType::DEST_TO_SRCA>(0);"
            "sub_reuse_dest_tiles<EltwiseBinaryReuseDestType::DEST_TO_SRCA>(0, 1, 0);",
            lambda a, b: a - b,
        ),
        (
            "copy_tile(0, 0, 0); sub_reuse_dest_init<EltwiseBinaryReuseDestType::DEST_TO_SRCB>(0);"
            "sub_reuse_dest_tiles<EltwiseBinaryReuseDestType::DEST_TO_SRCB>(0, 1, 0);",
            lambda a, b: b - a,
        ),
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
    assert torch.equal(value_of, expected(*value[0, 0].split(32, dim=1)).expand(32, 32))


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


def test_the_packer_adds_to_memory(device):
    """The second and third tile are added to the first one, in the page where that was packed."""
    value = numbers(3)
    tensor, result = on(device, value), on(device, value[..., :32])
    body = """
    compute_kernel_hw_startup(0, 16);
    cb_reserve_back(16, 1);
    for (uint32_t i = 0; i < 3; i++) {
        cb_wait_front(0, 1);
        tile_regs_acquire();
        copy_tile(0, 0, 0);
        tile_regs_commit();
        cb_pop_front(0, 1);
        tile_regs_wait();
        pack_reconfig_l1_acc(i > 0);
        pack_tile<true>(0, 16, 0);
        tile_regs_release();
    }
    cb_push_back(16, 1);"""
    kernels = [read_pages(tensor, 3), compute(body, HEADERS, [0], fp32_dest_acc_en=True), write_pages(result, 1, 16)]
    buffers = [buffer(number, ttnn.float32, page=4096) for number in (0, 16)]
    with ttnn_emulator.kernel_results("sanitize"):
        total = run([tensor, result], kernels, buffers)
    assert torch.equal(total, sum(value.split(32, dim=-1)))


def rows(device: ttnn.MeshDevice, value: torch.Tensor, dtype: ttnn.DataType) -> ttnn.Tensor:
    return ttnn.from_torch(value, dtype=dtype, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.float32], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("call", ["tilize", "fast_tilize"])
def test_rows_become_tiles(device, call, dtype):
    """64 rows of three tiles: the buffer of rows has a page for a row."""
    value = torch.randint(-99, 100, (1, 1, 64, 96)).float()
    tensor, result = rows(device, value, dtype), on(device, torch.zeros_like(value), dtype)
    row, page = 96 * PAGES[dtype] // 1024, PAGES[dtype]
    body = f"""
    compute_kernel_hw_startup(0, 16);
    {call}_init(0, 3, 16);
    for (uint32_t i = 0; i < 2; i++) {{
        cb_wait_front(0, 32);
        cb_reserve_back(16, 3);
        {call}_block(0, 3, 16);
        cb_push_back(16, 3);
        cb_pop_front(0, 32);
    }}
    {call}_uninit(0, 16);"""
    kernels = [read_pages(tensor, 64), compute(body, HEADERS, [0], fp32_dest_acc_en=True), write_pages(result, 6, 16)]
    with ttnn_emulator.kernel_results("sanitize"):
        tiles = run([tensor, result], kernels, [buffer(0, dtype, 64, row), buffer(16, dtype, 3, page)])
    assert torch.equal(tiles.float(), value)


ROW_FORMS = {
    "untilize_block": "untilize_init(0); untilize_block(0, 3, 16); untilize_uninit(0);",
    "pack_untilize_block": "pack_untilize_init<3>(0, 16); pack_untilize_block<3>(0, 1, 16); pack_untilize_uninit(16);",
    "pack_untilize_dest": """
    pack_untilize_dest_init<1, 3>(16);
    for (uint32_t part = 0; part < 3; part++) {
        tile_regs_acquire();
        copy_tile(0, part, 0);
        tile_regs_commit();
        tile_regs_wait();
        pack_untilize_dest<1, 3>(16, 1, part);
        tile_regs_release();
    }""",
}


@pytest.mark.parametrize("steps", ROW_FORMS.values(), ids=ROW_FORMS)
def test_tiles_become_rows(device, steps):
    value = torch.randint(-99, 100, (1, 1, 64, 96)).float()
    tensor, result = on(device, value, ttnn.bfloat16), rows(device, torch.zeros_like(value), ttnn.bfloat16)
    body = f"""
    compute_kernel_hw_startup(0, 16);
    for (uint32_t i = 0; i < 2; i++) {{
        cb_wait_front(0, 3);
        cb_reserve_back(16, 32);
        {steps}
        cb_push_back(16, 32);
        cb_pop_front(0, 3);
    }}"""
    kernels = [read_pages(tensor, 6), compute(body, HEADERS), write_pages(result, 64, 16)]
    with ttnn_emulator.kernel_results("sanitize"):
        value_of = run([tensor, result], kernels, [buffer(0, pages=3), buffer(16, pages=32, page=192)])
    assert torch.equal(value_of.float(), value)


@pytest.mark.parametrize("pool, expected", [("SUM", torch.sum), ("MAX", torch.amax)])
@pytest.mark.parametrize("dim, dims", [("REDUCE_ROW", (1,)), ("REDUCE_COL", (0,)), ("REDUCE_SCALAR", (0, 1))])
def test_reductions_of_two_tiles_in_the_matrix_unit(device, pool, expected, dim, dims):
    """The third tile holds the number that multiplies: 2."""
    value = numbers(3)
    value[..., 64:] = 2
    tensor, result = on(device, value, ttnn.bfloat16), on(device, value[..., :32])
    body = f"""
    constexpr auto pool = PoolType::{pool};
    constexpr auto dim = ReduceDim::{dim};
    compute_kernel_hw_startup(0, 16);
    reduce_init<pool, dim>(0, 0, 16);
    cb_wait_front(0, 3);
    tile_regs_acquire();
    for (uint32_t i = 0; i < 2; i++) reduce_tile<pool, dim>(0, 0, i, 2, 0);
    tile_regs_commit();
    reduce_uninit();
    tile_regs_wait();
    cb_reserve_back(16, 1);
    pack_tile(0, 16);
    cb_push_back(16, 1);
    tile_regs_release();"""
    kernels = [read_pages(tensor, 3), compute(body, HEADERS, fp32_dest_acc_en=True), write_pages(result, 1, 16)]
    got = run([tensor, result], kernels, [buffer(0, pages=3), buffer(16, ttnn.float32, page=4096)])[0, 0]
    tiles = torch.stack(value[0, 0].split(32, dim=1)[:2])
    both = 2 * expected(expected(tiles, dim=0), dim=dims, keepdim=True)
    assert torch.equal(got[: both.shape[0], : both.shape[1]], both)
