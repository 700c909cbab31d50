# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A projection: a norm, a ternary product, and an epilogue. Attention has two of them, and so has the MLP.

| projection | input           | product      | epilogue              | tensor parallel: all-gather |
|------------|-----------------|--------------|-----------------------|-----------------------------|
| qkv        | residual stream | one matrix   | none                  | none                        |
| o          | joined heads    | one matrix   | the stream is added   | before the epilogue         |
| gate_up    | residual stream | two matrices | activation(gate) * up | after the epilogue          |
| down       | hidden rows     | one matrix   | the stream is added   | before the epilogue         |

In a model without sub-norms, `o` and `down` have no norm. Their results have a factor instead.

`StockProjection` runs the library's operations, a program or two for each step. `FusedProjection` runs fused programs.
`FusedProjections` runs several projections in one program of decode.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

import ttnn
from models.bitnet.tt.bit_linear import BitLinear, Int8Rows, PlainRows, Rows
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FusedPrecision
from models.bitnet.tt.rms_norm import RMSNorm
from models.bitnet.tt.stock_programs import ResultMemory
from models.bitnet.tt.weights.scales import NoNorm, Norm
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule

# The activations of a gate
_RELU2 = (ttnn.UnaryWithParam(ttnn.UnaryOpType.RELU), ttnn.UnaryWithParam(ttnn.UnaryOpType.SQUARE))
_SILU = (ttnn.UnaryWithParam(ttnn.UnaryOpType.SILU),)


class NormedRows(LightweightModule):
    """The rows of a product behind a norm. `quantiser` is `Int8Rows` or `PlainRows`."""

    def __init__(self, norm: RMSNorm, quantiser: type[Int8Rows] | type[PlainRows]):
        self.norm, self.quantiser = norm, quantiser

    def forward_prefill(self, x: ttnn.Tensor) -> Rows:
        """[1, 1, rows, width] in DRAM -> rows of the same shape. Keeps x."""
        return self.quantiser.take(self.norm.forward_prefill(x), ttnn.DRAM_MEMORY_CONFIG)

    def forward_decode(self, x: ttnn.Tensor) -> Rows:
        """[1, 1, users, width], width-sharded in L1 -> rows of the same shape. Keeps x."""
        return self.quantiser.take(self.norm.forward_decode(x), self.norm.decode.memory)


class BareRows(LightweightModule):
    """The rows of a product without a norm. `decode` is the memory of the rows in decode."""

    def __init__(self, quantiser: type[Int8Rows] | type[PlainRows], decode: ttnn.MemoryConfig):
        self.quantiser, self.decode = quantiser, decode

    def forward_prefill(self, x: ttnn.Tensor) -> Rows:
        """[1, 1, rows, width] in DRAM -> rows of the same shape. Keeps x, which the rows may be."""
        return self.quantiser.borrow(x, ttnn.DRAM_MEMORY_CONFIG)

    def forward_decode(self, x: ttnn.Tensor) -> Rows:
        """[1, 1, users, width], width-sharded in L1 -> rows of the same shape. Keeps x, which the rows may be."""
        return self.quantiser.borrow(x, self.decode)


class StockProjection(LightweightModule):
    """A projection by the library's operations.

    `matrices` has one or two ternary matrices, int8 [out, in], by name. Two matrices multiply the same rows. `before`
    is what the projection has before its product.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        which: str,
        matrices: Mapping[str, torch.Tensor],
        before: Norm | NoNorm,
    ):
        self.config = config.programs.projections[which]
        self.linears = [
            BitLinear(config, weights, name, matrix, matmul, self.config.dtype)
            for (name, matrix), matmul in zip(matrices.items(), self.config.matmuls)
        ]
        quantiser, where = self.linears[0].rows, self.config.norm
        if isinstance(before, Norm):
            self.rows, factor = NormedRows(RMSNorm(config, before.gamma, before.eps, where), quantiser), ()
        else:
            self.rows = BareRows(quantiser, where.memory)
            factor = (ttnn.UnaryWithParam(ttnn.UnaryOpType.MUL_UNARY_SFPU, before.factor),)
        self._finish: Callable[..., ttnn.Tensor] = {
            Epilogue.SCALE: _keep,
            Epilogue.RESIDUAL: partial(_add, factor=factor),
            Epilogue.RELU2_GATED: partial(_gate, activations=_RELU2),
            Epilogue.SILU_GATED: partial(_gate, activations=_SILU),
        }[self.config.epilogue]

    def forward_prefill(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, rows, in] in DRAM -> [1, 1, rows, out] in DRAM. Keeps x, frees the residual."""
        rows = self.rows.forward_prefill(x)
        results = [linear.forward_prefill(rows) for linear in self.linears]
        rows.deallocate()
        return self._finish(results, residual, self.config.prefill)

    def forward_decode(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, users, in] -> [1, 1, users, out], both width-sharded in L1. Keeps x, frees the residual."""
        rows = self.rows.forward_decode(x)
        results = [linear.forward_decode(rows) for linear in self.linears]
        rows.deallocate()
        return self._finish(results, residual, self.config.decode)


def _keep(results: list[ttnn.Tensor], residual: ttnn.Tensor | None, memory: ResultMemory) -> ttnn.Tensor:
    return results[0]


def _add(
    results: list[ttnn.Tensor], residual: ttnn.Tensor | None, memory: ResultMemory, factor: Sequence[Any]
) -> ttnn.Tensor:
    y = memory.all_gather(results[0], memory.whole)
    total = ttnn.add(residual, y, input_tensor_b_activations=list(factor), memory_config=memory.whole)
    ttnn.deallocate(residual)
    ttnn.deallocate(y)
    return total


def _gate(
    results: list[ttnn.Tensor], residual: ttnn.Tensor | None, memory: ResultMemory, activations: Sequence[Any]
) -> ttnn.Tensor:
    gate, up = results
    hidden = ttnn.multiply(gate, up, input_tensor_a_activations=list(activations), memory_config=memory.sharded)
    ttnn.deallocate(gate)
    ttnn.deallocate(up)
    return memory.all_gather(hidden, memory.whole)


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
        before: Norm | NoNorm,
    ):
        self.decode = config.programs.decode(which)
        self.prefill = partial(config.programs.prefill, which)
        self.gamma: ttnn.Tensor | None = None
        if isinstance(before, Norm):
            self.constant = before.eps
            self.gamma = ttnn.from_torch(
                before.gamma.float().reshape(1, 1, -1, TILE),
                dtype=ttnn.float32,
                layout=ttnn.ROW_MAJOR_LAYOUT,
                device=config.device,
                memory_config=ttnn.DRAM_MEMORY_CONFIG,
            )
        else:
            self.constant = before.factor
        self.weights = weights.load_ternary(matrices, config.programs.stages[which].pages)

    def forward_prefill(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, rows, in] in DRAM -> [1, 1, rows, out] in DRAM. Keeps x, frees the residual."""
        quantise, multiply = self.prefill(x.shape[2] // TILE)
        codes, steps = quantise(x, self.gamma, constant=self.constant)
        y = multiply(codes, steps, self.weights, residual)
        for tensor in (codes, steps) if residual is None else (codes, steps, residual):
            ttnn.deallocate(tensor)
        return y

    def forward_decode(self, x: ttnn.Tensor, residual: ttnn.Tensor | None = None) -> ttnn.Tensor:
        """[1, 1, users, in] -> [1, 1, users, out] in L1. Keeps x, frees the residual.

        The input of `o` is [1, users, heads, head width].
        """
        (y,) = self.decode(x, _gammas([self]), [self.weights], residual, constants=[self.constant])
        if residual is not None:
            ttnn.deallocate(residual)
        return y


def _gammas(projections: Iterable[FusedProjection]) -> list[ttnn.Tensor]:
    """The weights of the norms of those projections that have one."""
    return [one.gamma for one in projections if one.gamma is not None]


class FusedProjections(LightweightModule):
    """Projections that one fused program of decode runs. Each takes the results of the one before it.

    They are in the order of `LAST_LAYER` or of `TO_NEXT_LAYER`.
    """

    def __init__(self, config: ModelConfig, projections: Mapping[str, FusedProjection]):
        self.program = config.programs.decode(*projections)
        self.gammas = _gammas(projections.values())
        self.weights = [one.weights for one in projections.values()]
        self.constants = [one.constant for one in projections.values()]

    def forward(self, x: ttnn.Tensor, residual: ttnn.Tensor) -> list[ttnn.Tensor]:
        """The first projection's input and the residual stream -> the stream and, of `TO_NEXT_LAYER`, qkv, in L1.

        Keeps x, frees the residual.
        """
        results = self.program(x, self.gammas, self.weights, residual, constants=self.constants)
        ttnn.deallocate(residual)
        return results


def projection(
    config: ModelConfig,
    weights: DeviceWeights,
    which: str,
    matrices: Mapping[str, torch.Tensor],
    before: Norm | NoNorm,
) -> StockProjection | FusedProjection:
    """`FusedProjection` if the precision uses fused programs, `StockProjection` otherwise."""
    build = FusedProjection if isinstance(config.precision, FusedPrecision) else StockProjection
    return build(config, weights, which, matrices, before)
