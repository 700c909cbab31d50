# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Functions of the library that carry values past every operation, and are not emulated.

On the mock cluster they would read zeros, or write into nothing. Each is replaced by a function that raises an error.
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import ttnn
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.library import private

# a module, and names in it
_NAMES: dict[ModuleType, str] = {
    ttnn: "rgb_to_yuv H2DSocket D2HSocket H2DStreamService D2HStreamService D2DStreamService",
    ttnn.experimental: "rgb_to_yuv",
    ttnn.experimental.disaggregation: "read_dram_umd",
    ttnn.cluster: "read_from_core read_reg write_to_core write_to_core_immediate",
    private.files: "experimental_to_single_device load_overlapped_tensors dump_overlapped_tensors",
}


def refusals() -> Iterator[tuple[ModuleType, str, Callable]]:
    """Yield each function's module and name, and what takes its place."""
    for module, names in _NAMES.items():
        for name in names.split():
            yield module, name, _refusal(f"{module.__name__}.{name}".replace("._ttnn", ""))


def _refusal(name: str) -> Callable:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise UnsupportedOperation(
            f"{name} moves values without an operation, and is not emulated; "
            "use ttnn.to_device, ttnn.from_device or ttnn.copy_host_to_device_tensor"
        )

    return refuse
