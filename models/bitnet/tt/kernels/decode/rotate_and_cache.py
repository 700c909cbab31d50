# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program between the projection qkv and attention: heads are split, rotated, and written to the KV cache.

A core has one head of all users: a query head, a key head or a value head. It rotates queries and keys. Query heads go
to the users' queries, keys and values into the paged cache. One core writes all rows of a head, user by user, so that
rows of several users may belong to one block. The rows of a speculative step do.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden
from models.bitnet.tt.kernels.common.describe import Buffer, Described
from models.bitnet.tt.layout import TILE

WIDEST_HEAD = 8 * TILE  # a head of all users fits half of the destination register
CACHE_TILE_BYTES = {ttnn.bfloat16: 2048, ttnn.bfloat8_b: 1088}
_ALIGNMENT = 64  # bytes, of reads from DRAM
_EXPONENT_STEP = 16  # bytes; write_cache.cpp has the same


class HeadArguments(NamedTuple):
    """What every core is told; see head_buffers.h."""

    head: int
    rotates: int
    result: int


class CacheArguments(NamedTuple):
    """What the writer of a key or value head is told besides; see write_cache.cpp."""

    cache_head: int
    holds_values: int


class HeadAddresses(NamedTuple):
    qkv_at: int
    cos_at: int
    sin_at: int
    pairs_at: int


class QueriesAddresses(NamedTuple):
    queries_at: int


class CacheAddresses(NamedTuple):
    positions_at: int
    page_table_at: int
    keys_at: int
    values_at: int
    table_row_bytes: int
    block_size: int


@dataclass(frozen=True)
class RotateAndCache(Described):
    """The program for `users` users.

    `cores` are as many as there are query, key and value heads, and core n works on head n. The queries lie in
    `queries_memory`: a tile of heads on the core of each user.
    """

    users: int
    heads: int
    kv_heads: int
    head_dim: int
    cache_dtype: ttnn.DataType
    cores: ttnn.CoreRangeSet
    queries_memory: ttnn.MemoryConfig

    def __post_init__(self) -> None:
        if not 1 <= self.users <= TILE or not 1 <= self.heads <= TILE:
            raise ValueError(f"{self.users} users with {self.heads} query heads: there may be 1 to {TILE} of both")
        if self.head_dim % TILE or not TILE <= self.head_dim <= WIDEST_HEAD:
            raise ValueError(f"heads are {self.head_dim} wide, must be a multiple of {TILE} up to {WIDEST_HEAD}")
        if self.cores.num_cores() != self.heads + 2 * self.kv_heads:
            raise ValueError(
                f"{self.heads} query heads and 2 * {self.kv_heads} key and value heads need a core each, "
                f"there are {self.cores.num_cores()}"
            )

    def __call__(
        self,
        qkv: ttnn.Tensor,
        cos: ttnn.Tensor,
        sin: ttnn.Tensor,
        pairs: ttnn.Tensor,
        positions: ttnn.Tensor,
        page_table: ttnn.Tensor,
        keys: ttnn.Tensor,
        values: ttnn.Tensor,
    ) -> ttnn.Tensor:
        """-> the rotated queries [1, users, heads, head_dim]. Writes into keys and values. Keeps all.

        qkv: bfloat16 [1, 1, users, (heads + 2 kv_heads) head_dim]; cos, sin: bfloat16 [1, 1, users, head_dim]; pairs:
        bfloat16, a tile for each query and key head; positions: int32 [users], negative for an idle user; page_table:
        int32 [users, blocks]; keys, values: [blocks, kv_heads, block_size, head_dim] in DRAM.
        """
        self._check(qkv, positions, page_table, keys, values)
        queries, _, _ = rotate_and_cache(qkv, cos, sin, pairs, positions, page_table, keys, values, program=self)
        return queries

    def _check(
        self,
        qkv: ttnn.Tensor,
        positions: ttnn.Tensor,
        page_table: ttnn.Tensor,
        keys: ttnn.Tensor,
        values: ttnn.Tensor,
    ) -> None:
        """Raise ValueError, with numbers, for tensors of another model or batch."""
        width = (self.heads + 2 * self.kv_heads) * self.head_dim
        if (qkv.shape[-2], qkv.shape[-1], qkv.dtype) != (self.users, width, ttnn.bfloat16):
            raise ValueError(
                f"qkv has {qkv.shape[-2]} rows {qkv.shape[-1]} wide in {qkv.dtype.name.lower()}, "
                f"must have {self.users} rows {width} wide in bfloat16"
            )
        for name, cache in (("keys", keys), ("values", values)):
            _, kv_heads, block_size, head_dim = cache.shape
            if (kv_heads, head_dim, cache.dtype) != (self.kv_heads, self.head_dim, self.cache_dtype):
                raise ValueError(
                    f"{name} has {kv_heads} heads {head_dim} wide in {cache.dtype.name.lower()}, "
                    f"must have {self.kv_heads} heads {self.head_dim} wide in {self.cache_dtype.name.lower()}"
                )
            if block_size % TILE or block_size != keys.shape[2]:
                raise ValueError(
                    f"{name} has blocks of {block_size} positions and keys of {keys.shape[2]}: "
                    f"they must be equal, and multiples of {TILE}"
                )
        if page_table.shape[0] != self.users or positions.shape[-1] != self.users:
            raise ValueError(
                f"{positions.shape[-1]} positions and page tables of {page_table.shape[0]} users, must be {self.users}"
            )

    def run(
        self,
        qkv: ttnn.Tensor,
        cos: ttnn.Tensor,
        sin: ttnn.Tensor,
        pairs: ttnn.Tensor,
        positions: ttnn.Tensor,
        page_table: ttnn.Tensor,
        keys: ttnn.Tensor,
        values: ttnn.Tensor,
    ) -> ttnn.Tensor:
        shape = ttnn.Shape([1, self.users, self.heads, self.head_dim])
        queries = ttnn.allocate_tensor_on_device(
            shape, ttnn.bfloat16, ttnn.TILE_LAYOUT, qkv.device(), self.queries_memory
        )
        read = [qkv, cos, sin, pairs, positions, page_table, keys, values]
        descriptor = self.described(*read, queries)
        reader, of_queries, of_cache, _ = descriptor.kernels
        reader.common_runtime_args = HeadAddresses(
            qkv_at=qkv.buffer_address(),
            cos_at=cos.buffer_address(),
            sin_at=sin.buffer_address(),
            pairs_at=pairs.buffer_address(),
        )
        of_queries.common_runtime_args = QueriesAddresses(queries_at=queries.buffer_address())
        of_cache.common_runtime_args = CacheAddresses(
            positions_at=positions.buffer_address(),
            page_table_at=page_table.buffer_address(),
            keys_at=keys.buffer_address(),
            values_at=values.buffer_address(),
            table_row_bytes=page_table.buffer_aligned_page_size(),
            block_size=keys.shape[2],
        )
        return ttnn.generic_op([*read, queries], descriptor)

    @property
    def l1_bytes(self) -> int:
        """Bytes of the circular buffers on every core."""
        return sum(buffer.bytes for buffer in self._buffers.values())

    @property
    def _tiles(self) -> int:
        """Tile columns of a head."""
        return self.head_dim // TILE

    @property
    def _positions_bytes(self) -> int:
        return _aligned(4 * self.users)

    @cached_property
    def _buffers(self) -> dict[str, Buffer]:
        """The circular buffers by their names in head_buffers.h."""
        head = Buffer.of(ttnn.bfloat16, self._tiles)
        of_user = _ALIGNMENT + 2 * self._tiles * _EXPONENT_STEP  # a piece of the page table, and exponents
        return {
            "HEAD_ROWS": head,
            "COS": head,
            "SIN": head,
            "PAIRS": Buffer.of(ttnn.bfloat16, 1),
            "NEIGHBOURS": head,
            "COS_PRODUCTS": head,
            "SIN_PRODUCTS": head,
            "QUERIES": head,
            "CACHED": Buffer(self.cache_dtype, CACHE_TILE_BYTES[self.cache_dtype], self._tiles),
            "PLACES": Buffer(ttnn.bfloat16, _aligned(self._positions_bytes + self.users * of_user), 1),
        }

    def _describe(
        self,
        qkv: ttnn.Tensor,
        cos: ttnn.Tensor,
        sin: ttnn.Tensor,
        pairs: ttnn.Tensor,
        positions: ttnn.Tensor,
        page_table: ttnn.Tensor,
        keys: ttnn.Tensor,
        values: ttnn.Tensor,
        queries: ttnn.Tensor,
    ) -> ttnn.ProgramDescriptor:
        rotated, total = self.heads + self.kv_heads, self.heads + 2 * self.kv_heads
        cores, numbers = ttnn.corerange_to_cores(self.cores, total, row_wise=True), describe.numbers(self._buffers)
        heads = [
            HeadArguments(
                head=head,
                rotates=int(head < rotated),
                result=numbers["QUERIES" if head < self.heads else "CACHED"],
            )
            for head in range(total)
        ]
        cached = [
            CacheArguments(cache_head=head, holds_values=holds_values)
            for holds_values in (0, 1)
            for head in range(self.kv_heads)
        ]

        def some(chosen: list[ttnn.CoreCoord]) -> ttnn.CoreRangeSet:
            return ttnn.CoreRangeSet([ttnn.CoreRange(core, core) for core in chosen])

        shape = {**numbers, "users": self.users, "tiles": self._tiles}
        cache = {
            "kv_heads": self.kv_heads,
            "is_block_float": int(self.cache_dtype == ttnn.bfloat8_b),
            "positions_bytes": self._positions_bytes,
            "piece_bytes": _ALIGNMENT,
        }
        # The settings of the library's rotary_embedding_llama
        compute = ttnn.ComputeConfigDescriptor(math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=False)
        of_queries, of_cache = cores[: self.heads], cores[self.heads :]
        kernels = [
            describe.kernel(
                "decode/read_head.cpp",
                self.cores,
                zip(cores, heads),
                ttnn.ReaderConfigDescriptor(),
                shape,
                [qkv, cos, sin, pairs],
            ),
            describe.kernel(
                "decode/write_queries.cpp",
                some(of_queries),
                zip(of_queries, heads),
                ttnn.WriterConfigDescriptor(),
                shape,
                [queries],
            ),
            describe.kernel(
                "decode/write_cache.cpp",
                some(of_cache),
                zip(of_cache, cached, strict=True),
                ttnn.WriterConfigDescriptor(),
                shape | cache,
                [positions, page_table, keys],
            ),
            describe.kernel("decode/rotate_head.cpp", self.cores, zip(cores, heads), compute, shape),
        ]
        return ttnn.ProgramDescriptor(
            kernels=kernels, semaphores=[], cbs=describe.circular_buffers(self._buffers.values(), self.cores)
        )


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _places(positions: torch.Tensor, page_table: torch.Tensor, cache: torch.Tensor) -> dict[tuple[int, int], int]:
    """The block, and the row in it, of every active user's position. Of users with one place it has the last."""
    block_size, places = cache.shape[2], {}
    for user, position in enumerate(positions.flatten().tolist()):
        if position < 0:
            continue
        block = int(page_table[user, position // block_size])
        if not 0 <= block < len(cache):
            raise IndexError(f"the page table has block {block} for position {position}, the cache {len(cache)} blocks")
        places[block, position % block_size] = user
    return places


def _golden(
    qkv: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    pairs: torch.Tensor,
    positions: torch.Tensor,
    page_table: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    *,
    program: RotateAndCache,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rotated_heads, kv_heads = program.heads + program.kv_heads, program.kv_heads
    heads = qkv[0, 0].float().unflatten(-1, (rotated_heads + kv_heads, program.head_dim))
    rotated, of_values = heads.split([rotated_heads, kv_heads], 1)
    neighbours = (rotated.unflatten(-1, (-1, TILE)) @ pairs.flatten(0, -2)[:TILE].float()).flatten(-2)
    angles = torch.stack([cos[0, 0], sin[0, 0]]).float()
    products = golden.short_product(torch.stack([rotated, neighbours]), angles[:, :, None])
    queries, of_keys = golden.short_sum(*products).split([program.heads, kv_heads], 1)
    if places := _places(positions, page_table, keys):
        users, (blocks, rows) = list(places.values()), map(list, zip(*places))
        keys[blocks, :, rows] = of_keys[users].to(keys.dtype)
        values[blocks, :, rows] = of_values[users].to(values.dtype)
    return queries[None], keys, values


@ttnn.register_python_operation(name="ttnn.bitnet.rotate_and_cache", golden_function=_golden)
def rotate_and_cache(
    qkv: ttnn.Tensor,
    cos: ttnn.Tensor,
    sin: ttnn.Tensor,
    pairs: ttnn.Tensor,
    positions: ttnn.Tensor,
    page_table: ttnn.Tensor,
    keys: ttnn.Tensor,
    values: ttnn.Tensor,
    *,
    program: RotateAndCache,
) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
    """Runs `program`: (queries, keys, values). The latter two are the arguments, which it changes."""
    queries = program.run(qkv, cos, sin, pairs, positions, page_table, keys, values)
    return queries, keys, values
