# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program that rotates heads and updates the cache.

It is compared with three of the library's operations bit for bit, and with the definition in float64. Rows of several
users may belong to one block, which the library's update does not allow.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import shape
from models.bitnet.tests.common import decode_rotation, to_integers
from models.bitnet.tt.heads import FusedSplit, StockSplit
from models.bitnet.tt.kernels.decode.rotate_and_cache import rotate_and_cache
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.layout import first_cores, users_memory_config
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding

pytestmark = pytest.mark.board

CONTEXT = 256
BLOCKS = 40
IDLE = -1
DTYPES = (ttnn.bfloat16, ttnn.bfloat8_b)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["bfloat16", "bfloat8_b"])


class Case:
    """The split of a model with these heads, and random rows for it.

    `run` and `run_stock` give (queries [users, heads, width], keys, values), the latter two of all blocks.
    """

    def __init__(self, device, users, heads=4, kv_heads=2, width=32, dtype=ttnn.bfloat16, block_size=32):
        model = shape(heads, kv_heads, width, 64)
        self.device, self.users, self.dtype, self.block_size = device, users, dtype, block_size
        self.config, self.stock = (
            ModelConfig(model, device, precision, users, max_seq_len=CONTEXT, cache_dtype=dtype)
            for precision in ("fused", "accuracy")
        )
        self.ropes = {config: RotaryEmbedding(config) for config in (self.config, self.stock)}
        self.split, self.stock_split = FusedSplit(self.config), StockSplit(self.stock)
        self.rows = torch.randn(users, heads + 2 * kv_heads, width).mul(8).bfloat16()
        self.pools = [1000 * torch.randn(BLOCKS, kv_heads, block_size, width) for _ in "kv"]

    def cache(self) -> LayerCache:
        def pool(values):
            return ttnn.from_torch(values, dtype=self.dtype, layout=ttnn.TILE_LAYOUT, device=self.device)

        return LayerCache(*map(pool, self.pools))

    def run(self, positions, table, cache=None):
        memory = self.config.programs.decode("qkv").result_memory
        return self._run(self.split, self.config, memory, positions, table, cache or self.cache())

    def run_stock(self, positions, table, cache=None):
        memory = self.stock.programs.qkv.decode_memory
        return self._run(self.stock_split, self.stock, memory, positions, table, cache or self.cache())

    def _run(self, split, config, memory, positions, table, cache):
        rows, width = self.rows.flatten(1)[None, None], self.rows.shape[-1]
        qkv = ttnn.from_torch(
            rows, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=self.device, memory_config=memory
        )
        queries = split(
            qkv,
            decode_rotation(self.ropes[config], positions),
            cache,
            to_integers(table, self.device),
            to_integers(torch.tensor(positions), self.device),
        )
        assert queries.memory_config() == users_memory_config(self.users, width, first_cores(self.users, config.chip))
        return ttnn.to_torch(queries)[0], *(ttnn.to_torch(pool) for pool in (cache.keys, cache.values))

    def tables(self, distinct: int | None = None) -> torch.Tensor:
        """Shuffled page tables of all users. Of `distinct` tables, users get one after the other."""
        count = distinct or self.users
        blocks = -(-CONTEXT // self.block_size)
        tables = torch.stack([torch.randperm(BLOCKS)[:blocks] for _ in range(count)])
        if count * blocks <= BLOCKS:
            tables = torch.randperm(BLOCKS)[: count * blocks].reshape(count, blocks)
        return tables[torch.arange(self.users) % count].to(torch.int32)


def own_places(case: Case) -> tuple[list[int], torch.Tensor]:
    """A position and a page table for each user, so that no two users have a block of their position in common."""
    positions = torch.randint(0, CONTEXT, (case.users,)).tolist()
    edges = [31, 32, 0, CONTEXT - 1, 63, 64]
    positions[: len(edges)] = edges[: case.users]
    table = torch.zeros(case.users, -(-CONTEXT // case.block_size), dtype=torch.int32)
    table[torch.arange(case.users), torch.tensor(positions) // case.block_size] = torch.randperm(BLOCKS).to(
        torch.int32
    )[: case.users]
    return positions, table


# users, query heads, kv heads, width of a head, positions of a block
SHAPES = {
    "one user": (1, 4, 2, 32, 32),
    "2B-4T": (7, 20, 5, 128, 32),
    "full batch": (32, 4, 1, 64, 64),
    "widest heads": (17, 3, 3, 256, 128),
    "most heads": (5, 32, 8, 32, 32),
    "three tiles a head": (9, 16, 16, 96, 32),
}
every_shape = pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)


@every_dtype
@every_shape
def test_bits_are_those_of_the_library(device, reset_seeds, sizes, dtype):
    users, heads, kv_heads, width, block_size = sizes
    case = Case(device, users, heads, kv_heads, width, dtype, block_size)
    places = own_places(case)
    assert all(map(torch.equal, case.run(*places), case.run_stock(*places)))


@every_dtype
@pytest.mark.parametrize("sizes", [(3, 4, 2, 64, 32), (17, 2, 1, 32, 64)], ids=str)
def test_no_order_of_events_changes_a_bit(device, reset_seeds, sizes, dtype):
    users, heads, kv_heads, width, block_size = sizes
    case = Case(device, users, heads, kv_heads, width, dtype, block_size)
    positions, table = own_places(case)
    positions[1] = IDLE
    for one, other in zip(case.run(positions, table), case.run_stock(positions, table)):
        assert torch.equal(one, other)


def turned(heads: torch.Tensor, positions: Sequence[int], theta: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Heads [users, heads, width] turned in float64, by neighbouring pairs: (heads, the larger term of each sum)."""
    heads, width = heads.double(), heads.shape[-1]
    angles = torch.tensor(positions).double()[:, None] * theta ** (-torch.arange(0, width, 2).double() / width)
    cos, sin = (f(angles).float().bfloat16().double()[:, None] for f in (torch.cos, torch.sin))
    even, odd = heads[..., 0::2], heads[..., 1::2]
    sums = [(even * cos, -odd * sin), (odd * cos, even * sin)]
    result, size = (
        torch.stack(parts, -1).flatten(-2)
        for parts in (
            [one + other for one, other in sums],
            [torch.maximum(one.abs(), other.abs()) for one, other in sums],
        )
    )
    return result, torch.maximum(size, result.abs())


def check_turned(rotated: torch.Tensor, heads: torch.Tensor, positions: Sequence[int], theta: float) -> None:
    """Three roundings of the terms' size: 2.5 ulps of bfloat16."""
    golden, size = turned(heads, positions, theta)
    ulp = torch.exp2(torch.floor(torch.log2(size)) - 7)
    assert ((rotated.double() - golden).abs() <= 2.5 * ulp).all()


@every_dtype
@pytest.mark.parametrize("distinct", [1, 2], ids=["one text", "two texts"])
def test_rows_of_one_block(device, reset_seeds, distinct, dtype):
    """Several rows of a text in one call, as in a speculative step. They share blocks, and here even tiles.

    The texts' rows take turns. Every row is in the cache afterwards, and nothing else has changed.
    """
    case = Case(device, 7, 4, 2, 64, dtype)
    table, positions = case.tables(distinct), [28 + user // distinct for user in range(7)]
    before = [ttnn.to_torch(pool) for pool in (case.cache().keys, case.cache().values)]
    queries, keys, values = case.run(positions, table)
    config, theta = case.config, case.config.model.rope_theta
    check_turned(queries, case.rows[:, : config.heads], positions, theta)
    of_keys, of_values = case.rows[:, config.heads :].split(config.kv_heads, 1)
    for user, position in enumerate(positions):
        block, row = table[user, position // 32], position % 32
        stored_key, stored_value = keys[block, :, row].clone(), values[block, :, row].clone()
        if dtype == ttnn.bfloat16:
            check_turned(stored_key[None], of_keys[user : user + 1], [position], theta)
            assert torch.equal(stored_value, of_values[user].to(stored_value.dtype))
        else:
            key = turned(of_keys[user : user + 1], [position], theta)[0][0]
            for stored, exact in ((stored_key, key), (stored_value, of_values[user])):
                peak = exact.double().abs().unflatten(-1, (-1, 16)).amax(-1, keepdim=True)
                step = torch.exp2(torch.floor(torch.log2(peak)) - 6)
                assert ((stored.double() - exact.double()).abs().unflatten(-1, (-1, 16)) <= 1.6 * step).all()
        for pool, after in zip(before, (keys, values)):
            pool[block, :, row] = after[block, :, row]
    assert torch.equal(before[0], keys) and torch.equal(before[1], values)


@every_dtype
def test_rows_of_one_block_are_written_in_any_order_of_events(device, reset_seeds, dtype):
    """The rows are those that the library's update gives for one user at a time."""
    case = Case(device, 3, dtype=dtype)
    table, positions = case.tables(1), [30, 31, 32]
    ours, cache = case.run(positions, table), case.cache()
    for user in range(3):
        alone = [position if other == user else IDLE for other, position in enumerate(positions)]
        _, *pools = case.run_stock(alone, table, cache)
    assert all(map(torch.equal, ours[1:], pools))


@every_dtype
def test_of_equal_positions_the_last_user_stays(device, reset_seeds, dtype):
    case = Case(device, 5, dtype=dtype)
    table = case.tables(1)
    together = case.run([9] * 5, table)
    alone = case.run([IDLE] * 4 + [9], table)
    assert all(map(torch.equal, together[1:], alone[1:]))


@every_dtype
def test_idle_users_write_nothing(device, reset_seeds, dtype):
    """An idle user may have any page table. The other users' rows do not depend on idle ones."""
    case = Case(device, 6, dtype=dtype)
    positions, table = own_places(case)
    for idle in ([0, 2, 5], range(6)):
        some = [IDLE if user in idle else position for user, position in enumerate(positions)]
        wild = table.clone()
        wild[list(idle)] = 2**30
        ours, stock = case.run(some, wild), case.run_stock(some, table)
        busy = [user for user in range(6) if user not in idle]
        assert torch.equal(ours[0][busy], stock[0][busy])
        assert all(map(torch.equal, ours[1:], stock[1:]))


def test_the_golden_function_gives_the_same_bits(device, reset_seeds):
    case = Case(device, 7, 20, 5, 128)
    places, program = own_places(case), case.config.programs.rotate_and_cache
    rotation, cache = decode_rotation(case.ropes[case.config], places[0]), case.cache()
    inputs = [rotation.cos, rotation.sin, rotation.pairs, cache.keys, cache.values]
    cos, sin, pairs, keys, values = (ttnn.to_torch(tensor) for tensor in inputs)
    golden = ttnn.get_golden_function(rotate_and_cache)
    rows, positions = case.rows.flatten(1)[None, None], torch.tensor(places[0])
    queries, *pools = golden(rows, cos, sin, pairs, positions, places[1], keys, values, program=program)
    assert all(map(torch.equal, (queries[0].bfloat16(), *pools), case.run(*places, cache)))


def test_rows_below_the_last_user_do_not_matter(device, reset_seeds):
    case, results = Case(device, 7, dtype=ttnn.bfloat8_b), []
    places = own_places(case)
    for filling in (0.0, float("inf")):
        memory = case.config.programs.decode("qkv").result_memory
        qkv = ttnn.from_torch(
            case.rows.flatten(1)[None, None],
            dtype=ttnn.bfloat16,
            layout=ttnn.TILE_LAYOUT,
            device=device,
            memory_config=memory,
            pad_value=filling,
        )
        cache, rotation = case.cache(), decode_rotation(case.ropes[case.config], places[0])
        queries = case.split(
            qkv, rotation, cache, to_integers(places[1], device), to_integers(torch.tensor(places[0]), device)
        )
        results.append([ttnn.to_torch(tensor) for tensor in (queries, cache.keys, cache.values)])
    assert all(map(torch.equal, *results))


def test_a_program_takes_other_pools_and_page_tables(device, reset_seeds):
    """The program is described once. Block size and the width of page tables may change with the addresses."""
    case, kept = Case(device, 3), []
    for block_size in (32, 128, 64):
        case.block_size = block_size
        case.pools = [torch.randn(BLOCKS, 2, block_size, 32) for _ in "kv"]
        places = own_places(case)
        kept.append(case.cache())  # so that the next tensors have other addresses
        for one, other in zip(case.run(*places), case.run_stock(*places)):
            assert torch.equal(one, other)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"users": 33}, "33 users with 4 query heads: there may be 1 to 32 of both"),
        ({"heads": 33}, "7 users with 33 query heads: there may be 1 to 32 of both"),
        ({"head_dim": 48}, "heads are 48 wide, must be a multiple of 32 up to 256"),
        ({"head_dim": 288}, "heads are 288 wide, must be a multiple of 32 up to 256"),
        ({"kv_heads": 1}, "4 query heads and 2 . 1 key and value heads need a core each, there are 8"),
    ],
)
def test_a_program_that_cannot_be_is_refused(device, change, message):
    program = Case(device, 7).config.programs.rotate_and_cache
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(program, **change)


def test_tensors_of_another_model_are_refused(device, reset_seeds):
    case = Case(device, 3)
    positions, table = own_places(case)
    other = Case(device, 3, width=64)
    with pytest.raises(
        ValueError, match="^keys has 2 heads 64 wide in bfloat16, must have 2 heads 32 wide in bfloat16$"
    ):
        case.run(positions, table, other.cache())
    float32 = Case(device, 3, dtype=ttnn.bfloat8_b).cache()
    with pytest.raises(ValueError, match="^values has 2 heads 32 wide in bfloat8_b, must have .* in bfloat16$"):
        case.run(positions, table, LayerCache(case.cache().keys, float32.values))
    case.pools = [torch.randn(BLOCKS, 2, 48, 32)] * 2
    with pytest.raises(ValueError, match="^keys has blocks of 48 positions and keys of 48: .* multiples of 32$"):
        case.run(positions, table)
    cache, wide = case.cache(), ttnn.from_torch(torch.zeros(1, 1, 3, 512), layout=ttnn.TILE_LAYOUT, device=device)
    with pytest.raises(ValueError, match="^qkv has 3 rows 512 wide in float32, must have 3 rows 256 wide in bfloat16$"):
        case.config.programs.rotate_and_cache(wide, *[wide] * 5, cache.keys, cache.values)
    case = Case(device, 3)
    with pytest.raises(ValueError, match="^3 positions and page tables of 2 users, must be 3$"):
        case.run(positions, table[:2])
