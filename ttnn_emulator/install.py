# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Putting the emulated device where the library looks for a card."""

import atexit
import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ttnn_emulator.boards import DEFAULT_BOARD, Board, find_board
from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.toolchain import prepare, restore

TTNN_VERSION = "0.81.1"
# methods that only tell dispatch cores something, and crash where there are none: values do not depend on them
_DISPATCH_SETTINGS = (
    "load_sub_device_manager",
    "clear_loaded_sub_device_manager",
    "set_sub_device_stall_group",
    "reset_sub_device_stall_group",
    "quiesce_devices",
)
_installed: Board | None = None
_emulated = None


def hardware() -> str | None:
    """What the library would run on without the emulated device: "card", "simulator", or None."""
    if os.environ.get("TT_METAL_SIMULATOR"):
        return "simulator"
    return "card" if any(Path("/dev/tenstorrent").glob("*")) else None


def install(board: str | None = None, verbose: bool = False) -> str:
    """Make `ttnn.open_device()` open the emulated `board` in this process, and return what programs will run on.

    `board` defaults to `$TTNN_EMULATOR_BOARD`, else n150. A real card or `TT_METAL_SIMULATOR` always wins: then nothing
    is changed and "card" or "simulator" is returned. Call it before the first device is opened; one process has one
    board. `verbose` leaves the library's own log on.
    """
    global _installed, _emulated
    real = hardware()
    if real:
        return real
    wanted = find_board(
        board or (_installed.name if _installed else os.environ.get("TTNN_EMULATOR_BOARD") or DEFAULT_BOARD)
    )
    if _installed is not None:
        if wanted is not _installed:
            raise EmulatorError(
                f"this process already emulates {_installed.name}; the library reads its cluster once, "
                f"so start another process for {wanted.name}"
            )
        return "emulated"
    os.environ.setdefault("HOME", os.path.expanduser("~"))  # without one the library ends the process
    wheel = _wheel()
    os.environ.update(prepare(wanted, wheel))
    _tune_for_many_small_operations()
    if not verbose:
        _quieten()
    import ttnn

    if ttnn.CONFIG.enable_comparison_mode or not ttnn.CONFIG.enable_fast_runtime_mode:
        raise EmulatorError("the emulated device needs ttnn's fast runtime mode; unset TTNN_CONFIG_OVERRIDES")
    _emulated = _patch(ttnn, wanted, restore=lambda: restore(wanted, wheel))
    _installed = wanted
    atexit.register(_close_devices)
    return "emulated"


def emulated_device():
    """The emulation's state, or a clear error before `install`."""
    if _emulated is None:
        raise EmulatorError("the emulated device is not installed; call ttnn_emulator.install() first")
    return _emulated


def installed_board() -> Board | None:
    """The board this process emulates, or None."""
    return _installed


def _wheel() -> Path:
    """Where ttnn is installed, after checking that it is the version whose behaviour is emulated."""
    spec = importlib.util.find_spec("ttnn")
    if spec is None:
        raise EmulatorError(f"ttnn is not installed; `pip install ttnn=={TTNN_VERSION}` (Python 3.10 or 3.12)")
    version = importlib.metadata.version("ttnn")
    if version != TTNN_VERSION:
        raise EmulatorError(f"ttnn {version} is installed; the emulated device needs ttnn=={TTNN_VERSION}")
    return Path(spec.origin).parent


def _tune_for_many_small_operations() -> None:
    """Settings of the C libraries under torch that make a long row of small operations several times faster.

    Threads that spin between operations starve each other on a busy machine, and memory given back to the system after
    every large temporary has to be fetched again.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # read when torch is first imported
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        mmap_threshold, trim_threshold = -3, -1
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def _quieten() -> None:
    """Leave the terminal to the program: no library log, no C++ backtraces in errors, no leak report at exit."""
    os.environ.setdefault("TT_LOGGER_LEVEL", "off")
    os.environ.setdefault("TT_METAL_DISABLE_BACKTRACE", "1")
    import loguru  # comes with ttnn

    loguru.logger.remove()
    if sys.stderr is None:  # closed by who started the process
        return
    loguru.logger.add(sys.stderr, filter={"ttnn": "WARNING"})  # the program's own lines stay
    # registered first, so it runs last: what follows is only the bindings' report of objects alive at exit
    atexit.register(lambda: (sys.stderr.flush(), os.dup2(os.open(os.devnull, os.O_WRONLY), 2)))


def _patch(ttnn, board: Board, restore: Callable[[], bool]):
    from ttnn_emulator import trace
    from ttnn_emulator.constructor import replace_constructor
    from ttnn_emulator.device import EmulatedDevice
    from ttnn_emulator.transfers import Transfers
    from ttnn_emulator.unused_chips import leave_them_alone
    from ttnn_emulator.values import load_all

    load_all()
    if board.chips > 1:
        leave_them_alone(Path(ttnn.__file__).parent)
    operation = ttnn.decorators.FastOperation
    emulated = EmulatedDevice(_with_files(operation.__call__, restore))
    in_turn = emulated.in_turn
    operation.__call__ = in_turn(lambda self, *args, **kwargs: emulated.call(self, args, kwargs))

    transfers = Transfers(emulated)
    replace_constructor(ttnn.Tensor, in_turn(transfers.constructor(ttnn.Tensor.__init__)))
    ttnn.Tensor.cpu = in_turn(lambda self, blocking=True, cq_id=None: transfers.from_device(None, self))
    ttnn.Tensor.to = in_turn(transfers.moving_method(ttnn.Tensor.to))
    ttnn.Tensor.reshape = in_turn(transfers.reshaping_method(ttnn.Tensor.reshape))
    for name in ("to_list", "item", "to_numpy", "to_torch"):
        setattr(ttnn.Tensor, name, in_turn(transfers.reading_method(getattr(ttnn.Tensor, name))))
    ttnn.Tensor.__repr__ = in_turn(transfers.printing_method(ttnn.Tensor.__repr__))
    padded = transfers.padded_method(ttnn.Tensor.to_torch_with_padded_shape)
    ttnn.Tensor.to_torch_with_padded_shape = in_turn(padded)

    for name in _DISPATCH_SETTINGS:
        setattr(ttnn.MeshDevice, name, lambda self, *_: None)

    files = ttnn._ttnn.tensor  # what as_tensor, load_tensor and dump_tensor call
    files.load_tensor_flatbuffer = in_turn(transfers.loading(files.load_tensor_flatbuffer))
    files.dump_tensor_flatbuffer = in_turn(transfers.dumping(files.dump_tensor_flatbuffer))

    traces = trace.Traces(emulated)
    for name in ("begin_trace_capture", "end_trace_capture", "execute_trace", "release_trace"):
        setattr(ttnn, name, in_turn(getattr(traces, name)))
    for name in ("record_event", "wait_for_event", "event_synchronize"):
        setattr(ttnn, name, getattr(trace, name))

    graph = ttnn.graph
    graph.begin_graph_capture = in_turn(emulated.graphs.beginning(graph.begin_graph_capture))
    for name in ("end_graph_capture", "end_graph_capture_to_file"):
        setattr(graph, name, in_turn(emulated.graphs.ending(getattr(graph, name))))

    emulated.devices.on_close = [emulated.memory.close, traces.close]
    ttnn.set_fabric_config = emulated.devices.set_fabric_config
    for opener, closer in (
        ("open_device", "close_device"),
        ("CreateDevice", "CloseDevice"),
        ("open_mesh_device", "close_mesh_device"),
    ):
        library_close = getattr(ttnn, closer)
        library_open = _with_files(getattr(ttnn, opener), restore)
        setattr(ttnn, opener, in_turn(emulated.devices.opening(library_open, library_close, board)))
        setattr(ttnn, closer, in_turn(emulated.devices.closing(library_close)))
    return emulated


def _with_files(library_call: Callable, restore: Callable[[], bool]) -> Callable:
    """A library function that is called again if it failed because its files were deleted under the process."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return library_call(*args, **kwargs)
        except RuntimeError:
            if not restore():
                raise
        return library_call(*args, **kwargs)

    return call


def _close_devices() -> None:
    """Close what the program left open, so that the library shuts down in order."""
    _emulated.devices.close_all()
