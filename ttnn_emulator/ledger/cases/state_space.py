# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of the products in which each user has a matrix, and of a state-space model's operations."""

import ttnn
from ttnn_emulator.ledger.cases.table import case
from ttnn_emulator.ledger.cases.tensor import compute
from ttnn_emulator.ledger.inputs import Inputs

_USERS, _INNER, _WIDTH = 32, 64, 32


def _products() -> None:
    for wide in (True, False):
        name = "fp32" if wide else "bf16"
        case(f"user products/{name} sums", lambda x, w=wide: _product(x, compute_kernel_config=compute(x, "HiFi2", w)))
    case("user products/as the library chooses", lambda x: _product(x))
    case("user products/into bfp8", lambda x: _product(x, dtype=ttnn.bfloat8_b))
    case(
        "user products/of groups",
        lambda x: ttnn.experimental.group_attn_matmul(
            x.normal(shape=(1, 4, _USERS, _INNER)),
            x.normal(shape=(_USERS, 2, _INNER, _WIDTH)),
            compute_with_storage_grid_size=_grid(x),
        ),
    )


def _product(x: Inputs, **rest) -> ttnn.Tensor:
    return ttnn.experimental.attn_matmul(
        x.normal(shape=(1, 2, _USERS, _INNER)),
        x.normal(shape=(_USERS, 1, _INNER, _WIDTH)),
        compute_with_storage_grid_size=_grid(x),
        **rest,
    )


def _grid(x: Inputs) -> ttnn.CoreCoord:
    return x.device.compute_with_storage_grid_size()


def _state_space() -> None:
    case("state space/sums of tiles", lambda x: ttnn.experimental.hc_sum_reduce(x.normal(shape=(1, 1, 32, 32 * 32))))
    case("state space/prefix scan", _scan)
    case("state space/rotated half", lambda x: ttnn.experimental.rotate_half(x.normal(shape=(1, 1, 32, 128))))


def _scan(x: Inputs) -> ttnn.Tensor:
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(0, 0))})

    def shards(rows: int) -> ttnn.MemoryConfig:
        spec = ttnn.ShardSpec(cores, (rows, _WIDTH), ttnn.ShardOrientation.ROW_MAJOR)
        return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.L1, spec)

    return ttnn.experimental.prefix_scan(
        x.normal(shape=(1, 1, 32, _WIDTH), scale=0.5, memory=shards(32)),
        x.normal(shape=(1, 1, 32, _WIDTH), memory=shards(32)),
        x.normal(shape=(1, 1, 1, _WIDTH), layout=ttnn.ROW_MAJOR_LAYOUT, memory=shards(1)),
        memory_config=shards(32),
    )


for _fill_table in (_products, _state_space):
    _fill_table()
