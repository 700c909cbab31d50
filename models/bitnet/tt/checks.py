# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a caller's arguments: integers, numbers, tokens and texts. An error names the field and shows its value."""

import reprlib
from collections.abc import Iterable, Mapping, Set
from numbers import Integral, Real
from typing import Any

import torch

_LONGEST = 100  # the most characters of a value in a message
_MOST_BITS = 128  # the longest integer that a message shows in digits, because Python refuses to print very long ones


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() <= _MOST_BITS else f"an integer of {x.bit_length()} bits"


def shown(value: Any) -> str:
    """The value's repr for a message: one line of bounded length, whatever the value is."""
    short = _Short()
    short.maxstring = short.maxother = _LONGEST
    text = " ".join(short.repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def as_integer(name: str, value: Any) -> int:
    """The value as Python's int. Accepts NumPy's integers and integer tensors without dimensions. Refuses bools."""
    number = value.item() if isinstance(value, torch.Tensor) and value.ndim == 0 else value
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise TypeError(f"{name} is {shown(value)}, must be an integer")
    return int(number)


def as_number(name: str, value: Any) -> float:
    """The value as Python's float. Refuses bools."""
    number = value.item() if isinstance(value, torch.Tensor) and value.ndim == 0 else value
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(f"{name} is {shown(value)}, must be a number")
    try:
        return float(number)
    except OverflowError:
        raise ValueError(f"{name} is {shown(value)}, more than a floating point number can be") from None


def as_tokens(name: str, values: Any) -> tuple[int, ...]:
    """The token ids of a sequence of integers, or of an array or tensor with one dimension."""
    numbers = values.tolist() if hasattr(values, "tolist") else values
    if not _is_list(numbers):
        raise TypeError(f"{name} is {shown(values)}, must be a sequence of token numbers")
    return tuple(as_integer(f"{name}[{place}]", number) for place, number in enumerate(numbers))


def as_texts(name: str, values: Any) -> tuple[str, ...]:
    """The value as a tuple of strings. Refuses empty strings."""
    texts = tuple(values) if _is_list(values) else None
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} is {shown(values)}; give a list of strings, none of them empty")
    if not all(texts):
        raise ValueError(f"{name} is {shown(values)}; give a list of strings, none of them empty")
    return texts


def _is_list(values: Any) -> bool:
    """Whether `values` is an ordered collection and not a text."""
    return isinstance(values, Iterable) and not isinstance(values, str | bytes | bytearray | Mapping | Set)
