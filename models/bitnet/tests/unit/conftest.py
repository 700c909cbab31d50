# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The unit tests of a file use one open device, whose program cache serves all of them."""

import ctypes

import pytest

import ttnn

# ttnn's library tells malloc to keep freed memory. Here freed blocks of 1 MB and more, such as weights, go back to the
# system, so that a test does not add to the memory of the tests before it.
_M_MMAP_THRESHOLD = -3  # of <malloc.h>
ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


@pytest.fixture
def device(open_device: ttnn.MeshDevice) -> ttnn.MeshDevice:
    """The open device of the file. A test that needs `device_params` takes the fixture `mesh_device`."""
    return open_device
