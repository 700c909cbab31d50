# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of the other calls of models/bitnet's steps, and of caches without pages.

Those calls are look-ups, joined heads, attention, and choosing a token.
"""

from typing import Any

import torch

import ttnn
from ttnn_emulator.ledger.cases.model import user_memory
from ttnn_emulator.ledger.cases.table import FLOATS, TYPES, case
from ttnn_emulator.ledger.cases.tensor import compute, sharded
from ttnn_emulator.ledger.inputs import Inputs

_ROWS, _TILE = 4, 32  # the rows are part of a tile
_HEADS, _SIZE = 8, 32
_LOGITS = (1, 1, 4, 256)
_CANDIDATES = 32
_ROW_MAJOR = ttnn.ROW_MAJOR_LAYOUT


def _step() -> None:
    for users in (2, 4):
        case(f"step/concat heads of {users} users", lambda x, n=users: _joined(x, n))
    for kind in FLOATS:
        case(f"step/embedding {kind} into shards", lambda x, d=TYPES[kind]: _tokens(x, d))
        case(f"step/slice one row {kind}", lambda x, d=TYPES[kind]: _one_row(x, d))
        case(f"step/argmax {kind}", lambda x, d=TYPES[kind]: _greedy(x, d))
    case("step/angles", _angles)
    case("step/pad tokens", lambda x: ttnn.pad(_places(x, 20), [(0, 0), (0, 12)], 0))
    case("step/to the users' cores", lambda x: ttnn.to_memory_config(x.normal(shape=(1, 2, 4, 32)), user_memory(2)))
    case("step/topk", lambda x: ttnn.topk(x.put(x.shuffled(*_LOGITS).float()), k=_CANDIDATES, dim=-1))
    for name in ("eq", "le", "lt"):
        call = getattr(ttnn, name)
        case(
            f"step/{name} of candidates",
            lambda x, c=call: c(_candidates(x), _candidates(x, 1), dtype=ttnn.float32),
        )
    case("step/eq of ranks", lambda x: ttnn.eq(_candidates(x, rows=1), _candidates(x, 1), dtype=ttnn.float32))
    case("step/random numbers", _random)
    case("step/tokens", _chosen)


def _joined(x: Inputs, users: int) -> ttnn.Tensor:
    heads = x.normal(shape=(1, users, _HEADS, _SIZE), memory=user_memory(users))
    return ttnn.experimental.nlp_concat_heads_decode(heads, num_heads=_HEADS)


def _places(x: Inputs, count: int) -> ttnn.Tensor:
    return x.whole(0, 31, ttnn.uint32, (1, count), layout=_ROW_MAJOR)


def _tokens(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    table = x.spread(shape=(32, 64), layout=_ROW_MAJOR)
    rows = ttnn.embedding(_places(x, _TILE), table, layout=ttnn.TILE_LAYOUT, dtype=dtype, memory_config=sharded(64, 2))
    tile = ttnn.unsqueeze_to_4D(rows)
    return ttnn.reshape(tile, (1, 1, _ROWS, 64), (1, 1, _TILE, 64))


def _angles(x: Inputs) -> ttnn.Tensor:
    """Return a tile for each user and kind of head. Only its first row counts."""
    rows = ttnn.embedding(
        _places(x, 4 * _TILE),
        x.normal(shape=(32, _SIZE), layout=_ROW_MAJOR),
        layout=ttnn.TILE_LAYOUT,
        memory_config=user_memory(4),
    )
    tiles = ttnn.reshape(rows, (1, 4, _TILE, _SIZE))
    return ttnn.reshape(tiles, (1, 4, 1, _SIZE), (1, 4, _TILE, _SIZE))


def _one_row(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    return ttnn.slice(x.normal(dtype, (1, 1, _TILE, 64)), [0, 0, 5, 0], [1, 1, 6, 64])


def _greedy(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    tokens = x.whole(0, 0, ttnn.uint32, _LOGITS[:3], layout=_ROW_MAJOR)
    rows = ttnn.untilize(x.normal(dtype, _LOGITS), use_multicore=True)
    ttnn.argmax(rows, dim=3, keepdim=False, output_tensor=tokens)
    return tokens


def _candidates(x: Inputs, width: int = _CANDIDATES, rows: int = _ROWS) -> ttnn.Tensor:
    return x.whole(0, 5, ttnn.float32, (1, 1, rows, width))


def _random(x: Inputs) -> list[ttnn.Tensor]:
    """Compute a generator's next state, and its number in [0, 1)."""

    def row(*values: float) -> ttnn.Tensor:
        return x.put(torch.tensor(values)[None, None, None], ttnn.float32)

    state = x.whole(1, 30000, ttnn.float32, (1, 1, _ROWS, 3))
    ttnn.remainder(ttnn.multiply(state, row(171, 172, 170)), row(30269, 30307, 30323), output_tensor=state)
    shares = ttnn.multiply(state, row(1 / 30269, 1 / 30307, 1 / 30323))
    fraction = ttnn.frac(ttnn.sum(shares, dim=-1, keepdim=True))
    return [state, ttnn.multiply(fraction, 1 - 2**-20)]


def _chosen(x: Inputs) -> ttnn.Tensor:
    """Turn token numbers in float32, one a row and zeros beside it, into row-major integers in a tensor that exists."""
    one = torch.zeros(1, 1, _ROWS, _CANDIDATES)
    one[..., torch.arange(_ROWS), x.shuffled(_CANDIDATES)[:_ROWS]] = torch.tensor([128255.0, 1.0, 70001.0, 0.0])
    token = ttnn.typecast(ttnn.sum(x.put(one, ttnn.float32), dim=-1, keepdim=True), ttnn.uint32)
    tokens = x.whole(0, 0, ttnn.uint32, (1, 1, _ROWS), layout=_ROW_MAJOR)
    ttnn.copy(ttnn.reshape(ttnn.to_layout(token, _ROW_MAJOR), (1, 1, _ROWS)), tokens)
    return tokens


def _caches() -> None:
    """Return a cache without a page table: [users, heads, positions, D]."""
    for kind in ("bf16", "bfp8"):
        dtype = TYPES[kind]
        case(f"contiguous/fill {kind}", lambda x, d=dtype: _fill(x, d))
        case(f"contiguous/update {kind}", lambda x, d=dtype: _update(x, d))
        case(f"contiguous/update by numbers {kind}", lambda x, d=dtype: _own_places(x, d, update_idxs=[3, 37]))
        case(
            f"contiguous/update by tensor {kind}",
            lambda x, d=dtype: _own_places(x, d, update_idxs_tensor=listed(x, [40, -1])),
        )
        case(f"contiguous/attention {kind}", lambda x, d=dtype: _attention(x, d))


def _cache(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    return x.normal(dtype, (2, 1, 64, _SIZE))


def listed(x: Inputs, values: list[int]) -> ttnn.Tensor:
    return x.put(torch.tensor(values).int(), ttnn.int32, _ROW_MAJOR)


def _fill(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    cache = _cache(x, dtype)
    ttnn.fill_cache(cache, x.normal(dtype, (1, 1, 32, _SIZE)), 1)
    return cache


def _update(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    cache = _cache(x, dtype)
    ttnn.update_cache(cache, x.normal(shape=(1, 1, _TILE, _SIZE)), 37, batch_offset=0)
    return cache


def _own_places(x: Inputs, dtype: ttnn.DataType, **places: Any) -> ttnn.Tensor:
    cache = _cache(x, dtype)
    ttnn.experimental.paged_update_cache(cache, x.normal(shape=(1, 2, 1, _SIZE), memory=user_memory(2)), **places)
    return cache


def _attention(x: Inputs, dtype: ttnn.DataType) -> ttnn.Tensor:
    program = ttnn.SDPAProgramConfig(
        compute_with_storage_grid_size=(8, 4), q_chunk_size=0, k_chunk_size=32, exp_approx_mode=False
    )
    return ttnn.transformer.scaled_dot_product_attention_decode(
        x.normal(shape=(1, 2, 4, _SIZE)),
        _cache(x, dtype),
        _cache(x, dtype),
        cur_pos_tensor=listed(x, [3, 37]),
        scale=_SIZE**-0.5,
        program_config=program,
        compute_kernel_config=compute(x),
    )


def _port_attention() -> None:
    """Attend as the port's decode does: queries on their users' cores, keys in chunks of the kernel's own size."""
    for kind, fidelity in (("bf16", "HiFi4"), ("bfp8", "HiFi2")):
        case(f"step/attention {kind} {fidelity}", lambda x, d=TYPES[kind], f=fidelity: _whole_chunks(x, d, f))


def _whole_chunks(x: Inputs, dtype: ttnn.DataType, fidelity: str) -> ttnn.Tensor:
    program = ttnn.SDPAProgramConfig(
        compute_with_storage_grid_size=x.device.compute_with_storage_grid_size(),
        q_chunk_size=0,
        k_chunk_size=0,
        exp_approx_mode=False,
    )
    query = x.normal(shape=(1, 2, 4, _SIZE), memory=user_memory(2))
    keys, values = (x.normal(dtype, (16, 2, 32, _SIZE)) for _ in range(2))
    return ttnn.transformer.paged_scaled_dot_product_attention_decode(
        query,
        keys,
        values,
        x.put(x.shuffled(16).reshape(2, 8).int(), ttnn.int32, _ROW_MAJOR),
        cur_pos_tensor=listed(x, [3, 137]),
        scale=_SIZE**-0.5,
        program_config=program,
        compute_kernel_config=compute(x, fidelity),
        memory_config=ttnn.L1_MEMORY_CONFIG,
    )


for _fill_table in (_step, _port_attention, _caches):
    _fill_table()
