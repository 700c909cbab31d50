# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Turning a growing list of tokens into text that can be shown while it grows."""

from typing import Any

_UNFINISHED = "\ufffd"  # what a tokenizer writes for bytes that are not yet a character


class TextStream:
    """The text of one request: no half characters, nothing from a stop string on."""

    def __init__(self, tokenizer: Any, stop: tuple[str, ...] = ()):
        self._tokenizer, self._stop = tokenizer, stop
        self._tokens: list[int] = []
        self._shown = 0  # characters already given out
        self.text = ""  # everything up to now, without a stop string
        self.stopped = False  # a stop string was met

    def add(self, token: int) -> str:
        """The characters that this token makes safe to show."""
        self._tokens.append(token)
        decoded = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        ends = [at for at in (decoded.find(stop) for stop in self._stop) if at >= 0]
        self.stopped = bool(ends)
        self.text = decoded[: min(ends)] if ends else decoded
        return self._show(self.text if self.stopped else self.text[: self._safe_length()])

    def finish(self) -> str:
        """The characters that were held back."""
        return self._show(self.text)

    def _show(self, text: str) -> str:
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new

    def _safe_length(self) -> int:
        """How much of the text no later token can change: not an unfinished character, not the start of a stop."""
        text = self.text.rstrip(_UNFINISHED)
        held = max(
            (n for stop in self._stop for n in range(1, len(stop)) if text.endswith(stop[:n])),
            default=0,
        )
        return len(text) - held
