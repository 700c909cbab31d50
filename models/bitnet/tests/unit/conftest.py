# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The unit tests of a file use one open device, whose program cache serves all of them."""

import pytest

import ttnn


@pytest.fixture
def device(open_device: ttnn.MeshDevice) -> ttnn.MeshDevice:
    """The open device of the file. A test that needs `device_params` takes the fixture `mesh_device`."""
    return open_device
