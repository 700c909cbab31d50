# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module runs cases and keeps what they return. Each group has its own process, so an abort loses one group."""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ttnn_emulator.install import hardware, install, installed_board

_KEPT_LINES = 12  # of what a process said before it died


class Ledger:
    """Holds tensors by "case" or "case#n", and for each case its seed, its inputs' hash and what went wrong."""

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.cases: dict[str, dict] = {}
        self.device: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        ledger = cls()
        with safe_open(path, "pt") as file:
            ledger.tensors = {key: file.get_tensor(key) for key in file.keys()}
            metadata = file.metadata()
        ledger.cases, ledger.device = json.loads(metadata["cases"]), json.loads(metadata["device"])
        if "others" in metadata:
            others = cls.read(path.with_name(metadata["others"]))
            shared = {key: value for key, value in others.tensors.items() if key.split("#")[0] in ledger.cases}
            ledger.tensors = shared | ledger.tensors
        return ledger

    @classmethod
    def read_or_new(cls, path: Path) -> "Ledger":
        """Return the record in `path`, or an empty one if there is no such file."""
        return cls.read(path) if path.exists() else cls()

    def write(self, path: Path, others: Path | None = None) -> None:
        """`others`: a record beside `path` that holds the outputs which both have; they are left out here."""
        metadata = {"cases": json.dumps(self.cases, indent=0), "device": json.dumps(self.device)}
        tensors = dict(sorted(self.tensors.items()))
        if others is not None:
            metadata["others"] = others.name
            same = Ledger.read(others).tensors
            tensors = {k: v for k, v in tensors.items() if k not in same or not _equal(v, same[k])}
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            save_file({key: value.contiguous() for key, value in tensors.items()}, unfinished, metadata)
            unfinished.replace(path)

    def forget(self, names: set[str]) -> None:
        self.cases = {name: entry for name, entry in self.cases.items() if name not in names}
        self.tensors = {key: value for key, value in self.tensors.items() if key.split("#")[0] not in names}

    def outputs(self, name: str) -> list[torch.Tensor]:
        keys = [name, *(f"{name}#{n}" for n in range(len(self.tensors)))]
        return [self.tensors[key] for key in keys if key in self.tensors]


def _equal(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Return whether two tensors have the same bits."""
    alike = first.shape == second.shape and first.dtype == second.dtype
    return alike and torch.equal(first.contiguous().view(torch.uint8), second.contiguous().view(torch.uint8))


def describe(device) -> dict[str, str]:
    import ttnn

    board = installed_board()
    return {
        "device": f"emulated {board.name}" if board else f"{hardware()} {ttnn.get_arch_name()}",
        "ttnn": importlib.metadata.version("ttnn"),
    }


def open_device():
    """Open the device that the cases run on. Convolutions and bilinear upsampling need a region of small buffers."""
    import ttnn

    return ttnn.open_device(device_id=0, l1_small_size=1 << 14)


def run_case(device, entry, ledger: Ledger) -> None:
    """Run one case. An exception becomes part of the record."""
    from ttnn_emulator.ledger.inputs import Inputs

    inputs = Inputs(device, entry.name)
    about: dict = {"seed": inputs.seed}
    ledger.forget({entry.name})
    try:
        result = entry.run(inputs)
        results = list(result) if isinstance(result, (list, tuple)) else [result]
        for number, tensor in enumerate(results):
            key = entry.name if len(results) == 1 else f"{entry.name}#{number}"
            ledger.tensors[key] = _compact(tensor)
    except Exception as error:  # whatever a device refuses belongs in the record
        about["failed"] = f"{type(error).__name__}: {_one_line(str(error))[:400]}"
    about["inputs"] = inputs.digest
    ledger.cases[entry.name] = about


def run_group(group: str, path: Path, only: list[str] | None = None) -> None:
    """The cases of one group, or those of `only`, into `path`, which is written after each."""
    install()
    import ttnn
    from ttnn_emulator.ledger.cases import load

    torch.set_num_threads(1)
    ledger = Ledger.read_or_new(path)
    device = open_device()
    ledger.device = describe(device)
    for entry in load().values():
        if entry.group == group and (only is None or entry.name in only):
            start = time.monotonic()
            run_case(device, entry, ledger)
            failed = ledger.cases[entry.name].get("failed")
            note = f"  FAILED {failed}" if failed else ""
            print(f"{entry.name}  {time.monotonic() - start:.1f} s{note}", file=sys.stderr, flush=True)
            ledger.write(path)
    ttnn.close_device(device)


def record(path: Path, only: list[str] | None = None, new: bool = False) -> int:
    """Every group, or those of `only`, into `path`, which keeps the others; with `new` only cases that it lacks.
    Returns how many cases failed."""
    install()
    from ttnn_emulator.ledger.cases import groups, load

    unknown = set(only or ()) - set(groups())
    if unknown:
        raise SystemExit(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(groups())}")
    ledger, installed = Ledger.read_or_new(path), importlib.metadata.version("ttnn")
    if ledger.device.get("ttnn", installed) != installed:
        raise SystemExit(f"{path} is of ttnn {ledger.device['ttnn']}, and {installed} is installed; give another file")
    ledger.forget(set(ledger.cases) - set(load()))
    failures = 0
    for group in only or groups():
        names = [name for name, entry in load().items() if entry.group == group and not (new and name in ledger.cases)]
        if not names:
            continue
        part = _record_group(group, names)
        ledger.forget(set(names))
        ledger.cases |= part.cases
        ledger.tensors |= part.tensors
        ledger.device = part.device or ledger.device
        ledger.write(path)
        failed = {name: about["failed"] for name, about in part.cases.items() if "failed" in about}
        failures += len(failed)
        for name, message in failed.items():
            print(f"failed: {name}: {message}")
    print(f"{len(ledger.cases)} cases in {path}, {path.stat().st_size / 1e6:.2f} MB, {failures} failed now")
    return failures


def _record_group(group: str, names: list[str]) -> Ledger:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "group.safetensors"
        if _spawn("group", group, str(path), "--case", *names) is None:
            return Ledger.read_or_new(path)
        for name in names:
            if name not in Ledger.read_or_new(path).cases:
                message = _spawn("group", group, str(path), "--case", name)
                part = Ledger.read_or_new(path)
                if message is not None and name not in part.cases:
                    part.cases[name] = {"failed": message}
                    part.write(path)
        return Ledger.read_or_new(path)


def _spawn(*arguments: str) -> str | None:
    """Return the last lines of a process that died, or None."""
    command = [sys.executable, "-m", "ttnn_emulator.ledger", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        sys.stderr.write(line)
        if "[0x" not in line:  # a frame of a backtrace
            said = [*said, line.strip()][-_KEPT_LINES:]
    status = process.wait()
    return None if status == 0 else f"process ended with {status}: {_one_line(' '.join(said))[-800:]}"


def _one_line(text: str) -> str:
    """Return a message without the backtrace that the library appends."""
    return " ".join(text.split("backtrace:")[0].split())


def _compact(tensor) -> torch.Tensor:
    import ttnn

    value = ttnn.to_torch(tensor)
    if tensor.dtype == ttnn.float32:
        return value.float()
    if value.is_floating_point():
        return value.bfloat16()  # holds every block float
    return value.to(torch.int32)
