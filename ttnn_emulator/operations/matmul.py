# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Matrix multiplication, with the operand bits and the accumulator that the compute configuration selects.

The first operand goes to the matrix unit's SrcB register, the second to SrcA. A LoFi pass multiplies the top 7
significant bits of SrcB by the top 5 of SrcA; HiFi2 adds SrcA's remaining bits, HiFi3 SrcB's, HiFi4 both remainders.
With `fp32_dest_acc_en` sums are float32; otherwise they are bfloat16.

Products are summed as the machine sums them, bit for bit (see `sums`). Float32 sums of whole numbers are the machine's
in any order: the CPU's own matrix product computes those.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic.formats import largest_if_whole, nearest_even, truncate
from ttnn_emulator.arithmetic.sums import sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.data_types import round_to
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.activations import activate

_SRC_B_BITS, _SRC_A_BITS = 7, 5  # what one LoFi pass sees of the first and the second operand
_TF32_BITS = 11  # what the registers keep of a float32 operand
_TILE = 32
_CACHED_VALUES = 1 << 19  # float32 values that a core's cache holds with room to spare
_SIGNIFICANT_BITS = {ttnn.bfloat16: 8, ttnn.float32: 24, ttnn.bfloat8_b: 7, ttnn.bfloat4_b: 3}


@value("matmul", operands=True)
def matmul(
    input_tensor_a: Operand,
    input_tensor_b: Operand,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    dtype: ttnn.DataType | None = None,
    activation: Any = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    core_grid: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    return linear(
        input_tensor_a,
        input_tensor_b,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        activation=activation,
        program_config=program_config,
        compute_kernel_config=compute_kernel_config,
        core_grid=core_grid,
        outputs=outputs,
    )


@value("linear", operands=True)
def linear(
    input_tensor_a: Operand,
    input_tensor_b: Operand,
    *,
    bias: Operand | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    dtype: ttnn.DataType | None = None,
    activation: Any = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    core_grid: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    if input_tensor_b.value.ndim == 1:  # a vector stands for a matrix of one column
        input_tensor_b = replace(input_tensor_b, value=input_tensor_b.value.unsqueeze(-1))
    tuned = program_config is not None or core_grid is not None
    fidelity, wide = compute_settings(
        compute_kernel_config, outputs[0].dtype, input_tensor_a.dtype, input_tensor_b.dtype, tuned
    )
    fused = getattr(program_config, "fused_activation", None)
    inner = input_tensor_b.value.shape[-1 if transpose_b else -2]
    spill = _spill(program_config, compute_kernel_config, outputs[0].dtype, inner, bias is not None)
    product = multiply(input_tensor_a, input_tensor_b, transpose_a, transpose_b, fidelity, wide, spill)
    if bias is not None:
        # a tensor of one row (padded to a tile in memory); a program that is configured adds it itself
        row = bias.value.float()
        product = product + row if program_config is None else matrix_add(product, row, wide)
    for function in (fused, activation):
        product = activate(product, function, wide) if function is not None else product
    return product.reshape(outputs[0].shape)


def compute_settings(
    config: Any, output: ttnn.DataType, first: ttnn.DataType, second: ttnn.DataType, tuned: bool = True
) -> tuple[ttnn.MathFidelity, bool]:
    """The math fidelity, and whether sums are float32: as configured, or the library's defaults."""
    if config is not None:
        return config.math_fidelity, config.fp32_dest_acc_en
    low_precision = {first, second} <= {ttnn.bfloat8_b, ttnn.bfloat4_b}
    if ttnn.float32 in (first, second):
        return ttnn.MathFidelity.HiFi4, output == ttnn.float32
    raised = not tuned and not low_precision
    return ttnn.MathFidelity.HiFi2 if raised else ttnn.MathFidelity.LoFi, output == ttnn.float32


@dataclass(frozen=True)
class Spill:
    """A program that takes `depth` of K at a time keeps its sums as `dtype` in between. They go back to the register
    before a block, or the packer adds the block's own sums to them: it does so for `added` blocks."""

    depth: int
    dtype: ttnn.DataType
    added: int = 0


def _spill(program: Any, compute: Any, output: ttnn.DataType, inner: int, biased: bool) -> Spill | None:
    """Where it costs bits."""
    depth = _TILE * getattr(program, "in0_block_w", 0)
    if not depth or compute is None:
        return None
    blocks = -(-inner // depth)
    if compute.packer_l1_acc and blocks > (1 if biased else 2):
        kept = ttnn.float32 if compute.fp32_dest_acc_en else ttnn.bfloat16
        return Spill(depth, kept, blocks if biased else blocks - 1)
    narrow = not compute.fp32_dest_acc_en and output in (ttnn.bfloat8_b, ttnn.bfloat4_b)
    return Spill(depth, output) if narrow else None


def multiply(
    first: Operand,
    second: Operand,
    transpose_first: bool,
    transpose_second: bool,
    fidelity: ttnn.MathFidelity,
    wide: bool,
    spill: Spill | None = None,
) -> torch.Tensor:
    """`first @ second` as the matrix unit computes it, in float32."""
    for operand in (first, second):
        if operand.dtype not in _SIGNIFICANT_BITS:
            raise UnsupportedOperation(f"ttnn.matmul: {operand.dtype} operands are not emulated")
    a = first.value.mT if transpose_first else first.value
    if wide and _is_exact(a, second, transpose_second):
        return _exact_product(a, first, second, transpose_second, fidelity)
    b = second.derive("transposed", lambda value: value.mT.contiguous()) if transpose_second else second.value
    if spill is None:
        return sum_of_products(a, b, fidelity.name, wide)
    total = None
    for number, part in enumerate(zip(a.split(spill.depth, -1), b.split(spill.depth, -2))):
        before = None if total is None else round_to(total, spill.dtype).float()
        if number < spill.added:
            total = sum_of_products(*part, fidelity.name, wide)
            total = total if before is None else total + before
            total = total if wide else nearest_even(total).float()
        else:
            total = sum_of_products(*part, fidelity.name, wide, before)
    return total


def _is_exact(a: torch.Tensor, second: Operand, transposed: bool) -> bool:
    """Whether all that is added are whole numbers that neither a group's bits nor float32's are too few for: then any
    order gives the same sums."""
    largest = second.derive("largest if whole", _largest_if_whole)
    if largest == math.inf:
        return False
    largest *= _largest_if_whole(a)
    return largest < 1 << 11 and largest * second.value.shape[-1 if transposed else -2] <= 1 << 24


def _largest_if_whole(value: torch.Tensor) -> float:
    return largest_if_whole(value.mT if value.mT.is_contiguous() else value)


def _exact_product(
    a: torch.Tensor, first: Operand, second: Operand, transpose_second: bool, fidelity: ttnn.MathFidelity
) -> torch.Tensor:
    """The product in float32 of the operands' bits that the unit sees."""
    if fidelity in (ttnn.MathFidelity.LoFi, ttnn.MathFidelity.HiFi2):
        a = _keep(a, first.dtype, _SRC_B_BITS)
    bits = _SRC_A_BITS if fidelity == ttnn.MathFidelity.LoFi else _TF32_BITS
    weight = _Weight(second, transpose_second, bits)
    if fidelity != ttnn.MathFidelity.HiFi3:
        return weight.multiply(_keep(a, first.dtype, _TF32_BITS))
    # HiFi3 lacks only the product of both remainders
    high = _keep(a, first.dtype, _SRC_B_BITS)
    low = (a.float() - high.float()).to(a.dtype)
    return weight.multiply(high) + _Weight(second, transpose_second, _SRC_A_BITS).multiply(low)


def _keep(value: torch.Tensor, dtype: ttnn.DataType, bits: int) -> torch.Tensor:
    return value if _SIGNIFICANT_BITS[dtype] <= bits else truncate(value, bits)


class _Weight:
    """The second operand in the forms a product may want, each made once for a tensor that does not change."""

    def __init__(self, operand: Operand, transposed: bool, bits: int):
        self._operand, self._transposed, self._bits = operand, transposed, bits
        self.shape = operand.value.mT.shape if transposed else operand.value.shape

    def rows(self) -> torch.Tensor:
        """[..., N, K], contiguous: the order in which the CPU multiplies fastest."""

        def make(value: torch.Tensor) -> torch.Tensor:
            kept = _keep(value, self._operand.dtype, self._bits)
            rows = (kept if self._transposed else kept.mT).contiguous()
            if kept is value and not self._transposed:
                self._operand.hold_as(rows.mT)  # one copy of a large weight is enough
            return rows

        return self._operand.derive(f"rows{self._transposed}{self._bits}", make)

    def multiply(self, a: torch.Tensor) -> torch.Tensor:
        """a @ the weight in float32."""
        if self.shape[:-2].numel() > 1:
            return torch.matmul(a.float(), self.rows().float().mT)
        return _float_product(a.float(), self.narrow())

    def narrow(self) -> torch.Tensor:
        """[N, K] as int8, if that holds every value exactly: a few rows wait for nothing but reading it."""

        def make(_: torch.Tensor) -> torch.Tensor:
            rows = self.rows()
            rows = rows.reshape(rows.shape[-2:])
            whole = rows.to(torch.int8)
            return whole if bool((whole == rows).all()) else rows

        return self._operand.derive(f"narrow{self._transposed}{self._bits}", make)


def _float_product(a: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """a @ rows^T in float32, converting as many rows at a time as stay in the CPU's cache. Of integers that is exact
    below 2**24, and on a CPU without instructions for int8 twenty times as fast as int32 sums."""
    step = max(1, _CACHED_VALUES // rows.shape[1])
    parts = [torch.nn.functional.linear(a, part.float()) for part in rows.split(step)]
    return torch.cat(parts, dim=-1)
