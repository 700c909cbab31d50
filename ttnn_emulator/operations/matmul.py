# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Matrix multiplication, with the operand bits and the sums that the compute configuration selects.

The first operand goes to the matrix unit's SrcB register, the second to SrcA. A LoFi pass multiplies the top 7
significant bits of SrcB by the top 5 of SrcA. HiFi2 adds SrcA's remaining bits, HiFi3 SrcB's, HiFi4 both remainders.
With `fp32_dest_acc_en` sums are float32, otherwise bfloat16.

`arithmetic.sums` adds products in the machine's order, bit for bit. Float32 sums of small whole numbers are the same in
any order, and are added in the order that is fastest on a CPU.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import ternary
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import Format, largest_if_whole, truncate
from ttnn_emulator.arithmetic.sums import Spill, sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.data_types import format_of
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.library.programs import Plan
from ttnn_emulator.operations.activations import activate
from ttnn_emulator.operations.support import compute_config, on_blackhole

_SRC_B_BITS, _SRC_A_BITS = 7, 5  # the bits that one LoFi pass sees of the first and of the second operand
_TF32_BITS = 11  # the bits that the registers keep of a float32 operand
_TILE = 32
_TILE_BYTES = {ttnn.bfloat16: 2048, ttnn.float32: 4096, ttnn.bfloat8_b: 1088, ttnn.bfloat4_b: 576}
_SIGNIFICANT_BITS = {ttnn.bfloat16: 8, ttnn.float32: 24, ttnn.bfloat8_b: 7, ttnn.bfloat4_b: 3}


def _library_chooses(options: dict) -> bool:
    """Return whether the library chooses the blocks of K, or where a program keeps their sums."""
    return options.get("program_config") is None or options.get("compute_kernel_config") is None


@value("matmul", operands=True, planned=_library_chooses)
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
    plans: Sequence[Plan] = (),
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
        plans=plans,
        outputs=outputs,
    )


@value("linear", operands=True, planned=_library_chooses)
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
    plans: Sequence[Plan] = (),
    outputs: list[Output],
) -> torch.Tensor:
    if input_tensor_b.value.ndim == 1:  # a vector stands for a matrix of one column
        input_tensor_b = replace(input_tensor_b, value=input_tensor_b.value.unsqueeze(-1))
    tuned = program_config is not None or core_grid is not None
    compute = product_config(compute_kernel_config, outputs[0].dtype, input_tensor_a.dtype, input_tensor_b.dtype, tuned)
    fused = getattr(program_config, "fused_activation", None)
    inner = input_tensor_b.value.shape[-1 if transpose_b else -2]
    operands = (input_tensor_a.dtype, input_tensor_b.dtype, outputs[0].dtype)
    depth = _TILE * _block(program_config, plans, operands, -(-inner // _TILE))
    adds = _packer_adds(compute_kernel_config, plans)
    spill = _spill(depth, compute.wide, adds, outputs[0].dtype, inner, bias is not None)
    product = multiply(input_tensor_a, input_tensor_b, transpose_a, transpose_b, compute, spill)
    if bias is not None:
        # the bias has one row; only a configured program adds it in the matrix unit
        row = bias.value.float()
        product = product + row if program_config is None else matrix_add(product, row, compute.wide)
    for function in (fused, activation):
        product = activate(product, function, compute.wide) if function is not None else product
    return product.reshape(outputs[0].shape)


def product_config(
    given: Any, output: ttnn.DataType, first: ttnn.DataType, second: ttnn.DataType, tuned: bool = True
) -> ComputeConfig:
    """Read a product's `compute_kernel_config`, or return the library's choice.

    A product is `tuned` if the call says where it runs.
    """
    if first == second == ttnn.float32:
        fidelity = "HiFi4" if on_blackhole() else "HiFi3"
    else:
        low_precision = {first, second} <= {ttnn.bfloat8_b, ttnn.bfloat4_b}
        fidelity = "LoFi" if tuned or low_precision else "HiFi2"
    return compute_config(given, fidelity, wide=output == ttnn.float32)


def _block(program: Any, plans: Sequence[Plan], dtypes: Sequence[ttnn.DataType], inner: int) -> int:
    """Return how many tiles of K a program takes at a time, or 0 where it takes all at once or nothing shows it.

    The program config says it, or the sizes of the program's first circular buffers show it. They hold a block of each
    operand, twice where there are several blocks, and a block of the result.
    """
    if hasattr(program, "in0_block_w"):
        return program.in0_block_w
    buffers = next((plan.buffers for plan in plans if plan.name.startswith("Matmul")), ())
    if len(buffers) < 3:
        return 0
    first, second, result = (size // _TILE_BYTES[dtype] for size, dtype in zip(buffers, dtypes))
    block = math.isqrt(first * second // (4 * result)) if result else 0
    twice = block and 4 * block * block * result == first * second
    return block if twice and block < inner and inner % block == 0 else 0


def _packer_adds(compute: Any, plans: Sequence[Plan]) -> bool:
    """Return whether the packer adds blocks of K in memory, as configured or as the library's program shows."""
    if compute is not None:
        return compute.packer_l1_acc
    return any("packer_l1_acc=1" in plan.attributes for plan in plans)


def _spill(depth: int, wide: bool, adds: bool, output: ttnn.DataType, inner: int, biased: bool) -> Spill | None:
    """Return how the program rounds sums between its blocks of K, or None where that rounding changes no bit."""
    if not depth:
        return None
    blocks = -(-inner // depth)
    if adds and blocks > (1 if biased else 2):
        return Spill(depth, Format.FLOAT32 if wide else Format.BFLOAT16, blocks if biased else blocks - 1)
    narrow = not wide and output in (ttnn.bfloat8_b, ttnn.bfloat4_b)
    return Spill(depth, format_of(output)) if narrow else None


def multiply(
    first: Operand,
    second: Operand,
    transpose_first: bool,
    transpose_second: bool,
    compute: ComputeConfig,
    spill: Spill | None = None,
) -> torch.Tensor:
    """Return `first @ second` in float32, as the matrix unit computes it."""
    for operand in (first, second):
        if operand.dtype not in _SIGNIFICANT_BITS:
            raise UnsupportedOperation(f"ttnn.matmul: {operand.dtype} operands are not emulated")
    a = first.value.mT if transpose_first else first.value
    largest = _largest_if_exact(a, second, transpose_second) if compute.wide else None
    if largest is not None:
        return _exact_product(a, largest, second, transpose_second, compute.fidelity)
    b = second.value.mT if transpose_second else second.value
    if ternary.multiplies(compute, spill):
        panels = _packed(ternary.pack_panels, second, transpose_second)
        if panels is not None:
            return ternary.lofi_product(a, panels, b.shape[-1], spill)
    if not b.is_contiguous():  # `sum_of_products` is fastest with contiguous rows
        b = second.derive(f"columns{transpose_second}", lambda value: b.contiguous())
    return sum_of_products(a, b, compute, spill=spill)


def _packed(pack: Callable[[torch.Tensor], Any], second: Operand, transposed: bool) -> Any:
    """Return the second operand as `pack` packs it, or None where it is no ternary matrix. It is packed once."""

    def make(value: torch.Tensor) -> Any:
        matrix = value.mT if transposed else value
        return pack(matrix.reshape(matrix.shape[-2:])) if matrix.shape[:-2].numel() == 1 else None

    return second.derive((pack, transposed), make)


def _largest_if_exact(a: torch.Tensor, second: Operand, transposed: bool) -> float | None:
    """Return the largest magnitude in `a` if any order of the products gives the same float32 sum, else None.

    That holds for whole numbers whose products fit in the bits that the unit adds, and whose sums fit in a float32.
    """
    of_second = second.derive("largest if whole", _largest_if_whole)
    if of_second == math.inf:
        return None
    of_first = _largest_if_whole(a)
    product = of_first * of_second
    return of_first if product < 1 << 11 and product * second.value.shape[-1 if transposed else -2] <= 1 << 24 else None


def _largest_if_whole(value: torch.Tensor) -> float:
    is_transposed = value.ndim > 1 and value.mT.is_contiguous()
    return largest_if_whole(value.mT if is_transposed else value)


def _exact_product(
    a: torch.Tensor, largest: float, second: Operand, transpose_second: bool, fidelity: str
) -> torch.Tensor:
    """Return the product in float32 of the bits that the unit sees. `largest` is the largest magnitude in `a`."""
    high = a if largest < 1 << _SRC_B_BITS else truncate(a, _SRC_B_BITS)
    if fidelity in ("LoFi", "HiFi2"):
        a = high
    columns = _packed(ternary.pack_columns, second, transpose_second)
    if columns is not None:
        return ternary.whole_product(a, largest, columns).float()
    kept = _keep(second, transpose_second, _SRC_A_BITS if fidelity == "LoFi" else _TF32_BITS)
    if fidelity != "HiFi3":
        return torch.matmul(a.float(), kept)
    # HiFi3 lacks only the product of both remainders
    low = a.float() - high.float()
    return torch.matmul(high.float(), kept) + torch.matmul(low, _keep(second, transpose_second, _SRC_A_BITS))


def _keep(second: Operand, transposed: bool, bits: int) -> torch.Tensor:
    """Return the leading bits of the second operand in float32. They are found once."""

    def make(value: torch.Tensor) -> torch.Tensor:
        matrix = value.mT if transposed else value
        return (matrix if _SIGNIFICANT_BITS[second.dtype] <= bits else truncate(matrix, bits)).float()

    return second.derive(("kept", transposed, bits), make)
