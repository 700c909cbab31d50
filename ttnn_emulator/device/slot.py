# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A tensor of a call: the memory behind it, and how the call sees that memory."""

import ttnn
from ttnn_emulator.device.memory import Buffer, chips_of, unwritten
from ttnn_emulator.library.private import shape_of


def shard_of(tensor: ttnn.Tensor) -> tuple[int, ...]:
    """Return the shape of a sharded tensor's shards."""
    config = tensor.memory_config()
    spec = config.shard_spec
    return tuple(config.nd_shard_spec.shard_shape if spec is None else spec.shape)


class Slot:
    """A tensor argument or result: a buffer seen with a shape and dtype."""

    __slots__ = ("buffer", "shape", "dtype", "size", "shard", "chips")

    def __init__(self, buffer: Buffer, tensor: ttnn.Tensor):
        self.buffer, self.shape, self.dtype = buffer, shape_of(tensor), tensor.dtype
        self.size = tensor.buffer_num_pages() * tensor.buffer_page_size()  # bytes a chip
        self.shard = shard_of(tensor) if tensor.is_sharded() else None
        self.chips = chips_of(tensor)

    def leave_unwritten(self) -> None:
        """Let the memory read as before anything was written."""
        self.buffer.write(self.chips, [unwritten(self.dtype, self.shape)] * len(self.chips), self.shape, self.dtype)
