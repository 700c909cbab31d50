# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Any call of ttnn may fail or be interrupted by Ctrl-C. Later requests give the same tokens as without the failure.

A failure reaches the caller. The failure of a decode step is raised. The failure of a prefill pass is in the completion
of its prompt.
"""

from collections.abc import Callable
from contextlib import contextmanager

import pytest

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig

PROMPTS = [(prompt * 4)[:length] for prompt, length in zip(shipped.prompts(2), (40, 8))]  # two passes, and one
SAMPLING = [GREEDY, SamplingParams(temperature=0.8, top_k=20, seed=3)]
BLOCKS = 3  # fewer blocks than two whole contexts need
PLAIN_FUNCTIONS = ("execute_trace", "begin_trace_capture", "end_trace_capture", "release_trace")  # not operations


class Failure(RuntimeError):
    """The error that the tests raise on purpose."""


class Cut:
    """Raises an error in the call number `place`, before or after the call has its effect."""

    def __init__(self, place: int, error: type[BaseException], is_after: bool):
        self.place, self.error, self.is_after = place, error, is_after
        self.heard = 0

    def hear(self, name: str, over: bool) -> None:
        if over == self.is_after:
            self.heard += 1
            if self.heard == self.place + 1:
                raise self.error(name)


@pytest.fixture(scope="module")
def model(open_device):
    paging = PagedAttentionConfig(block_size=32, max_num_blocks=BLOCKS)
    with shipped.load_short(open_device, max_batch=2, max_seq_len=64, paging=paging) as loaded:
        yield loaded


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, hear: Callable[[str, bool], None]):
    """Call `hear(name, over)` before and after each call of ttnn. `over` is true after the call."""
    operations = ttnn.decorators.FastOperation
    call = operations.__call__

    def operation(self, *args, **kwargs):
        return around(self.python_fully_qualified_name, lambda: call(self, *args, **kwargs))

    def around(name, run):
        hear(name, False)
        result = run()
        hear(name, True)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(operations, "__call__", operation)
        for name in PLAIN_FUNCTIONS:
            function = getattr(ttnn, name)
            patch.setattr(ttnn, name, lambda *a, f=function, n=name, **k: around(n, lambda: f(*a, **k)))
        yield


def tokens_of(model) -> list[list[int]]:
    model.pool.forget()  # otherwise the second prefill would find all its blocks in the cache
    completions = model.generate(PROMPTS, 2, SAMPLING)
    for completion in completions:
        if completion.finish_reason == "error":
            assert "Failure" in completion.error
            raise Failure(completion.error)
    return [completion.tokens for completion in completions]


def cut_everywhere(model, monkeypatch, is_cold: bool, chosen: Callable[[list[str]], list[int]]) -> int:
    """Raise in each of the chosen calls of a generation, in one run each. Returns the number of runs."""
    expected = tokens_of(model)

    def prepare() -> None:
        if is_cold:  # the model has no traces and captures them in the run
            model.close()

    calls: list[str] = []
    prepare()
    with watched(monkeypatch, lambda name, over: None if over else calls.append(name)):
        tokens_of(model)
    places = chosen(calls)
    for number, place in enumerate(places):
        # a capture cannot be ended if the host never got its id, or if end_trace_capture raised before its effect
        is_after = {"begin_trace_capture": False, "end_trace_capture": True}.get(calls[place], number % 4 >= 2)
        cut = Cut(place, KeyboardInterrupt if number % 2 else Failure, is_after)
        prepare()
        with watched(monkeypatch, cut.hear):
            try:
                tokens_of(model)
            except Failure:
                assert cut.error is Failure
            else:
                assert cut.error is KeyboardInterrupt, f"the failure of call {place}, {calls[place]}, was swallowed"
        assert cut.heard > place
        assert not model.engine.busy and model.pool.free_blocks == BLOCKS
        assert tokens_of(model) == expected, f"after call {place}, {calls[place]}, was cut"
    return len(places)


def last_of_each(calls: list[str]) -> list[int]:
    """The places of the last calls, one for each function."""
    return sorted({name: place for place, name in enumerate(calls)}.values())


def test_every_twelfth_function(model, monkeypatch):
    assert cut_everywhere(model, monkeypatch, False, lambda calls: last_of_each(calls)[::12]) > 1


@pytest.mark.slow
@pytest.mark.parametrize("is_cold", [False, True])
def test_each_call(model, monkeypatch, is_cold):
    assert cut_everywhere(model, monkeypatch, is_cold, lambda calls: list(range(len(calls)))) > 100
