# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Global semaphores: words in the L1 of some cores that keep their values between programs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import ttnn
from ttnn_emulator.kernels.chip import Chip
from ttnn_emulator.kernels.layout import Words
from ttnn_emulator.library.private import buffers_of

_BYTES = 4  # of a semaphore, as the library lists its memory


@dataclass
class GlobalSemaphore:
    """A global semaphore of a device. `value` is what the host has set and no program has seen yet."""

    device: int
    address: int
    cores: tuple[tuple[int, int], ...]
    value: int
    words: dict[int, np.ndarray]  # by chip: uint8 [cores, 1, 4]

    def image(self, number: int, chip: Chip) -> tuple[Words, np.ndarray]:
        """Return where it lies on a chip, and its memory there, which programs change."""
        if number not in self.words:
            values = np.full((len(self.cores), 1), self.value, np.uint32)
            self.words[number] = values.view(np.uint8).reshape(len(self.cores), 1, _BYTES)
        return Words(self.address, tuple(chip.numbers[core] for core in self.cores)), self.words[number]


class GlobalSemaphores:
    """The global semaphores of all devices."""

    def __init__(self):
        self._known: dict[int, GlobalSemaphore] = {}  # by the identity of the program's object

    def creating(self, library_create: Callable) -> Callable:
        """Return the library's function that creates a semaphore, extended to remember it."""

        def create(
            mesh_device: ttnn.MeshDevice, cores: ttnn.CoreRangeSet, initial_value: int, *args: Any, **kwargs: Any
        ):
            semaphore = library_create(mesh_device, cores, initial_value, *args, **kwargs)
            address = ttnn.get_global_semaphore_address(semaphore)
            places = tuple((core.x, core.y) for core in ttnn.corerange_to_cores(cores, None, True))
            self._drop(mesh_device.id(), {address})
            self._known[id(semaphore)] = GlobalSemaphore(mesh_device.id(), address, places, initial_value, {})
            return semaphore

        return create

    def resetting(self, library_reset: Callable) -> Callable:
        """Return the library's function that sets a semaphore, extended to set its words."""

        def reset(global_semaphore: Any, reset_value: int) -> None:
            library_reset(global_semaphore, reset_value)
            known = self._known[id(global_semaphore)]
            known.value, known.words = reset_value, {}

        return reset

    def of(self, device: ttnn.MeshDevice) -> list[GlobalSemaphore]:
        """Return the semaphores that a device has now."""
        number = device.id()
        places = {known.address for known in self._known.values() if known.device == number}
        if places:
            self._drop(number, places - {b.address for b in buffers_of(device) if b.max_size_per_bank == _BYTES})
        return [known for known in self._known.values() if known.device == number]

    def _drop(self, device: int, addresses: set[int]) -> None:
        """Forget the semaphores at some addresses, whose memory is no longer theirs."""
        self._known = {
            identity: known
            for identity, known in self._known.items()
            if known.device != device or known.address not in addresses
        }
