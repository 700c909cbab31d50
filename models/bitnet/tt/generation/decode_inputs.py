# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The device tensors that a decode step reads, and the host's record of what they hold.

A step rewrites its own inputs: the next tokens, positions, random numbers and counts of tokens. The host updates its
record without a download. So setting the inputs to values that they already hold uploads nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.generation.penalties import PenaltyInputs, Text
from models.bitnet.tt.generation.sampling import Draws, SamplerInputs, SamplingParams
from models.bitnet.tt.kv_cache import table_width
from models.bitnet.tt.model_config import ModelConfig

IDLE = -1  # the position of a row without a request
_UNKNOWN = -2  # no token, no position and no block


def to_device(values: torch.Tensor, dtype: ttnn.DataType, device: ttnn.MeshDevice) -> ttnn.Tensor:
    """Upload integers: tokens, positions or block numbers."""
    return ttnn.from_torch(values.to(torch.int32), dtype=dtype, device=device)


class Held(NamedTuple):
    """The host's record of what the device holds: one entry a user in each field. An empty list is unknown."""

    tokens: torch.Tensor
    positions: torch.Tensor
    params: list[SamplingParams]
    draws: list[Draws]
    penalties: list[SamplingParams]
    texts: list[Text | None]


class DecodeInputs:
    """The inputs of a step, one row a user. The constructor allocates all tensors, before any trace is captured."""

    def __init__(self, config: ModelConfig, blocks_per_user: int, block_size: int):
        self.users, self._context = config.users, config.max_seq_len
        self._tokens = torch.zeros(self.users, dtype=torch.int32)
        self._positions = torch.full((self.users,), IDLE, dtype=torch.int32)
        self._page_table = torch.zeros(self.users, blocks_per_user, dtype=torch.int32)
        self._table_padding = table_width(blocks_per_user, block_size) - blocks_per_user
        self._params: list[SamplingParams] = []
        self._draws: list[Draws] = []
        self._penalties: list[SamplingParams] = []
        self._texts: list[Text | None] = []  # that the device has counted; None for a row without penalties
        self.uploaded_bytes = 0  # since the beginning

        self.tokens = to_device(self._tokens[None, None], ttnn.uint32, config.device)
        self.positions = to_device(self._positions, ttnn.int32, config.device)
        self.page_table = to_device(self._whole_chunks(self._page_table), ttnn.int32, config.device)
        self.sampling = SamplerInputs(config.device, self.users)
        self.penalties = PenaltyInputs(config, self.users)

    def check(self, tokens: torch.Tensor, positions: torch.Tensor, page_table: torch.Tensor | None) -> None:
        """Raise ValueError if `set` cannot take these."""
        for name, given in (("tokens", tokens), ("start_pos", positions)):
            if given.numel() != self.users:
                raise ValueError(f"{name} has {given.numel()} entries for {self.users} users; give idle users {IDLE}")
        if int(positions.max()) >= self._context:
            raise ValueError(f"position {int(positions.max())} is past the context of {self._context}")
        if int(positions.min()) < IDLE:
            raise ValueError(f"position {int(positions.min())} is no position; an idle user has {IDLE}")
        if page_table is not None and page_table.shape != self._page_table.shape:
            users, blocks = self._page_table.shape
            raise ValueError(f"page_table is {list(page_table.shape)}, must be {users} users by {blocks} blocks")

    def set(self, tokens: torch.Tensor, positions: torch.Tensor, page_table: torch.Tensor | None = None) -> None:
        """Make the device hold these tokens [users], positions [users] and page table [users, blocks]. None keeps the
        table.

        An exception may cut a write short. So the record says "unknown" until the write is done.
        """
        tokens, positions = tokens.to(torch.int32).flatten(), positions.to(torch.int32).flatten()
        active = positions != IDLE
        if not torch.equal(tokens[active], self._tokens[active]):
            self._tokens = torch.full_like(tokens, _UNKNOWN)
            self._write(self.tokens, torch.where(active, tokens, 0)[None, None])
            self._tokens = tokens.clone()
        if not torch.equal(positions, self._positions):
            self._positions = torch.full_like(positions, _UNKNOWN)
            self._write(self.positions, positions)
            self._positions = positions.clone()
        self.set_page_table(page_table)

    def set_page_table(self, page_table: torch.Tensor | None) -> None:
        """Make the device hold this table [users, blocks]. None keeps the table. An idle user's blocks do not
        matter."""
        active = self._positions != IDLE
        if page_table is not None and not torch.equal(page_table[active], self._page_table[active]):
            self._page_table = torch.full_like(self._page_table, _UNKNOWN)
            self._write(self.page_table, self._whole_chunks(page_table))
            self._page_table = page_table.clone()

    def set_idle(self) -> None:
        """Make every row idle, so that a step changes no cache."""
        self.set(torch.zeros(self.users), torch.full((self.users,), IDLE))

    def set_sampling(self, params: list[SamplingParams], draws: list[Draws]) -> None:
        """Make the device draw each row's token like this. A greedy row's draws do not matter, and nothing of an idle
        row does: it keeps what it has."""
        self._check_lengths(sampling_params=params, draws=draws)
        is_active = (self._positions != IDLE).tolist()
        is_drawn = [active and not row.greedy for row, active in zip(params, is_active)]
        params, draws = _chosen(is_active, params, self._params), _chosen(is_drawn, draws, self._draws)
        if params != self._params:
            self._params = []
            self.uploaded_bytes += self.sampling.set_params(params)
            self._params = params
        if draws != self._draws:
            self._draws = []
            self.uploaded_bytes += self.sampling.set_draws(draws)
            self._draws = draws

    def set_penalties(self, params: list[SamplingParams], texts: list[Text]) -> None:
        """Make the device penalise each row like this, and count the row's text. `texts` are the tokens before those
        that `set` was given, because a step counts its own. The text of an idle or unpenalised row does not matter."""
        self._check_lengths(sampling_params=params, texts=texts)
        is_counted = [row.penalised and at != IDLE for row, at in zip(params, self._positions.tolist())]
        self._hold_penalties(
            params, [Text(tuple(t.prompt), list(t.written)) if c else None for t, c in zip(texts, is_counted)]
        )

    def after_step(self, chose: bool, drew: bool, counted: bool) -> None:
        """Record what a step left on the device. If it chose tokens, they are unknown until they are read."""
        if counted:
            self._count_tokens()
        if chose:
            self._tokens = torch.full((self.users,), _UNKNOWN, dtype=torch.int32)
        self._positions = torch.where(self._positions == IDLE, IDLE, self._positions + 1)
        if drew:
            self._draws = [draws.next() for draws in self._draws]

    def tokens_read(self, tokens: torch.Tensor) -> None:
        """Record the device's tokens, which were downloaded."""
        self._tokens = tokens.clone()

    def forget(self) -> None:
        """Record that what the device holds is unknown: a step was run only for its programs, or was cut short."""
        self._tokens = torch.full((self.users,), _UNKNOWN, dtype=torch.int32)
        self._positions = torch.full((self.users,), _UNKNOWN, dtype=torch.int32)
        self._params, self._draws, self._penalties, self._texts = [], [], [], []

    def held(self) -> Held:
        """Return the record that `restore` takes."""
        return Held(self._tokens, self._positions, self._params, self._draws, self._penalties, self._texts)

    def restore(self, held: Held) -> None:
        """Make the device hold again what it held when `held` returned this."""
        self.set(held.tokens, held.positions)
        if held.params and held.draws:
            self.set_sampling(held.params, held.draws)
        if held.penalties and held.texts:
            self._hold_penalties(held.penalties, held.texts)

    def _hold_penalties(self, params: list[SamplingParams], texts: list[Text | None]) -> None:
        if params != self._penalties:
            self._penalties = []
            self.uploaded_bytes += self.penalties.set_params(params)
            self._penalties = list(params)
        if texts != self._texts:
            self._texts = []
            self.uploaded_bytes += self.penalties.set_texts(texts)
            self._texts = texts

    def _count_tokens(self) -> None:
        """Record that a step has counted its tokens. If one of them is unknown, so are the texts."""
        for text, token in zip(self._texts, self._tokens.tolist()):
            if text is not None:
                text.written.append(token)
        if any(text is not None and text.written[-1] == _UNKNOWN for text in self._texts):
            self._texts = []

    def _check_lengths(self, **given: list) -> None:
        for name, values in given.items():
            if len(values) != self.users:
                raise ValueError(f"{name} has {len(values)} entries for {self.users} users")

    def _whole_chunks(self, page_table: torch.Tensor) -> torch.Tensor:
        """Return the table as the device has it. Attention masks what it reads in the columns added here."""
        return torch.nn.functional.pad(page_table, (0, self._table_padding))

    def _write(self, target: ttnn.Tensor, values: torch.Tensor) -> None:
        host = ttnn.from_torch(values.to(torch.int32), dtype=target.dtype)
        ttnn.copy_host_to_device_tensor(host, target)
        self.uploaded_bytes += values.numel() * 4


def _chosen(is_given: Sequence[bool], given: list, held: list) -> list:
    """The given value of some rows, and the held one of the others, if it is known."""
    return [new if chosen else old for chosen, new, old in zip(is_given, given, held or given)]
