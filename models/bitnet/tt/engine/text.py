# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Turning a growing list of tokens into text that can be shown while it grows."""

from typing import Any

_UNFINISHED = "\ufffd"  # what a tokenizer writes for bytes that are not yet a character
_WINDOW = 16  # tokens that are decoded together before the first of them are settled
# Tokens before the window's end at which it may be cut. A character has up to four bytes, and so up to four tokens. Of
# four neighbouring places at least one lies between two characters.
_CUTS = range(8, 4, -1)


class TextStream:
    """The text of one request. It shows no half characters, and nothing from a stop string on.

    The text of the first tokens is settled: it is decoded once. Only the window of the last tokens is decoded again
    with each new token. So the work for a token does not grow with the text.
    """

    def __init__(self, tokenizer: Any, stop: tuple[str, ...] = ()):
        self._tokenizer, self._stop = tokenizer, stop
        self._settled = ""  # the text of the tokens before the window
        self._window: list[int] = []
        self._decoded = ""  # the text of the window
        self._shown = 0  # characters already given out
        self.text = ""  # everything up to now, without a stop string
        self.stopped = False  # a stop string was met

    def add(self, token: int) -> str:
        """Return the characters that this token makes safe to show."""
        self._append(token)
        decoded = self._settled + self._decoded
        # what was shown neither holds a stop string nor begins one
        ends = [at for at in (decoded.find(stop, self._shown) for stop in self._stop) if at >= 0]
        self.stopped = bool(ends)
        self.text = decoded[: min(ends)] if ends else decoded
        return self._show(self.text if self.stopped else self.text[: self._safe_length()])

    def finish(self) -> str:
        """Return the characters that were held back."""
        return self._show(self.text)

    def _append(self, token: int) -> None:
        """Add a token to the window, and settle the window's first tokens if it has become long."""
        decoded = self._decode([*self._window, token])
        if decoded == self._decoded and not self._decode([token, token]):
            return  # a special token writes nothing: the bytes before and after it may make one character
        self._window.append(token)
        self._decoded = decoded
        if len(self._window) >= _WINDOW:
            self._settle()

    def _settle(self) -> None:
        """Cut the window where both parts have the text of the whole: no character there is cut into halves."""
        for length in _CUTS:
            first, rest = self._decode(self._window[:-length]), self._decode(self._window[-length:])
            if first + rest == self._decoded:
                self._settled += first
                self._window, self._decoded = self._window[-length:], rest
                return

    def _decode(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True)

    def _show(self, text: str) -> str:
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new

    def _safe_length(self) -> int:
        """Return how many characters no later token can change: no unfinished character, no start of a stop string."""
        text = self.text.rstrip(_UNFINISHED)
        held = max(
            (n for stop in self._stop for n in range(1, len(stop)) if text.endswith(stop[:n])),
            default=0,
        )
        return len(text) - held
