# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Functions that format tables, numbers and paragraphs as Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table. All cells of a column have one width, so that the source can be read too."""
    lines = [list(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def number(value: float | None, digits: int = 1) -> str:
    """Format a number. None becomes an empty cell."""
    return "" if value is None else f"{value:,.{digits}f}"


def paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def quoted(lines: Iterable[str]) -> str:
    return "\n".join(["```", *(line.replace("```", "'''") for line in lines), "```"])
