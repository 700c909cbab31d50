# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Prints a description of the device and its host as one line of JSON: `python -m card_report.about`."""

import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from card_report.running import ROOT
from models.bitnet.demo.device import open_device


def about(opened: Any) -> dict[str, str]:
    import ttnn

    device = opened.device
    cores, banks = device.compute_with_storage_grid_size(), device.dram_grid_size().x
    return {
        "board": ttnn.cluster.get_cluster_type().name.lower(),
        "architecture": str(device.arch()).rsplit(".", 1)[-1].lower(),
        "chip": f"{cores.x}x{cores.y} cores, {banks} DRAM banks",
        "ttnn": importlib.metadata.version("ttnn"),
        "driver": _first_line("/sys/module/tenstorrent/version"),
        "host": f"{_processor()}, {os.cpu_count()} threads",
        "Python": platform.python_version(),
        "commit": _commit(),
    }


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().splitlines()[0]
    except (OSError, IndexError):
        return ""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    try:
        return subprocess.run(
            ["git", "--no-optional-locks", "describe", "--always", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    with open_device() as here:
        print(json.dumps(about(here)))
