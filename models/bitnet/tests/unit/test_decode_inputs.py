# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decode step reads the inputs that `set` was last given, whatever the host knew of the device before."""

import pytest
import torch

import ttnn
from models.bitnet.tests.common import SMALL
from models.bitnet.tt.generation.decode_inputs import IDLE, DecodeInputs
from models.bitnet.tt.generation.penalties import NO_TEXT, Text
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplingParams
from models.bitnet.tt.model_config import ModelConfig

USERS, BLOCKS = 4, 5
TOKENS, POSITIONS = torch.tensor([5, 6, 7, 8]), torch.tensor([40, 3, 33, 64])
TABLE = torch.arange(USERS * BLOCKS, dtype=torch.int32).reshape(USERS, BLOCKS)
PARAMS = [SamplingParams(1.0)] * USERS
PENALISED = [SamplingParams(frequency_penalty=1.0), GREEDY, SamplingParams(presence_penalty=2.0), GREEDY]
TEXTS = [Text((1, 2), [3]), NO_TEXT, Text((1,), [4, 4]), NO_TEXT]


@pytest.fixture
def inputs(device) -> DecodeInputs:
    return DecodeInputs(ModelConfig(SMALL, device, "accuracy", users=USERS, max_seq_len=160), BLOCKS, 32)


def held(inputs: DecodeInputs) -> list[torch.Tensor]:
    """The tokens, positions and page table on the device."""
    on_device = (inputs.tokens, inputs.positions, inputs.page_table)
    tokens, positions, table = (ttnn.to_torch(tensor).to(torch.int64) for tensor in on_device)
    return [tokens.flatten(), positions.flatten(), table[:, :BLOCKS]]


def assert_holds(inputs: DecodeInputs, tokens=TOKENS, positions=POSITIONS, table=TABLE) -> None:
    expected = (tokens, positions, table)
    assert all(torch.equal(given.to(torch.int64), on_device) for given, on_device in zip(expected, held(inputs)))


def states(inputs: DecodeInputs) -> list[tuple[int, ...]]:
    return [tuple(map(int, row)) for row in ttnn.to_torch(inputs.sampling.tensors["state"])[0, 0].tolist()]


def parameter(inputs: DecodeInputs, name: str) -> list[float]:
    """A parameter of each row, as a draw reads it."""
    return ttnn.to_torch(inputs.sampling.tensors[name]).flatten().tolist()


def test_what_the_caller_changes_afterwards_is_uploaded(inputs):
    """A caller may keep its tensors and write new values into them. The new values are uploaded."""
    tokens, positions, table = TOKENS.int(), POSITIONS.int(), TABLE.clone()
    inputs.set(tokens, positions, table)
    for tensor in (tokens, positions, table):
        tensor += 1
    inputs.set(tokens, positions, table)
    assert_holds(inputs, TOKENS + 1, POSITIONS + 1, TABLE + 1)


def test_what_is_forgotten_is_uploaded(inputs):
    """Inputs are uploaded after `forget`: a step may have changed tokens and positions without the host's knowledge."""
    inputs.set(TOKENS, POSITIONS, TABLE)
    ttnn.plus_one(inputs.positions)
    inputs.forget()
    inputs.set(TOKENS, POSITIONS, TABLE)
    assert_holds(inputs)


@pytest.mark.parametrize("last", range(3), ids=["tokens", "positions", "page_table"])
@pytest.mark.parametrize("written", [False, True])
def test_an_upload_cut_short_is_made_again(inputs, monkeypatch, last, written):
    """An upload that raises is repeated at the next call, whether or not the data reached the device."""
    inputs.set(TOKENS, POSITIONS, TABLE)
    write, calls = ttnn.copy_host_to_device_tensor, [0]

    def cut_short(*args):
        calls[0] += 1
        if calls[0] <= last or written:
            write(*args)
        if calls[0] > last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ttnn, "copy_host_to_device_tensor", cut_short)
        with pytest.raises(KeyboardInterrupt):
            inputs.set(TOKENS + 1, POSITIONS + 1, TABLE.flip(0))
    inputs.set(TOKENS, POSITIONS, TABLE)
    assert_holds(inputs)


def test_other_draws_with_the_same_parameters_are_uploaded(inputs):
    inputs.set(TOKENS, POSITIONS)
    first, second = ([Draws.from_seed(seed + user) for user in range(USERS)] for seed in (0, 9))
    for draws in (first, second):
        inputs.set_sampling(PARAMS, draws)
        assert states(inputs) == [draw.state for draw in draws]


@pytest.mark.parametrize("name", ["set_params", "set_draws"])
def test_draws_cut_short_are_uploaded_again(inputs, monkeypatch, name):
    inputs.set(TOKENS, POSITIONS)
    first, second = ([Draws.from_seed(seed + user) for user in range(USERS)] for seed in (0, 9))
    inputs.set_sampling(PARAMS, first)
    upload = getattr(inputs.sampling, name)

    def cut_short(*args):
        upload(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(inputs.sampling, name, cut_short)
        with pytest.raises(KeyboardInterrupt):
            inputs.set_sampling([SamplingParams(0.5)] * USERS, second)
    inputs.set_sampling(PARAMS, first)
    assert states(inputs) == [draw.state for draw in first]
    assert parameter(inputs, "sharpness") == USERS * [1.0]


def test_draws_and_parameters_are_uploaded_apart(inputs):
    """New draws are 12 bytes a row, new parameters 136. A row that was idle finds the parameters that it had."""
    draws = [[Draws.from_seed(seed + user) for user in range(USERS)] for seed in (0, 9, 18)]
    inputs.set(TOKENS, POSITIONS)
    inputs.set_sampling(PARAMS, draws[0])
    uploads = []
    for params, given, last_is_idle in (
        (PARAMS, draws[1], False),
        ([SamplingParams(0.5)] * USERS, draws[1], False),
        ([SamplingParams(0.5)] * (USERS - 1) + [GREEDY], draws[2], True),
        ([SamplingParams(0.5)] * USERS, draws[2], False),
    ):
        inputs.set(TOKENS, torch.where(torch.arange(USERS) == USERS - last_is_idle, IDLE, POSITIONS))
        inputs.uploaded_bytes = 0
        inputs.set_sampling(params, given)
        uploads.append(inputs.uploaded_bytes)
    assert uploads == [USERS * 12, USERS * 136, USERS * 12, USERS * 12]


def test_a_row_draws_as_it_was_told_whatever_the_rows_did_before(inputs, reset_seeds):
    """Rows join and leave, draw and choose greedily, and a step advances the draws of all of them."""
    kinds = [GREEDY, SamplingParams(0.5), SamplingParams(0.5, top_p=0.25)]
    draws = [Draws.from_seed(seed) for seed in range(3)]
    for _ in range(200):
        positions = torch.where(torch.rand(USERS) < 0.3, IDLE, POSITIONS)
        params = [kinds[kind] for kind in torch.randint(3, (USERS,))]
        given = [draws[number] for number in torch.randint(len(draws), (USERS,))]
        inputs.set(TOKENS, positions)
        inputs.set_sampling(params, given)
        sharpness, top_p, now = parameter(inputs, "sharpness"), parameter(inputs, "top_p"), states(inputs)
        for row in (positions != IDLE).nonzero().flatten().tolist():
            assert params[row].greedy or now[row] == given[row].state
            assert sharpness[row] == (1.0 if params[row].greedy else 2.0) and top_p[row] == params[row].top_p
        if torch.rand(()) < 0.6:
            inputs.sampling.set_draws([Draws(state).next() for state in now])  # as a step does it on the device
            inputs.after_step(chose=True, drew=True, counted=False)
            draws = [draws[0].next(), *draws[:2]]


def test_nothing_is_uploaded_twice(inputs):
    draws = [Draws.from_seed(user) for user in range(USERS)]
    for _ in range(2):
        inputs.set(TOKENS, POSITIONS, TABLE)
        inputs.set_sampling(PARAMS, draws)
        sent, inputs.uploaded_bytes = inputs.uploaded_bytes, 0
    assert sent == 0


def test_draws_that_the_caller_keeps_are_the_ones_before_the_step(inputs):
    """A step changes no list of its caller's. The host then holds the next states, and greedy rows need none."""
    params = [SamplingParams(1.0), SamplingParams()] * (USERS // 2)
    draws = [Draws.from_seed(user) for user in range(USERS)]
    inputs.set(TOKENS, POSITIONS)
    given = list(draws)
    inputs.set_sampling(params, given)
    inputs.after_step(chose=True, drew=True, counted=False)
    assert given == draws and [draw.state for draw in given] == states(inputs)
    inputs.uploaded_bytes = 0
    inputs.set_sampling(params, [draw.at(1) if row % 2 == 0 else Draws() for row, draw in enumerate(draws)])
    assert inputs.uploaded_bytes == 0
    inputs.set_sampling(params, draws)
    assert inputs.uploaded_bytes > 0 and states(inputs)[::2] == [draw.state for draw in draws[::2]]


def test_idle_rows(inputs):
    """The token of an idle user does not matter. The position of an idle user is IDLE on the device."""
    positions = torch.where(torch.tensor([True, False, True, False]), POSITIONS, IDLE)
    inputs.set(TOKENS, positions, TABLE)
    assert_holds(inputs, torch.where(positions == IDLE, 0, TOKENS), positions)


def test_nothing_of_an_idle_row_is_uploaded(inputs):
    """A row that becomes idle keeps its blocks and draws on the device. Those of a row that is idle no more are set."""
    others, draws = TABLE.flip(0), [Draws.from_seed(user) for user in range(USERS)]
    inputs.set(TOKENS, POSITIONS, TABLE)
    inputs.set_sampling(PARAMS, draws)
    inputs.uploaded_bytes = 0
    idle = torch.where(torch.arange(USERS) == 2, IDLE, POSITIONS)
    inputs.set(TOKENS, idle, torch.where(torch.arange(USERS)[:, None] == 2, others, TABLE))
    inputs.set_sampling([GREEDY if row == 2 else params for row, params in enumerate(PARAMS)], draws)
    assert inputs.uploaded_bytes == USERS * 4, "only positions were to be uploaded"
    assert_holds(inputs, TOKENS, idle, TABLE)
    inputs.set(TOKENS, POSITIONS, others)
    inputs.set_sampling(PARAMS, draws[::-1])
    assert_holds(inputs, TOKENS, POSITIONS, others)
    assert states(inputs) == [draw.state for draw in draws[::-1]]


def written(inputs: DecodeInputs, row: int) -> dict[int, float]:
    """The tokens that the device has counted in a row's text. A token of the prompt counts one half more."""
    counts = ttnn.to_torch(inputs.penalties.counts)[0, 0, row]
    return {int(token): counts[token].item() for token in counts.nonzero()}


def test_counts_of_texts(inputs):
    """The device has the counts of the rows with penalties. Those of other rows and of idle rows are 0."""
    inputs.set(TOKENS, torch.where(torch.arange(USERS) == 2, IDLE, POSITIONS))
    inputs.set_penalties(PENALISED, [*TEXTS[:3], Text((9,), [9])])
    assert [written(inputs, row) for row in range(USERS)] == [{1: 0.5, 2: 0.5, 3: 1.0}, {}, {}, {}]
    inputs.set(TOKENS, POSITIONS)
    inputs.set_penalties(PENALISED, TEXTS)
    assert written(inputs, 2) == {1: 0.5, 4: 2.0}


def test_texts_that_went_on_are_not_uploaded(inputs):
    """A step counts its tokens. Texts with these tokens are then on the device, and only others are uploaded."""
    inputs.set(TOKENS, POSITIONS)
    inputs.set_penalties(PENALISED, TEXTS)
    inputs.after_step(chose=True, drew=False, counted=True)
    inputs.tokens_read(TOKENS)
    inputs.set(TOKENS, POSITIONS + 1)
    grown = [Text(text.prompt, [*text.written, token]) for text, token in zip(TEXTS, TOKENS.tolist())]
    inputs.uploaded_bytes = 0
    inputs.set_penalties(PENALISED, grown)
    assert inputs.uploaded_bytes == 0
    # the rows without penalties may have other requests
    inputs.set_penalties(PENALISED, [grown[0], Text((5,), [5]), grown[2], NO_TEXT])
    assert inputs.uploaded_bytes == 0
    for others in (TEXTS, grown, [grown[2], NO_TEXT, grown[0], NO_TEXT]):
        inputs.set_penalties(PENALISED, others)
        assert inputs.uploaded_bytes == USERS * SMALL.vocab_size * 4
        assert sum(written(inputs, 0).values()) == len(others[0].written) + len(others[0].prompt) / 2
        inputs.uploaded_bytes = 0


def test_texts_are_unknown_after_a_step_on_tokens_that_nobody_read(inputs):
    inputs.set(TOKENS, POSITIONS)
    inputs.set_penalties(PENALISED, TEXTS)
    for _ in range(2):
        inputs.after_step(chose=True, drew=False, counted=True)
    assert not inputs.held().texts


def test_penalties_cut_short_are_uploaded_again(inputs, monkeypatch):
    inputs.set(TOKENS, POSITIONS)
    inputs.set_penalties(PENALISED, TEXTS)
    for name in ("set_params", "set_texts"):
        upload = getattr(inputs.penalties, name)

        def cut_short(*args, upload=upload):
            upload(*args)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(inputs.penalties, name, cut_short)
            inputs.set_penalties(PENALISED[::-1], TEXTS[::-1])
        inputs.set_penalties(PENALISED, TEXTS)
        penalty = ttnn.to_torch(inputs.penalties.tensors["presence"]).flatten()
        assert penalty.tolist() == [0.0, 0.0, 2.0, 0.0]
        assert written(inputs, 2) == {1: 0.5, 4: 2.0}


def test_restored_penalties(inputs):
    """After a step that was run only for its programs the device has the texts again."""
    inputs.set(TOKENS, POSITIONS)
    inputs.set_penalties(PENALISED, TEXTS)
    held = inputs.held()
    inputs.set_idle()
    inputs.penalties.set_texts([Text((), [8])] * USERS)
    inputs.forget()
    inputs.restore(held)
    assert [written(inputs, row) for row in range(USERS)] == [{1: 0.5, 2: 0.5, 3: 1.0}, {}, {1: 0.5, 4: 2.0}, {}]
