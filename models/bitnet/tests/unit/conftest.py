# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The unit tests of a file use one open device, whose program cache serves all of them."""

from collections.abc import Iterator

import pytest

import ttnn


@pytest.fixture
def device(device_params: dict, request: pytest.FixtureRequest) -> Iterator[ttnn.MeshDevice]:
    """The open device of the file. A test with `device_params` needs a file of its own, and has a device of its own."""
    if not device_params:
        yield request.getfixturevalue("open_device")
        return
    opened = ttnn.open_device(device_id=0, **device_params)
    yield opened
    ttnn.close_device(opened)
