# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases over whole tensors: reductions, data movement, matrix products, norms."""

import ttnn
from ttnn_emulator.ledger.cases.table import FLOATS, TYPES, case
from ttnn_emulator.ledger.inputs import Inputs


def compute(x: Inputs, fidelity: str = "HiFi4", wide: bool = True):
    return ttnn.init_device_compute_kernel_config(
        x.device.arch(),
        math_fidelity=getattr(ttnn.MathFidelity, fidelity),
        math_approx_mode=False,
        fp32_dest_acc_en=wide,
        packer_l1_acc=wide,
    )


def _reductions() -> None:
    for kind in FLOATS:
        dtype = TYPES[kind]
        bar = "exact" if kind == "bf16" else "pcc=0.99999"
        for name, limit in (("sum", bar), ("mean", bar), ("max", "exact")):
            call = getattr(ttnn, name)
            case(
                f"reduction/{name} {kind}",
                lambda x, c=call, d=dtype: c(x.spread(d, positive=True), dim=-1, keepdim=True),
                limit,
            )
        case(f"reduction/cumsum {kind}", lambda x, d=dtype: ttnn.cumsum(x.normal(d), dim=-1), bar)
    case("reduction/sum fp32 mixed signs", lambda x: ttnn.sum(x.normal(ttnn.float32), dim=-1), "pcc=0.99999")
    for fidelity in ("LoFi", "HiFi4"):
        case(
            f"reduction/sum over rows, bf16 sums {fidelity}",
            lambda x, f=fidelity: ttnn.sum(
                x.normal(shape=(1, 1, 64, 64)), dim=-2, compute_kernel_config=compute(x, f, False)
            ),
        )
    case("reduction/argmax", lambda x: ttnn.argmax(x.normal(layout=ttnn.ROW_MAJOR_LAYOUT), dim=-1))
    case("reduction/topk", lambda x: ttnn.topk(x.put(x.shuffled(1, 1, 32, 64).float()), 32, dim=-1))


def _movement() -> None:
    rows = {"layout": ttnn.ROW_MAJOR_LAYOUT}
    for kind in FLOATS:
        dtype = TYPES[kind]
        case(
            f"movement/slice {kind}",
            lambda x, d=dtype: ttnn.slice(x.spread(d, (1, 1, 64, 64)), [0, 0, 32, 0], [1, 1, 64, 32]),
        )
        case(f"movement/concat {kind}", lambda x, d=dtype: ttnn.concat([x.spread(d), x.spread(d)], dim=-1))
        case(f"movement/transpose {kind}", lambda x, d=dtype: ttnn.transpose(x.spread(d), 0, 1))
        case(f"movement/untilize {kind}", lambda x, d=dtype: ttnn.untilize(x.spread(d)))
        case(f"movement/tilize {kind}", lambda x, d=dtype: ttnn.tilize(x.spread(d, **rows)))
        case(f"movement/permute {kind}", lambda x, d=dtype: ttnn.permute(x.spread(d, (1, 2, 32, 32)), (0, 2, 1, 3)))
        case(f"movement/reshape {kind}", lambda x, d=dtype: ttnn.reshape(x.spread(d), (64, 32)))
        case(
            f"movement/pad {kind}", lambda x, d=dtype: ttnn.pad(x.spread(d, (20, 40), **rows), [(0, 12), (0, 24)], 0.0)
        )
        case(f"movement/sharded {kind}", lambda x, d=dtype: ttnn.to_memory_config(x.spread(d), sharded(64, 2)))
    case("movement/slice rows", lambda x: ttnn.slice(x.spread(**rows), [5, 16], [25, 48]))
    for layout in (ttnn.ROW_MAJOR_LAYOUT, ttnn.TILE_LAYOUT):
        case(
            f"movement/embedding {layout.name}",
            lambda x, to=layout: ttnn.embedding(
                x.whole(0, 31, ttnn.uint32, (1, 32), **rows), x.spread(**rows), layout=to
            ),
        )


def sharded(width: int, cores: int) -> ttnn.MemoryConfig:
    return ttnn.create_sharded_memory_config(
        (1, 1, 32, width), core_grid=ttnn.CoreGrid(y=1, x=cores), strategy=ttnn.ShardStrategy.WIDTH
    )


def _matmuls() -> None:
    for weight in ("bf16", "bfp8", "bfp4"):
        for fidelity in ("LoFi", "HiFi2", "HiFi4"):
            for wide in (False, True):
                case(
                    f"matmul/bf16 {weight} {fidelity} {'fp32' if wide else 'bf16'} sums",
                    lambda x, w=TYPES[weight], f=fidelity, wide=wide: ttnn.matmul(
                        x.normal(shape=(32, 128)), x.normal(w, (128, 32)), compute_kernel_config=compute(x, f, wide)
                    ),
                )
    for fidelity in ("LoFi", "HiFi2", "HiFi4"):
        case(
            f"matmul/fp32 fp32 {fidelity}",
            lambda x, f=fidelity: ttnn.matmul(
                x.normal(ttnn.float32, (32, 128)),
                x.normal(ttnn.float32, (128, 32)),
                compute_kernel_config=compute(x, f),
            ),
        )
    case(
        "matmul/many blocks",
        lambda x: ttnn.matmul(
            x.normal(shape=(32, 512)), x.normal(shape=(512, 32)), compute_kernel_config=compute(x, "HiFi2")
        ),
    )
    case(
        "matmul/ternary 1024 deep",
        lambda x: ttnn.matmul(
            x.normal(shape=(32, 1024)),
            x.whole(-1, 1, ttnn.bfloat4_b, (1024, 64)),
            compute_kernel_config=compute(x, "LoFi"),
        ),
    )
    case("matmul/int8 ternary LoFi", lambda x: _ternary(x, ttnn.float32))
    case("matmul/int8 ternary LoFi to bf16", lambda x: _ternary(x, ttnn.bfloat16))
    case("matmul/default", lambda x: ttnn.matmul(x.normal(shape=(64, 64)), x.normal(shape=(64, 64))))


def _ternary(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    return ttnn.linear(
        x.whole(-127, 127, ttnn.bfloat16, (32, 256)),
        x.whole(-1, 1, ttnn.bfloat4_b, (256, 64)),
        dtype=dtype,
        compute_kernel_config=compute(x, "LoFi"),
    )


def _norms() -> None:
    case("norm/rms_norm over three rows of cores", _three_rows)
    for kind in FLOATS:
        dtype = TYPES[kind]
        liked = "exact" if kind == "bf16" else "pcc=0.99999"
        case(
            f"norm/rms_norm {kind}",
            lambda x, d=dtype: ttnn.rms_norm(
                x.normal(d, (1, 1, 32, 64)),
                epsilon=1e-5,
                weight=x.normal(d, (1, 1, 1, 64)),
                compute_kernel_config=compute(x),
            ),
        )
        case(
            f"norm/rms_norm {kind} as the library likes", lambda x, d=dtype: ttnn.rms_norm(x.normal(d, (32, 64))), liked
        )
        case(f"norm/rms_norm {kind} sharded", lambda x, d=dtype: _sharded_norm(x, d))
        case(f"norm/layer_norm {kind}", lambda x, d=dtype: _layer_norm(x, d, compute_kernel_config=compute(x)))
        case(f"norm/layer_norm {kind} as the library likes", lambda x, d=dtype: _layer_norm(x, d))
        case(f"norm/softmax {kind}", lambda x, d=dtype: ttnn.softmax(x.normal(d), dim=-1))
        case(
            f"norm/softmax {kind} stable",
            lambda x, d=dtype: ttnn.softmax(x.normal(d, scale=5.0), dim=-1, numeric_stable=True),
            "ulps=1" if kind == "bf16" else "exact",
        )


def _layer_norm(x: Inputs, dtype: ttnn.DataType, **how) -> ttnn.Tensor:
    weight, bias = (x.normal(dtype, (1, 1, 1, 64)) for _ in range(2))
    return ttnn.layer_norm(x.normal(dtype, (1, 1, 32, 64)), epsilon=1e-5, weight=weight, bias=bias, **how)


def _three_rows(x: Inputs) -> ttnn.Tensor:
    memory = ttnn.create_sharded_memory_config(
        (1, 1, 32, 768), core_grid=ttnn.CoreGrid(y=3, x=8), strategy=ttnn.ShardStrategy.WIDTH
    )
    program = ttnn.LayerNormShardedMultiCoreProgramConfig(
        compute_with_storage_grid_size=(8, 3), subblock_w=1, block_h=1, block_w=1, inplace=False
    )
    rows = x.normal(shape=(1, 1, 1, 768), memory=memory)
    return ttnn.rms_norm(
        rows, epsilon=1e-5, program_config=program, memory_config=memory, compute_kernel_config=compute(x)
    )


def _sharded_norm(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    program = ttnn.LayerNormShardedMultiCoreProgramConfig(
        compute_with_storage_grid_size=(2, 1), subblock_w=1, block_h=1, block_w=1, inplace=False
    )
    return ttnn.rms_norm(
        x.normal(dtype, (1, 1, 32, 64), memory=sharded(64, 2)),
        epsilon=1e-5,
        weight=x.normal(dtype, (1, 1, 2, 32), layout=ttnn.ROW_MAJOR_LAYOUT),
        program_config=program,
        memory_config=sharded(64, 2),
        compute_kernel_config=compute(x),
    )


for _fill in (_reductions, _movement, _matmuls, _norms):
    _fill()
