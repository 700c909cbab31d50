# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module makes seeded operands. They depend on the case's name alone, so every device is given the same ones."""

import hashlib
import zlib

import torch

import ttnn

SHAPE = (32, 64)
_EXPONENTS = 10  # magnitudes from 2**-10 to 2**10


class Inputs:
    """Makes a case's operands on `device`, and keeps a hash of all that it made."""

    def __init__(self, device: ttnn.Device, name: str):
        self.device = device
        self.seed = zlib.crc32(name.encode())
        self._generator = torch.Generator().manual_seed(self.seed)
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:16]

    def put(
        self,
        value: torch.Tensor,
        dtype: ttnn.DataType = ttnn.bfloat16,
        layout: ttnn.Layout = ttnn.TILE_LAYOUT,
        memory: ttnn.MemoryConfig = ttnn.DRAM_MEMORY_CONFIG,
    ) -> ttnn.Tensor:
        value = value.contiguous()
        self._hash.update(value.view(torch.uint8).numpy().tobytes() if value.dim() else b"")
        return ttnn.from_torch(value, dtype=dtype, layout=layout, device=self.device, memory_config=memory)

    def numbers(self, shape: tuple[int, ...] = SHAPE, zeros: bool = True, positive: bool = False) -> torch.Tensor:
        """Return float32 numbers over 20 binades and both signs. One in 8 lies halfway between two bfloat16 numbers."""
        exponent = torch.rand(shape, generator=self._generator) * 2 * _EXPONENTS - _EXPONENTS
        value = exponent.exp2()
        ties = (value.view(torch.int32) & -0x10000 | 0x8000).view(torch.float32)
        value = torch.where(self._chance(shape, 1 / 8), ties, value)
        if not positive:
            value = torch.where(self._chance(shape, 1 / 2), -value, value)
        return torch.where(self._chance(shape, 1 / 32), 0.0, value) if zeros else value

    def spread(self, dtype: ttnn.DataType = ttnn.bfloat16, shape=SHAPE, zeros=True, positive=False, **place):
        return self.put(_rounded(self.numbers(shape, zeros, positive), dtype), dtype, **place)

    def normal(self, dtype: ttnn.DataType = ttnn.bfloat16, shape=SHAPE, scale: float = 1.0, **place) -> ttnn.Tensor:
        value = torch.randn(shape, generator=self._generator) * scale
        return self.put(_rounded(value, dtype), dtype, **place)

    def whole(self, low: int, high: int, dtype: ttnn.DataType = ttnn.int32, shape=SHAPE, **place) -> ttnn.Tensor:
        """Return integers from `low` to `high`, both included."""
        value = torch.randint(low, high + 1, shape, generator=self._generator)
        return self.put(value.float() if _is_float(dtype) else value.int(), dtype, **place)

    def extreme(self, dtype: ttnn.DataType = ttnn.bfloat16) -> ttnn.Tensor:
        """Return infinities, the largest and smallest normal numbers, zeros, and ordinary numbers between them."""
        value = self.numbers(SHAPE)
        for special in (torch.inf, -torch.inf, 3.3895314e38, -3.3895314e38, 1.1754944e-38, 0.0):
            value = torch.where(self._chance(SHAPE, 1 / 8), special, value)
        return self.put(_rounded(value, dtype), dtype)

    def shuffled(self, *shape: int) -> torch.Tensor:
        """Return 0, 1, ... in another order along the last dimension."""
        return torch.rand(shape, generator=self._generator).argsort(-1)

    def _chance(self, shape: tuple[int, ...], share: float) -> torch.Tensor:
        return torch.rand(shape, generator=self._generator) < share


def _is_float(dtype: ttnn.DataType) -> bool:
    return dtype in (ttnn.bfloat16, ttnn.float32, ttnn.bfloat8_b, ttnn.bfloat4_b)


def _rounded(value: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """Round values before the library sees them, unless they are uploaded as float32."""
    return value if dtype == ttnn.float32 else value.bfloat16().float()
