# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model's first layers shared out among chips: the tokens are one chip's."""

import pytest
import torch
import ttnn

from models.bitnet.tests import shipped
from models.bitnet.tests.mesh.rows import row_of
from models.bitnet.tt.decode_inputs import IDLE
from models.bitnet.tt.kv_cache import PagedAttentionConfig
from models.bitnet.tt.sampling import CANDIDATES, GREEDY, SamplingParams

DRAWN = SamplingParams(temperature=0.8, top_p=0.9, seed=7)
USERS, CONTEXT, STEPS = 3, 128, 8
PROMPTS = [(prompt * 3)[:28] for prompt in shipped.prompts(USERS)]
# two blocks are wanted for each, so that the youngest is preempted and goes on later
POOL = PagedAttentionConfig(block_size=32, max_num_blocks=3)


def write(chips, precision):
    """(greedy tokens, drawn tokens, the logits that a prompt and a step end with)."""
    with row_of(chips) as device, shipped.load_short(device, precision, USERS, CONTEXT, paging=POOL) as model:
        greedy, drawn = (
            [completion.tokens for completion in model.generate(PROMPTS, STEPS, sampling)]
            for sampling in (GREEDY, DRAWN)
        )
        assert model.engine.metrics.preemptions > 0
        prefilled = shipped.prefill(model, {0: PROMPTS[0]})[0]
        positions = torch.tensor([len(PROMPTS[0]), IDLE, IDLE])
        stepped = model.generator.decode_forward(torch.zeros(USERS), positions, model.pool.page_table())[0, 0]
        return greedy, drawn, torch.stack([prefilled, stepped])


@pytest.fixture(scope="module")
def one_chip():
    return {precision: write(1, precision) for precision in ("accuracy", "performance")}


@pytest.mark.parametrize("precision", ["accuracy", "performance"])
@pytest.mark.parametrize("chips", [2, 4])
def test_greedy_and_drawn_tokens_are_one_chips(one_chip, chips, precision):
    greedy, drawn, logits = write(chips, precision)
    expected_greedy, expected_drawn, expected_logits = one_chip[precision]
    assert greedy == expected_greedy
    assert drawn == expected_drawn
    print((logits - expected_logits).abs().max())
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=1e-3 if precision == "accuracy" else 0.25)


def test_four_gathers_a_layer_and_two_for_the_token(monkeypatch):
    gathered, gather = [], ttnn.experimental.all_gather_async

    def counted(x, **options):
        gathered.append(x.shape[3])
        return gather(x, **options)

    with row_of(2) as device, shipped.load_short(device, max_seq_len=64, enable_trace=False) as model:
        monkeypatch.setattr(ttnn.experimental, "all_gather_async", counted)
        model.generator.decode_forward(torch.zeros(1), torch.zeros(1), sampling_params=[GREEDY], enable_trace=False)
        hidden, inner = model.config.model.hidden_size // 2, model.config.model.intermediate_size // 2
        assert gathered == 2 * [hidden, hidden, inner, hidden] + 2 * [CANDIDATES]
