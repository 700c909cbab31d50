# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Layouts and configs depend on the model config and the chip only. These tests open no device."""

import re
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from loguru import logger

import ttnn
from models.bitnet.perf.random_weights import FULL, shape
from models.bitnet.tests.common import BATCHES, SMALL, TINY
from models.bitnet.tt.fused_programs import FusedPrograms
from models.bitnet.tt.layout import (
    TILE,
    Chip,
    columns,
    dram_sharded,
    first_cores,
    head_matmul,
    prefill_matmul,
    sharded_norm,
)
from models.bitnet.tt.model_config import ModelConfig, default_precision
from models.bitnet.tt.precision import ACCURACY, FUSED, MATMULS, PERFORMANCE, PRECISIONS, FusedPrecision, find_precision
from models.bitnet.tt.stock_programs import NormConfig, StockPrograms

N150, P100, P150 = Chip((8, 8), 12), Chip((11, 10), 7), Chip((11, 10), 8)
CHIPS = {"n150": N150, "p100": P100, "p150": P150}
every_chip = pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS.keys())
any_chip = st.sampled_from(list(CHIPS.values()))
without_deadline = settings(max_examples=60, deadline=None, derandomize=True)


class ChipAlone:
    """A stand-in for a device that answers the questions of `ModelConfig`."""

    shape = (1, 1)

    def __init__(self, chip: Chip):
        self.chip = chip

    def arch(self):
        return ttnn.device.Arch.WORMHOLE_B0 if self.chip is N150 else ttnn.device.Arch.BLACKHOLE

    def compute_with_storage_grid_size(self):
        return ttnn.CoreCoord(*self.chip.grid)

    def dram_grid_size(self):
        return ttnn.CoreCoord(self.chip.dram_banks, 1)


@pytest.fixture(autouse=True)
def l1_of_a_chip_alone(monkeypatch):
    """What is left of a core's L1 where a device is opened on a Wormhole. A stand-in has no memory to look at."""
    left = SimpleNamespace(largest_contiguous_bytes_free_per_bank=1_393_312)
    monkeypatch.setattr(ttnn, "get_memory_view", lambda device, kind: left)


def config_of(model, chip, precision="accuracy", users=32, **kwargs) -> ModelConfig:
    return ModelConfig(model, ChipAlone(chip), precision, users, **kwargs)


def shards(memory: ttnn.MemoryConfig) -> tuple[int, list[int]]:
    """The number of shards of a sharded memory config, and the shape of each."""
    return memory.shard_spec.grid.num_cores(), list(memory.shard_spec.shape)


def corners(memory: ttnn.MemoryConfig) -> tuple[int, int]:
    """The columns and rows of the smallest rectangle from (0, 0) that contains the cores."""
    box = memory.shard_spec.grid.bounding_box()
    return box.end.x + 1, box.end.y + 1


# --- layout ----------------------------------------------------------------------------------------------------------


@every_chip
def test_columns_of_the_2b(chip):
    """The residual stream is on 40 cores and the hidden rows are on 24 cores."""
    residual, hidden = columns(2560, chip), columns(6912, chip)
    assert (residual.rectangle, residual.cores, residual.tiles) == ((8, 5), 40, 2)
    assert (hidden.rectangle, hidden.cores, hidden.tiles) == ((8, 3), 24, 9)
    assert shards(residual.memory_config()) == (40, [32, 64])
    assert shards(hidden.memory_config()) == (24, [32, 288])
    assert residual.memory_config().buffer_type == ttnn.BufferType.L1


@without_deadline
@given(chip=any_chip, tiles=st.integers(1, 600))
def test_columns_have_whole_tiles(chip, tiles):
    """The cores are a rectangle of the chip with equal numbers of tiles. No larger rectangle of full rows would do."""
    cut = columns(tiles * TILE, chip)
    x, y = cut.rectangle
    assert 1 <= x <= 8 and (y == 1 or x == 8) and y <= chip.grid[1]
    assert cut.tiles * cut.cores == tiles
    assert all(8 * rows <= cut.cores for rows in range(1, min(chip.grid[1], 8) + 1) if tiles % (8 * rows) == 0)
    cores, shape_of_one = shards(cut.memory_config())
    assert cores == cut.cores and shape_of_one == [TILE, cut.tiles * TILE]


@without_deadline
@given(chip=any_chip, rows=st.integers(1, 250), width=st.integers(1, 4100))
def test_dram_sharded_weights_use_every_bank(chip, rows, width):
    memory = dram_sharded(rows * TILE, width * TILE, chip)
    banks, (height, per_bank) = shards(memory)
    assert banks == chip.dram_banks and memory.buffer_type == ttnn.BufferType.DRAM
    assert height == rows * TILE and per_bank % TILE == 0
    assert width * TILE <= banks * per_bank < width * TILE + banks * TILE, "less than a tile of padding a bank"


@without_deadline
@given(chip=any_chip, rows=st.integers(1, 32), inner=st.integers(1, 250), width=st.integers(1, 400))
def test_prefill_matmuls_cover_the_product(chip, rows, inner, width):
    """Blocks cover rows and columns, divide as ttnn demands, and fit the accumulator (4 float32 tiles)."""
    program = prefill_matmul(rows * TILE, inner * TILE, width * TILE, chip)
    grid = program.compute_with_storage_grid_size
    assert (grid.x, grid.y) == chip.grid
    assert program.per_core_M * grid.y >= rows and program.per_core_N * grid.x >= width
    assert inner % program.in0_block_w == 0
    assert program.per_core_N % program.out_block_w == 0 and program.out_block_h == program.per_core_M
    assert program.out_block_h * program.out_block_w <= 96
    assert program.out_block_h % program.out_subblock_h == 0 and program.out_block_w % program.out_subblock_w == 0
    assert program.out_subblock_h * program.out_subblock_w <= 4


@without_deadline
@given(chip=any_chip, inner=st.integers(1, 8), width=st.integers(1, 4008))
def test_head_matmul_covers_the_vocabulary(chip, inner, width):
    program = head_matmul(inner, width * TILE, chip)
    assert program.per_core_M == 1 and program.mcast_in0
    assert program.per_core_N * chip.cores >= width > (program.per_core_N - 1) * chip.cores
    assert inner % program.in0_block_w == 0
    assert program.per_core_N % program.out_subblock_w == 0 and program.out_subblock_w <= 4


@pytest.mark.parametrize("tiles, subblock", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 3), (7, 1), (9, 3), (27, 3)])
def test_sharded_norm_blocks(tiles, subblock):
    program = sharded_norm((8, 5), tiles)
    assert (program.block_w, program.subblock_w, program.block_h, program.inplace) == (tiles, subblock, 1, False)


@every_chip
@pytest.mark.parametrize("count", [1, 7, 8, 11, 12, 30, 32, 64])
def test_first_cores(chip, count):
    for wide in (None, 8):
        cores = first_cores(count, chip, wide)
        across = wide or chip.grid[0]
        assert cores.num_cores() == count
        box = cores.bounding_box()
        assert (box.end.x, box.end.y) == (min(count, across) - 1, -(-count // across) - 1)


# --- the configs of a model ------------------------------------------------------------------------------------------


def check_config(config: ModelConfig) -> None:
    """Check that decode uses only cores of the chip and that every program agrees with the layouts around it."""
    model, chip = config.model, config.chip
    residual_cores, (_, residual_width) = shards(config.residual_memory)
    assert residual_cores * residual_width == model.hidden_size
    assert config.residual_norm.memory == config.residual_memory
    check_norm(config.residual_norm)
    programs = config.programs
    check_on_chip(chip, config.residual_memory, *programs.angles_memory, programs.pairs_memory)
    if isinstance(config.precision, FusedPrecision):
        assert isinstance(programs, FusedPrograms)
        # a tile column of the angles on each core, and the matrix on the core of every query and key head
        assert [shards(memory) for memory in programs.angles_memory] == [(model.head_dim // TILE, [TILE, TILE])] * 2
        assert shards(programs.pairs_memory) == (model.num_attention_heads + model.num_key_value_heads, [TILE, TILE])
        check_on_chip(chip, *(programs.decode(name).result_memory for name in programs.stages))
    else:
        # the queries and the keys of every user are on separate cores
        assert [shards(memory) for memory in programs.angles_memory] == [(2 * config.users, [TILE, model.head_dim])] * 2
        assert shards(programs.pairs_memory) == (2 * config.users, [TILE, TILE])
        check_stock(config, programs, residual_width)


def check_stock(config: ModelConfig, stock: StockPrograms, residual_width: int) -> None:
    model, chip = config.model, config.chip
    heads, kv_heads, width = model.num_attention_heads, model.num_key_value_heads, model.head_dim
    hidden_cores, (_, hidden_width) = shards(stock.hidden_memory)
    assert hidden_cores * hidden_width == model.intermediate_size
    # the tiles of the input on each core, and the memory of the result
    total = (heads + 2 * kv_heads) * width
    for matmul, inner_width, inner, out in (
        (stock.qkv, residual_width, model.hidden_size, total),
        (stock.o, width, model.hidden_size, model.hidden_size),
        (stock.gate, residual_width, model.hidden_size, model.intermediate_size),
        (stock.up, residual_width, model.hidden_size, model.intermediate_size),
        (stock.down, hidden_width, model.intermediate_size, model.hidden_size),
    ):
        cores, (_, per_core) = shards(matmul.decode_memory)
        assert (matmul.inner, matmul.width) == (inner, out)
        assert cores * per_core == out
        assert matmul.decode_program.in0_block_w * TILE == inner_width
        assert matmul.decode_program.per_core_N * TILE == per_core
        assert list(matmul.weight_memory.shard_spec.shape)[0] == inner
        for rows in (TILE, 5 * TILE, config.prefill_chunk):
            assert inner // TILE % matmul.prefill_program(rows).in0_block_w == 0
    assert shards(stock.qkv.decode_memory) == (heads + 2 * kv_heads, [TILE, width]), "a core holds a whole head"
    memories = {name: projection.norm.memory for name, projection in stock.projections.items()}
    assert memories["qkv"] == memories["gate_up"] == config.residual_memory
    assert memories["o"] == stock.heads_norm.memory and memories["down"] == stock.hidden_memory
    for projection in stock.projections.values():
        check_norm(projection.norm)
    assert shards(stock.heads_norm.memory) == (heads, [TILE, width])
    assert shards(stock.attention_memory) == (config.users, [TILE, width])
    check_on_chip(chip, stock.hidden_memory, stock.heads_norm.memory, stock.qkv.decode_memory, stock.attention_memory)


def check_norm(norm: NormConfig) -> None:
    grid = norm.program.compute_with_storage_grid_size
    assert (grid.x, grid.y) == corners(norm.memory)
    assert norm.program.block_w * TILE == shards(norm.memory)[1][1]


def check_on_chip(chip: Chip, *memories: ttnn.MemoryConfig) -> None:
    for memory in memories:
        x, y = corners(memory)
        assert x <= chip.grid[0] and y <= chip.grid[1]


@every_chip
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", [TINY, SMALL, FULL], ids=["tiny", "small", "2b"])
def test_config_for_prefill_and_decode(chip, precision, model):
    for users in BATCHES:
        config = config_of(model, chip, precision, users)
        assert config.chip == chip and config.precision is PRECISIONS[precision]
        check_config(config)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    chip=any_chip,
    kv_heads=st.integers(1, 8),
    group=st.integers(1, 8),
    head_dim=st.integers(1, 8),
    intermediate=st.integers(1, 500),
    users=st.integers(1, 32),
)
def test_config_for_prefill_and_decode_of_any_shape(chip, kv_heads, group, head_dim, intermediate, users):
    """Any sizes that are multiples of 32 have a layout if there is a core for each head."""
    assume(kv_heads * (group + 2) <= chip.cores)
    check_config(config_of(shape(kv_heads * group, kv_heads, 32 * head_dim, 32 * intermediate), chip, users=users))


@every_chip
def test_configs_of_the_2b(chip):
    """The exact layouts of the 2B-4T in decode."""
    config = config_of(FULL, chip)
    stock = config.programs
    assert shards(stock.qkv.decode_memory) == (30, [32, 128])
    assert shards(stock.heads_norm.memory) == (20, [32, 128])
    assert shards(stock.o.weight_memory) == (chip.dram_banks, [2560, -(-80 // chip.dram_banks) * 32])
    assert config.max_seq_len == 4096 and shards(config.residual_memory) == (40, [32, 64])


@every_chip
@pytest.mark.parametrize(
    "rows, cache_block, block",
    [(32, 128, 32), (64, 128, 64), (96, 128, 32), (96, 32, 32), (256, 128, 128), (1024, 32, 32), (1024, 512, 256)],
)
def test_prefill_attention_takes_whole_blocks(chip, rows, cache_block, block):
    program = config_of(FULL, chip).prefill_attention(rows, cache_block)
    assert (program.q_chunk_size, program.k_chunk_size) == (block, block)


@pytest.mark.parametrize(
    "model, chip, change, message",
    [
        (TINY, N150, {"users": 0}, "batch 0: decode takes 1 to 32 users"),
        (TINY, N150, {"users": 33}, "batch 33: decode takes 1 to 32 users"),
        (TINY, N150, {"max_seq_len": 4097}, "max_seq_len 4097 is past the model's context of 4096"),
        (shape(64, 1, 32, 64), N150, {}, "66 query, key and value heads do not fit 64 cores"),
        (shape(32, 32, 32, 64), P150, {}, "96 query, key and value heads do not fit 80 cores"),
        (replace(TINY, vocab_size=31), N150, {}, "vocab_size is 31, must be at least the 32 candidates of a draw"),
        (TINY, Chip((5, 5), 4), {"users": 16}, "batch 16: queries and keys need 32 cores, there are 25"),
        (TINY, N150, {"precision": "fast"}, "unknown precision 'fast'; choose one of accuracy, performance"),
    ],
)
def test_config_refuses(model, chip, change, message):
    with pytest.raises(ValueError, match=message.replace("'", ".")):
        config_of(model, chip, **change)


def test_cache_dtype_and_context_can_be_chosen():
    config = config_of(replace(TINY, max_position_embeddings=96), P150, cache_dtype=ttnn.bfloat4_b, max_seq_len=75)
    assert (config.cache_dtype, config.max_seq_len) == (ttnn.bfloat4_b, 75)
    assert config_of(TINY, P150).cache_dtype == ttnn.bfloat16
    assert config_of(TINY, P150, "performance").cache_dtype == ttnn.bfloat8_b


# --- precision -------------------------------------------------------------------------------------------------------

STOCK = [ACCURACY, PERFORMANCE]


def test_precisions_by_name():
    assert list(PRECISIONS) == ["accuracy", "performance", "fused"]
    for name, precision in PRECISIONS.items():
        assert precision.name == name and find_precision(name) is precision is find_precision(precision)


@pytest.mark.parametrize("precision", STOCK, ids=lambda precision: precision.name)
def test_ternary_matmuls_are_exact_in_both_stock_precisions(precision):
    """The weights are bfloat4_b, the fidelity is LoFi and sums are float32. Ternary products are exact in all three."""
    assert set(precision.matmuls) == set(MATMULS)
    for name in set(MATMULS) - {"lm_head"}:
        matmul = precision.matmuls[name]
        assert (matmul.weight, matmul.fidelity) == (ttnn.bfloat4_b, ttnn.MathFidelity.LoFi)
        assert matmul.fp32_accumulation


def test_one_matmul_can_be_changed():
    changed = PERFORMANCE.with_matmul("down", weight=ttnn.bfloat8_b, fidelity=ttnn.MathFidelity.HiFi2)
    stock = config_of(FULL, N150, changed).programs
    assert stock.down.weight_dtype == ttnn.bfloat8_b
    assert stock.down.compute.math_fidelity == ttnn.MathFidelity.HiFi2
    assert stock.up.weight_dtype == ttnn.bfloat4_b and stock.up.compute.math_fidelity == ttnn.MathFidelity.LoFi
    assert PERFORMANCE.matmuls["down"].weight == ttnn.bfloat4_b, "the precision itself stays as it was"
    with pytest.raises(ValueError, match="there is no matmul 'middle'"):
        ACCURACY.with_matmul("middle", weight=ttnn.bfloat8_b)
    with pytest.raises(TypeError):
        PERFORMANCE.matmuls["down"] = changed.matmuls["down"]


def test_fused_heeds_each_of_its_choices():
    """Every setting of `FusedPrecision` but its name reaches the config of an operation or a program."""
    changed = replace(
        FUSED.with_matmul("lm_head", weight=ttnn.bfloat16),
        cache=ttnn.bfloat8_b,
        attention_fidelity=ttnn.MathFidelity.HiFi2,
        head="two-pass" if FUSED.head == "whole" else "whole",
    )
    assert all(getattr(changed, field.name) != getattr(FUSED, field.name) for field in fields(FUSED)[1:])
    for precision in (FUSED, changed):
        config = config_of(FULL, N150, precision)
        assert {program.weight_dtype for program in config.programs.head.values()} == {precision.head_weight}
        assert config.cache_dtype == precision.cache
        assert config.attention_compute.math_fidelity == precision.attention_fidelity
        assert config.has_two_pass_head == (precision.head == "two-pass")


@pytest.mark.parametrize("matmul", MATMULS)
@pytest.mark.parametrize(
    "change",
    [{"weight": ttnn.bfloat4_b}, {"fidelity": ttnn.MathFidelity.HiFi2}, {"fp32_accumulation": False}],
    ids=["weight", "fidelity", "fp32_accumulation"],
)
def test_fused_refuses_what_its_programs_do_not_heed(matmul, change):
    (setting,) = change
    if (matmul, setting) == ("lm_head", "weight"):
        assert FUSED.with_matmul(matmul, **change).head_weight == ttnn.bfloat4_b
        return
    message = f"fused computes {matmul} .*, so {setting} of {matmul} cannot be changed; its choices are cache, "
    with pytest.raises(ValueError, match=message):
        FUSED.with_matmul(matmul, **change)


def test_fused_has_no_other_settings():
    with pytest.raises(ValueError, match="there is no matmul 'middle'"):
        FUSED.with_matmul("middle", weight=ttnn.bfloat16)
    with pytest.raises(ValueError, match="there is no head 'half'; choose one of whole, two-pass"):
        replace(FUSED, head="half")
    with pytest.raises(ValueError, match="fused cannot read the weight of lm_head as float32; choose one of bfloat4_b"):
        FUSED.with_matmul("lm_head", weight=ttnn.float32)
    for setting in ("activations", "quantise", "matmuls"):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            replace(FUSED, **{setting: getattr(PERFORMANCE, setting)})


@pytest.mark.parametrize("chip", [N150, P150], ids=["n150", "p150"])
def test_compute_configs(chip):
    """Sums are float32 everywhere. In `accuracy` and `fused` activations between operations are float32 too."""
    for name, precision in PRECISIONS.items():
        config = config_of(FULL, chip, precision)
        computes = [config.residual_norm.compute, config.attention_compute]
        if name != "fused":
            stock = config.programs
            computes += [stock.head_compute, stock.heads_norm.compute, stock.hidden_norm.compute]
            computes += [matmul.compute for projection in stock.projections.values() for matmul in projection.matmuls]
        assert all(compute.fp32_dest_acc_en and not compute.math_approx_mode for compute in computes)
        assert config.activations == (ttnn.bfloat16 if name == "performance" else ttnn.float32)


# --- the default -----------------------------------------------------------------------------------------------------


@pytest.fixture
def logged():
    """The list of logged lines."""
    lines: list[str] = []
    number = logger.add(lambda line: lines.append(line.strip()), format="{message}")
    yield lines
    logger.remove(number)


@every_chip
@pytest.mark.parametrize("model", [TINY, SMALL, FULL, shape(32, 8, 32, 224)], ids=["tiny", "small", "2b", "32 heads"])
def test_the_default_is_fused_where_it_fits(chip, model, logged):
    for users in BATCHES:
        assert default_precision(model, ChipAlone(chip), users) is FUSED
    assert logged == ["precision fused"] * len(BATCHES)


@pytest.mark.parametrize(
    "model, reason",
    [
        (shape(40, 8, 32, 224), "fused joins up to 32 heads, the model has 40"),
        (
            shape(4, 2, 32, 32 * 1200),
            "fused: decode's program of o, gate_up, down, qkv, 38400 wide, needs 1...... bytes of a core's L1",
        ),
        (shape(32, 1, 512, 224), "fused rotates heads up to 256 wide, the model's are 512 wide"),
    ],
    ids=["heads", "hidden rows", "wide heads"],
)
def test_the_default_is_accuracy_where_fused_does_not_fit(model, reason, logged):
    """The default is `accuracy`, with a logged reason. An explicit `fused` is refused with the same reason."""
    assert default_precision(model, ChipAlone(N150), 32) is ACCURACY
    (line,) = logged
    assert re.match(f"precision accuracy: {reason}", line)
    check_config(config_of(model, N150, ACCURACY))
    with pytest.raises(ValueError, match=reason) as refusal:
        config_of(model, N150, "fused")
    assert str(refusal.value) == line.removeprefix("precision accuracy: ") + "; use precision accuracy"


def test_the_default_is_accuracy_for_a_cache_that_fused_cannot_write(logged):
    assert default_precision(TINY, ChipAlone(N150), 1, ttnn.bfloat4_b) is ACCURACY
    assert logged == ["precision accuracy: fused writes a KV cache of bfloat16 or bfloat8_b, not bfloat4_b"]
    assert default_precision(TINY, ChipAlone(N150), 1, ttnn.bfloat8_b) is FUSED


def test_the_default_refuses_what_no_precision_allows(logged):
    with pytest.raises(ValueError, match="batch 33: decode takes 1 to 32 users"):
        default_precision(TINY, ChipAlone(N150), 33)
    assert not logged
