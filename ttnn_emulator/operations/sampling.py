# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Sampling of the next token, by the rule of the kernel. The wheel's golden function returns zeros.

The candidates of a row are its k largest values, at most 32. They are multiplied by `temp` (which is 1 / temperature),
and softmax gives probabilities in bfloat16. The largest candidates are kept until their probabilities sum to more than
p, and one of them is drawn with a threshold of 16 bits.

Each of a chip's 32 users has a stream of random numbers. `seed` restarts the stream, so a seed always gives a user the
same token. With None or 0 the stream continues after the last draw or `manual_seed`. A process starts with seed 0. The
numbers have the distribution of a card's generator, and other values.
"""

import torch

from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand

_CANDIDATES = 32
_THRESHOLDS = 1 << 16  # all equally likely
_KEEP_SEED = (1 << 32) - 1  # `manual_seed` leaves a stream with this seed as it is


class _Streams:
    """A counter-based generator for each chip and user, so that one tensor operation draws for all users."""

    def __init__(self, chips: int = 32, users: int = 32):
        self.seeds = torch.zeros(chips, users, dtype=torch.int64)
        self.draws = torch.zeros(chips, users, dtype=torch.int64)

    def restart(self, chip: int | slice, users: slice | torch.Tensor, seeds: int | torch.Tensor) -> None:
        self.seeds[chip, users] = seeds
        self.draws[chip, users] = 0

    def thresholds(self, chip: int, users: int) -> torch.Tensor:
        """Return the next number of each user, in [0, 1)."""
        self.draws[chip, :users] += 1
        # splitmix64 mixes in first the user, then the count of draws; int64 products wrap around
        mixed = self.seeds[chip, :users]
        for word in (torch.arange(users), self.draws[chip, :users]):
            mixed = mixed + (word + 1) * -7046029254386353131
            mixed = (mixed ^ (mixed >> 30 & (1 << 34) - 1)) * -4658895280553007687
            mixed = (mixed ^ (mixed >> 27 & (1 << 37) - 1)) * -7723592293110705685
            mixed = mixed ^ (mixed >> 31 & (1 << 33) - 1)
        return (mixed & _THRESHOLDS - 1) / _THRESHOLDS


_STREAMS = _Streams()


@value("sampling", operands=True)
def sampling(
    input_values_tensor: Operand,
    input_indices_tensor: Operand,
    k: Operand,
    p: Operand,
    temp: Operand,
    *,
    seed: int | None = None,
) -> torch.Tensor:
    """Draw tokens [1, 1, 1, users] from values and token numbers [1, 1, users, W], with k, p and temp [users]."""
    users, width = input_values_tensor.value.shape[-2:]
    chip = input_values_tensor.chip
    if seed:
        _STREAMS.restart(chip, slice(users), seed)
    values, order = input_values_tensor.value.reshape(users, width).float().sort(stable=True, dim=-1, descending=True)
    values, order = values[:, :_CANDIDATES], order[:, :_CANDIDATES]
    place = torch.arange(values.shape[-1])
    scaled = values * temp.value.flatten()[:users, None].float()
    scaled = scaled.masked_fill(place >= k.value.flatten()[:users, None], float("-inf"))
    chances = torch.softmax(scaled, -1).bfloat16().float()
    sums = chances.cumsum(-1)
    # a candidate stays while the sum before it has not exceeded p
    chances = chances.masked_fill(sums - chances > p.value.flatten()[:users, None].float(), 0.0)
    sums = chances.cumsum(-1)
    threshold = _STREAMS.thresholds(chip, users)[:, None] * sums[:, -1:]
    # the first candidate whose sum exceeds the threshold, or the best one if rounding leaves none
    drawn = (sums > threshold).float().argmax(-1, keepdim=True)
    tokens = input_indices_tensor.value.reshape(users, width)
    return tokens.gather(-1, order.gather(-1, drawn)).reshape(1, 1, 1, users)


@value("manual_seed", in_place=True)
def manual_seed(seeds: int | Operand = 0, *, user_ids: int | Operand | None = None) -> None:
    """Restart the streams of some users (default: all), with one seed on all chips or with each chip's own seeds."""
    chip = next((operand.chip for operand in (seeds, user_ids) if isinstance(operand, Operand)), slice(None))
    chosen = seeds.value.flatten() if isinstance(seeds, Operand) else seeds
    if isinstance(user_ids, Operand):
        users = user_ids.value.flatten()
    elif user_ids is not None:
        users = slice(user_ids, user_ids + 1)
    else:
        users = slice(chosen.numel() if isinstance(chosen, torch.Tensor) else None)
    if isinstance(chosen, int):
        if chosen != _KEEP_SEED:
            _STREAMS.restart(chip, users, chosen)
        return
    kept = chosen == _KEEP_SEED
    users = torch.arange(32)[users] if isinstance(users, slice) else users
    _STREAMS.restart(chip, users[~kept], chosen[~kept])
