# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Choosing the next token on the device: the largest logit, or a draw from the likeliest ones.

A draw follows the usual order (temperature, then top-k, then top-p) among the 32 likeliest tokens. Its random numbers
come from a generator of the request's own, kept on the device and stepped there in exact float32 arithmetic, so that a
seed gives the same tokens whatever else runs in the batch and in whatever row the request sits.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

import torch

import ttnn
from models.bitnet.tt.checks import as_integer, as_number, shown
from models.bitnet.tt.generation.likeliest import Search, write_tokens
from models.bitnet.tt.kernels.head.best_tokens import LARGEST
from models.bitnet.tt.layout import TILE

CANDIDATES = TILE
_SHARPEST = 1e6  # the most that logits are multiplied by: no overflow, and greedy for all that float32 tells apart
_NEVER = -1e30  # added to the logits of candidates that top-k leaves out
# Wichmann and Hill's generator (Applied Statistics 31, 1982): three small multiplicative generators, whose products
# stay below 2**24 and are therefore exact in float32; the fractional part of their sum has a period of 7e12
_MULTIPLIERS = (171, 172, 170)
_MODULI = (30269, 30307, 30323)
_BELOW_ONE = 1 - 2**-20  # keeps a draw strictly inside the candidates' total probability


@dataclass(frozen=True)
class SamplingParams:
    """How one request chooses its tokens. `temperature` 0 is greedy. `top_k` 0 means all 32 candidates. A request
    without a `seed` gets a random one.

    Penalties change the logits first. `repetition_penalty` divides the positive logits of all tokens of the text, and
    multiplies the negative ones. `presence_penalty` is subtracted once for a token that the model has written,
    `frequency_penalty` as often as the model has written it.

    The constructor raises TypeError for a field of a wrong type, and ValueError for a value out of range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    def __post_init__(self) -> None:
        checked = {
            "temperature": as_number("temperature", self.temperature),
            "top_k": as_integer("top_k", self.top_k),
            "top_p": as_number("top_p", self.top_p),
            "seed": None if self.seed is None else as_integer("seed", self.seed),
            "repetition_penalty": as_number("repetition_penalty", self.repetition_penalty),
            "presence_penalty": as_number("presence_penalty", self.presence_penalty),
            "frequency_penalty": as_number("frequency_penalty", self.frequency_penalty),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}, must be 0 (greedy) or positive")
        if not 0 <= self.top_k <= CANDIDATES:
            raise ValueError(f"top_k is {shown(self.top_k)}, must be between 0 (all) and {CANDIDATES}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}, must be above 0 and at most 1")
        if self.seed is not None and not -(2**63) <= self.seed < 2**64:
            raise ValueError(f"seed is {shown(self.seed)}, must fit in 64 bits")
        if not 1 / LARGEST <= self.repetition_penalty <= LARGEST:
            raise ValueError(
                f"repetition_penalty is {self.repetition_penalty}, must be between {1 / LARGEST} and {LARGEST}"
            )
        for name in ("presence_penalty", "frequency_penalty"):
            if not -LARGEST <= checked[name] <= LARGEST:
                raise ValueError(f"{name} is {checked[name]}, must be between {-LARGEST} and {LARGEST}")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    @property
    def penalised(self) -> bool:
        return (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) != (1.0, 0.0, 0.0)


GREEDY = SamplingParams()


@dataclass(frozen=True)
class Draws:
    """One state of a request's generator of random numbers."""

    state: tuple[int, ...] = field(default=(1, 1, 1))

    @classmethod
    def from_seed(cls, seed: int | None) -> "Draws":
        text = secrets.token_bytes(16) if seed is None else str(seed).encode()
        digest = hashlib.sha256(text).digest()
        numbers = [int.from_bytes(digest[8 * i : 8 * i + 8], "little") for i in range(3)]
        return cls(tuple(1 + number % (modulus - 1) for number, modulus in zip(numbers, _MODULI)))

    def at(self, position: int) -> "Draws":
        """Return the state for the token that follows the one at `position`. Seed and position determine it."""
        factors = (pow(a, position, m) for a, m in zip(_MULTIPLIERS, _MODULI))
        return Draws(tuple(s * factor % m for s, factor, m in zip(self.state, factors, _MODULI)))

    def next(self) -> "Draws":
        """Return the state after one draw."""
        return Draws(tuple(s * a % m for s, a, m in zip(self.state, _MULTIPLIERS, _MODULI)))


NO_DRAWS = Draws()  # what a row without draws is given


class SamplerInputs:
    """The device tensors that a draw reads, one row a user. A draw also writes `state`."""

    def __init__(self, device: ttnn.MeshDevice, rows: int):
        self._device, self._rows = device, rows
        host = _params_on_host([SamplingParams()] * rows) | _draws_on_host([Draws()] * rows)
        self.tensors = {name: ttnn.to_device(tensor, device) for name, tensor in host.items()}

    def set_params(self, params: list[SamplingParams]) -> int:
        """Upload the parameters of each row. Return the number of bytes."""
        return self._upload(_params_on_host(params))

    def set_draws(self, draws: list[Draws]) -> int:
        """Upload the draws of each row. Return the number of bytes."""
        return self._upload(_draws_on_host(draws))

    def deallocate(self) -> None:
        for tensor in self.tensors.values():
            ttnn.deallocate(tensor)

    def _upload(self, host: dict[str, ttnn.Tensor]) -> int:
        for name, tensor in host.items():
            ttnn.copy_host_to_device_tensor(tensor, self.tensors[name])
        return sum(tensor.logical_volume() * 4 for tensor in host.values())


def _params_on_host(params: list[SamplingParams]) -> dict[str, ttnn.Tensor]:
    ranks = torch.arange(CANDIDATES)
    # a greedy row among others that draw has one candidate
    kept = torch.tensor([1 if p.greedy else p.top_k or CANDIDATES for p in params])
    return {
        "sharpness": _on_host([[1.0 if p.greedy else min(1 / p.temperature, _SHARPEST)] for p in params]),
        "excluded": _on_host(torch.where(ranks < kept[:, None], 0.0, _NEVER)),
        "top_p": _on_host([[p.top_p] for p in params]),
    }


def _draws_on_host(draws: list[Draws]) -> dict[str, ttnn.Tensor]:
    return {"state": _on_host([draw.state for draw in draws])}


def _on_host(rows: Any) -> ttnn.Tensor:
    return ttnn.from_torch(torch.as_tensor(rows).float()[None, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT)


class Sampler:
    """Chooses tokens from what `likeliest` reads. Writes tokens [1, 1, rows] (uint32, row-major)."""

    def __init__(self, device: ttnn.MeshDevice, likeliest: Search):
        def constant(values: list[float]) -> ttnn.Tensor:
            return ttnn.from_torch(
                torch.tensor(values)[None, None, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device
            )

        self._likeliest = likeliest
        self.ranks = constant([float(rank) for rank in range(CANDIDATES)])
        self.multipliers = constant([float(a) for a in _MULTIPLIERS])
        self.moduli = constant([float(m) for m in _MODULI])
        self.fractions = constant([1 / m for m in _MODULI])

    def greedy(self, given: ttnn.Tensor, tokens: ttnn.Tensor) -> None:
        """Choose the token of each row's largest logit, the first of equal ones. Consumes what the search consumes."""
        self._likeliest.best(given, tokens)

    def sample(self, given: ttnn.Tensor, inputs: SamplerInputs, tokens: ttnn.Tensor) -> None:
        """Draw a token for each row, and advance the rows' generators. Consumes what the search consumes."""
        likeliest, values = self._likeliest.candidates(given)
        params = inputs.tensors
        sharpened = ttnn.multiply(values, params["sharpness"])
        probabilities = ttnn.softmax(ttnn.add(sharpened, params["excluded"]), dim=-1, numeric_stable=True)
        reached = ttnn.cumsum(probabilities, dim=-1)
        # top-p keeps candidates until their sum first reaches p: those with less than p before them
        kept = ttnn.lt(ttnn.subtract(reached, probabilities), params["top_p"], dtype=ttnn.float32)
        total = ttnn.sum(ttnn.multiply(probabilities, kept), dim=-1, keepdim=True)
        target = ttnn.multiply(self.draw(params["state"]), total)
        # the drawn rank is the number of candidates that end at or before the target
        rank = ttnn.sum(ttnn.le(reached, target, dtype=ttnn.float32), dim=-1, keepdim=True)
        chosen = ttnn.multiply(likeliest, ttnn.eq(self.ranks, rank, dtype=ttnn.float32))
        write_tokens(ttnn.sum(chosen, dim=-1, keepdim=True), tokens)

    def draw(self, state: ttnn.Tensor) -> ttnn.Tensor:
        """Return the next number in [0, 1) of each row's generator."""
        ttnn.remainder(ttnn.multiply(state, self.multipliers), self.moduli, output_tensor=state)
        fraction = ttnn.frac(ttnn.sum(ttnn.multiply(state, self.fractions), dim=-1, keepdim=True))
        return ttnn.multiply(fraction, _BELOW_ONE)
