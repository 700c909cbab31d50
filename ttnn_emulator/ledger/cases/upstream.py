# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases that tt-transformers' decode asks for beyond models/bitnet.

Weights lie in DRAM banks in blocks of several tiles, heads have other sizes and lie on other cores, and caches without
pages are called in each form.
"""

from typing import Any

import ttnn
from ttnn_emulator.ledger.cases.eltwise import unary
from ttnn_emulator.ledger.cases.model import user_memory
from ttnn_emulator.ledger.cases.product import in_banks
from ttnn_emulator.ledger.cases.step import listed
from ttnn_emulator.ledger.cases.table import TYPES, case
from ttnn_emulator.ledger.cases.tensor import compute, sharded
from ttnn_emulator.ledger.inputs import Inputs

_ROWS, _INNER, _WIDTH, _CORES, _TILE = 8, 128, 128, 2, 32  # of a product
_USERS, _KV_HEADS, _POSITIONS, _SIZE = 2, 2, 64, 32  # of a cache


def _products() -> None:
    for first, weight, result, fidelity in (
        ("bf16", "bfp4", "bf16", "LoFi"),
        ("bf16", "bfp4", "bfp8", "LoFi"),
        ("bfp8", "bfp8", "bf16", "HiFi2"),
        ("bf16", "bf16", "bf16", "HiFi2"),
        ("fp32", "bf16", "fp32", "HiFi4"),
    ):
        kinds = TYPES[first], TYPES[weight], TYPES[result]
        for wide in (True, False) if first != "fp32" else (True,):
            case(
                f"banked blocks/{first} {weight} to {result} {fidelity} {'fp32' if wide else 'bf16'} sums",
                lambda x, k=kinds, f=fidelity, w=wide: _product(x, *k, compute(x, f, w)),
            )
    for wide in (True, False):
        case(
            f"banked blocks/{'fp32' if wide else 'bf16'} sums of four blocks, added by the packer",
            lambda x, w=wide: _product(x, ttnn.bfloat16, ttnn.bfloat4_b, ttnn.bfloat16, _packer_adds(x, w), blocks=4),
        )
    case("banked blocks/RELU last", lambda x: _tuned(x, activation=unary("RELU")))
    for weight in ("bf16", "bfp4"):
        case(f"banked blocks/{weight} with bias", lambda x, w=TYPES[weight]: _tuned(x, w, bias=_bias(x)))


def _tuned(x: Inputs, weight: ttnn.DataType = ttnn.bfloat4_b, **rest: Any) -> ttnn.Tensor:
    return _product(x, ttnn.bfloat16, weight, ttnn.bfloat16, compute(x, "HiFi2"), **rest)


def _bias(x: Inputs) -> ttnn.Tensor:
    return x.normal(shape=(1, 1, 1, _WIDTH), memory=in_banks(x, _TILE, _WIDTH)["memory"])


def _packer_adds(x: Inputs, wide: bool) -> Any:
    """Add to the sums of the earlier blocks in memory, as upstream's decode does."""
    how = compute(x, "LoFi", wide)
    how.packer_l1_acc = True
    return how


def _product(
    x: Inputs,
    first: ttnn.DataType,
    weight: ttnn.DataType,
    result: ttnn.DataType,
    how: Any,
    activation: ttnn.UnaryWithParam | None = None,
    blocks: int = 2,
    **rest: Any,
) -> ttnn.Tensor:
    """Multiply in `blocks` blocks of K, with two tile columns on each core."""
    program = ttnn.MatmulMultiCoreReuseMultiCastDRAMShardedProgramConfig(
        in0_block_w=_INNER // _TILE // blocks,
        per_core_M=1,
        per_core_N=_WIDTH // _TILE // _CORES,
        fused_activation=activation,
    )
    return ttnn.linear(
        x.normal(first, (1, 1, _ROWS, _INNER), memory=sharded(_INNER, _CORES)),
        x.normal(weight, **in_banks(x, _INNER, _WIDTH)),
        program_config=program,
        compute_kernel_config=how,
        dtype=result,
        memory_config=sharded(_WIDTH, _CORES),
        **rest,
    )


def _joined_heads() -> None:
    case("joined heads/3 heads 64 wide", lambda x: _joined(x, 2, 3, 64, (0, 0, 1, 0)))
    case("joined heads/32 users", lambda x: _joined(x, 32, 4, 32, (0, 0, 7, 3)))
    # cores in two ranges, as upstream's Galaxy has them
    case("joined heads/cores from a list", lambda x: _joined(x, 4, 4, 32, (1, 0, 1, 1), (3, 0, 3, 1)))


def _joined(x: Inputs, users: int, heads: int, size: int, *ranges: tuple[int, int, int, int]) -> ttnn.Tensor:
    cores = [ttnn.CoreRange(ttnn.CoreCoord(a, b), ttnn.CoreCoord(c, d)) for a, b, c, d in ranges]
    grid = ttnn.CoreRangeSet(cores)
    spec = ttnn.ShardSpec(grid, (_TILE, size), ttnn.ShardOrientation.ROW_MAJOR)
    memory = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.BufferType.L1, spec)
    tensor = x.normal(shape=(1, users, heads, size), memory=memory)
    listed = {"sub_core_grids": grid} if len(ranges) > 1 else {}
    joined = ttnn.experimental.nlp_concat_heads_decode(tensor, num_heads=heads, **listed)
    return ttnn.from_torch(ttnn.to_torch(joined)[:, :, :users])  # the other rows are what the memory held


def _caches() -> None:
    for kind in ("bf16", "bfp8"):
        case(f"unpaged/update of a token {kind}", lambda x, d=TYPES[kind]: _update(x, d))
    case("unpaged/fill from position 32 bfp8", lambda x: _fill(x, ttnn.bfloat8_b))
    case("unpaged/fused update bfp4", lambda x: _fused_update(x, ttnn.bfloat4_b))
    case("unpaged/update of a shared cache", _shared_update)


def _cache(x: Inputs, dtype: ttnn.DataType, users: int = _USERS, length: int = _POSITIONS) -> ttnn.Tensor:
    return x.normal(dtype, (users, _KV_HEADS, length, _SIZE))


def _fill(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    cache = _cache(x, dtype)
    ttnn.kv_cache.fill_cache_for_user_(cache, x.normal(dtype, (1, _KV_HEADS, 32, _SIZE)), 1, update_idx=32)
    return cache


def _update(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    cache = _cache(x, dtype, length=_TILE)
    ttnn.kv_cache.update_cache_for_token_(cache, x.normal(shape=(1, _KV_HEADS, _TILE, _SIZE)), 21)
    return cache


def _step(x: Inputs, first: int = 0) -> ttnn.Tensor:
    return x.normal(shape=(1, _USERS, _KV_HEADS, _SIZE), memory=user_memory(_USERS, first))


def _fused_update(x: Inputs, dtype: ttnn.DataType) -> list[ttnn.Tensor]:
    keys, values = (_cache(x, dtype, length=_TILE) for _ in range(2))
    places = listed(x, [3, 21])
    ttnn.experimental.paged_fused_update_cache(keys, _step(x), values, _step(x, _USERS), update_idxs_tensor=places)
    return [keys, values]


def _shared_update(x: Inputs) -> ttnn.Tensor:
    cache = _cache(x, ttnn.bfloat16, users=1, length=_TILE)
    ttnn.experimental.paged_update_cache(cache, _step(x), update_idxs=[3, 21], share_cache=True)
    return cache


def _attention() -> None:
    """Attend in decode over caches without pages, with 2 users and 2 heads of keys."""
    for kind in ("bf16", "bfp4"):
        case(f"unpaged/attention {kind}", lambda x, d=TYPES[kind]: _decode(x, d))
    case("unpaged/attention in 16 bits", lambda x: _decode(x, how=compute(x, "HiFi2", False)), "pcc=0.9999")
    case("unpaged/attention skips a user", _skipping)
    case("unpaged/attention 20 heads", lambda x: _decode(x, heads=20))
    case("unpaged/attention window", lambda x: _decode(x, sliding_window_size=40), "ulps=1")
    case("unpaged/attention sink", lambda x: _decode(x, attention_sink=x.normal(shape=(4, _TILE), scale=4.0)))
    case("unpaged/attention mask", _masked)
    case("unpaged/attention as the library likes", _as_it_likes, "pcc=0.9999")


def _decode(
    x: Inputs,
    dtype: ttnn.DataType = ttnn.bfloat16,
    heads: int = 4,
    how: Any = None,
    **rest: Any,
) -> ttnn.Tensor:
    program = ttnn.SDPAProgramConfig(
        compute_with_storage_grid_size=(8, 4), q_chunk_size=0, k_chunk_size=32, exp_approx_mode=False
    )
    places = {} if "attn_mask" in rest or "cur_pos_tensor" in rest else {"cur_pos": [5, 52]}
    return ttnn.transformer.scaled_dot_product_attention_decode(
        x.normal(shape=(1, _USERS, heads, _SIZE)),
        _cache(x, dtype),
        _cache(x, dtype),
        scale=_SIZE**-0.5,
        program_config=program,
        compute_kernel_config=how or compute(x),
        **places,
        **rest,
    )


def _skipping(x: Inputs) -> ttnn.Tensor:
    attended = _decode(x, cur_pos_tensor=listed(x, [-1, 37]))
    return ttnn.from_torch(ttnn.to_torch(attended)[:, 1:])  # the first user's row is what the memory held


def _masked(x: Inputs) -> ttnn.Tensor:
    return _decode(x, is_causal=False, attn_mask=x.normal(shape=(1, _USERS, 4, _POSITIONS)))


def _as_it_likes(x: Inputs) -> ttnn.Tensor:
    """Add cases with chunks, fidelity and sums of their own."""
    return ttnn.transformer.scaled_dot_product_attention_decode(
        x.normal(shape=(1, _USERS, 4, _SIZE)), _cache(x, ttnn.bfloat16), _cache(x, ttnn.bfloat16), cur_pos=[5, 52]
    )


for _fill_table in (_products, _joined_heads, _caches, _attention):
    _fill_table()
