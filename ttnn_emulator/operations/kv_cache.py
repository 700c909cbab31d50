# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that write keys and values into caches, in place.

A cache is [users, heads, positions, D], or [blocks, heads, block, D] with a page table [users, blocks of a user]. Only
the new rows are rounded to the cache's dtype, because block floats share exponents within a row only.
"""

from itertools import chain
from typing import Any

import torch

from ttnn_emulator.arithmetic.formats import FORMATS
from ttnn_emulator.arithmetic.native import function, numbers
from ttnn_emulator.device.data_types import format_of
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand
from ttnn_emulator.errors import MemoryFault
from ttnn_emulator.operations.support import compute_config, loaded, significant_bits


@value("experimental.paged_update_cache", in_place=True)
def paged_update_cache(
    cache_tensor: Operand,
    input_tensor: Operand,
    *,
    update_idxs: Any = (),
    update_idxs_tensor: Operand | None = None,
    share_cache: bool | None = None,
    page_table: Operand | None = None,
    batch_offset: int = 0,
    cache_position_modulo: int | None = None,
    compute_kernel_config: Any = None,
) -> None:
    """Write one row of each user from an input [1, users, heads (padded or not), D]. Position -1 skips a user."""
    count = input_tensor.value.shape[1]
    given = signed(update_idxs_tensor.value.flatten().tolist()) if update_idxs_tensor is not None else update_idxs
    places = [(user, place) for user, place in enumerate(given[batch_offset : batch_offset + count]) if place >= 0]
    if not places:
        return
    users, positions = (list(column) for column in zip(*places))
    if cache_position_modulo:
        positions = [position % cache_position_modulo for position in positions]
    cache, new = cache_tensor.own(), input_tensor.value.contiguous()
    if page_table is not None:
        blocks, rows = find_blocks(page_table.value, users, positions, cache)
    else:
        blocks, rows = [0 if share_cache else user + batch_offset for user in users], positions
        _check(max(rows) < cache.shape[2], f"position {max(rows)} lies beyond the cache's {cache.shape[2]}")
        _check(max(blocks) < cache.shape[0], f"user {max(blocks)} lies beyond the cache's {cache.shape[0]}")
    function("cache_write_rows")(
        *(cache, FORMATS.index(format_of(cache_tensor.dtype)), *cache.shape[1:]),
        *(new, new.dtype == torch.float32, *new.stride()[1:3]),
        *(numbers(list(chain.from_iterable(zip(users, blocks, rows)))), len(users)),
        significant_bits(compute_config(compute_kernel_config).wide),
    )


@value("experimental.paged_fused_update_cache", in_place=True)
def paged_fused_update_cache(
    cache_tensor1: Operand,
    input_tensor1: Operand,
    cache_tensor2: Operand,
    input_tensor2: Operand,
    *,
    update_idxs: Any = (),
    update_idxs_tensor: Operand | None = None,
    share_cache: bool | None = None,
    page_table: Operand | None = None,
    batch_offset: int = 0,
    compute_kernel_config: Any = None,
) -> None:
    """Write keys and values at once, as `paged_update_cache` does one of them."""
    for cache, rows in ((cache_tensor1, input_tensor1), (cache_tensor2, input_tensor2)):
        paged_update_cache(
            cache,
            rows,
            update_idxs=update_idxs,
            update_idxs_tensor=update_idxs_tensor,
            share_cache=share_cache,
            page_table=page_table,
            batch_offset=batch_offset,
            compute_kernel_config=compute_kernel_config,
        )


@value(
    "experimental.paged_fill_cache",
    in_place=True,
    without_effect={"compute_kernel_config": "the program has no compute kernel: it moves tiles"},
)
def paged_fill_cache(
    cache_tensor: Operand,
    input_tensor: Operand,
    page_table: Operand,
    *,
    batch_idx_tensor: Operand | None = None,
    batch_idx: int = 0,
) -> None:
    """Write positions from 0 on of one user, or of one user for each batch row. -1 in the page table skips a block."""
    cache = cache_tensor.own()
    size = cache.shape[2]
    users = batch_idx_tensor.value.flatten().tolist() if batch_idx_tensor is not None else [batch_idx]
    for user, rows in zip(users, cache_tensor.round(input_tensor.value)):
        pages = signed(page_table.value[user].tolist())
        for number, part in enumerate(rows.split(size, 1)):
            block = pages[number]
            if block == -1:
                continue
            _check(0 <= block < cache.shape[0], f"the page table names block {block} of {cache.shape[0]}")
            cache[block, :, : part.shape[1]] = part


@value("fill_cache", in_place=True)
def fill_cache(cache_tensor: Operand, input_tensor: Operand, batch_idx: int, *, update_idx: int = 0) -> None:
    """Write positions from `update_idx` on of one user."""
    rows = input_tensor.value[0]
    cache_tensor.own()[batch_idx, :, update_idx : update_idx + rows.shape[1]] = cache_tensor.round(rows)


@value("kv_cache.fill_cache_for_user_", in_place=True)
def fill_cache_for_user(cache: Operand, input: Operand, batch_index: int, *, update_idx: int = 0) -> None:
    fill_cache(cache, input, batch_index, update_idx=update_idx)


@value("update_cache", in_place=True)
def update_cache(
    cache: Operand, input: Operand, update_idx: int, *, batch_offset: int = 0, compute_kernel_config: Any = None
) -> None:
    """Write one position of every user from an input [1, heads, users, D]."""
    own = cache.own()
    new = loaded(input.value, compute_config(compute_kernel_config).wide)
    rows = new[0, :, batch_offset : batch_offset + own.shape[0]]
    own[:, :, update_idx] = cache.round(rows.transpose(0, 1))


@value("kv_cache.update_cache_for_token_", in_place=True)
def update_cache_for_token(
    cache: Operand, input: Operand, update_index: int, batch_offset: int = 0, *, compute_kernel_config: Any = None
) -> None:
    update_cache(cache, input, update_index, batch_offset=batch_offset, compute_kernel_config=compute_kernel_config)


@value("experimental.nlp_kv_cache_load_slice")
def nlp_kv_cache_load_slice(input_tensor: torch.Tensor, *, seq_len_start: int, seq_len_end: int) -> torch.Tensor:
    return input_tensor[:, :, seq_len_start:seq_len_end]


def signed(numbers: list[int]) -> list[int]:
    """Return whole numbers of an unsigned tensor, in which 2**32 - 1 stands for the mark -1."""
    return [-1 if number == (1 << 32) - 1 else number for number in numbers]


def find_blocks(
    page_table: torch.Tensor, users: list[int], positions: list[int], cache: torch.Tensor
) -> tuple[list[int], list[int]]:
    """Return the block of each user's position, and the position's row in the block."""
    size, columns = cache.shape[2], page_table.shape[-1]
    last = max(positions)
    _check(last < columns * size, f"position {last} lies beyond the page table's {columns} blocks")
    blocks = [int(page_table[user, position // size]) for user, position in zip(users, positions)]
    for block in blocks:
        _check(0 <= block < cache.shape[0], f"the page table names block {block} of {cache.shape[0]}")
    return blocks, [position % size for position in positions]


def read_blocks(cache: torch.Tensor, page_row: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """Return a user's positions `first` to `last` (exclusive) as float32 [heads, last - first, D].

    Only the blocks of these positions are read.
    """
    heads, size = cache.shape[1:3]
    skipped, end = first // size, -(-last // size)
    _check(end <= page_row.numel(), f"position {last - 1} lies beyond the page table's {page_row.numel()} blocks")
    blocks = page_row[skipped:end]
    lowest, highest = int(blocks.min()), int(blocks.max())
    _check(
        0 <= lowest and highest < cache.shape[0],
        f"the page table names blocks {lowest} to {highest} of {cache.shape[0]}",
    )
    # the heads' blocks as rows of a table, read in the order head, block: one contiguous copy
    order = (blocks * heads + torch.arange(heads)[:, None]).flatten()
    rows = cache.view(-1, size * cache.shape[3]).index_select(0, order).float()
    return rows.view(heads, len(blocks) * size, -1)[:, first - skipped * size : last - skipped * size]


def _check(good: bool, fault: str) -> None:
    """Raise an error for an access outside a cache or page table. A card would read or write other memory."""
    if not good:
        raise MemoryFault(fault)
