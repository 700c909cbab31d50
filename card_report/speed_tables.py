# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of speed in the report: those of PERF.md, with measured figures beside the modelled ones."""

from itertools import product
from typing import Any

from card_report.day import Day
from card_report.markdown import number, paragraphs, table
from card_report.steps import CHECKPOINT_2B

_MODELS = {"2b": "BitNet 2B-4T", "shipped": "the shipped model"}
_STEPS = ("speed_2b", "speed_shipped")
_PROMPT = 128  # the length of the prompt whose time to the first token is in PERF.md's table

_PROFILED = (
    "The 2B-4T's sizes, random weights, batch 1, by the library's real-time profiler: the device's "
    "clock at the start and end of each program. A modelled time has the cost of its program inside: compare it with "
    "the measured time plus one gap a program."
)


def measured(day: Day, what: str) -> list[dict[str, Any]]:
    """All measurements of one kind, "decode" or "prefill". Those of the 2B-4T come first."""
    return [entry for step in _STEPS for entry in day.found(step) if entry.get("measured") == what]


def speed(day: Day) -> str:
    """The table of PERF.md whose cells need a card."""
    if not day.on_a_card:
        return (
            "PERF.md's blank cells are a card's: speed and time to first token of the 2B-4T. "
            f"This was {day.device}, so they stay blank."
        )
    board = day.about.get("board", "").upper()
    rows = []
    for model, precision in product(("2b", "shipped"), ("fused", "performance")):
        step = "accuracy_2b" if model == "2b" else f"accuracy_{precision}"
        decode = _one(day, "decode", model=model, precision=precision, users=1).get("traced_ms")
        ttft = _one(day, "prefill", model=model, precision=precision, tokens=_PROMPT).get("ttft_ms")
        scores = next((entry for entry in day.found(step) if entry.get("precision") == precision), {})
        shares = [f"{scores[name]:.2%}" if name in scores else "" for name in ("top1", "top5")]
        rows.append((_MODELS[model], precision, board, *shares, number(decode and 1e3 / decode), number(ttft)))
    return paragraphs(
        table(("Model", "Precision", "Device", "Top-1", "Top-5", "Speed (t/s/u)", "TTFT (ms)"), rows),
        "`fused`: fused programs on two-bit weights, `performance`: stock operations on bfloat4_b. Batch 1, a "
        f"traced step with the read of its token; prompts of {_PROMPT} tokens. The "
        "2B-4T has random weights of its sizes, which take the same time; its top-1 and top-5 need the checkpoint "
        f"(`evaluate.py --model {CHECKPOINT_2B} --precision fused`), and are filled where this machine already "
        "had it.",
    )


def decode(day: Day) -> str:
    entries = measured(day, "decode")
    header = ("model", "precision", "batch", "context", "programs", "GB", "modelled, ms", "measured, ms")
    header += ("modelled, t/s/u", "measured, t/s/u", "untraced, ms", "roofline, t/s/u")
    rows = []
    for entry in entries:
        ms, untraced = (entry[name] if day.on_a_card else None for name in ("traced_ms", "untraced_ms"))
        modelled = entry.get("modelled_ms")
        low, high = entry.get("modelled_range", (None, None))
        rows.append(
            (
                _MODELS[entry["model"]],
                *(str(entry[name]) for name in ("precision", "users", "context")),
                str(entry.get("programs", "")),
                number(entry.get("gigabytes"), 3),
                number(modelled, 2),
                number(ms, 2),
                f"{1e3 / modelled:.0f} ({low:.0f} to {high:.0f})" if modelled else "",
                number(ms and 1e3 / ms),
                number(untraced, 2),
                number(1e3 / entry["roofline_ms"], 0) if modelled else "",
            )
        )
    return paragraphs(
        *map(day.warning, _steps_run(day)),
        table(header, rows),
        "Modelled: the bytes over a share of the specified DRAM bandwidth plus a cost a program, as in PERF.md; in "
        "brackets with any one published row left out of its fit. That fit is to models of 1 to 8 billion weights, and "
        "says little of the shipped one. Programs and GB are counted on the library. Measured: the median step, "
        "traced, with the read of its tokens. In `fused` one program has all projections between the attention of two "
        "layers; the step with a program for each projection shows what that saves.",
        "" if day.on_a_card else "Measured cells are blank: no card ran.",
    )


def prefill(day: Day) -> str:
    rows = []
    for entry in measured(day, "prefill"):
        times = [entry[name] if day.on_a_card else None for name in ("ttft_ms", "untraced_ms", "traced_ms")]
        rate = entry["gflop"] / times[2] if times[2] else None
        counted = (str(entry["programs"]), number(entry["gigabytes"], 3), number(entry["gflop"]))
        counted = counted if entry["programs"] else ("", "", "")
        rows.append((_MODELS[entry["model"]], entry["precision"], str(entry["tokens"]), *counted))
        rows[-1] += (*(number(value) for value in times), number(rate))
    header = ("model", "precision", "tokens", "programs", "GB", "GFLOP")
    header += ("first token, ms", "untraced, ms", "traced, ms", "TFLOP/s, traced")
    return paragraphs(
        table(header, rows),
        "First token: the whole call, uploads and the choice of the token included. Untraced and traced: the programs "
        "of the chunk alone, its inputs on the device before. The port itself runs prefill untraced.",
        "" if day.on_a_card else "Measured cells are blank: no card ran.",
    )


def host_times(day: Day) -> str:
    """The times of the same measurements without a card. They show only that the measurements work."""
    rows = []
    for entry in measured(day, "decode") + measured(day, "prefill"):
        size = f"batch {entry['users']}" if "users" in entry else f"{entry['tokens']} tokens"
        what = f"{entry['measured']}, {_MODELS[entry['model']]}, {entry['precision']}, {size}"
        rows.append((what, number(entry["untraced_ms"], 0), number(entry["traced_ms"], 0)))
    return paragraphs(
        f"**Times of this machine's CPU, which ran {day.device}. They are no device's speed.**",
        table(("what", "untraced, ms of the CPU", "traced, ms of the CPU"), rows),
    )


def profiled(day: Day) -> str:
    entries = day.found("profiler")
    if not entries:
        return paragraphs(day.warning("profiler"), "The profiler gave nothing.")
    parts = []
    for entry in entries:
        if entry["profiled"] is None:
            parts.append(f"No program was timed: {entry['reason']}.")
            continue
        gap = entry["between_us"] / (entry["programs"] - 1) if entry["programs"] > 1 else None
        rows = [
            (row["name"], str(row["count"]), number(row["measured_us"] / 1e3, 3), _ms(row["modelled_us"]))
            for row in entry["rows"]
        ]
        parts.append(f"A step of `{entry['precision']}`, {entry['profiled']}: {entry['programs']} programs")
        parts[-1] += f", {entry['programs_us'] / 1e3:.2f} ms"
        parts[-1] += f" inside them and {entry['between_us'] / 1e3:.2f} ms between them"
        parts[-1] += f", {gap:.2f} us from the end of one to the start of the next." if gap is not None else "."
        parts.append(table(("operation", "programs", "measured, ms", "modelled, ms"), rows))
    timed = any(entry["profiled"] for entry in entries)
    return paragraphs(day.warning("profiler"), *parts, _PROFILED if timed else "")


def _ms(microseconds: float | None) -> str:
    return number(microseconds and microseconds / 1e3, 3)


def _steps_run(day: Day) -> list[str]:
    return [name for name in _STEPS if day.outcome(name)]


def _one(day: Day, what: str, **wanted: Any) -> dict[str, Any]:
    fits = [entry for entry in measured(day, what) if all(entry[key] == value for key, value in wanted.items())]
    return fits[0] if fits else {}
