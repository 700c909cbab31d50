# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A projection: a norm, a ternary product, and an epilogue. Attention has two of them, and so has the MLP.

| projection | input           | product      | epilogue            | tensor parallel: all-gather |
|------------|-----------------|--------------|---------------------|-----------------------------|
| qkv        | residual stream | one matrix   | none                | none                        |
| o          | joined heads    | one matrix   | the stream is added | before the epilogue         |
| gate_up    | residual stream | two matrices | relu(gate)^2 * up   | after the epilogue          |
| down       | hidden rows     | one matrix   | the stream is added | before the epilogue         |

`StockProjection` runs the library's operations, a program or two for each step. `FusedProjection` runs fused programs.
`FusedProjections` runs several projections in one program of decode.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch

import ttnn
from models.bitnet.tt.bit_linear import BitLinear
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FusedPrecision
from models.bitnet.tt.rms_norm import RMSNorm
from models.bitnet.tt.stock_programs import ResultMemory
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule

_SQUARED_RELU = (ttnn.UnaryWithParam(ttnn.UnaryOpType.RELU), ttnn.UnaryWithParam(ttnn.UnaryOpType.SQUARE))


class StockProjection(LightweightModule):
    """A projection by the library's operations.

    `matrices` has one or two ternary matrices, int8 [out, in], by name. Two matrices multiply the same rows.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        which: str,
        matrices: Mapping[str, torch.Tensor],
        gamma: torch.Tensor,
        eps: float,
    ):
        self.config = config.programs.projections[which]
        self.norm = RMSNorm(config, gamma, eps, self.config.norm)
        self.linears = [
            BitLinear(config, weights, name, matrix, matmul, self.config.dtype)
            for (name, matrix), matmul in zip(matrices.items(), self.config.matmuls)
        ]
        self.rows = self.linears[0].rows
        self._finish = _FINISH[self.config.epilogue]

    def forward_prefill(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, rows, in] in DRAM -> [1, 1, rows, out] in DRAM. Keeps x, frees the residual."""
        rows = self.rows.quantise(self.norm.forward_prefill(x), ttnn.DRAM_MEMORY_CONFIG)
        results = [linear.forward_prefill(rows) for linear in self.linears]
        rows.deallocate()
        return self._finish(results, residual, self.config.prefill)

    def forward_decode(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, users, in] -> [1, 1, users, out], both width-sharded in L1. Keeps x, frees the residual."""
        rows = self.rows.quantise(self.norm.forward_decode(x), self.config.norm.memory)
        results = [linear.forward_decode(rows) for linear in self.linears]
        rows.deallocate()
        return self._finish(results, residual, self.config.decode)


def _keep(results: list[ttnn.Tensor], residual: ttnn.Tensor | None, memory: ResultMemory) -> ttnn.Tensor:
    return results[0]


def _add(results: list[ttnn.Tensor], residual: ttnn.Tensor | None, memory: ResultMemory) -> ttnn.Tensor:
    y = memory.all_gather(results[0], memory.whole)
    total = ttnn.add(residual, y, memory_config=memory.whole)
    ttnn.deallocate(residual)
    ttnn.deallocate(y)
    return total


def _gate(results: list[ttnn.Tensor], residual: ttnn.Tensor | None, memory: ResultMemory) -> ttnn.Tensor:
    gate, up = results
    hidden = ttnn.multiply(gate, up, input_tensor_a_activations=list(_SQUARED_RELU), memory_config=memory.sharded)
    ttnn.deallocate(gate)
    ttnn.deallocate(up)
    return memory.all_gather(hidden, memory.whole)


_FINISH: Mapping[Epilogue, Callable[..., ttnn.Tensor]] = {
    Epilogue.SCALE: _keep,
    Epilogue.RESIDUAL: _add,
    Epilogue.RELU2_GATED: _gate,
}


class FusedProjection(LightweightModule):
    """A projection by fused programs on two-bit weights: one program in decode, two in prefill (codes, then product).

    The arguments are those of `StockProjection`. In decode, `o` takes the heads as attention leaves them, not joined.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        which: str,
        matrices: Mapping[str, torch.Tensor],
        gamma: torch.Tensor,
        eps: float,
    ):
        self.eps = eps
        self.decode = config.programs.decode(which)
        self.prefill = partial(config.programs.prefill, which)
        self.gamma = ttnn.from_torch(
            gamma.float().reshape(1, 1, -1, TILE),
            dtype=ttnn.float32,
            layout=ttnn.ROW_MAJOR_LAYOUT,
            device=config.device,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )
        self.weights = weights.load_ternary(matrices, config.programs.stages[which].pages)

    def forward_prefill(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, rows, in] in DRAM -> [1, 1, rows, out] in DRAM. Keeps x, frees the residual."""
        quantise, multiply = self.prefill(x.shape[2] // TILE)
        codes, steps = quantise(x, self.gamma, constant=self.eps)
        y = multiply(codes, steps, self.weights, residual)
        for tensor in (codes, steps) if residual is None else (codes, steps, residual):
            ttnn.deallocate(tensor)
        return y

    def forward_decode(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, users, in] -> [1, 1, users, out] in L1. Keeps x, frees the residual.

        The input of `o` is [1, users, heads, head width].
        """
        (y,) = self.decode(x, [self.gamma], [self.weights], residual, constants=[self.eps])
        if residual is not None:
            ttnn.deallocate(residual)
        return y


class FusedProjections(LightweightModule):
    """Projections that one fused program of decode runs. Each takes the results of the one before it.

    They are in the order of `LAST_LAYER` or of `TO_NEXT_LAYER`.
    """

    def __init__(self, config: ModelConfig, projections: Mapping[str, FusedProjection]):
        self.program = config.programs.decode(*projections)
        self.gammas = [one.gamma for one in projections.values()]
        self.weights = [one.weights for one in projections.values()]
        self.eps = [one.eps for one in projections.values()]

    def forward(self, x: ttnn.Tensor, residual: ttnn.Tensor) -> list[ttnn.Tensor]:
        """The first projection's input and the residual stream -> the stream and, of `TO_NEXT_LAYER`, qkv, in L1.

        Keeps x, frees the residual.
        """
        results = self.program(x, self.gammas, self.weights, residual, constants=self.eps)
        ttnn.deallocate(residual)
        return results


def projection(
    config: ModelConfig,
    weights: DeviceWeights,
    which: str,
    matrices: Mapping[str, torch.Tensor],
    gamma: torch.Tensor,
    eps: float,
) -> StockProjection | FusedProjection:
    """`FusedProjection` if the precision uses fused programs, `StockProjection` otherwise."""
    build = FusedProjection if isinstance(config.precision, FusedPrecision) else StockProjection
    return build(config, weights, which, matrices, gamma, eps)
