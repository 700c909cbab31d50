# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A tensor of a checkpoint that is read when it is wanted, and the error for a checkpoint that cannot be used."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import torch


class CheckpointError(ValueError):
    """A checkpoint cannot be used. The message is one line that names the file and the tensor."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))  # names in damaged files, and other libraries, break lines


@dataclass(frozen=True)
class Entry:
    """One stored tensor: its file, its name and a function that reads it."""

    origin: str
    name: str
    read: Callable[[], torch.Tensor]

    def fail(self, problem: str) -> NoReturn:
        raise CheckpointError(f"{self.origin}: {self.name}: {problem}")
