# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A prompt, what became of it, and what a step cost."""

from dataclasses import dataclass, field

from models.bitnet.tt.sampling import Draws, SamplingParams
from models.bitnet.tt.text import TextStream


@dataclass
class Completion:
    """What became of one prompt."""

    prompt_tokens: int
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""  # "stop", "length", "error" or "interrupted"
    error: str | None = None
    ttft_s: float = 0.0  # from the call to the first token


@dataclass(frozen=True)
class DecodeStep:
    """One decode step of the last `generate`."""

    seconds: float
    users: int
    uploaded_bytes: int
    downloaded_bytes: int


@dataclass
class Request:
    """A prompt on its way through the batch."""

    number: int
    prompt: list[int]
    limit: int
    sampling: SamplingParams
    stream: TextStream
    completion: Completion
    draws: Draws

    @property
    def position(self) -> int:
        """Where the newest token goes."""
        return len(self.prompt) + len(self.completion.tokens) - 1
