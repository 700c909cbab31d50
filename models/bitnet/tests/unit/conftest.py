# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The unit tests of a file use one open device, so that its program cache serves them all."""

import pytest

import ttnn


@pytest.fixture
def device(open_device: ttnn.MeshDevice) -> ttnn.MeshDevice:
    return open_device
