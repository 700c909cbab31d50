# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The DRAM of a device, as the library's allocator knows it."""

from typing import Any

import ttnn


def dram_in_use(device: ttnn.MeshDevice) -> int:
    """The bytes of DRAM that tensors take."""
    view = _view(device)
    return view.num_banks * view.total_bytes_allocated_per_bank


def dram_of_board(device: ttnn.MeshDevice) -> int:
    """The bytes of DRAM that tensors can take. The region of traces is not among them."""
    view = _view(device)
    return view.num_banks * view.total_bytes_per_bank


def stored_bytes(tensor: ttnn.Tensor) -> int:
    """The bytes of DRAM that the pages of a tensor take."""
    return tensor.buffer_num_pages() * tensor.buffer_aligned_page_size()


def _view(device: ttnn.MeshDevice) -> Any:
    return ttnn.get_memory_view(device, ttnn.BufferType.DRAM)
