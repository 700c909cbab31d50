# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of the calls that models/bitnet makes, and of the attention operations around them."""

import torch

import ttnn
from ttnn_emulator.ledger.cases.eltwise import unary
from ttnn_emulator.ledger.cases.table import FLOATS, TYPES, case
from ttnn_emulator.ledger.cases.tensor import compute, sharded
from ttnn_emulator.ledger.inputs import Inputs

_HEADS, _KV_HEADS, _SIZE, _USERS, _BLOCKS = 4, 2, 32, 2, 4
_UNEVEN = torch.tensor(128**-0.5).item()  # a scale of more than 8 bits; the binding takes float32 only
_COUNTS = {"num_heads": _HEADS, "num_kv_heads": _KV_HEADS}
_SQUARED_RELU = [unary("RELU"), unary("SQUARE")]


def _memory(where: str) -> ttnn.MemoryConfig:
    return sharded(64, 2) if where == "sharded" else ttnn.DRAM_MEMORY_CONFIG


def _projection() -> None:
    for kind in FLOATS:
        dtype = TYPES[kind]
        for where in ("dram", "sharded"):
            case(f"model/quantise {kind} {where}", lambda x, d=dtype, w=where: _quantise(x, d, _memory(w)))
            case(f"model/rescale {kind} {where}", lambda x, d=dtype, w=where: _rescale(x, d, _memory(w)))
            case(
                f"model/squared relu times up {kind} {where}",
                lambda x, d=dtype, m=where: ttnn.multiply(
                    x.normal(d, (1, 1, 32, 64), memory=_memory(m)),
                    x.normal(d, (1, 1, 32, 64), memory=_memory(m)),
                    input_tensor_a_activations=_SQUARED_RELU,
                    memory_config=_memory(m),
                ),
            )
            case(
                f"model/residual {kind} {where}",
                lambda x, d=dtype, m=where: ttnn.add(
                    x.normal(d, (1, 1, 32, 64), memory=_memory(m)),
                    x.normal(d, (1, 1, 32, 64), memory=_memory(m)),
                    memory_config=_memory(m),
                ),
            )


def _quantise(x: Inputs, dtype: ttnn.DataType, memory: ttnn.MemoryConfig) -> list[ttnn.Tensor]:
    rows = x.normal(dtype, (1, 1, 32, 64), memory=memory)
    chain = [unary("ABS"), unary("MAXIMUM", 1e-5)]
    magnitude = ttnn.unary_chain(rows, chain, memory_config=memory)
    peak = ttnn.max(magnitude, dim=-1, keepdim=True, memory_config=ttnn.L1_MEMORY_CONFIG)
    after = [unary("MUL_UNARY_SFPU", 127.0), unary("ROUND", 0.0)]
    return [ttnn.divide(rows, peak, activations=after, dtype=ttnn.bfloat16, memory_config=memory), peak]


def _rescale(x: Inputs, dtype: ttnn.DataType, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
    return ttnn.multiply(
        x.whole(-30000, 30000, ttnn.float32, (1, 1, 32, 64), memory=memory),
        x.spread(dtype, (1, 1, 32, 1), zeros=False, memory=ttnn.L1_MEMORY_CONFIG),
        activations=[unary("MUL_UNARY_SFPU", 1 / 127)],
        dtype=dtype,
        memory_config=memory,
    )


def user_memory(count: int, first: int = 0, width: int = _SIZE) -> ttnn.MemoryConfig:
    """Return a memory config with one user a core, from core `first` of the first row on."""
    cores = ttnn.CoreRange(ttnn.CoreCoord(first, 0), ttnn.CoreCoord(first + count - 1, 0))
    spec = ttnn.ShardSpec(ttnn.CoreRangeSet({cores}), (32, width), ttnn.ShardOrientation.ROW_MAJOR)
    return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.BufferType.L1, spec)


def _heads() -> None:
    width = (_HEADS + 2 * _KV_HEADS) * _SIZE
    for kind in FLOATS:
        dtype = TYPES[kind]
        case(
            f"heads/create {kind}",
            lambda x, d=dtype: ttnn.experimental.nlp_create_qkv_heads(
                x.spread(d, (1, 1, 32, width)), **_COUNTS, transpose_k_heads=False
            ),
        )
        case(f"heads/concat {kind}", lambda x, d=dtype: ttnn.experimental.nlp_concat_heads(x.spread(d, (1, 4, 32, 32))))
    case(
        "heads/create decode",
        lambda x: ttnn.experimental.nlp_create_qkv_heads_decode(
            x.spread(shape=(1, 1, _USERS, width), memory=ttnn.L1_MEMORY_CONFIG),
            **_COUNTS,
            overlap_qk_coregrid=False,
            memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG,
        ),
    )
    case("heads/rotary prefill", lambda x: ttnn.experimental.rotary_embedding_llama(*_rotary(x)))
    case("heads/rotary fused decode", _fused_rotary)


def _pairs(x: Inputs, copies: int = 1, **place) -> ttnn.Tensor:
    matrix, even = torch.zeros(1, 1, 32, 32), torch.arange(0, 32, 2)
    matrix[..., even, even + 1], matrix[..., even + 1, even] = 1, -1
    return x.put(matrix.repeat(1, copies, 1, 1), **place)


def _rotary(x: Inputs) -> list[ttnn.Tensor]:
    table = (1, 1, 32, _SIZE)
    return [x.normal(shape=(1, _HEADS, 32, _SIZE)), x.normal(shape=table), x.normal(shape=table), _pairs(x)]


def _fused_rotary(x: Inputs) -> list[ttnn.Tensor]:
    both = user_memory(2 * _USERS)
    tables = [x.normal(shape=(1, 2 * _USERS, 1, _SIZE), memory=both) for _ in range(2)]
    query = x.normal(shape=(1, _USERS, _HEADS, _SIZE), memory=user_memory(_USERS))
    key = x.normal(shape=(1, _USERS, _KV_HEADS, _SIZE), memory=user_memory(_USERS, _USERS))
    pairs = _pairs(x, 2 * _USERS, memory=both)
    return list(ttnn.experimental.rotary_embedding_llama_fused_qk(query, key, *tables, pairs))


def _caches() -> None:
    for kind in ("bf16", "bfp8"):
        dtype = TYPES[kind]
        case(f"cache/fill {kind}", lambda x, d=dtype: _fill_cache(x, d))
        case(f"cache/update {kind}", lambda x, d=dtype: _update(x, d))
        case(f"cache/fused update {kind}", lambda x, d=dtype: _fused_update(x, d))
        case(f"attention/decode {kind}", lambda x, d=dtype: _decode(x, d))
        case(f"attention/decode {kind} 20 heads", lambda x, d=dtype: _decode(x, d, 20, 0))
        case(f"attention/chunked {kind}", lambda x, d=dtype: _chunked(x, d))
        case(f"attention/chunked {kind} HiFi2", lambda x, d=dtype: _chunked(x, d, "HiFi2", 64, _UNEVEN))


def _prefills() -> None:
    case("attention/prefill", lambda x: _prefill(x, compute(x), _UNEVEN))
    case("attention/prefill HiFi2", lambda x: _prefill(x, compute(x, "HiFi2"), _UNEVEN))
    case("attention/prefill in 16 bits", lambda x: _prefill(x, compute(x, wide=False), _UNEVEN))
    case("attention/prefill as the library likes", lambda x: _prefill(x, None), "pcc=0.9998")
    case("attention/prefill everything", lambda x: _prefill(x, compute(x), is_causal=False))
    case("attention/prefill window", lambda x: _prefill(x, compute(x), sliding_window_size=40))
    case("attention/prefill heads of 128", _wide_heads)
    for kind, wide in (("", True), (" in 16 bits", False)):
        case(f"attention/prefill mask{kind}", lambda x, w=wide: _masked(x, compute(x, wide=w)))
        case(f"attention/prefill sink{kind}", lambda x, w=wide: _sunk(x, compute(x, wide=w)))


def _prefill(x: Inputs, how, scale: float = 0.125, **rest) -> ttnn.Tensor:
    """Attend with four chunks of queries and of keys. A `how` of None leaves the chunks to the library."""
    tensors = [x.normal(shape=(1, heads, 128, _SIZE), scale=1.5) for heads in (_HEADS, _KV_HEADS, _KV_HEADS)]
    configured = {} if how is None else {"program_config": _program(32), "compute_kernel_config": how}
    return ttnn.transformer.scaled_dot_product_attention(*tensors, scale=scale, **configured, **rest)


def _wide_heads(x: Inputs) -> ttnn.Tensor:
    query, key, value = (x.normal(shape=(1, 1, 64, 128), scale=1.5) for _ in range(3))
    return ttnn.transformer.scaled_dot_product_attention(
        query, key, value, scale=128**-0.5, program_config=_program(64, 64), compute_kernel_config=compute(x, "HiFi2")
    )


def _masked(x: Inputs, how) -> ttnn.Tensor:
    return _prefill(x, how, _UNEVEN, attn_mask=x.normal(shape=(1, _HEADS, 128, 128)), is_causal=False)


def _sunk(x: Inputs, how) -> ttnn.Tensor:
    return _prefill(x, how, attention_sink=x.normal(shape=(1, _HEADS, 1, 1), scale=4.0))


def _cache(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    return x.normal(dtype, (_BLOCKS, _KV_HEADS, 32, _SIZE))


def _listed(x: Inputs, value: torch.Tensor) -> ttnn.Tensor:
    return x.put(value.int(), ttnn.int32, ttnn.ROW_MAJOR_LAYOUT)


def _places(x: Inputs) -> dict[str, ttnn.Tensor]:
    pages = x.shuffled(_BLOCKS).reshape(_USERS, -1)
    return {"page_table": _listed(x, pages), "update_idxs_tensor": _listed(x, torch.tensor([3, 37]))}


def _fill_cache(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    cache, rows = _cache(x, dtype), x.normal(dtype, (1, _KV_HEADS, 64, _SIZE))
    ttnn.experimental.paged_fill_cache(cache, rows, _places(x)["page_table"], batch_idx=1)
    return cache


def _step(x: Inputs, first: int = 0) -> ttnn.Tensor:
    return x.normal(shape=(1, _USERS, _KV_HEADS, _SIZE), memory=user_memory(_USERS, first))


def _update(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    cache = _cache(x, dtype)
    ttnn.experimental.paged_update_cache(cache, _step(x), **_places(x))
    return cache


def _fused_update(x: Inputs, dtype: ttnn.DataType) -> list[ttnn.Tensor]:
    keys, values = _cache(x, dtype), _cache(x, dtype)
    ttnn.experimental.paged_fused_update_cache(keys, _step(x), values, _step(x, _USERS), **_places(x))
    return [keys, values]


def _program(query_chunk: int, keys_at_once: int = 32) -> ttnn.SDPAProgramConfig:
    return ttnn.SDPAProgramConfig(
        compute_with_storage_grid_size=(8, 4),
        q_chunk_size=query_chunk,
        k_chunk_size=keys_at_once,
        exp_approx_mode=False,
    )


def _decode(x: Inputs, dtype: ttnn.DataType, heads: int = _HEADS, keys_at_once: int = 32) -> ttnn.Tensor:
    places = _places(x)
    return ttnn.transformer.paged_scaled_dot_product_attention_decode(
        x.normal(shape=(1, _USERS, heads, _SIZE)),
        _cache(x, dtype),
        _cache(x, dtype),
        places["page_table"],
        cur_pos_tensor=places["update_idxs_tensor"],
        scale=_SIZE**-0.5,
        program_config=_program(0, keys_at_once),
        compute_kernel_config=compute(x),
    )


def _chunked(
    x: Inputs, dtype: ttnn.DataType, fidelity: str = "HiFi4", start: int = 0, scale: float = 0.125
) -> ttnn.Tensor:
    return ttnn.transformer.chunked_scaled_dot_product_attention(
        x.normal(shape=(1, _HEADS, 64, _SIZE)),
        _cache(x, dtype),
        _cache(x, dtype),
        _listed(x, x.shuffled(1, _BLOCKS)),
        start,
        scale=scale,
        program_config=_program(32),
        compute_kernel_config=compute(x, fidelity),
    )


for _fill in (_projection, _heads, _caches, _prefills):
    _fill()
