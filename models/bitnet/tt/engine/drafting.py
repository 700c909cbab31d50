# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Drafts of a text's next tokens, taken from the text itself.

A text often repeats what it has said before. So the tokens that followed the last occurrence of its newest tokens are
likely to follow again. No second model is needed.
"""

from collections.abc import Sequence
from typing import NamedTuple

LENGTHS = (4, 3, 2)  # the numbers of newest tokens that a drafter looks for, the best evidence first
_FIRST_CHANCES = {4: 0.5, 3: 0.3, 2: 0.1}  # before a text has shown its own
_RATE = 1 / 8  # the weight of the newest observation


class Draft(NamedTuple):
    """A drafted token, and the estimated chance that it and all drafts before it are right."""

    token: int
    chance: float


class Drafter:
    """The tokens of one text, and where each short sequence of them last occurred.

    The work for a token and for a draft does not grow with the text. Every new token also shows whether a draft of it
    would have been right. So the estimated chances follow the text even while nobody uses the drafts. A longer sequence
    promises more than a short one, so each length has its own estimate.
    """

    def __init__(self, tokens: Sequence[int] = ()):
        self._text: list[int] = []
        self._followers: dict[tuple[int, ...], int] = {}  # of a sequence, the place after its last occurrence
        self._chances = dict(_FIRST_CHANCES)
        self._found: tuple[int, int] | None = None  # the length of the sequence that occurred, and the place after it
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """Append a token to the text."""
        text = self._text
        if self._found is not None:
            length, place = self._found
            self._chances[length] += _RATE * ((text[place] == token) - self._chances[length])
        for length in LENGTHS:
            if length <= len(text):
                self._followers[tuple(text[-length:])] = len(text)
        text.append(token)
        self._found = self._find()

    def draft(self, most: int) -> list[Draft]:
        """Return up to `most` drafts. If the sequence occurred near the end of the text, the drafts repeat the text
        from there on."""
        if self._found is None:
            return []
        length, first = self._found
        period, chance, drafts = len(self._text) - first, 1.0, []
        for place in range(most):
            # if all drafts before are right, a sequence that is longer by these has occurred
            chance *= self._chances[min(length + place, LENGTHS[0])]
            drafts.append(Draft(self._text[first + place % period], chance))
        return drafts

    def _find(self) -> tuple[int, int] | None:
        """Return the length of the longest sequence at the end that occurred before, and the place after it."""
        for length in LENGTHS:
            place = self._followers.get(tuple(self._text[-length:]))
            if place is not None:
                return length, place
        return None
