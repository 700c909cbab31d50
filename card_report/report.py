# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the report: the steps that ran, their results, and their failures."""

from collections.abc import Callable

from card_report import check_tables, speed_tables
from card_report.day import Day
from card_report.markdown import paragraphs, quoted, table
from models.bitnet.demo.arguments import DEFAULT_PROMPT

_LAST_LINES = 15
_RAN_ON = {
    "card": "Ran on a card.",
    "simulator": (
        "**Not a card: ran on a simulator, in a smaller form.** Values are the simulated kernels'. Nothing here is a "
        "device's time."
    ),
    "emulated": (
        "**Not a card: ran on the emulated device, in a smaller form.** Values are the emulation's. Nothing here is a "
        "device's time."
    ),
}


def write(day: Day) -> str:
    """The report as Markdown. It has every step, however the step ended."""
    sections: list[tuple[str, Callable[[Day], str]]] = [
        ("Steps", steps),
        ("Speed", speed_tables.speed),
        ("A decode step, modelled and measured", speed_tables.decode),
        ("Prefill", speed_tables.prefill),
        *([] if day.on_a_card else [("Times of this CPU", speed_tables.host_times)]),
        ("Where a decode step goes", speed_tables.profiled),
        ("Accuracy", check_tables.accuracy),
        ("The modules' PCC tests", check_tables.pcc),
        ("The ledger: operations that differ", check_tables.ledger),
        ("What the shipped model wrote", demo),
        ("What went wrong", failures),
    ]
    text = [f"# Card report: {day.device}, {day.started}", _RAN_ON[day.kind], device(day)]
    text += [f"## {title}\n\n{_guarded(section, day)}" for title, section in sections]
    return paragraphs(*text) + "\n"


def _guarded(section: Callable[[Day], str], day: Day) -> str:
    """Write one part of the report. If that raises, the part says so, and the other parts are still written."""
    try:
        return section(day)
    except Exception as error:
        return f"This part could not be written: {type(error).__name__}: {error}. The logs have what it is made of."


def device(day: Day) -> str:
    known = [(name, value) for name, value in day.about.items() if value]
    return table(("", ""), known) if known else "The device could not be opened: see below."


def steps(day: Day) -> str:
    rows = [
        (
            outcome.step.name,
            outcome.step.what,
            outcome.status,
            f"{outcome.seconds:.0f} of {outcome.step.limit_s}",
            outcome.log.name,
        )
        for outcome in day.outcomes
    ]
    total = sum(outcome.seconds for outcome in day.outcomes)
    return paragraphs(
        table(("step", "what", "result", "seconds", "log"), rows),
        f"{sum(outcome.ok for outcome in day.outcomes)} of {len(rows)} steps are ok; {total / 60:.1f} minutes in all.",
    )


def demo(day: Day) -> str:
    """The demo's prompt and its continuation."""
    found = [entry for entry in day.found("demo") if "text" in entry]
    if not found:
        return paragraphs(day.warning("demo"), "It wrote nothing.")
    return quoted((DEFAULT_PROMPT + found[0]["text"]).splitlines())


def failures(day: Day) -> str:
    failed = [outcome for outcome in day.outcomes if not outcome.ok]
    if not failed:
        return "Nothing."
    parts = []
    for outcome in failed:
        command = " ".join(["python", *outcome.step.command])
        parts.append(f"### {outcome.step.name}: {outcome.status}\n\n`{command}`")
        parts.append(quoted(outcome.lines()[-_LAST_LINES:] or ["(it said nothing)"]))
    if day.on_a_card and any("limit" in outcome.status for outcome in failed):
        parts.append(
            "A step that was stopped: the library keeps the kernels that it compiled, so a second run gets further. If "
            "all steps after it failed too, the card may be stuck: `tt-smi -r` resets it."
        )
    return paragraphs(*parts)
