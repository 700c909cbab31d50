# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Traces and events, with a card's rules.

Between begin and end nothing is computed: the library only validates and allocates, and each operation is kept. A
replay runs them again on the captured addresses, without the library. The three mistakes that a card answers with
silent garbage are errors here: host traffic inside a capture, an input that is gone or has changed, and a tensor that
was allocated after the capture where the trace writes.
"""

import bisect
import threading
from dataclasses import dataclass

import ttnn
from ttnn_emulator.device.memory import Buffer
from ttnn_emulator.device.state import EmulatedDevice
from ttnn_emulator.device.step import Step
from ttnn_emulator.errors import MemoryFault, TraceError
from ttnn_emulator.library.private import held_l1


class Trace:
    """The operations of one capture, and the memory they write."""

    def __init__(self, number: ttnn.MeshTraceId, device: ttnn.MeshDevice, clock: int):
        self.number, self.device_id = number, device.id()
        self._thread = threading.get_ident()
        self.steps: list[Step] = []
        self.writes: dict[Buffer, str] = {}  # buffer -> the operation that writes it
        self.reads: dict[Buffer, str] = {}  # buffers that must be alive at a replay -> the operation that reads them
        self._programs_before = device.num_program_cache_entries()
        self.checked_at = clock  # allocations up to here are known not to lie in the trace's memory
        self.ranges: list[tuple] = []
        self.victims: dict[Buffer, str] = {}  # tensors allocated after the capture where this writes -> what to say

    def check_thread(self, name: str) -> None:
        """Refuse the call of another thread, which would become part of the trace."""
        if threading.get_ident() != self._thread:
            raise TraceError(f"{name}: another thread is capturing a trace; call it before the capture or after it")

    def add(self, step: Step, device: ttnn.MeshDevice) -> None:
        if device.num_program_cache_entries() > self._programs_before:
            raise TraceError(
                f"{step.name}: this program was never run before, and a card cannot load it inside a trace capture; "
                "run the same operations once before the capture"
            )
        for slot in step.inputs:
            if slot.buffer not in self.writes:
                self.reads.setdefault(slot.buffer, step.name)
        for slot in step.results:
            self.writes.setdefault(slot.buffer, step.name)
        step.held_l1 = held_l1(device)
        step.mark_captured()
        self.steps.append(step)

    def finish(self, clock: int) -> None:
        self.checked_at = clock
        self.ranges = sorted(
            (buffer.key[1].value, buffer.key[2], buffer.key[2] + buffer.bank_bytes, name)
            for buffer, name in self.writes.items()
        )

    def writer_of(self, buffer: Buffer) -> str | None:
        """Return the operation of this trace that writes into the memory of a foreign `buffer`, or None."""
        start, end = buffer.key[2], buffer.key[2] + buffer.bank_bytes
        at = bisect.bisect_left(self.ranges, (buffer.key[1].value, end))
        for kind, _, last, name in reversed(self.ranges[:at]):
            if kind != buffer.key[1].value:
                break
            if last > start:
                return name
        return None


@dataclass(frozen=True)
class Event:
    """The result of `record_event`. The emulated queues run in order, so an event is always reached."""

    cq_id: int


class Traces:
    """Has the functions that take the place of `ttnn.begin_trace_capture` and its family."""

    def __init__(self, emulated: EmulatedDevice):
        self._emulated = emulated
        self._traces: dict[ttnn.MeshTraceId, Trace] = {}
        self._count = 0

    def begin_trace_capture(self, mesh_device: ttnn.MeshDevice, *, cq_id: int | None = None) -> ttnn.MeshTraceId:
        if self._emulated.capture is not None:
            raise TraceError("ttnn.begin_trace_capture: a capture is under way; end it first")
        self._count += 1
        number = ttnn.MeshTraceId(self._count)
        self._emulated.capture = Trace(number, mesh_device, self._emulated.memory.births)
        return number

    def end_trace_capture(
        self, mesh_device: ttnn.MeshDevice, trace_id: ttnn.MeshTraceId, *, cq_id: int | None = None
    ) -> None:
        trace = self._emulated.capture
        if trace is None or trace.number != trace_id:
            raise TraceError("ttnn.end_trace_capture: this trace is not being captured; begin it first")
        trace.finish(self._emulated.memory.births)
        self._traces[trace.number] = trace
        self._emulated.capture = None

    def execute_trace(
        self,
        mesh_device: ttnn.MeshDevice,
        trace_id: ttnn.MeshTraceId,
        *,
        cq_id: int | None = None,
        blocking: bool = True,
    ) -> None:
        if self._emulated.capture is not None:
            raise TraceError("ttnn.execute_trace: a capture is under way; end it first")
        trace = self._find(trace_id, "ttnn.execute_trace")
        self._check_memory(trace)
        recorder = self._emulated.recorder
        for step in trace.steps:
            self._emulated.run(step)
            if recorder is not None:
                recorder.replayed(step, mesh_device)

    def is_trace_capture_active(self, mesh_device: ttnn.MeshDevice) -> bool:
        capture = self._emulated.capture
        return capture is not None and capture.device_id == mesh_device.id()

    def release_trace(self, mesh_device: ttnn.MeshDevice, trace_id: ttnn.MeshTraceId) -> None:
        del self._traces[self._find(trace_id, "ttnn.release_trace").number]

    def close(self, device_id: int) -> None:
        """Forget a closed device's traces, and a capture that an error left open."""
        self._traces = {n: t for n, t in self._traces.items() if t.device_id != device_id}
        capture = self._emulated.capture
        if capture is not None and capture.device_id == device_id:
            self._emulated.capture = None

    def _find(self, trace_id: ttnn.MeshTraceId, caller: str) -> Trace:
        trace = self._traces.get(trace_id)
        if trace is not None:
            return trace
        raise TraceError(f"{caller}: there is no such trace; it was released, or its device was closed")

    def _check_memory(self, trace: Trace) -> None:
        """Report who wrote into the trace's memory, and mark what the replay is about to overwrite."""
        memory = self._emulated.memory
        if memory.births != trace.checked_at:  # something was allocated since the last replay
            for buffer, name in trace.reads.items():
                if not memory.holds(buffer):
                    raise MemoryFault(
                        f"ttnn.execute_trace: {name} reads {buffer.describe()}, which was freed after the capture; "
                        "its address now holds another tensor; keep a trace's inputs alive"
                    )
            for buffer in memory.born_after(trace.checked_at, trace.device_id):
                name = None if buffer in trace.writes else trace.writer_of(buffer)
                if name:
                    trace.victims[buffer] = (
                        f"it was allocated after a trace was captured, where {name} of that trace writes, and a "
                        "replay overwrote it; allocate it before the capture"
                    )
            trace.victims = {buffer: reason for buffer, reason in trace.victims.items() if memory.holds(buffer)}
            trace.checked_at = memory.births
        for buffer, reason in trace.victims.items():
            buffer.lost = reason


def record_event(mesh_device: ttnn.MeshDevice, cq_id: int = 0, *_, **__) -> Event:
    return Event(int(cq_id))


def wait_for_event(cq_id: int, mesh_event: Event) -> None:
    """Queues run in order here: everything recorded has happened."""


def event_synchronize(mesh_event: Event) -> None:
    """Queues run in order here: everything recorded has happened."""
