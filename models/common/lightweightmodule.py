# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The base of every device module, under tt-metal's name."""

from typing import Any


class LightweightModule:
    """A module is its `forward`: calling the one calls the other, with nothing in between."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)
