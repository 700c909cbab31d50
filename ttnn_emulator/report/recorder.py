# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a program asked of the device: its programs in order, its host transfers, its memory.

The programs come from the library's own graph of each call (what it built and enqueued on the mock cluster); a trace
remembers those of its capture, so that a replay is counted too. Nothing here is a time on a card: host time is this
machine's, per call of the library. modelled.py models a program's time on a card.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import ttnn
from ttnn_emulator.device.step import Step
from ttnn_emulator.library.private import buffers_of, device_info_of, held_l1, memory_view
from ttnn_emulator.library.programs import Program
from ttnn_emulator.library.source_line import source_line
from ttnn_emulator.report import traffic
from ttnn_emulator.report.modelled import Chip


@dataclass
class Transfer:
    """One copy between host and device."""

    direction: str  # "to device" or "to host"
    bytes: int
    shape: tuple[int, ...]
    dtype: str
    source: str  # the file and line of the user's program
    programs_before: int  # how many programs of the record came before it


@dataclass
class Recorder:
    """The record of one `with ttnn_emulator.record()` block."""

    programs: list[Program] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    library_calls: int = 0
    operations: Counter = field(default_factory=Counter)  # how often each operation was run
    peak_l1_per_core: int | None = 0  # None where the circular buffers of a program are not known
    peak_dram: int = 0
    chip: Chip | None = None  # of the first device that the block used
    keeps_buffers: bool = False
    buffers: list[list[tuple]] = field(default_factory=list)  # of each program, if kept: all allocations when it ran
    device_info: dict[str, int] | None = None  # what the library says of the first device's memory, if buffers are kept

    def operation(self, step: Step, host_us: float, device: ttnn.MeshDevice) -> None:
        """Count an operation that was run."""
        self.library_calls += 1
        self.operations[step.name] += 1
        self._add(step, host_us, device, 0)

    def replayed(self, step: Step, device: ttnn.MeshDevice) -> None:
        """Count an operation that a replay ran. The library was not called for it."""
        self.operations[step.name] += 1
        self._add(step, 0.0, device, step.held_l1)

    def converted(self, programs: list[Program], tensor: ttnn.Tensor | None) -> None:
        """Count the programs by which the library converts a tensor on its way to the device or from it."""
        held = 0 if tensor is None else held_l1(tensor.device())
        self.programs += [replace(program, held_l1=held) for program in programs]
        self._keep_buffers(None if tensor is None else tensor.device(), len(programs))

    def compared(self, begin: int, pcc: float, largest_error: float | None) -> None:
        """Note how a result of an operation, whose programs are those from `begin` on, compares with the golden one."""
        for index in range(begin, len(self.programs)):
            program = self.programs[index]
            pccs = [value for value in (program.pcc, pcc) if value is not None]
            errors = [value for value in (program.largest_error, largest_error) if value is not None]
            self.programs[index] = replace(program, pcc=min(pccs), largest_error=max(errors, default=None))

    def transfer(self, direction: str, size: int, tensor: ttnn.Tensor) -> None:
        name = str(tensor.dtype).rsplit(".", 1)[-1].lower()
        self._see(tensor.device())
        before = len(self.programs)
        self.transfers.append(Transfer(direction, size, tuple(tensor.shape), name, source_line(), before))

    def _see(self, device: ttnn.MeshDevice) -> None:
        if self.chip is None:
            self.chip = Chip.of(device, memory_view(device, ttnn.BufferType.L1).total_bytes_per_bank)
            if self.keeps_buffers:
                info = device_info_of(device)
                self.device_info = {name: getattr(info, name) for name in dir(info) if not name.startswith("_")}

    def _keep_buffers(self, device: ttnn.MeshDevice | None, programs: int) -> None:
        if self.keeps_buffers and programs:
            found = [] if device is None else buffers_of(device)
            held = [(b.address, b.max_size_per_bank, b.buffer_type.value, b.buffer_layout.value) for b in found]
            self.buffers += [held] * programs

    def _add(self, step: Step, host_us: float, device: ttnn.MeshDevice, held_at_capture: int) -> None:
        self._see(device)
        held = max(held_l1(device), held_at_capture)
        self._measure_memory(device, step.programs, held)
        self._keep_buffers(device, len(step.programs))
        moved = traffic.of(step)
        for index, program in enumerate(step.programs):
            # The operation's own rule for what it touches holds for its first program, which does the work.
            changes = asdict(moved) if moved is not None and index == 0 else {}
            host = host_us / len(step.programs)
            self.programs.append(replace(program, host_us=host, held_l1=held, **changes))

    def _measure_memory(self, device: ttnn.MeshDevice, programs: list[Program], held: int) -> None:
        buffers = [program.circular_buffer_bytes for program in programs]
        if None in buffers or self.peak_l1_per_core is None:
            self.peak_l1_per_core = None
        else:
            self.peak_l1_per_core = max(self.peak_l1_per_core, held + max(buffers, default=0))
        dram = memory_view(device, ttnn.BufferType.DRAM)
        self.peak_dram = max(self.peak_dram, dram.total_bytes_allocated_per_bank * dram.num_banks)

    @property
    def uploaded_bytes(self) -> int:
        return sum(t.bytes for t in self.transfers if t.direction == "to device")

    @property
    def downloaded_bytes(self) -> int:
        return sum(t.bytes for t in self.transfers if t.direction == "to host")

    def total(self, name: str) -> float:
        """Return the sum of one numeric field over all programs, such as `dram_read`."""
        return sum(getattr(program, name) for program in self.programs)

    def summary(self) -> str:
        """Return a table of programs by kind, and what the block moved."""
        count = Counter(program.name for program in self.programs)
        rows = [("program", "count", "DRAM read", "DRAM written", "MFLOP", "host us")]
        for name, times in count.most_common():
            of_name = [p for p in self.programs if p.name == name]
            rows.append(
                (
                    name.removesuffix("DeviceOperation"),
                    str(times),
                    _bytes(sum(p.dram_read for p in of_name)),
                    _bytes(sum(p.dram_written for p in of_name)),
                    f"{sum(p.flops for p in of_name) / 1e6:.1f}",
                    f"{sum(p.host_us for p in of_name):.0f}",
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))
            )
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        peak = "unknown" if self.peak_l1_per_core is None else _bytes(self.peak_l1_per_core)
        lines.append(
            f"{_count(self.programs, 'program')}, {_count(self.transfers, 'host transfer')}: "
            f"{_bytes(self.uploaded_bytes)} up, {_bytes(self.downloaded_bytes)} down; "
            f"{_bytes(self.total('dram_read'))} read from DRAM; "
            f"peak L1 {peak} a core, DRAM {_bytes(self.peak_dram)}"
        )
        return "\n".join(lines)

    def to_json(self) -> str:
        return json.dumps(
            {
                "programs": [asdict(program) for program in self.programs],
                "transfers": [asdict(transfer) for transfer in self.transfers],
                "uploaded_bytes": self.uploaded_bytes,
                "downloaded_bytes": self.downloaded_bytes,
                "library_calls": self.library_calls,
                "peak_l1_per_core": self.peak_l1_per_core,
                "peak_dram": self.peak_dram,
            }
        )


@contextlib.contextmanager
def record(keeps_buffers: bool = False) -> Iterator[Recorder]:
    """Record what the block asks of the emulated device."""
    from ttnn_emulator.install import emulated_device

    with emulated_device().recording(Recorder(keeps_buffers=keeps_buffers)) as recorder:
        yield recorder


def _count(things: list, name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1000
    return ""
