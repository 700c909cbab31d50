# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The report at the end of the demo: times, bytes and programs of a step, as a table and as a line of JSON."""

import argparse
import json
import statistics
from typing import Any

from models.bitnet.demo.device import OpenDevice


def report(model: Any, opened: OpenDevice, options: argparse.Namespace, completions: list[Any], sampling: Any) -> None:
    """Print the table. With --json, also print the line of JSON that ends the output."""
    from models.bitnet.tt.generation.decode_steps import StepEnd

    numbers = measure(model, completions)
    numbers["programs_per_step"] = model.generator.count_programs(StepEnd.choosing([sampling]))
    rows = [
        ("time to first token", f"{numbers['ttft_s'] * 1000:.0f} ms"),
        ("time per token, median", f"{numbers['ms_per_token']:.1f} ms"),
        ("tokens/s/user, median", f"{numbers['tokens_per_s_user']:.1f}"),
        ("tokens/s, all steps", f"{numbers['tokens_per_s']:.1f}"),
        ("tokens per step", f"{numbers['tokens_per_step']:.2f}"),
        ("drafts accepted", f"{numbers['accepted_tokens']} of {numbers['drafted_tokens']}"),
        ("programs per step", f"{numbers['programs_per_step']}"),
        ("uploaded per step", f"{numbers['uploaded_bytes_per_step']} bytes"),
        ("downloaded per step", f"{numbers['downloaded_bytes_per_step']} bytes"),
        ("decode", "untraced" if options.no_trace else "a replayed trace"),
        ("precision", model.config.precision.name),
        ("device", opened.description),
    ]
    if not model.pool.contiguous:
        rows.insert(-3, ("prompt tokens shared", f"{numbers['shared_tokens']} of {numbers['prompt_tokens']}"))
    print()
    for name, value in rows:
        print(f"  {name:<24}{value}")
    if opened.kind == "emulated":
        print("  These times are the emulation's on this machine's CPU, not a card's.")
    if options.json:
        first = completions[0]
        line = {
            "text": first.text,
            "tokens": first.tokens,
            "completions": [
                {"text": c.text, "tokens": c.tokens, "finish_reason": c.finish_reason} for c in completions
            ],
            "device": opened.description,
            "precision": model.config.precision.name,
            "traced": not options.no_trace,
            **numbers,
        }
        print(json.dumps(line))


def measure(model: Any, completions: list[Any]) -> dict[str, float]:
    """The times of a run, and the bytes of a steady step.

    Times and bytes are medians over the steps, because few steps have requests that join or leave. A step with accepted
    drafts gives a user several tokens, which share its time.
    """
    steps = [step for step in model.steps if step.users]
    seconds = statistics.median(step.seconds * step.users / step.tokens for step in steps) if steps else 0.0
    generated, users = sum(step.tokens for step in steps), sum(step.users for step in steps)
    total = sum(step.seconds for step in steps)
    metrics = model.engine.metrics
    return {
        "prompt_tokens": metrics.prompt_tokens,
        "shared_tokens": metrics.shared_tokens,
        "ttft_s": completions[0].ttft_s,
        "ms_per_token": seconds * 1000,
        "tokens_per_s_user": 1 / seconds if seconds else 0.0,
        "tokens_per_s": generated / total if total else 0.0,
        "tokens_per_step": generated / users if users else 0.0,
        "drafted_tokens": metrics.drafted_tokens,
        "accepted_tokens": metrics.accepted_tokens,
        "uploaded_bytes_per_step": int(statistics.median(step.uploaded_bytes for step in steps)) if steps else 0,
        "downloaded_bytes_per_step": int(statistics.median(step.downloaded_bytes for step in steps)) if steps else 0,
    }
