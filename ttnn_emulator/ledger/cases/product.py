# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of matrix products by the program configs of models/bitnet.

Weights are sharded over the DRAM banks, or over cores in one and in two dimensions.
"""

import math
from collections.abc import Callable
from typing import Any

import ttnn
from ttnn_emulator.ledger.cases.table import TYPES, case
from ttnn_emulator.ledger.cases.tensor import compute, sharded
from ttnn_emulator.ledger.inputs import Inputs

_ROWS, _INNER, _WIDTH, _TILE = 4, 64, 256, 32  # of a product in decode; the rows are part of a tile


def _products() -> None:
    for weight, fidelities in (("bfp4", "LoFi HiFi2"), ("bfp8", "LoFi HiFi2"), ("bf16", "LoFi HiFi2 HiFi4")):
        for fidelity in fidelities.split():
            for wide in (True, False):
                how = {"fidelity": fidelity, "wide": wide}
                case(
                    f"banked/bf16 {weight} {fidelity} {'fp32' if wide else 'bf16'} sums",
                    lambda x, w=TYPES[weight], h=how: _banked(x, x.normal(w, **in_banks(x)), _normal_rows, **h),
                )
    for weight in ("bfp4", "bfp8"):
        case(
            f"banked/int8 ternary {weight}",
            lambda x, w=TYPES[weight]: _banked(
                x, x.whole(-1, 1, w, **in_banks(x)), _codes, fidelity="LoFi", dtype=ttnn.float32
            ),
        )
    case(
        "banked/fp32 bfp4",
        lambda x: _banked(
            x, x.normal(ttnn.bfloat4_b, **in_banks(x)), _normal_rows, ttnn.float32, "HiFi4", dtype=ttnn.float32
        ),
    )
    for first, weight, fidelity in (("bf16", "bfp8", "HiFi2"), ("fp32", "bf16", "HiFi4")):
        for where in ("dram", "sharded"):
            case(
                f"head/{first} {weight} {fidelity} {where}",
                lambda x, a=TYPES[first], w=TYPES[weight], f=fidelity, m=where: _head(x, a, w, f, m),
            )
    case("head/fp32 bf16 in eight blocks", lambda x: _head(x, ttnn.float32, ttnn.bfloat16, "HiFi4", "dram", inner=256))
    for kind, weight, fidelity in (("normal", "bfp4", "LoFi"), ("normal", "bfp8", "HiFi2"), ("int8", "bfp4", "LoFi")):
        case(
            f"two dimensions/{kind} {weight} {fidelity}",
            lambda x, k=kind, w=TYPES[weight], f=fidelity: _two_dimensions(x, k == "int8", w, f),
        )


def in_banks(x: Inputs, inner: int = _INNER, width: int = _WIDTH) -> dict[str, Any]:
    """Return a weight sharded by columns over all banks, of which the last may get none."""
    banks = x.device.dram_grid_size().x
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(banks - 1, 0))})
    columns = math.ceil(width / _TILE / banks) * _TILE
    spec = ttnn.ShardSpec(cores, [inner, columns], ttnn.ShardOrientation.ROW_MAJOR)
    memory = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.DRAM, spec)
    return {"shape": (1, 1, inner, width), "memory": memory}


def _normal_rows(x: Inputs, dtype: ttnn.DataType, memory: ttnn.MemoryConfig, inner: int = _INNER) -> ttnn.Tensor:
    return x.normal(dtype, (1, 1, _ROWS, inner), memory=memory)


def _codes(x: Inputs, dtype: ttnn.DataType, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
    return x.whole(-127, 127, dtype, (1, 1, _ROWS, _INNER), memory=memory)


def _banked(
    x: Inputs,
    weight: ttnn.Tensor,
    rows: Callable[..., ttnn.Tensor],
    kind: ttnn.DataType = ttnn.bfloat16,
    fidelity: str = "LoFi",
    wide: bool = True,
    dtype: ttnn.DataType = ttnn.bfloat16,
) -> ttnn.Tensor:
    """Multiply where each core holds a tile column of rows and result, and each bank streams its columns."""
    program = ttnn.MatmulMultiCoreReuseMultiCastDRAMShardedProgramConfig(
        in0_block_w=1, per_core_M=1, per_core_N=1, fused_activation=None
    )
    return ttnn.linear(
        rows(x, kind, sharded(_INNER, _INNER // _TILE)),
        weight,
        program_config=program,
        compute_kernel_config=compute(x, fidelity, wide),
        dtype=dtype,
        memory_config=sharded(_WIDTH, _WIDTH // _TILE),
    )


def _head(
    x: Inputs, first: ttnn.DataType, weight: ttnn.DataType, fidelity: str, where: str, inner: int = _INNER
) -> ttnn.Tensor:
    """Multiply with one tile of K at a time."""
    program = ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig(
        compute_with_storage_grid_size=(4, 1),
        in0_block_w=1,
        out_subblock_h=1,
        out_subblock_w=2,
        per_core_M=1,
        per_core_N=2,
        fuse_batch=True,
        fused_activation=None,
        mcast_in0=True,
    )
    memory = sharded(_INNER, _INNER // _TILE) if where == "sharded" else ttnn.DRAM_MEMORY_CONFIG
    return ttnn.linear(
        _normal_rows(x, first, memory, inner),
        x.normal(weight, (1, 1, inner, _WIDTH)),
        program_config=program,
        compute_kernel_config=compute(x, fidelity),
        dtype=first,
        memory_config=ttnn.DRAM_MEMORY_CONFIG,
    )


def _two_dimensions(x: Inputs, whole: bool, weight: ttnn.DataType, fidelity: str) -> ttnn.Tensor:
    """Multiply on two by two cores, in two blocks of K."""
    program = ttnn.MatmulMultiCoreReuseMultiCastProgramConfig(
        compute_with_storage_grid_size=(2, 2),
        in0_block_w=2,
        out_subblock_h=1,
        out_subblock_w=1,
        per_core_M=1,
        per_core_N=1,
        transpose_mcast=False,
        fused_activation=None,
        fuse_batch=True,
    )
    rows, columns = (1, 1, 64, 128), (1, 1, 128, 64)
    first = x.whole(-127, 127, ttnn.bfloat16, rows) if whole else x.normal(shape=rows)
    return ttnn.linear(
        first,
        x.whole(-1, 1, weight, columns) if whole else x.normal(weight, columns),
        program_config=program,
        compute_kernel_config=compute(x, fidelity),
        dtype=ttnn.float32 if whole else ttnn.bfloat16,
        memory_config=ttnn.DRAM_MEMORY_CONFIG,
    )


_products()
