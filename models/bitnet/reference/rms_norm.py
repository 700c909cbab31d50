# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""RMSNorm: divide each row by its root mean square, then multiply by a learned gain."""

from collections.abc import Callable, Mapping
from typing import Any

import torch


class RMSNorm:
    """One RMSNorm with the weight `<prefix>.weight` [features]."""

    def __init__(self, config: Any, state: Mapping[str, torch.Tensor], prefix: str) -> None:
        self.weight = state[f"{prefix}.weight"].float()
        self.eps = config.rms_norm_eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., features] float32 -> the same shape."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps))


def no_norm(x: torch.Tensor) -> torch.Tensor:
    """The norm that does nothing."""
    return x


def sub_norm(config: Any, state: Mapping[str, torch.Tensor], prefix: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The RMSNorm of this prefix, or `no_norm` in a model without sub-norms."""
    return RMSNorm(config, state, prefix) if config.sub_norms else no_norm
