# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What each operation computes, a file a family. Importing a module registers its operations."""

import importlib
import pkgutil


def load_all() -> None:
    """Register every value function."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
