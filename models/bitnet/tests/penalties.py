# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The definition of penalties in torch, for the tests that compare the device with it."""

from collections.abc import Sequence

import torch

from models.bitnet.tt.generation.sampling import SamplingParams


def penalised(
    logits: torch.Tensor, prompt: Sequence[int], written: Sequence[int], params: SamplingParams
) -> torch.Tensor:
    """The logits [vocabulary] that follow a text, penalised token by token in double precision. NaN and infinity stay.
    A penalised logit is at most 1e30."""
    result = logits.double()
    for token in {*prompt, *written}:
        value = result[token].item()
        if not result[token].isfinite():
            continue
        value = value / params.repetition_penalty if value > 0 else value * params.repetition_penalty
        value -= params.frequency_penalty * list(written).count(token)
        value -= params.presence_penalty * (token in written)
        result[token] = min(max(value, -1e30), 1e30)
    return result
