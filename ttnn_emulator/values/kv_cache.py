# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Writing keys and values into caches, in place.

A cache is [users, heads, positions, D], or [blocks, heads, block, D] with a page table [users, blocks of a user].
Only the new rows are rounded to the cache's dtype: block floats share exponents within a row.
"""

from typing import Any

import torch

from ttnn_emulator.errors import MemoryFault
from ttnn_emulator.registry import value
from ttnn_emulator.step import Operand


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
) -> None:
    """One row a user, from an input [1, users, heads (padded or not), D]; a position of -1 skips the user."""
    users = input_tensor.value.shape[1]
    given = (
        signed(update_idxs_tensor.value.flatten())
        if update_idxs_tensor is not None
        else torch.tensor(list(update_idxs))
    )
    positions = given[batch_offset : batch_offset + users]
    active = (positions >= 0).nonzero().flatten()
    if not active.numel():
        return
    positions = positions[active]
    if cache_position_modulo:
        positions = positions % cache_position_modulo
    cache = cache_tensor.own()
    if page_table is not None:
        block, row = find_blocks(page_table.value, active, positions, cache)
    else:
        block, row = (active * 0 if share_cache else active + batch_offset), positions
        _check(int(row.max()) < cache.shape[2], f"position {int(row.max())} lies beyond the cache's {cache.shape[2]}")
    new = input_tensor.value[0, active, : cache.shape[1]]
    cache[block, :, row] = cache_tensor.round(new)


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
) -> None:
    """`paged_update_cache` for the keys and the values at once."""
    for cache, rows in ((cache_tensor1, input_tensor1), (cache_tensor2, input_tensor2)):
        paged_update_cache(
            cache,
            rows,
            update_idxs=update_idxs,
            update_idxs_tensor=update_idxs_tensor,
            share_cache=share_cache,
            page_table=page_table,
            batch_offset=batch_offset,
        )


@value("experimental.paged_fill_cache", in_place=True)
def paged_fill_cache(
    cache_tensor: Operand,
    input_tensor: Operand,
    page_table: Operand,
    *,
    batch_idx_tensor: Operand | None = None,
    batch_idx: int = 0,
) -> None:
    """The positions from 0 on of one user, or of a user a batch row; -1 in the page table skips a block."""
    cache = cache_tensor.own()
    size, pages = cache.shape[2], signed(page_table.value)
    users = batch_idx_tensor.value.flatten().tolist() if batch_idx_tensor is not None else [batch_idx]
    for user, rows in zip(users, cache_tensor.round(input_tensor.value)):
        for number, part in enumerate(rows.split(size, 1)):
            block = int(pages[user, number])
            if block == -1:
                continue
            _check(0 <= block < cache.shape[0], f"the page table names block {block} of {cache.shape[0]}")
            cache[block, :, : part.shape[1]] = part


@value("fill_cache", in_place=True)
def fill_cache(cache_tensor: Operand, input_tensor: Operand, batch_idx: int, *, update_idx: int = 0) -> None:
    """The positions from `update_idx` on of one user."""
    rows = input_tensor.value[0]
    cache_tensor.own()[batch_idx, :, update_idx : update_idx + rows.shape[1]] = cache_tensor.round(rows)


@value("kv_cache.fill_cache_for_user_", in_place=True)
def fill_cache_for_user(cache: Operand, input: Operand, batch_index: int, *, update_idx: int = 0) -> None:
    fill_cache(cache, input, batch_index, update_idx=update_idx)


@value("update_cache", in_place=True)
def update_cache(cache: Operand, input: Operand, update_idx: int, *, batch_offset: int = 0) -> None:
    """One position of every user, from an input [1, heads, users, D]."""
    own = cache.own()
    new = input.value[0, :, batch_offset : batch_offset + own.shape[0]]
    own[:, :, update_idx] = cache.round(new.transpose(0, 1))


@value("kv_cache.update_cache_for_token_", in_place=True)
def update_cache_for_token(cache: Operand, input: Operand, update_index: int, batch_offset: int = 0) -> None:
    update_cache(cache, input, update_index, batch_offset=batch_offset)


@value("experimental.nlp_kv_cache_load_slice")
def nlp_kv_cache_load_slice(input_tensor: torch.Tensor, *, seq_len_start: int, seq_len_end: int) -> torch.Tensor:
    return input_tensor[:, :, seq_len_start:seq_len_end]


def signed(numbers: torch.Tensor) -> torch.Tensor:
    """The mark -1 reads as 2**32 - 1 from an unsigned tensor."""
    return numbers.where(numbers != (1 << 32) - 1, -1)


def find_blocks(
    page_table: torch.Tensor, users: torch.Tensor, positions: torch.Tensor, cache: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The block and the row in it of each user's position."""
    number = positions // cache.shape[2]
    _check(
        int(number.max()) < page_table.shape[-1],
        f"position {int(positions.max())} lies beyond the page table's {page_table.shape[-1]} blocks",
    )
    block = page_table[users, number]
    first, last = int(block.min()), int(block.max())
    _check(
        first >= 0 and last < cache.shape[0],
        f"the page table names block {min(first, last)} to {last} of {cache.shape[0]}",
    )
    return block, positions % cache.shape[2]


def gather_blocks(
    cache: torch.Tensor, page_table: torch.Tensor, keys: int, positions: torch.Tensor | None = None
) -> torch.Tensor:
    """The first `keys` positions of every user in float32, [users, heads, keys, D].

    With the users' own last `positions`, blocks after those are not looked up in the page table.
    """
    size = cache.shape[2]
    count = -(-keys // size)
    _check(count <= page_table.shape[-1], f"{keys} positions do not fit the page table's {page_table.shape[-1]} blocks")
    blocks = page_table[:, :count]
    if positions is not None:
        blocks = blocks.masked_fill(torch.arange(count) * size > positions[:, None], 0)
    if blocks.numel():
        first, last = int(blocks.min()), int(blocks.max())
        _check(
            first >= 0 and last < cache.shape[0], f"the page table names blocks {first} to {last} of {cache.shape[0]}"
        )
    gathered = cache[blocks.flatten()].float().unflatten(0, blocks.shape)
    return gathered.transpose(1, 2).flatten(2, 3)[:, :, :keys]


def _check(good: bool, fault: str) -> None:
    """A card would write elsewhere in its memory; here it is an error."""
    if not good:
        raise MemoryFault(fault)
