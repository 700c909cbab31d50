# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Opens rows of chips for the tests of a tensor parallel model, one row at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import ttnn
from models.bitnet.tests import shipped

TRACES = "TT_METAL_SLOW_DISPATCH_MODE" not in os.environ  # slow dispatch has no traces


@contextmanager
def row_of(chips: int, rows: int = 1) -> Iterator[ttnn.MeshDevice]:
    """Open a mesh of `rows` rows of `chips` chips, with links between the chips."""
    if rows * chips > ttnn.get_num_devices():
        pytest.skip(f"needs {rows * chips} chips; there are {ttnn.get_num_devices()}")
    ttnn.set_fabric_config(ttnn.FabricConfig.FABRIC_1D if rows * chips > 1 else ttnn.FabricConfig.DISABLED)
    device = ttnn.open_mesh_device(ttnn.MeshShape(rows, chips), trace_region_size=shipped.TRACE_REGION)
    try:
        yield device
    finally:
        for part in device.get_submeshes():
            ttnn.close_mesh_device(part)
        ttnn.close_mesh_device(device)
        ttnn.set_fabric_config(ttnn.FabricConfig.DISABLED)
