# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Requests to the engine, their completions, and the events in between."""

import secrets
from dataclasses import dataclass, field

from models.bitnet.tt.checks import as_integer, as_texts, as_tokens, shown
from models.bitnet.tt.engine.drafting import Draft, Drafter
from models.bitnet.tt.engine.text import TextStream
from models.bitnet.tt.generation.penalties import Text
from models.bitnet.tt.generation.sampling import GREEDY, NO_DRAWS, Draws, SamplingParams


@dataclass(frozen=True)
class Request:
    """A prompt, and how to continue it. Of two waiting requests the one with the smaller `priority` goes first, then
    the older one.

    The constructor raises TypeError for a field of a wrong type, and ValueError for a value that no model takes. The
    engine checks what depends on the model (an unknown token, a prompt that is too long). It ends such a request with
    an error.
    """

    prompt: tuple[int, ...]
    max_new_tokens: int = 128
    sampling: SamplingParams = GREEDY
    stop: tuple[str, ...] = ()
    priority: int = 0

    def __post_init__(self) -> None:
        checked = {
            "prompt": as_tokens("prompt", self.prompt),
            "max_new_tokens": as_integer("max_new_tokens", self.max_new_tokens),
            "stop": as_texts("stop", self.stop),
            "priority": as_integer("priority", self.priority),
        }
        if checked["max_new_tokens"] < 1:
            raise ValueError(f"max_new_tokens is {shown(self.max_new_tokens)}, must be at least 1")
        if not isinstance(self.sampling, SamplingParams):
            raise TypeError(f"sampling is {shown(self.sampling)}, must be SamplingParams")
        for name, value in checked.items():
            object.__setattr__(self, name, value)


@dataclass
class Completion:
    """The result of one request."""

    prompt_tokens: int
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""  # "stop", "length", "error", "aborted" or "interrupted"
    error: str | None = None
    ttft_s: float = 0.0  # from the request's arrival to the first token
    shared_tokens: int = 0  # of the prompt, whose keys and values another request had left in the cache


@dataclass(frozen=True)
class Event:
    """New text of a request, which may be empty. The last event of a request carries its completion."""

    id: int
    text: str
    completion: Completion | None = None


@dataclass(frozen=True)
class DecodeStep:
    """The cost of one decode step."""

    seconds: float
    users: int
    tokens: int  # of all users, more than one of a user where drafts were right
    drafted: int
    accepted: int
    uploaded_bytes: int
    downloaded_bytes: int


class Job:
    """The engine's state of a request: which of its tokens are known, and which of them are in the cache."""

    def __init__(self, number: int, request: Request, stream: TextStream, arrived: float):
        self.id, self.request, self.stream, self.arrived = number, request, stream, arrived
        self.prompt = request.prompt
        self.keys: list[bytes] = []  # of the prompt's full blocks, in a pool that shares them
        seed = request.sampling.seed
        self._first_draws = self._draws = Draws.from_seed(secrets.randbits(64) if seed is None else seed)
        self._drawn_at = 0  # the position that `_draws` are for
        self.drafter: Drafter | None = None  # of a request that speculates
        self.completion = Completion(prompt_tokens=len(request.prompt))
        self.slot: int | None = None
        self.computed = 0  # positions in the cache
        self.newest = arrived  # when the newest token came

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: the job with the smaller one goes first."""
        return self.request.priority, self.id

    @property
    def known(self) -> int:
        """The number of tokens of the prompt and after it."""
        return len(self.prompt) + len(self.completion.tokens)

    @property
    def prefilled(self) -> bool:
        return self.computed >= len(self.prompt)

    def next_input(self) -> int:
        """Return the token whose keys and values the next decode step writes."""
        return self.completion.tokens[self.computed - len(self.prompt)]

    def drafts(self, most: int) -> list[Draft]:
        """Return up to `most` drafts of the tokens after `next_input`. After a preemption the first ones are known."""
        known = self.completion.tokens[self.computed + 1 - len(self.prompt) :][:most]
        return [Draft(token, 1.0) for token in known] + self.drafter.draft(most - len(known))

    def text(self) -> Text:
        """Return the tokens before `next_input`, for penalties."""
        return Text(self.prompt, self.completion.tokens[: self.computed - len(self.prompt)])

    def draws(self, position: int) -> Draws:
        """Return the draws for the token that follows the one at `position`. A greedy request has no use for any."""
        if self.request.sampling.greedy:
            return NO_DRAWS
        if position == self._drawn_at + 1:
            self._draws = self._draws.next()
        elif position != self._drawn_at:
            self._draws = self._first_draws.at(position)
        self._drawn_at = position
        return self._draws
