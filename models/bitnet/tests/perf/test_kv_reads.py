# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The KV cache reads of a decode step follow the tokens in use, not the batch, the pool or the context limit."""

from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.perf.programs import Program, capture
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.tt.kv_cache import LayerCache

ONE_LAYER = replace(sizes(layers=1, vocabulary=8192), intermediate_size=256)  # attention does not depend on the MLP
BFP8_ROW = 128 * 1088 // 1024  # bytes of the key of one head in bfp8


@pytest.fixture(scope="module")
def small_state() -> dict:
    return cheap_state(ONE_LAYER)


def attention_of(model: SteppingModel, context: int, active: int | None = None) -> Program:
    """The attention program of a step with `context` tokens in use, at the positions that are on the device."""
    model.start(context - 1, active).step()
    on_device = ttnn.to_torch(model.generator.inputs.positions) - 1  # the step has incremented them
    model.start(context - 1, active)
    (attention,) = (p for p in capture(model.step, on_device.tolist()) if p.name == "SdpaDecode")
    return attention


def test_reads_follow_the_tokens_in_use(open_device, small_state):
    reads = {}
    for users, active, limit in ((1, 1, 4096), (32, 1, 4096), (32, 32, 4096), (1, 1, 1024)):
        model = SteppingModel(open_device, "performance", users, ONE_LAYER, small_state, max_seq_len=limit)
        for context in (128, 4000):
            if context <= limit:
                reads[users, active, limit, context] = attention_of(model, context, active)
    for (users, active, _, context), attention in reads.items():
        assert attention.kv_read == active * 2 * 5 * context * BFP8_ROW, (users, active, context)
        # the program reads the positions on the device, so that one captured program serves every length
        assert any(t.dtype == "INT32" and t.shape == (users,) for t in attention.inputs)
    # the same program runs at every length
    assert len({reads[32, 32, 4096, context].attributes for context in (128, 4000)}) == 1


@pytest.mark.parametrize("users, active", [(1, 1), (3, 2)])
def test_nothing_past_the_tokens_in_use_is_read(open_device, small_state, users, active):
    """Every block past the tokens in use holds NaN. A product of NaN with a masked zero would show."""
    context = 96
    model = SteppingModel(open_device, "accuracy", users, ONE_LAYER, small_state, max_seq_len=512)
    blocks = torch.randn(model.paging.max_num_blocks, 5, 32, 128)
    blocks[context // 32 :] = torch.nan

    def to_device() -> ttnn.Tensor:
        return ttnn.from_torch(blocks, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=open_device)

    model.cache[:] = [LayerCache(to_device(), to_device())]
    model.start(context - 1, active)
    logits = model.generator.decode_forward(model.tokens, model.positions, model.page_table, enable_trace=False)
    assert logits[:active].isfinite().all()
