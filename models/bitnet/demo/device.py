# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Opens the device: a card, the simulator, or the emulated device if there is neither."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bitnet.demo import command

_TRACE_REGION = 64 << 20  # bytes of DRAM for captured decode steps

# Bytes of a core's L1 that hold the kernels of programs. Decode attention's are about 50 kB, those of the fused program
# behind it 44, or 47 with a silu gate and without sub-norms. With room for both the dispatcher brings one while the
# other runs. The library's own choice is 69 kB.
_KERNELS = 120 << 10


@dataclass(frozen=True)
class OpenDevice:
    """An open device with its kind and a description for messages."""

    device: Any
    kind: str  # "card", "simulator" or "emulated"
    description: str

    def counting(self) -> contextlib.AbstractContextManager:
        """Inside this block programs are only counted: the emulated device computes nothing. A card runs them."""
        if self.kind != "emulated":
            return contextlib.nullcontext()
        import ttnn_emulator

        return ttnn_emulator.without_values()


@contextlib.contextmanager
def open_device(board: str | None = None, chips: int = 1) -> Iterator[OpenDevice]:
    """Open `chips` chips as a mesh of one row.

    `board` is the board to emulate if there is neither a card nor a simulator.
    """
    kind, name = _prepare(board)
    import ttnn

    there = ttnn.get_num_devices()
    if chips > there:
        raise SystemExit(
            f"{command.name()}: {chips} chips are asked for, and there {'is' if there == 1 else 'are'} {there}"
        )
    if chips > 1:
        # the links between chips must be set up before the chips are opened
        ttnn.set_fabric_config(ttnn.FabricConfig.FABRIC_1D)
    device = ttnn.open_mesh_device(
        ttnn.MeshShape(1, chips),
        trace_region_size=_TRACE_REGION,
        worker_l1_size=ttnn.get_max_worker_l1_unreserved_size() - _KERNELS,
    )
    architecture = str(device.arch()).rsplit(".", 1)[-1].lower()
    count = f", {chips} chips" if chips > 1 else ""
    try:
        yield OpenDevice(device, kind, f"{kind} {name or architecture}{count}")
    finally:
        ttnn.close_mesh_device(device)
        if chips > 1:
            ttnn.set_fabric_config(ttnn.FabricConfig.DISABLED)


def _prepare(board: str | None) -> tuple[str, str]:
    if os.environ.get("TT_METAL_SIMULATOR"):
        return "simulator", ""
    if any(Path("/dev/tenstorrent").glob("*")):
        return "card", ""
    try:
        import ttnn_emulator
    except ModuleNotFoundError:
        raise SystemExit(
            "no Tenstorrent card (/dev/tenstorrent), no simulator (TT_METAL_SIMULATOR), and the package ttnn_emulator, "
            "which emulates one, is not installed"
        ) from None
    try:
        ttnn_emulator.install(board)
    except ttnn_emulator.EmulatorError as error:
        raise SystemExit(f"{command.name()}: {error}") from None
    return "emulated", ttnn_emulator.installed_board().name
