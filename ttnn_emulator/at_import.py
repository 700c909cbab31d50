# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module installs the emulated device when a process imports ttnn, so that one that never does pays nothing."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from ttnn_emulator.install import install

_LIBRARY = "ttnn"


class _Installer(MetaPathFinder, Loader):
    """Stands in front of the importers until ttnn is imported. Then it calls `install`, which imports the library."""

    def __init__(self, verbose: bool):
        self._verbose = verbose

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == _LIBRARY else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the library in the place of the new `module`. After an error the next import of ttnn tries again."""
        sys.meta_path.remove(self)
        del sys.modules[_LIBRARY]
        try:
            install(verbose=self._verbose)
            importlib.import_module(_LIBRARY)  # on a card or a simulator `install` does nothing
        except BaseException:
            sys.meta_path.insert(0, self)
            raise


def install_at_import(verbose: bool = False) -> None:
    """Have `install(verbose=verbose)` called when this process imports ttnn, or now if it has imported ttnn already."""
    if _LIBRARY in sys.modules:
        install(verbose=verbose)
    elif not any(isinstance(finder, _Installer) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Installer(verbose))
