# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The ledger's cases, a file a family. Importing a module adds its cases to the table."""

import importlib
import pkgutil

from ttnn_emulator.ledger.cases.table import TABLE, Case


def load() -> dict[str, Case]:
    """Return the whole table of cases."""
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return TABLE


def groups() -> list[str]:
    return list(dict.fromkeys(entry.group for entry in load().values()))
