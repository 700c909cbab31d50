# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Products with matrices whose numbers are all -1, 0 or 1, from two bits a weight.

`native/ternary.h` says how a matrix is packed, and why the results have the bits of `sums.sum_of_products`.
"""

import torch

from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import Format
from ttnn_emulator.arithmetic.native import function, numbers
from ttnn_emulator.arithmetic.sums import Spill, worth_threads

_TERMS, _TILE, _GROUP, _LANES = 64, 32, 8, 32  # as `native/ternary.h` and `native/matmul.h` name them
_WHOLE = 1 << 62  # a block of this many terms holds all


def pack_columns(matrix: torch.Tensor) -> torch.Tensor | None:
    """Return a matrix [K, N] of bfloat16 or float32 packed for `whole_product`, or None if it is not ternary."""
    depth, columns = matrix.shape
    quarter = -(-depth // (4 * _TERMS)) * _TERMS
    return _pack("ternary_pack_columns", matrix, torch.empty(columns, quarter, dtype=torch.uint8), quarter)


def pack_panels(matrix: torch.Tensor) -> torch.Tensor | None:
    """Return a matrix [K, N] of bfloat16 or float32 packed for `lofi_product`, or None if it is not ternary."""
    depth, columns = matrix.shape
    groups = -(-depth // _TILE) * _TILE // _GROUP
    packed = torch.empty(-(-columns // _LANES), groups, _LANES, dtype=torch.int16)
    return _pack("ternary_pack_panels", matrix, packed, groups)


def _pack(name: str, matrix: torch.Tensor, packed: torch.Tensor, size: int) -> torch.Tensor | None:
    is_ternary = numbers([0])
    function(name)(matrix, matrix.dtype == torch.float32, *matrix.stride(), *matrix.shape, packed, size, is_ternary)
    return packed if is_ternary[0] else None


def whole_product(a: torch.Tensor, largest: float, columns: torch.Tensor) -> torch.Tensor:
    """Return a @ matrix as int32, of whole numbers [..., K] up to `largest`, which is less than 2 ** 14.

    Of a matrix of zeros the product is zero with any numbers. `columns` is the matrix, by `pack_columns`.
    """
    rows = a.reshape(-1, a.shape[-1])
    if largest < 1 << 7:
        sums = _whole_product(rows, columns)
    else:  # an int8 holds half of the bits
        whole = rows.to(torch.int32)
        sums = (_whole_product(whole >> 7, columns) << 7) + _whole_product(whole & 127, columns)
    return sums.reshape(*a.shape[:-1], -1)


def _whole_product(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    (count, depth), (width, quarter) = rows.shape, columns.shape
    padded = torch.zeros(count, 4 * quarter, dtype=torch.int8)
    padded[:, :depth] = rows
    sums = torch.empty(count, width, dtype=torch.int32)
    threads = worth_threads(count * depth * width)
    function("ternary_whole_product")(sums, padded, count, columns, quarter, width, threads)
    return sums


def multiplies(config: ComputeConfig, spill: Spill | None) -> bool:
    """Return whether `lofi_product` computes products of this configuration."""
    return config.fidelity == "LoFi" and config.wide and (spill is None or spill.format is Format.FLOAT32)


def lofi_product(a: torch.Tensor, panels: torch.Tensor, width: int, spill: Spill | None) -> torch.Tensor:
    """Return a @ matrix in float32 as the matrix unit adds it, of [..., K] in bfloat16 or float32.

    `panels` is the matrix of `width` columns, by `pack_panels`.
    """
    rows = a.reshape(-1, a.shape[-1])
    count, depth = rows.shape
    sums = torch.empty(count, width)
    block, added = (_WHOLE, 0) if spill is None else (spill.depth, spill.added)
    function("ternary_lofi_product")(
        *(sums, rows, rows.dtype == torch.float32, *rows.stride(), count, depth, panels, width, block, added),
        worth_threads(count * depth * width),
    )
    return sums.reshape(*a.shape[:-1], width)
