# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A tensor of a call: the memory behind it, and how the call sees that memory."""

import ttnn
from ttnn_emulator.device.memory import Buffer, chips_of, unwritten
from ttnn_emulator.library.private import shape_of


class Slot:
    """A tensor argument or result: a buffer seen with a shape and dtype."""

    __slots__ = ("buffer", "shape", "dtype", "size", "sharded", "chips")

    def __init__(self, buffer: Buffer, tensor: ttnn.Tensor):
        self.buffer, self.shape, self.dtype = buffer, shape_of(tensor), tensor.dtype
        self.size = tensor.buffer_num_pages() * tensor.buffer_page_size()  # bytes a chip
        self.sharded = tensor.is_sharded()
        self.chips = chips_of(tensor)

    def leave_unwritten(self) -> None:
        """Let the memory read as before anything was written."""
        self.buffer.write(self.chips, [unwritten(self.dtype, self.shape)] * len(self.chips), self.shape, self.dtype)
