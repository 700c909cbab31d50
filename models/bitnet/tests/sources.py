# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The source files of the port, for the tests of its layout. They work here and in a tt-metal checkout."""

import ast
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2]  # the folder `models`
BITNET = MODELS / "bitnet"
HOLDER = "The BitNet on Tenstorrent authors"


def is_ours(path: Path) -> bool:
    """Whether the first lines of the file name this project as the copyright holder.

    In a tt-metal checkout the files of models/common are upstream's.
    """
    with path.open(encoding="utf-8") as file:
        return any(HOLDER in line for _, line in zip(range(2), file))


def python_files() -> list[Path]:
    """All Python files of models/bitnet, and the Python files of models/common that are this project's."""
    common = [path for path in (MODELS / "common").glob("*.py") if is_ours(path)]
    return sorted([*BITNET.rglob("*.py"), *common])


def name_of(path: Path) -> str:
    return str(path.relative_to(MODELS.parent))


def imports(path: Path) -> list[str]:
    """Every module that an import anywhere in the file names. `from a import b` is `a.b`, because b may be a module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively; upstream imports absolutely"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found
