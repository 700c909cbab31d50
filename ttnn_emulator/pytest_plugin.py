# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: tests that import ttnn run on the emulated device, unless there is a card or a simulator.

pytest loads the plugin wherever the package is installed. `-p no:ttnn_emulator.pytest_plugin` leaves it out. The
fixtures have the names of tt-metal's. A repository's own fixtures of the same names come before them.
"""

import argparse
import os
import random
from collections.abc import Iterator

import pytest

from ttnn_emulator.at_import import install_at_import
from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.install import hardware
from ttnn_emulator.library.boards import BOARDS, DEFAULT_BOARD, Board, find_board

_BOARD = "TTNN_EMULATOR_BOARD"  # xdist's workers, and programs that a test starts, inherit the choice

# With this marker tt-metal opens one device for all tests of a module. Here each test has its own.
_MODULE_DEVICE = "use_module_device"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("ttnn").addoption(
        "--ttnn-board",
        metavar="BOARD",
        help=f"emulate this board, one of {', '.join(BOARDS)} (default: ${_BOARD}, else {DEFAULT_BOARD})",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Come before any conftest imports ttnn."""
    _emulate(early_config.known_args_namespace)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Come also where the plugin is loaded late: by a conftest's `pytest_plugins`, or by `-p` in xdist's workers."""
    _emulate(config.option)
    config.addinivalue_line("markers", f"{_MODULE_DEVICE}(device_params): tt-metal's; here it sets `device_params`")


def _emulate(options: argparse.Namespace) -> None:
    if hardware():
        return
    if options.ttnn_board:
        os.environ[_BOARD] = options.ttnn_board
    try:
        _board()
        install_at_import(verbose=options.verbose >= 2)
    except EmulatorError as error:
        raise pytest.UsageError(str(error)) from None


def _board() -> Board:
    return find_board(os.environ.get(_BOARD) or DEFAULT_BOARD)


def pytest_report_header() -> str | None:
    return None if hardware() else f"ttnn: runs on an emulated {_board().name}"


@pytest.fixture
def device_params(request: pytest.FixtureRequest) -> dict:
    """The arguments of `open_device`, set by `@pytest.mark.parametrize("device_params", [...], indirect=True)`.

    `@pytest.mark.use_module_device(...)` sets them too.
    """
    marker = request.node.get_closest_marker(_MODULE_DEVICE)
    if hasattr(request, "param"):
        return request.param
    if marker is None:
        return {}
    return marker.args[0] if marker.args else marker.kwargs.get("device_params", {})


@pytest.fixture
def device(device_params: dict) -> Iterator:
    """One open device, closed after the test."""
    import ttnn

    opened = ttnn.open_device(device_id=0, **device_params)
    yield opened
    ttnn.close_device(opened)


@pytest.fixture
def mesh_device(request: pytest.FixtureRequest, device_params: dict) -> Iterator:
    """A mesh of the shape, or with the number of chips in a row, that indirect parametrization gives (default: all).

    `fabric_config` among the `device_params` connects the chips, as in tt-metal.
    """
    import ttnn

    wanted = getattr(request, "param", None) or ttnn.get_num_devices()
    shape = (1, wanted) if isinstance(wanted, int) else tuple(wanted)
    if shape[0] * shape[1] > ttnn.get_num_devices():
        pytest.skip(f"the mesh {shape} needs more chips than the {ttnn.get_num_devices()} there are")
    arguments = dict(device_params)
    fabric = arguments.pop("fabric_config", None)
    if fabric is not None:
        ttnn.set_fabric_config(fabric)
    opened = ttnn.open_mesh_device(ttnn.MeshShape(*shape), **arguments)
    yield opened
    ttnn.close_mesh_device(opened)
    if fabric is not None:
        ttnn.set_fabric_config(ttnn.FabricConfig.DISABLED)


@pytest.fixture
def reset_seeds() -> None:
    """Seed all random generators, so that every run has the same random numbers."""
    import numpy
    import torch

    torch.manual_seed(213919)
    numpy.random.seed(213919)
    random.seed(213919)
