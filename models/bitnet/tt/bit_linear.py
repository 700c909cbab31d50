# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A ternary matrix product by the library's operations: quantise the rows, multiply by {-1, 0, +1}, rescale.

Stock operations quantise nowhere else. The weight's own scale is not applied here: `weights/scales.py` folds it into
what is around the product.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.tt.kernels.common.int8_codes import LARGEST_CODE, SMALLEST_PEAK
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.stock_programs import MatmulConfig
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule


def _unary(operation: ttnn.UnaryOpType, *parameters: float) -> ttnn.UnaryWithParam:
    return ttnn.UnaryWithParam(operation, *parameters)


@dataclass(frozen=True)
class Rows:
    """Rows that one or several ternary products multiply.

    `peak` is the largest magnitude of each row, None for rows that are not quantised. `is_borrowed` says that `values`
    is a tensor of the caller, which `deallocate` does not free.
    """

    values: ttnn.Tensor
    peak: ttnn.Tensor | None
    is_borrowed: bool = False

    def deallocate(self) -> None:
        for tensor in (None if self.is_borrowed else self.values, self.peak):
            if tensor is not None:
                ttnn.deallocate(tensor)


class Int8Rows:
    """Rows in precision `accuracy`: integers in [-127, 127], which bfloat16 holds exactly."""

    @classmethod
    def take(cls, x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> Rows:
        """Turns x into codes, with the peak of each row. Frees x."""
        rows = cls.borrow(x, memory)
        ttnn.deallocate(x)
        return rows

    @staticmethod
    def borrow(x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> Rows:
        """Turns x into codes, with the peak of each row. Keeps x."""
        # `maximum` with a scalar would drop the activations of its operand, so this is a chain.
        magnitude = ttnn.unary_chain(
            x,
            [_unary(ttnn.UnaryOpType.ABS), _unary(ttnn.UnaryOpType.MAXIMUM, SMALLEST_PEAK)],
            memory_config=memory,
        )
        peak = ttnn.max(magnitude, dim=-1, keepdim=True, memory_config=ttnn.L1_MEMORY_CONFIG)
        ttnn.deallocate(magnitude)
        codes = ttnn.divide(
            x,
            peak,
            activations=[
                _unary(ttnn.UnaryOpType.MUL_UNARY_SFPU, LARGEST_CODE),
                _unary(ttnn.UnaryOpType.ROUND, 0.0),
            ],
            dtype=ttnn.bfloat16,
            memory_config=memory,
        )
        return Rows(codes, peak)

    @staticmethod
    def rescale(y: ttnn.Tensor, rows: Rows, memory: ttnn.MemoryConfig, dtype: ttnn.DataType) -> ttnn.Tensor:
        """Turns integer sums back to the scale of the rows. Frees y."""
        scaled = ttnn.multiply(
            y,
            rows.peak,
            activations=[_unary(ttnn.UnaryOpType.MUL_UNARY_SFPU, 1 / LARGEST_CODE)],
            dtype=dtype,
            memory_config=memory,
        )
        ttnn.deallocate(y)
        return scaled


class PlainRows:
    """Rows in precision `performance`: they are not quantised."""

    @staticmethod
    def take(x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> Rows:
        """Takes x as it is. `deallocate` of the rows frees x."""
        return Rows(x, None)

    @staticmethod
    def borrow(x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> Rows:
        """Takes x as it is. `deallocate` of the rows keeps x."""
        return Rows(x, None, is_borrowed=True)

    @staticmethod
    def rescale(y: ttnn.Tensor, rows: Rows, memory: ttnn.MemoryConfig, dtype: ttnn.DataType) -> ttnn.Tensor:
        """Takes y as it is."""
        return y


class BitLinear(LightweightModule):
    """rows @ W^T for a ternary `weight`, int8 [out, in]. Results have `dtype`.

    Tensor parallel: the columns of the results are sharded over the devices.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        name: str,
        weight: torch.Tensor,
        matmul: MatmulConfig,
        dtype: ttnn.DataType | None = None,
    ):
        self.config = matmul
        self.dtype = dtype or config.activations
        self.rows = Int8Rows if config.precision.quantise else PlainRows
        # Integer sums reach 884,736. Only float32 holds these until they are rescaled.
        self.product_dtype = ttnn.float32 if config.precision.quantise else self.dtype
        self.weight = weights.load(
            name, weight, matmul.weight_dtype, matmul.weight_memory, config.parallelism.column_sharding
        )

    def forward_prefill(self, rows: Rows) -> ttnn.Tensor:
        """[1, 1, rows, in] in DRAM -> [1, 1, rows, out] in DRAM. Keeps the rows."""
        y = ttnn.linear(
            rows.values,
            self.weight,
            program_config=self.config.prefill_program(rows.values.shape[2]),
            compute_kernel_config=self.config.compute,
            dtype=self.product_dtype,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )
        return self.rows.rescale(y, rows, ttnn.DRAM_MEMORY_CONFIG, self.dtype)

    def forward_decode(self, rows: Rows) -> ttnn.Tensor:
        """[1, 1, users, in] -> [1, 1, users, out], both width-sharded in L1. Keeps the rows."""
        y = ttnn.linear(
            rows.values,
            self.weight,
            program_config=self.config.decode_program,
            compute_kernel_config=self.config.compute,
            dtype=self.product_dtype,
            memory_config=self.config.decode_memory,
        )
        return self.rows.rescale(y, rows, self.config.decode_memory, self.dtype)
