# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Functions compiled for this CPU by numba, which keeps what it makes in this package's cache folder.

Numba takes half a second to come, so that a module of compiled functions is imported where one of them is first called.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch

from ttnn_emulator.library.toolchain import cache_folder


def _in_cache_folder(decorator: Callable, *arguments: Any, **options: Any) -> Callable[[Callable], Callable]:
    """Numba has one setting for all; it stays as it was for others."""

    def decorate(function: Callable) -> Callable:
        elsewhere, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(cache_folder())
        try:
            return decorator(*arguments, cache=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = elsewhere

    return decorate


def compiled(function: Callable) -> Callable:
    """Of arrays; it lets other threads run meanwhile."""
    return _in_cache_folder(numba.njit, nogil=True, error_model="numpy")(function)


def elementwise(signature: str) -> Callable[[Callable], Callable[..., torch.Tensor]]:
    """Of numbers, made one of tensors (and numbers), which are broadcast."""

    def decorate(function: Callable) -> Callable[..., torch.Tensor]:
        loop = _in_cache_folder(numba.vectorize, [signature])(function).ufunc

        def call(*operands: Any) -> torch.Tensor:
            with np.errstate(all="ignore"):  # infinities and NaN are results like others
                return torch.from_numpy(np.asarray(loop(*map(_operand, operands))))

        return call

    return decorate


def _operand(operand: Any) -> Any:
    if isinstance(operand, torch.Tensor):
        return operand.numpy()
    return np.float32(operand) if isinstance(operand, float) else operand
