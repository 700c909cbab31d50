# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Penalties on tokens that a text has already. They change logits on the host, since the device has no penalties."""

from dataclasses import dataclass

import torch

_LARGEST = 1e30  # what a penalty may make of a logit: the device multiplies it by up to a million


@dataclass(frozen=True)
class Penalties:
    """`repetition` divides positive and multiplies negative logits of all tokens so far; `presence` is subtracted once
    for a token that was generated, `frequency` as often as it was."""

    repetition: float = 1.0
    presence: float = 0.0
    frequency: float = 0.0

    @property
    def neutral(self) -> bool:
        return (self.repetition, self.presence, self.frequency) == (1.0, 0.0, 0.0)

    def apply(self, logits: torch.Tensor, prompt: torch.Tensor, generated: torch.Tensor) -> torch.Tensor:
        """Penalise the logits [vocabulary] that follow `prompt` and `generated`. Negative tokens are padding."""
        written = torch.bincount(generated[generated >= 0].long(), minlength=len(logits))
        seen = (written > 0) | (torch.bincount(prompt[prompt >= 0].long(), minlength=len(logits)) > 0)
        repeated = torch.where(logits > 0, logits / self.repetition, logits * self.repetition)
        penalised = torch.where(seen, repeated, logits) - self.frequency * written - self.presence * (written > 0)
        return penalised.clamp(-_LARGEST, _LARGEST)
