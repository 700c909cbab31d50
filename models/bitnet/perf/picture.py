# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a decode step as a stacked bar of modelled time, beside the least time of its DRAM bytes."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402

from models.bitnet.perf.decode_profile import DecodeProfile  # noqa: E402
from models.bitnet.perf.programs import Program  # noqa: E402

# the groups of a step's programs in the picture
_GROUPS = {
    "ternary products": lambda p: p.name == "decode_product" or p.name == "Matmul" and "DRAMSharded" in p.kernel,
    "output matrix": lambda p: p.name == "Matmul",
    "attention and cache": lambda p: p.name.startswith(("Sdpa", "Paged")),
    "heads and rotation": lambda p: p.name.startswith(("NLP", "Rotary")),
    "norms": lambda p: p.name.startswith("LayerNorm"),
    "adds and products": lambda p: p.name.startswith("Binary"),
    "other": lambda p: True,
}


def draw(profile: DecodeProfile, title: str, path: Path) -> None:
    """Write the picture. The suffix of `path` chooses SVG or PNG."""
    groups = dict.fromkeys(_GROUPS, 0.0)
    for program, times in profile.counted():
        groups[_group(program)] += times * profile.modelled_ms_of(program)
    time = profile.modelled
    bars = {
        "modelled,\nby program": groups,
        "modelled,\nby cause": {
            "DRAM": time.dram,
            "latency inside programs": time.latency,
            "dispatch": time.dispatch,
            "unpackers and matrix units": time.units,
        },
        "DRAM roofline": {f"{profile.card.bandwidth:.0f} GB/s": profile.roofline_ms},
    }
    figure, axes = pyplot.subplots(figsize=(9, 3.8), layout="constrained")
    colours = iter(pyplot.get_cmap("tab20").colors)
    for name, parts in bars.items():
        left = 0.0
        for part, milliseconds in parts.items():
            axes.barh(name, milliseconds, left=left, color=next(colours), label=f"{part}: {milliseconds:.2f} ms")
            left += milliseconds
        axes.text(left, name, f" {1e3 / left:.0f} t/s/u", va="center")
    axes.axvline(profile.roofline_ms, color="black", linestyle=":", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * time.total)
    axes.set_xlabel("ms a step; modelled, not measured")
    axes.set_title(title, fontsize=9)
    figure.legend(loc="outside right upper", fontsize=7)
    figure.savefig(path)
    pyplot.close(figure)


def _group(program: Program) -> str:
    return next(name for name, belongs in _GROUPS.items() if belongs(program))
