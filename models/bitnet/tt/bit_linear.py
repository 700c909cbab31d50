# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A ternary projection: quantise the rows, multiply by {-1, 0, +1}, rescale. No quantisation happens anywhere else.

The weight's own scale is not applied here: `scales.py` folds it into what follows.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.tt.model_config import MatmulConfig, ModelConfig
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule

_LARGEST_CODE = 127.0
_SMALLEST_PEAK = 1e-5  # a row of zeros has a scale too


def _unary(operation: ttnn.UnaryOpType, *parameters: float) -> ttnn.UnaryWithParam:
    return ttnn.UnaryWithParam(operation, *parameters)


@dataclass(frozen=True)
class Rows:
    """Rows ready to enter ternary projections; several may share them. `peak` is each row's largest magnitude."""

    values: ttnn.Tensor
    peak: ttnn.Tensor | None

    def deallocate(self) -> None:
        for tensor in (self.values, self.peak):
            if tensor is not None:
                ttnn.deallocate(tensor)


class Int8Rows:
    """`accuracy`: rows become integers in [-127, 127], which bfloat16 holds exactly."""

    @staticmethod
    def quantise(x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> Rows:
        """Consumes x."""
        # a chain, because `maximum` with a scalar drops the activations of its operand
        magnitude = ttnn.unary_chain(
            x,
            [_unary(ttnn.UnaryOpType.ABS), _unary(ttnn.UnaryOpType.MAXIMUM, _SMALLEST_PEAK)],
            memory_config=memory,
        )
        peak = ttnn.max(magnitude, dim=-1, keepdim=True, memory_config=ttnn.L1_MEMORY_CONFIG)
        ttnn.deallocate(magnitude)
        codes = ttnn.divide(
            x,
            peak,
            activations=[
                _unary(ttnn.UnaryOpType.MUL_UNARY_SFPU, _LARGEST_CODE),
                _unary(ttnn.UnaryOpType.ROUND, 0.0),
            ],
            dtype=ttnn.bfloat16,
            memory_config=memory,
        )
        ttnn.deallocate(x)
        return Rows(codes, peak)

    @staticmethod
    def rescale(y: ttnn.Tensor, rows: Rows, memory: ttnn.MemoryConfig, dtype: ttnn.DataType) -> ttnn.Tensor:
        """Integer sums back to the rows' scale. Consumes y."""
        scaled = ttnn.multiply(
            y,
            rows.peak,
            activations=[_unary(ttnn.UnaryOpType.MUL_UNARY_SFPU, 1 / _LARGEST_CODE)],
            dtype=dtype,
            memory_config=memory,
        )
        ttnn.deallocate(y)
        return scaled


class PlainRows:
    """`performance`: rows enter as they are."""

    @staticmethod
    def quantise(x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> Rows:
        return Rows(x, None)

    @staticmethod
    def rescale(y: ttnn.Tensor, rows: Rows, memory: ttnn.MemoryConfig, dtype: ttnn.DataType) -> ttnn.Tensor:
        return y


class BitLinear(LightweightModule):
    """rows @ W^T for a ternary int8 `weight` [out, in]; results in `dtype`, each chip's its share of the columns."""

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
        # integer sums reach 884,736: only float32 holds them until they are rescaled
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
