# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module checks that the results of kernels are those of a golden function.

Integers must be equal. A float may differ by `ULPS` of float32, or by one unit in the last place of its dtype. That is
not always enough, because a golden function and a kernel round after different steps. Sums that cancel and roundings to
whole numbers make the difference larger. So the golden function runs again on inputs moved by chance, by up to 2^-20 of
themselves, or by 2^-11 where the matrix unit has rounded products. A result may differ by `MOVEMENTS` times the largest
change that these movements cause. Movements of 2^-20 leave out whole numbers, because these are exact.
"""

from collections.abc import Callable, Sequence

import torch

import ttnn
from ttnn_emulator.errors import KernelMismatch

ULPS = 8
MOVEMENTS = 4
_MOVE, _MOVE_OF_PRODUCTS = 2.0**-20, 2.0**-11  # the matrix unit aligns products to 11 bits
_MOST_RUNS = 32  # runs of the golden function on moved inputs
_LAST_PLACE = {ttnn.float32: 0.0, ttnn.bfloat16: 2.0**-7, ttnn.bfloat8_b: 2.0**-6, ttnn.bfloat4_b: 2.0**-2}
_CHANCE = torch.Generator()  # programs use another generator
_BLOCK = 16  # elements of a row that share an exponent


def check(
    name: str,
    results: Sequence[torch.Tensor],
    dtypes: Sequence[ttnn.DataType],
    expected: Sequence[torch.Tensor],
    golden_of_moved: Callable[[], Sequence[torch.Tensor]],
) -> None:
    """Raise `KernelMismatch` if results differ from `expected`. `golden_of_moved` gives these for moved inputs."""
    allowed = [_allowed(value, dtype) for value, dtype in zip(expected, dtypes)]
    movements = [torch.zeros(()) for _ in expected]
    wrong = [_wrong(*of_one) for of_one in zip(results, expected, allowed)]
    for _ in range(_MOST_RUNS):
        if not any(result.is_floating_point() and places.any() for result, places in zip(results, wrong)):
            break
        moved = [(one.double() - value.double()).abs().nan_to_num() for one, value in zip(golden_of_moved(), expected)]
        movements = [torch.maximum(*both) for both in zip(movements, moved)]
        wrong = [
            _wrong(result, value, bound + MOVEMENTS * movement * result.is_floating_point())
            for result, value, bound, movement in zip(results, expected, allowed, movements)
        ]
    for number, places in enumerate(wrong):
        if places.any():
            place = tuple(places.nonzero()[0].tolist())
            raise KernelMismatch(
                f"{name}: {int(places.sum())} of {places.numel()} values of result {number} are not the golden "
                f"function's; at {list(place)} the kernels give {results[number][place].item()!r} and it gives "
                f"{expected[number][place].item()!r}"
            )


def moved(value: torch.Tensor, rounds_products: bool) -> torch.Tensor:
    """Return a value whose numbers are moved by chance."""
    if not value.is_floating_point():
        return value
    exact, by = value.float(), 2 * torch.rand(value.shape, generator=_CHANCE) - 1
    if rounds_products:
        return exact * (1 + _MOVE_OF_PRODUCTS * by)
    return torch.where(exact == exact.round(), exact, exact * (1 + _MOVE * by))


def _allowed(expected: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    if dtype not in _LAST_PLACE:
        return torch.zeros(())
    size = expected.double().abs()
    bound = ULPS * 2.0**-23 * size
    if dtype in (ttnn.bfloat8_b, ttnn.bfloat4_b):
        size = torch.nn.functional.pad(size, (0, -size.shape[-1] % _BLOCK)).unflatten(-1, (-1, _BLOCK))
        size = size.amax(-1, keepdim=True).expand(size.shape).flatten(-2)[..., : expected.shape[-1]]
    return bound + _LAST_PLACE[dtype] * size


def _wrong(result: torch.Tensor, expected: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return where a result is not as expected. Nothing is near NaN but NaN, nor near infinity but itself."""
    result, expected = result.double(), expected.double()
    same = (result == expected) | (result.isnan() & expected.isnan())
    return ~same & ~((result - expected).abs() <= allowed)
