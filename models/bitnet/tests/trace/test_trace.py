# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A replayed decode step gives the same result as an untraced step, whatever was captured, joined or left before."""

import pytest
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplingParams

USERS, STEPS = 3, 12
CLOSED_AT = (2, 7)  # the steps before which all traces are released
SAMPLED = [SamplingParams(0.9, top_k=20, top_p=0.95, seed=row) for row in range(USERS)]
STOCK = ("accuracy", "performance")
PARAMS = {"logits": None, "greedy": [GREEDY] * USERS, "sample": SAMPLED, "mixed": [SAMPLED[0], GREEDY, SAMPLED[2]]}


# The ordinary run has the default precision. test_small_model.py replays the stock operations of `accuracy` too.
@pytest.fixture(scope="module", params=[*(pytest.param(name, marks=pytest.mark.slow) for name in STOCK), "fused"])
def model(request, open_device):
    with shipped.load_short(open_device, precision=request.param, max_batch=USERS, max_seq_len=128) as loaded:
        yield loaded


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The names of the trace functions of ttnn that were called, in order."""
    seen: list[str] = []

    def watch(name: str) -> None:
        function = getattr(ttnn, name)

        def watched(*args, **kwargs):
            seen.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(ttnn, name, watched)

    for name in ("begin_trace_capture", "end_trace_capture", "execute_trace", "release_trace"):
        watch(name)
    return seen


def decode(model: BitNet, mode: str, trace: bool) -> torch.Tensor:
    """Prefill prompts and run some decode steps: tokens [users, steps], or the logits in logits mode."""
    generator, prompts = model.generator, shipped.prompts(USERS)
    draws = [Draws.from_seed(row) for row in range(USERS)]
    first = shipped.prefill(model, dict(enumerate(prompts)), sampling_params=[GREEDY], draws=[Draws()])
    for row, prompt in enumerate(prompts):
        model.pool.reserve(row, len(prompt) + STEPS)
    tokens, start = torch.stack([first[row] for row in range(USERS)]), torch.tensor([len(p) for p in prompts])
    outputs = []
    for step in range(STEPS):
        output = generator.decode_forward(
            tokens,
            start + step,
            model.pool.page_table(),
            enable_trace=trace,
            sampling_params=PARAMS[mode],
            draws=draws,
        )
        outputs.append(output)
        draws = [each.next() for each in draws]
        tokens = output[:, 0].argmax(-1) if mode == "logits" else output
    for row in range(USERS):
        model.pool.release(row)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("mode", list(PARAMS))
def test_with_trace_equals_without(model, calls, mode):
    traced = decode(model, mode, trace=True)
    assert calls.count("execute_trace") == STEPS
    calls.clear()
    plain = decode(model, mode, trace=False)
    assert not calls, "a trace was used"
    assert torch.equal(traced, plain)
    if mode != "logits":
        assert len(set(traced.flatten().tolist())) > USERS


def test_several_traces_live_at_once(model):
    """The trace of each mode works after all others were captured and replayed."""
    modes = list(PARAMS)
    alone = {mode: decode(model, mode, trace=False) for mode in modes}
    for mode in modes + modes[::-1]:
        assert torch.equal(decode(model, mode, trace=True), alone[mode])


def test_a_trace_survives_joins_and_leaves(model, calls):
    """Requests of many lengths join and leave. One trace serves all of them."""
    prompts = [shipped.prompts()[i][: 3 + 4 * i] for i in range(7)]
    model.generate(prompts[:1], max_new_tokens=2)
    calls.clear()
    traced = [c.tokens for c in model.generate(prompts, max_new_tokens=10)]
    assert "begin_trace_capture" not in calls and calls.count("execute_trace") == len(model.steps)
    assert traced == [model.generate([prompt], max_new_tokens=10)[0].tokens for prompt in prompts]
    model.engine.enable_trace = False
    try:
        assert traced == [c.tokens for c in model.generate(prompts, max_new_tokens=10)]
    finally:
        model.engine.enable_trace = True


def test_capture_does_not_disturb_running_requests(open_device):
    """The first request with draws joins two greedy requests in the middle of their texts."""
    prompts = shipped.prompts(USERS)

    def tokens(loaded: BitNet, trace: bool) -> list[list[int]]:
        loaded.engine.enable_trace = trace
        # the first request ends after a few tokens, and the request with draws takes its place
        expected = loaded.generate(prompts[:2], max_new_tokens=8)
        loaded.generator.close()
        sampling = [GREEDY, GREEDY, SamplingParams(1.0, seed=5)]
        shown: list[int] = []
        mixed = loaded.generate(prompts, max_new_tokens=8, sampling=sampling, stream=lambda n, _: shown.append(n))
        assert [c.tokens for c in mixed[:2]] == [c.tokens for c in expected]
        return [c.tokens for c in mixed]

    with shipped.load_short(open_device, max_batch=2, max_seq_len=128) as loaded:
        traced = tokens(loaded, trace=True)
    with shipped.load_short(open_device, max_batch=2, max_seq_len=128) as loaded:
        assert traced == tokens(loaded, trace=False)


def test_a_capture_in_the_middle_of_a_text(model):
    """The trace of each mode is captured at any step of a text. The text stays the same."""
    expected = decode(model, "greedy", trace=False)
    generator, prompts = model.generator, shipped.prompts(USERS)
    first = shipped.prefill(model, dict(enumerate(prompts)), sampling_params=[GREEDY], draws=[Draws()])
    for row, prompt in enumerate(prompts):
        model.pool.reserve(row, len(prompt) + STEPS)
    tokens, start = torch.stack([first[row] for row in range(USERS)]), torch.tensor([len(p) for p in prompts])
    steps = []
    for step in range(STEPS):
        if step in CLOSED_AT:
            generator.close()
        # a draw from one candidate is greedy too, but takes the path of draws
        params = [SamplingParams(1.0, top_k=1), GREEDY, GREEDY] if step % 3 == 0 else [GREEDY] * USERS
        draws = [Draws() for _ in range(USERS)]
        tokens = generator.decode_forward(
            tokens, start + step, model.pool.page_table(), sampling_params=params, draws=draws
        )
        steps.append(tokens)
    for row in range(USERS):
        model.pool.release(row)
    assert torch.equal(torch.stack(steps, dim=1), expected)


def test_released_on_close(open_device, calls):
    with shipped.load_short(open_device, max_batch=1, max_seq_len=64) as loaded:
        prompt = shipped.prompts(1)
        loaded.generate(prompt, max_new_tokens=3)
        loaded.generate(prompt, max_new_tokens=3, sampling=SamplingParams(1.0, seed=1))
        assert (calls.count("begin_trace_capture"), calls.count("release_trace")) == (2, 0)
    assert calls.count("release_trace") == 2
    loaded.close()
    assert calls.count("release_trace") == 2, "released twice"


def test_released_when_an_error_is_raised(open_device, calls):
    with pytest.raises(ZeroDivisionError):
        with shipped.load_short(open_device, max_batch=1, max_seq_len=64) as loaded:
            loaded.generate(shipped.prompts(1), max_new_tokens=3, stream=lambda number, text: 1 / 0)
            raise AssertionError("the callback's error was swallowed")
    assert calls.count("begin_trace_capture") == calls.count("release_trace")


def test_released_when_capture_fails(open_device, calls, monkeypatch):
    """An error inside a captured step leaves no incomplete trace, and the model remains usable."""
    prompt = shipped.prompts(1)
    with shipped.load_short(open_device, max_batch=1, max_seq_len=64) as loaded:
        plus_one, broken = ttnn.plus_one, [True]

        def fail_in_capture(*args, **kwargs):
            if broken[0] and calls and calls[-1] == "begin_trace_capture":
                raise RuntimeError("broken on purpose")
            return plus_one(*args, **kwargs)

        monkeypatch.setattr(ttnn, "plus_one", fail_in_capture)
        with pytest.raises(RuntimeError, match="on purpose"):
            loaded.generate(prompt, max_new_tokens=4)
        assert calls == ["begin_trace_capture", "end_trace_capture", "release_trace"]
        broken[0] = False
        tokens = loaded.generate(prompt, max_new_tokens=4)[0].tokens
        loaded.engine.enable_trace = False
        assert tokens == loaded.generate(prompt, max_new_tokens=4)[0].tokens
