# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Traces and events follow a card's rules."""

import gc

import pytest
import torch

import ttnn
from ttnn_emulator import MemoryFault, TraceError
from ttnn_emulator.device.memory import Buffer
from ttnn_emulator.install import emulated_device

TILE = ttnn.TILE_LAYOUT


@pytest.fixture
def device_params():
    return {"trace_region_size": 1 << 20, "num_command_queues": 2}


def host(value, shape=(32, 32)):
    return ttnn.from_torch(torch.full(shape, float(value)), dtype=ttnn.bfloat16, layout=TILE)


def upload(device, value):
    return ttnn.to_device(host(value), device)


def capture(device, run, cq_id=0):
    """Run once, so that the programs are compiled, then capture."""
    run()
    trace = ttnn.begin_trace_capture(device, cq_id=cq_id)
    result = run()
    ttnn.end_trace_capture(device, trace, cq_id=cq_id)
    return trace, result


def value_of(tensor):
    values = ttnn.to_torch(tensor)
    assert values.isnan().all() or values.eq(values.flatten()[0]).all()
    return float(values.flatten()[0])


def test_a_replay_reads_the_current_inputs(device):
    x, w = upload(device, 1), upload(device, 2)
    trace, y = capture(device, lambda: ttnn.add(ttnn.multiply(x, w), w))
    for value in (3, 4):
        ttnn.copy_host_to_device_tensor(host(value), x)
        ttnn.execute_trace(device, trace, cq_id=0, blocking=False)
        ttnn.synchronize_device(device)
        assert value_of(y) == value * 2 + 2
    ttnn.release_trace(device, trace)


def test_outputs_cannot_be_read_before_the_first_replay(device):
    x = upload(device, 1)
    trace, y = capture(device, lambda: ttnn.add(x, 1.0))
    with pytest.raises(TraceError, match="ttnn.add writes it in a trace that was captured and never executed"):
        ttnn.to_torch(y)
    assert ttnn.to_torch(ttnn.add(y, 1.0)).isnan().all()  # the warm-up of a second trace may take it
    ttnn.execute_trace(device, trace)
    assert value_of(y) == 2


def test_an_operation_in_place_counts_up_with_every_replay(device):
    x = upload(device, 0)
    trace, _ = capture(device, lambda: ttnn.add_(x, 1.0))
    assert value_of(x) == 1  # the run before the capture; the capture itself computes nothing
    for expected in (2, 3, 4):
        ttnn.execute_trace(device, trace)
        assert value_of(x) == expected


def test_several_live_traces(device):
    x = upload(device, 5)
    add, sum_ = capture(device, lambda: ttnn.add(x, 1.0))
    multiply, product = capture(device, lambda: ttnn.multiply(x, 3.0))
    for trace in (multiply, add, multiply):
        ttnn.execute_trace(device, trace)
    assert (value_of(sum_), value_of(product)) == (6, 15)
    ttnn.release_trace(device, add)
    ttnn.copy_host_to_device_tensor(host(2), x)
    ttnn.execute_trace(device, multiply)
    assert value_of(product) == 6


def test_a_trace_may_feed_another(device):
    x = upload(device, 1)
    first, y = capture(device, lambda: ttnn.add(x, 1.0))
    second, z = capture(device, lambda: ttnn.multiply(y, 10.0))
    ttnn.execute_trace(device, first)
    ttnn.execute_trace(device, second)
    assert value_of(z) == 20


def test_two_queues_and_events(device):
    x = upload(device, 1)
    trace, y = capture(device, lambda: ttnn.add(x, 1.0))
    done = ttnn.record_event(device, 0)
    ttnn.wait_for_event(1, done)
    ttnn.copy_host_to_device_tensor(host(8), x, cq_id=1)
    written = ttnn.record_event(device, 1)
    ttnn.wait_for_event(0, written)
    ttnn.execute_trace(device, trace, cq_id=0, blocking=False)
    ttnn.event_synchronize(ttnn.record_event(device, 0))
    assert value_of(y) == 9


def test_a_replay_makes_no_library_call(device, monkeypatch):
    x = upload(device, 1)
    trace, y = capture(device, lambda: ttnn.add(ttnn.multiply(x, 2.0), 1.0))

    def refuse(*_, **__):
        raise AssertionError("the library was called")

    with monkeypatch.context() as patch:
        patch.setattr(emulated_device(), "library_call", refuse)
        ttnn.execute_trace(device, trace)
    assert value_of(y) == 3


@pytest.mark.parametrize(
    "mistake, message",
    [
        (lambda device, x: ttnn.to_torch(x), r"ttnn.to_torch: a host read of the tensor \[32, 32\]"),
        (lambda device, x: x.cpu(), r"from_device: a host read of the tensor \[32, 32\]"),
        (lambda device, x: x.to_list(), r"a host read of the tensor \[32, 32\]"),
        (
            lambda device, x: ttnn.copy_host_to_device_tensor(host(1), x),
            r"ttnn.copy_host_to_device_tensor: a host write of the tensor \[32, 32\]",
        ),
        (lambda device, x: ttnn.to_device(host(1), device), r"ttnn.to_device: a host write of the tensor \[32, 32\]"),
        (
            lambda device, x: ttnn.from_torch(torch.ones(32, 32), layout=TILE, device=device),
            "ttnn.from_torch: a host write",
        ),
        (lambda device, x: ttnn.begin_trace_capture(device, cq_id=0), "a capture is under way"),
    ],
    ids=["to_torch", "cpu", "to_list", "copy", "to_device", "from_torch", "nested"],
)
def test_host_traffic_in_a_capture(device, mistake, message):
    x = upload(device, 1)
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    with pytest.raises(TraceError, match=message) as caught:
        mistake(device, x)
    assert "\n" not in str(caught.value)
    ttnn.end_trace_capture(device, trace, cq_id=0)


def test_an_input_of_another_shape_is_refused(device):
    x = upload(device, 1)
    trace, _ = capture(device, lambda: ttnn.add(x, 1.0))
    with pytest.raises(RuntimeError, match=r"\[64, 32\] cannot replace .*\[32, 32\].*keeps its shape"):
        ttnn.copy_host_to_device_tensor(host(1, (64, 32)), x)
    ttnn.release_trace(device, trace)


def test_an_input_that_was_freed_names_the_operation_and_the_tensor(device):
    x = upload(device, 1)
    trace, _ = capture(device, lambda: ttnn.add(x, 1.0))
    ttnn.deallocate(x)
    taken = upload(device, 7)  # lives where x was
    with pytest.raises(MemoryFault, match=r"ttnn.add reads the bfloat16 tensor \[32, 32\] at DRAM address \d+"):
        ttnn.execute_trace(device, trace)
    assert value_of(taken) == 7


def test_a_tensor_allocated_after_the_capture_where_the_trace_writes(device):
    x = upload(device, 1)

    def run():
        between = ttnn.multiply(x, 2.0)
        result = ttnn.add(between, 1.0)
        ttnn.deallocate(between)
        return result

    trace, y = capture(device, run)
    victim = upload(device, 7)  # takes the address that `between` had during the capture
    assert value_of(victim) == 7
    ttnn.execute_trace(device, trace)
    assert value_of(y) == 3
    with pytest.raises(MemoryFault, match=r"tensor \[32, 32\].*allocated after a trace.*ttnn.multiply"):
        ttnn.to_torch(victim)
    ttnn.copy_host_to_device_tensor(host(4), victim)  # a new write makes it whole, until the next replay
    assert value_of(victim) == 4
    ttnn.execute_trace(device, trace)
    with pytest.raises(MemoryFault, match="a replay overwrote it"):
        ttnn.to_torch(victim)


def test_tensors_that_replays_overwrote_are_forgotten_when_freed(device):
    x = upload(device, 1)

    def run():
        between = ttnn.multiply(x, 2.0)
        result = ttnn.add(between, 1.0)
        ttnn.deallocate(between)
        return result

    trace, _ = capture(device, run)

    def overwrite_one():
        victim = upload(device, 7)
        ttnn.execute_trace(device, trace)
        with pytest.raises(MemoryFault, match="a replay overwrote it"):
            ttnn.to_torch(victim)
        ttnn.deallocate(victim)

    def buffers():
        return sum(type(thing) is Buffer for thing in gc.get_objects())

    overwrite_one()
    before = buffers()
    for _ in range(20):
        overwrite_one()
    assert buffers() == before


def test_a_tensor_where_the_trace_had_one_that_python_forgot(device):
    x = upload(device, 1)
    trace, _ = capture(device, lambda: ttnn.add(ttnn.multiply(x, 2.0), 1.0))
    victims = [upload(device, value) for value in range(3)]
    ttnn.execute_trace(device, trace)
    lost = 0
    for victim in victims:
        try:
            ttnn.to_torch(victim)
        except MemoryFault as fault:
            assert "ttnn.multiply of that trace writes" in str(fault)
            lost += 1
    assert lost == 1


def test_two_traces_may_share_memory_for_what_is_between(device):
    x = upload(device, 1)
    first, y = capture(device, lambda: ttnn.add(ttnn.multiply(x, 2.0), 1.0))
    second, z = capture(device, lambda: ttnn.add(ttnn.multiply(x, 5.0), 1.0))
    for _ in range(2):
        ttnn.execute_trace(device, first)
        assert value_of(y) == 3
        ttnn.execute_trace(device, second)
        assert value_of(z) == 6


def test_an_operation_that_was_never_run_cannot_be_captured(device):
    x = upload(device, 1)
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    with pytest.raises(TraceError, match="ttnn.exp: this program was never run before"):
        ttnn.exp(x)
    ttnn.end_trace_capture(device, trace, cq_id=0)


def test_a_released_trace_is_gone(device):
    x = upload(device, 1)
    trace, _ = capture(device, lambda: ttnn.add(x, 1.0))
    ttnn.release_trace(device, trace)
    for use in (ttnn.execute_trace, ttnn.release_trace):
        with pytest.raises(TraceError, match="it was released"):
            use(device, trace)


def test_a_trace_ends_with_its_device():
    device = ttnn.open_device(device_id=0, trace_region_size=1 << 20)
    x = upload(device, 1)
    trace, _ = capture(device, lambda: ttnn.add(x, 1.0))
    ttnn.begin_trace_capture(device, cq_id=0)  # left open, as by an error
    ttnn.close_device(device)
    again = ttnn.open_device(device_id=0, trace_region_size=1 << 20)
    with pytest.raises(TraceError, match="its device was closed"):
        ttnn.execute_trace(again, trace)
    assert value_of(upload(again, 3)) == 3  # no capture is under way any more
    ttnn.close_device(again)


def test_end_without_begin(device):
    with pytest.raises(TraceError, match="begin it first"):
        ttnn.end_trace_capture(device, ttnn.MeshTraceId(99), cq_id=0)


def test_views_inside_a_capture(device):
    x = ttnn.to_device(host(2, (2, 32, 32)), device)
    trace, y = capture(device, lambda: ttnn.reshape(ttnn.add(ttnn.reshape(x, (1, 64, 32)), 1.0), (64, 32)))
    ttnn.copy_host_to_device_tensor(host(5, (2, 32, 32)), x)
    ttnn.execute_trace(device, trace)
    assert value_of(y) == 6


def test_a_replay_does_not_empty_what_the_capture_allocated(device):
    """An allocation runs no program, so a trace does not hold it. Memory keeps what was written there."""
    x = upload(device, 1)
    ttnn.add(x, x, output_tensor=ttnn.empty_like(x))
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    allocated, untouched = ttnn.empty_like(x), ttnn.empty_like(x)
    ttnn.add(x, x, output_tensor=allocated)
    ttnn.end_trace_capture(device, trace, cq_id=0)
    ttnn.copy_host_to_device_tensor(host(7), untouched)
    ttnn.execute_trace(device, trace)
    assert ttnn.to_torch(allocated).eq(2).all() and ttnn.to_torch(untouched).eq(7).all()
