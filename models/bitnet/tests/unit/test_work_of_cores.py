# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The cores of a fused program divide all of its work on this chip: nothing is left out, nothing is done twice.

The tests read the runtime arguments of the described programs, and run nothing. So they find a wrong division of work
on any grid of cores at once, at the sizes of the 2B-4T too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

import ttnn
from models.bitnet.perf.random_weights import FULL, OTHER_MODELS
from models.bitnet.tests.common import BATCHES, SMALL, TINY
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.fused_programs import LAST_LAYER, TO_NEXT_LAYER, FusedPrograms
from models.bitnet.tt.kernels.decode import decode_product, look_up, rotate_and_cache, stages
from models.bitnet.tt.kernels.head import best_tokens, head_product, second_pass
from models.bitnet.tt.kernels.prefill import prefill_codes, prefill_product
from models.bitnet.tt.layout import TILE, Chip, columns, first_cores, free_l1_bytes, users_memory_config

pytestmark = pytest.mark.board

PROJECTIONS = ("qkv", "o", "gate_up", "down")
PROGRAMS = (*((which,) for which in PROJECTIONS), LAST_LAYER, TO_NEXT_LAYER)  # of decode
MODELS = {"tiny": TINY, "small": SMALL, "2b": FULL, **OTHER_MODELS}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
every_projection = pytest.mark.parametrize("which", PROJECTIONS)


def programs_of(model: BitNetConfig, device: ttnn.MeshDevice, users: int = 7) -> FusedPrograms:
    return FusedPrograms(model, Chip.of(device), users, free_l1_bytes(device), ttnn.bfloat8_b, ttnn.bfloat16)


def empty(device: ttnn.MeshDevice, dtype: ttnn.DataType = ttnn.float32, width: int = TILE) -> ttnn.Tensor:
    """A tensor for a description, which depends on the layout of its tensors and not on their sizes."""
    shape, layout = ttnn.Shape([1, 1, TILE, width]), ttnn.TILE_LAYOUT
    return ttnn.allocate_tensor_on_device(shape, dtype, layout, device, ttnn.DRAM_MEMORY_CONFIG)


def told(kernel: ttnn.KernelDescriptor, what: type[NamedTuple]) -> list[tuple[ttnn.CoreCoord, NamedTuple]]:
    """Each core of a kernel and its runtime arguments. The last field of `what` may be a tuple."""
    cores = ttnn.corerange_to_cores(kernel.core_ranges, None, row_wise=True)
    count, arguments = len(what._fields), []
    for core in cores:
        numbers = list(kernel.runtime_args[core.x][core.y])
        last = numbers[count - 1 :]
        arguments.append((core, what(*numbers[: count - 1], last[0] if len(last) == 1 else tuple(last))))
    return arguments


def spans(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """All numbers of the ranges (first, count), in the order of the ranges."""
    return [number for first, count in pairs for number in range(first, first + count)]


class PageNumbers(NamedTuple):
    """All that the reader of weights is told."""

    numbers: tuple[int, ...]


def of_stage(numbers: Sequence[int], what: type[NamedTuple], number: int) -> NamedTuple:
    """The arguments of a stage among those of all stages."""
    count = len(what._fields)
    return what(*numbers[number * count : (number + 1) * count])


@every_model
@pytest.mark.parametrize("names", PROGRAMS, ids=",".join)
@pytest.mark.parametrize("users", BATCHES)
def test_decode_product(device, model, names, users):
    """Each core of every stage has its tile columns of the rows and of the results, and the pages of these columns."""
    program = programs_of(model, device, users).decode(*names)
    reader, writer, compute = program.described(*[empty(device)] * 6).kernels
    cores = [arguments for _, arguments in told(writer, decode_product.CoreArguments)]
    assert cores == [arguments for _, arguments in told(compute, decode_product.CoreArguments)]
    assert [core.core for core in cores] == list(range(len(cores)))
    assert [core.leads for core in cores] == [1] + [0] * (len(cores) - 1)
    assert len(program.stages) == len(names)
    for number, stage in enumerate(program.stages):
        works = [of_stage(core.stage_arguments, stages.StageArguments, number) for core in cores]
        assert spans([(core.part_first, core.part_tiles) for core in works]) == list(range(stage.pages.inner))
        width, of_a_group = (count // stage.pages.matrices for count in (stage.pages.width, stage.pages.group))
        assert spans([(core.first_column, core.columns) for core in works]) == list(range(width))
        for core, (_, (numbers,)) in zip(works, told(reader, PageNumbers), strict=True):
            read = of_stage(numbers, stages.PageArguments, number)
            groups = range(core.first_column // of_a_group, (core.first_column + core.columns) // of_a_group)
            pages = spans([(group * stage.pages.pages_of_a_group, stage.pages.pages_of_a_group) for group in groups])
            assert spans([(read.first_page, read.pages)]) == pages


@every_model
@every_projection
@pytest.mark.parametrize("token_tiles", [1, 3, 32])
def test_prefill_codes(device, model, which, token_tiles):
    """Every tile column of every token tile, by one core."""
    program, _ = programs_of(model, device).prefill(which, token_tiles)
    for kernel in program.described(*[empty(device)] * 4).kernels:
        work = [
            (token_tile, column)
            for _, core in told(kernel, prefill_codes.CodesArguments)
            for token_tile in spans([(core.first_token_tile, core.token_tiles)])
            for column in spans([(core.part_first, core.part_tiles)])
        ]
        assert sorted(work) == [(tile, column) for tile in range(token_tiles) for column in range(program.inner)]


@every_model
@every_projection
@pytest.mark.parametrize("token_tiles", [1, 3, 32])
def test_prefill_product(device, model, which, token_tiles):
    """Every group of columns of every token tile, by one core."""
    _, program = programs_of(model, device).prefill(which, token_tiles)
    for kernel in program.described(*[empty(device)] * 5).kernels:
        work = []
        for core, arguments in told(kernel, prefill_product.ProductArguments):
            assert (arguments.core_x, arguments.core_y) == (core.x, core.y)
            tiles = spans([(arguments.first_token_tile, arguments.token_tiles)])
            groups = spans([(arguments.first_group, arguments.groups)])
            work += [(tile, group) for tile in tiles for group in groups]
        groups = program.pages.width // program.pages.group
        assert sorted(work) == [(tile, group) for tile in range(token_tiles) for group in range(groups)]


@every_model
def test_head_product(device, model):
    """Every column of the vocabulary, by a core that reads it from its bank."""
    program = programs_of(model, device).head[False]
    weights, rows, compute = program.described(*[empty(device)] * 2).kernels
    tile_columns = -(-model.vocab_size // TILE)
    of_a_bank, written = -(-tile_columns // program.banks), []
    for (_, read), (_, row), (_, counted) in zip(
        told(weights, head_product.WeightsArguments),
        told(rows, head_product.RowsArguments),
        told(compute, head_product.ProductArguments),
        strict=True,
    ):
        assert read.columns == row.columns == counted.columns
        if read.columns:
            assert row.first_column == read.bank * of_a_bank + read.first_column
            assert read.first_column + read.columns <= of_a_bank
        written += spans([(row.first_column, row.columns)])
    assert sorted(written) == list(range(tile_columns))


@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize(
    "width, count", [(32, 1), (33, TILE), (320, 256), (32002, 1), (128256, 1), (128256, TILE), (128256, 128)]
)
def test_best_tokens(device, rows, width, count):
    """Every tile column by one processor. The first cores merge, and all processors know their places."""
    program = best_tokens.BestTokens(rows, width, ttnn.float32, count, Chip.of(device).grid)
    kernels = program.described(empty(device), [empty(device)] * 2).kernels
    processors = [(core, scans) for kernel in kernels for core, scans in told(kernel, best_tokens.ScannerArguments)]
    ordered = sorted((scans for _, scans in processors), key=lambda scans: scans.scanner)
    assert [scans.scanner for scans in ordered] == list(range(len(processors)))
    assert spans([(scans.first_tile, scans.tile_count) for scans in ordered]) == list(range(-(-width // TILE)))
    merges = rows * program.groups
    merging = {scans.merger: core for core, scans in processors if scans.merger < merges}
    assert sorted(scans.merger for _, scans in processors if scans.merger < merges) == list(range(len(merging)))
    assert len(merging) == min(merges, len(processors) // 2)
    places = [device.worker_core_from_logical_core(merging[merger]) for merger in range(len(merging))]
    for kernel in kernels:
        assert list(kernel.common_runtime_args)[3:] == [number for core in places for number in (core.x, core.y)]
        assert dict(kernel.named_compile_time_args)["mergers"] == len(merging)


@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize("length", [TILE, 128])
@pytest.mark.parametrize("count", [1, TILE])
def test_second_pass(device, rows, length, count):
    """Every candidate by one core, and every row merged by one core, whose place all cores know."""
    program = second_pass.SecondPass(rows, 80, length, 128256, count, Chip.of(device).grid)
    reader, writer, compute = program.described(*[empty(device)] * 3, [empty(device)] * 2).kernels
    on_cores = told(reader, second_pass.CandidateArguments)
    assert spans([arguments[:2] for _, arguments in on_cores]) == list(range(rows * length))
    for kernel in (writer, compute):
        assert list(map(str, told(kernel, second_pass.CandidateArguments))) == list(map(str, on_cores))
    merging = {arguments.merged_row: core for core, arguments in on_cores if arguments.merged_row < rows}
    places = [device.worker_core_from_logical_core(merging[row]) for row in range(rows)]
    assert list(writer.common_runtime_args)[3:] == [number for core in places for number in (core.x, core.y)]


def shards_of(kernel: ttnn.KernelDescriptor) -> list[int]:
    return [core.shard for _, core in told(kernel, look_up.LookUpArguments)]


@pytest.mark.parametrize("users", BATCHES)
def test_look_up_of_angles_by_user(device, users):
    """The angles of every user's query and then of every user's key. Every shard of the tokens' rows."""
    chip = Chip.of(device)
    angles = users_memory_config(2 * users, TILE, first_cores(2 * users, chip))
    program = look_up.LookUp(users, ttnn.float32, columns(SMALL.hidden_size, chip).memory_config(), (angles, angles))
    of_angles, of_tokens = program.described(*[empty(device)] * 5).kernels
    assert [core.user for _, core in told(of_angles, look_up.AnglesArguments)] == 2 * list(range(users))
    assert shards_of(of_tokens) == list(range(program.row_memory.shard_spec.grid.num_cores()))


@every_model
@pytest.mark.parametrize("users", BATCHES)
def test_look_up_of_angles_by_row(device, model, users):
    """Every shard of the cosines, of the sines and of the tokens' rows. Cosines and sines are on different cores."""
    chip = Chip.of(device)
    memories = programs_of(model, device, users).angles_memory
    program = look_up.LookUp(users, ttnn.float32, columns(model.hidden_size, chip).memory_config(), memories)
    *of_angles, of_tokens = program.described(*[empty(device)] * 5).kernels
    assert [shards_of(kernel) for kernel in of_angles] == [list(range(model.head_dim // TILE))] * 2
    cores = [str(core) for kernel in of_angles for core, _ in told(kernel, look_up.LookUpArguments)]
    assert len(set(cores)) == len(cores)
    assert shards_of(of_tokens) == list(range(program.row_memory.shard_spec.grid.num_cores()))


@every_model
@pytest.mark.parametrize("users", BATCHES)
def test_rotate_and_cache(device, model, users):
    """Every head by the core that the projection leaves it on. Query heads go to the queries, the others to a cache."""
    programs = programs_of(model, device, users)
    program, heads, kv_heads = programs.rotate_and_cache, model.num_attention_heads, model.num_key_value_heads
    reader, queries, cache, compute = program.described(*[empty(device)] * 9).kernels
    on_cores = told(reader, rotate_and_cache.HeadArguments)
    assert list(map(str, on_cores)) == list(map(str, told(compute, rotate_and_cache.HeadArguments)))
    shards = programs.decode("qkv").result_memory.shard_spec.grid
    assert [str(core) for core, _ in on_cores] == list(map(str, ttnn.corerange_to_cores(shards, None, row_wise=True)))
    assert [arguments.head for _, arguments in on_cores] == list(range(heads + 2 * kv_heads))
    assert [arguments.rotates for _, arguments in on_cores] == [1] * (heads + kv_heads) + [0] * kv_heads
    names = {number: name for name, number in compute.named_compile_time_args if name in ("QUERIES", "CACHED")}
    results = [names[arguments.result] for _, arguments in on_cores]
    assert results == ["QUERIES"] * heads + ["CACHED"] * 2 * kv_heads
    written = told(queries, rotate_and_cache.HeadArguments) + told(cache, rotate_and_cache.CacheArguments)
    assert [str(core) for core, _ in written] == [str(core) for core, _ in on_cores]
    assert [arguments.head for _, arguments in written[:heads]] == list(range(heads))
    places = [(arguments.holds_values, arguments.cache_head) for _, arguments in written[heads:]]
    assert places == [(which, head) for which in (0, 1) for head in range(kv_heads)]


@every_model
@pytest.mark.parametrize("users", [1, 32])
def test_no_core_has_gaps_in_the_numbers_of_its_buffers(device, model, users):
    """The library warns that gaps cost time when a program is dispatched."""
    programs, chip = programs_of(model, device, users), Chip.of(device)
    rows = columns(model.hidden_size, chip).memory_config()
    by_user = users_memory_config(2 * users, model.head_dim, first_cores(2 * users, chip))
    logits = best_tokens.BestTokens(users, model.vocab_size, ttnn.float32, TILE, chip.grid)
    second = second_pass.SecondPass(users, 80, 128, model.vocab_size, TILE, chip.grid)
    descriptors = [
        *(programs.decode(*names).described(*[empty(device)] * 6) for names in PROGRAMS),
        *(programs.prefill(which, 3)[0].described(*[empty(device)] * 4) for which in PROJECTIONS),
        *(programs.prefill(which, 3)[1].described(*[empty(device)] * 5) for which in PROJECTIONS),
        programs.rotate_and_cache.described(*[empty(device)] * 9),
        programs.head[True].described(*[empty(device)] * 2),
        logits.described(empty(device), [empty(device)] * 2),
        second.described(*[empty(device)] * 3, [empty(device)] * 2),
        *(
            look_up.LookUp(users, ttnn.float32, rows, angles).described(*[empty(device)] * 5)
            for angles in (programs.angles_memory, (by_user, by_user))
        ),
    ]
    for descriptor in descriptors:
        numbers = {}
        for buffer in descriptor.cbs:
            for core in ttnn.corerange_to_cores(buffer.core_ranges, None, row_wise=True):
                numbers.setdefault(str(core), []).extend(page.buffer_index for page in buffer.format_descriptors)
        assert numbers and all(sorted(of_core) == list(range(len(of_core))) for of_core in numbers.values())
