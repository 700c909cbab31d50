# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A call into the library that fails, or Ctrl-C in it, wherever it is: the next request writes what it would have. A
failure reaches the caller: of a decode step as the exception, of a prompt's pass in that prompt's completion."""

from collections.abc import Callable
from contextlib import contextmanager

import pytest

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig

PROMPTS = [(prompt * 4)[:length] for prompt, length in zip(shipped.prompts(2), (40, 8))]  # two passes, and one
SAMPLING = [GREEDY, SamplingParams(temperature=0.8, top_k=20, seed=3)]
BLOCKS = 3  # fewer than two whole contexts have: shared
PLAIN_FUNCTIONS = ("execute_trace", "begin_trace_capture", "end_trace_capture", "release_trace")  # no operations


class Failure(RuntimeError):
    """That the tests cause."""


class Cut:
    """Raises in one call of many, before it does anything or when it has done all."""

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
    """`hear(name, over)` before and after each call into the library."""
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
    model.pool.forget()  # or prefill has nothing to do the second time
    completions = model.generate(PROMPTS, 2, SAMPLING)
    for completion in completions:
        if completion.finish_reason == "error":
            assert "Failure" in completion.error
            raise Failure(completion.error)
    return [completion.tokens for completion in completions]


def cut_everywhere(model, monkeypatch, is_cold: bool, chosen: Callable[[list[str]], list[int]]) -> int:
    """Fail in the chosen ones of a generation's calls, one run each; how many were cut."""
    expected = tokens_of(model)

    def prepare() -> None:
        if is_cold:  # without traces: they are captured in the run
            model.close()

    calls: list[str] = []
    prepare()
    with watched(monkeypatch, lambda name, over: None if over else calls.append(name)):
        tokens_of(model)
    places = chosen(calls)
    for number, place in enumerate(places):
        # a capture whose number nobody heard cannot be ended, and one that its own end leaves open cannot either
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
    """The place of each function's last call."""
    return sorted({name: place for place, name in enumerate(calls)}.values())


def test_every_twelfth_function(model, monkeypatch):
    assert cut_everywhere(model, monkeypatch, False, lambda calls: last_of_each(calls)[::12]) > 1


@pytest.mark.slow
@pytest.mark.parametrize("is_cold", [False, True])
def test_each_call(model, monkeypatch, is_cold):
    assert cut_everywhere(model, monkeypatch, is_cold, lambda calls: list(range(len(calls)))) > 100
