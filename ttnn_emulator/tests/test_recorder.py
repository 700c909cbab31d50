# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a record says, against numbers worked out by hand."""

import json

import pytest
import torch

import ttnn
import ttnn_emulator

TILE, DRAM, L1 = ttnn.TILE_LAYOUT, ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG
TILE_BYTES = {ttnn.bfloat16: 2048, ttnn.bfloat8_b: 1088, ttnn.bfloat4_b: 576, ttnn.float32: 4096}


def upload(device, *shape, dtype=ttnn.bfloat16, memory=DRAM):
    return ttnn.from_torch(torch.ones(shape), dtype=dtype, layout=TILE, device=device, memory_config=memory)


def rows_of(device, values, dtype=ttnn.uint32):
    return ttnn.from_torch(values.to(torch.int32), dtype=dtype, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)


def test_programs_in_order(device):
    x, w = upload(device, 32, 64), upload(device, 64, 96)
    with ttnn_emulator.record() as r:
        y = ttnn.matmul(x, w)
        ttnn.relu(y)
    assert [p.operation for p in r.programs] == ["ttnn.matmul", "ttnn.relu"]
    matmul, relu = r.programs
    assert "Matmul" in matmul.name
    assert [t.shape for t in matmul.inputs] == [(32, 64), (64, 96)] and matmul.outputs[0].shape == (32, 96)
    assert {t.dtype for t in matmul.inputs} == {"BFLOAT16"} and {t.layout for t in matmul.inputs} == {"TILE"}
    assert matmul.inputs[0].memory == "DRAM_INTERLEAVED" and r.library_calls == 2
    assert relu.inputs[0].shape == (32, 96) and not r.transfers


@pytest.mark.parametrize("dtype", list(TILE_BYTES))
def test_transfers_are_counted_in_the_devices_bytes(device, dtype):
    with ttnn_emulator.record() as r:
        x = upload(device, 64, 96, dtype=dtype)
        ttnn.to_torch(x)
        ttnn.to_torch(x)
    assert (r.uploaded_bytes, r.downloaded_bytes) == (6 * TILE_BYTES[dtype], 2 * 6 * TILE_BYTES[dtype])
    assert [t.direction for t in r.transfers] == ["to device", "to host", "to host"]


def test_a_matmuls_bytes_and_operations(device):
    x, w = upload(device, 32, 2560, memory=L1), upload(device, 2560, 640, dtype=ttnn.bfloat4_b)
    compute = ttnn.init_device_compute_kernel_config(device.arch(), math_fidelity=ttnn.MathFidelity.LoFi)
    with ttnn_emulator.record() as r:
        ttnn.matmul(x, w, dtype=ttnn.bfloat16, memory_config=L1, compute_kernel_config=compute)
    (program,) = r.programs
    assert program.fidelity == "LoFi"
    assert program.dram_read == 80 * 20 * TILE_BYTES[ttnn.bfloat4_b] and program.dram_written == 0
    assert program.flops == 2 * 32 * 2560 * 640


def test_an_embedding_reads_the_rows_it_was_asked_for(device):
    table = ttnn.from_torch(torch.ones(1000, 64), dtype=ttnn.bfloat16, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)
    tokens = rows_of(device, torch.arange(32).reshape(1, 32))
    with ttnn_emulator.record() as r:
        ttnn.embedding(tokens, table)
    assert r.programs[0].dram_read == 32 * 4 + 32 * 64 * 2
    assert r.programs[0].dram_written == 32 * 64 * 2


def test_a_slice_reads_its_own_pages(device):
    x = upload(device, 1024, 96)
    with ttnn_emulator.record() as r:
        ttnn.slice(x, [32, 0], [96, 96], [1, 1])
        x[:, 64:96]
    assert [(p.dram_read, p.dram_written) for p in r.programs] == [(2 * 3 * 2048,) * 2, (32 * 2048,) * 2]


def test_decode_attention_reads_up_to_the_position(device):
    heads, width, length = 8, 64, 1024
    key, value = (upload(device, 1, heads, length, width, dtype=ttnn.bfloat8_b) for _ in range(2))
    query = ttnn.from_torch(torch.ones(1, 1, heads, width), dtype=ttnn.bfloat16, layout=TILE, device=device)

    def run(position):
        with ttnn_emulator.record() as r:
            ttnn.transformer.scaled_dot_product_attention_decode(query, key, value, cur_pos=[position])
        return r.programs[0].dram_read

    tile_rows = heads * (width // 32) * TILE_BYTES[ttnn.bfloat8_b] * 2  # of keys and values, all heads
    assert run(63) - run(31) == tile_rows  # the next position begins a tile row
    assert run(62) == run(32)
    assert run(1023) - run(31) == 31 * tile_rows


def test_a_cache_update_touches_one_tile_row_a_head(device):
    cache = upload(device, 1, 4, 1024, 64)
    grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(0, 0))})
    shards = ttnn.create_sharded_memory_config(
        (32, 64), core_grid=grid, strategy=ttnn.ShardStrategy.HEIGHT, use_height_and_width_as_shard_shape=True
    )
    rows = upload(device, 1, 1, 4, 64, memory=shards)
    positions = rows_of(device, torch.tensor([7]), ttnn.int32)
    with ttnn_emulator.record() as r:
        ttnn.experimental.paged_update_cache(cache, rows, update_idxs_tensor=positions)
    touched = 4 * (64 // 32) * TILE_BYTES[ttnn.bfloat16]
    assert r.programs[-1].dram_written == touched
    assert touched <= r.programs[-1].dram_read <= touched + 64  # and the position


def test_peak_memory_counts_what_lives_at_the_same_time(device):
    with ttnn_emulator.record() as empty:
        ttnn.relu(upload(device, 32, 32))
    held = [upload(device, 64, 32, 32, memory=L1) for _ in range(3)]  # one tile on each of 64 cores, three times
    with ttnn_emulator.record() as r:
        ttnn.relu(upload(device, 32, 32))
    cores = device.compute_with_storage_grid_size()
    tiles = -(-64 // (cores.x * cores.y))
    assert r.peak_l1_per_core - empty.peak_l1_per_core == 3 * tiles * 2048
    assert r.peak_dram >= 2 * 2048 and len(held) == 3


@pytest.mark.parametrize("before", [True, False], ids=["cached", "new"])
@pytest.mark.parametrize("operation", [ttnn.add, ttnn.matmul])
def test_circular_buffers_count_towards_l1(device, before, operation):
    size = 96 if before else 128  # programs of other shapes, so that each case is the first to record its own
    x = upload(device, size, size)
    if before:
        operation(x, x)
    with ttnn_emulator.record() as r:
        operation(x, x)
    (program,) = r.programs
    assert program.cached is before and program.cores > 0
    assert program.circular_buffer_bytes >= 3 * 2048  # a tile of each operand at least
    assert r.peak_l1_per_core >= program.circular_buffer_bytes


def test_circular_buffers_are_unknown_inside_a_capture_of_the_programs_own(device):
    x = upload(device, 160, 160)  # a program that no other test has recorded
    ttnn.graph.begin_graph_capture(ttnn.graph.RunMode.NORMAL)
    with ttnn_emulator.record() as r:
        ttnn.matmul(x, x)
    graph = ttnn.graph.end_graph_capture()
    assert r.programs[0].circular_buffer_bytes is None and r.peak_l1_per_core is None
    assert "peak L1 unknown" in r.summary()
    assert [node["node_type"] for node in graph].count("program_execution") == 1
    with ttnn_emulator.record() as r:
        ttnn.matmul(x, x)
    assert r.peak_l1_per_core >= r.programs[0].circular_buffer_bytes > 0


@pytest.mark.parametrize("device_params", [{"trace_region_size": 1 << 20}], indirect=True)
def test_a_replay_takes_the_memory_of_its_capture(device):
    x = upload(device, 64, 64)

    def run() -> ttnn.Tensor:
        temporary = ttnn.to_memory_config(x, L1)
        result = ttnn.relu(temporary)
        ttnn.deallocate(temporary)
        return result

    run()
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    with ttnn_emulator.record() as captured:
        kept = run()
    ttnn.end_trace_capture(device, trace, cq_id=0)
    with ttnn_emulator.record() as replayed:
        ttnn.execute_trace(device, trace)
    assert replayed.peak_l1_per_core == captured.peak_l1_per_core and kept.is_allocated()


@pytest.mark.parametrize("device_params", [{"trace_region_size": 1 << 20}], indirect=True)
def test_a_replay_is_recorded_without_library_calls(device):
    x = upload(device, 64, 64)
    ttnn.relu(ttnn.add(x, x))
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    ttnn.relu(ttnn.add(x, x))
    ttnn.end_trace_capture(device, trace, cq_id=0)
    with ttnn_emulator.record() as r:
        ttnn.execute_trace(device, trace)
        ttnn.execute_trace(device, trace)
    assert [p.operation for p in r.programs] == ["ttnn.add", "ttnn.relu"] * 2
    assert r.library_calls == 0 and r.programs[0].host_us == 0
    assert r.programs[0].dram_read == 2 * 4 * 2048


def test_records_nest_and_end(device):
    x = upload(device, 32, 32)
    with ttnn_emulator.record() as outer:
        with ttnn_emulator.record() as inner:
            ttnn.relu(x)
        ttnn.exp(x)
    ttnn.relu(x)
    assert [p.operation for p in inner.programs] == ["ttnn.relu"]
    assert [p.operation for p in outer.programs] == ["ttnn.exp"]


def test_summary_and_json(device):
    x = upload(device, 32, 64)
    with ttnn_emulator.record() as r:
        y = ttnn.matmul(x, upload(device, 64, 32))
        ttnn.to_torch(ttnn.add(y, 1.0))
    summary, data = r.summary(), json.loads(r.to_json())
    assert "Matmul" in summary and f"{len(r.programs)} programs, 2 host transfers" in summary
    assert len({len(line) for line in summary.splitlines()[:3]}) == 1  # columns line up
    assert [p["operation"] for p in data["programs"]] == [p.operation for p in r.programs]
    assert data["uploaded_bytes"] == 2 * 2048 and data["downloaded_bytes"] == 2048
    assert data["programs"][-1]["inputs"][0]["shape"] == [32, 32]


def test_without_values_the_library_counts_and_nothing_is_computed(device):
    x = ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    with ttnn_emulator.record() as with_values:
        y = ttnn.matmul(ttnn.add(x, x), x)
    with ttnn_emulator.without_values(), ttnn_emulator.record() as without:
        z = ttnn.matmul(ttnn.add(x, x), x)
        with pytest.raises(RuntimeError):  # the library checks all the same
            ttnn.matmul(x, ttnn.ones([64, 32], layout=ttnn.TILE_LAYOUT, device=device))
    assert [program.name for program in without.programs][:2] == [program.name for program in with_values.programs]
    assert ttnn.to_torch(z).isnan().all() and ttnn.to_torch(y).eq(64).all()
    assert ttnn.to_torch(ttnn.add(x, x)).eq(2).all()
