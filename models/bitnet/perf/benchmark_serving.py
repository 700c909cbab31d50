# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Serves requests that arrive at random times in three ways: as they come, in closed batches, and one by one.

python models/bitnet/perf/benchmark_serving.py --requests 24 --rate 1

One run serves the same requests at the same times in all three ways, so that ratios hold on a noisy machine. Arrivals
are a Poisson process. Prompts and answers have several lengths. On the emulated device the seconds are those of the
emulation, where a decode step of many users costs more than a step of few users. On a card both cost the same.
"""

import argparse
import json
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.arguments import SHIPPED_MODEL  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402

PROMPTS_FILE = SHIPPED_MODEL.parent / "prompts" / "prompts_32.json"
PROMPTS, ANSWERS = (8, 24, 48, 96), (4, 12, 24, 48)  # lengths in tokens, all equally likely
WAYS = ("as they come", "closed batches", "one by one")


@dataclass
class Arrival:
    """A request, its arrival time, and the times of its tokens, in seconds from the start of the run."""

    due: float
    request: Any
    told: list[float] = field(default_factory=list)


def arrivals(count: int, rate: float, text: list[int], seed: int) -> list[Arrival]:
    from models.bitnet.tt.engine.request import Request

    chance, due, result = random.Random(seed), 0.0, []
    for number in range(count):
        due += chance.expovariate(rate)
        length, answer = chance.choice(PROMPTS), chance.choice(ANSWERS)
        prompt = tuple(text[(31 * number + i) % len(text)] for i in range(length))
        result.append(Arrival(due, Request(prompt, answer)))
    return result


def serve(engine: Any, requests: list[Arrival], together: int | None) -> tuple[float, list[int]]:
    """Serve all requests. Returns the seconds of the run and the bytes that each decode step uploaded.

    If `together` is None, a request starts when it arrives. Otherwise requests start only when no request runs, and at
    most `together` of them start at once.
    """
    waiting, running, uploads = list(requests), {}, []
    began = time.perf_counter()
    while waiting or engine.busy:
        now = time.perf_counter() - began
        due = [arrival for arrival in waiting if arrival.due <= now]
        if together is not None:
            due = [] if engine.busy else due[:together]
        for arrival in due:
            waiting.remove(arrival)
            running[engine.add(arrival.request)] = arrival
        if not engine.busy:
            time.sleep(max(0.0, waiting[0].due - now))
            continue
        events = engine.step()
        now = time.perf_counter() - began
        for event in events:
            running[event.id].told.append(now)
        if engine.last_step is not None:
            uploads.append(engine.last_step.uploaded_bytes)
    return time.perf_counter() - began, uploads


def figures(seconds: float, uploads: list[int], requests: list[Arrival], engine: Any) -> dict[str, float]:
    first = sorted(arrival.told[0] - arrival.due for arrival in requests)
    metrics = engine.metrics
    return {
        "tokens_per_s": metrics.generated_tokens / seconds,
        "ttft_p50_s": first[len(first) // 2],
        "ttft_p90_s": first[len(first) * 9 // 10],
        "token_p50_s": metrics.gap.percentile(50),
        "token_p90_s": metrics.gap.percentile(90),
        "token_largest_s": metrics.gap.largest,
        "steps": metrics.decode_steps,
        "steps_without_upload": sum(not bytes_up for bytes_up in uploads) / max(1, len(uploads)),
    }


def table(results: dict[str, dict[str, float]]) -> str:
    names = list(next(iter(results.values())))
    lines = ["| | " + " | ".join(results) + " |", "|---|" + "---|" * len(results)]
    lines += [
        f"| {name} | " + " | ".join(f"{result[name]:.3g}" for result in results.values()) + " |" for name in names
    ]
    return "\n".join(lines)


def main() -> int:
    options = parse_arguments()
    with open_device(options.board) as opened:
        from models.bitnet.tt.bitnet import BitNet
        from models.bitnet.tt.engine.engine import Engine

        results = {}
        with BitNet.from_pretrained(
            SHIPPED_MODEL,
            opened.device,
            precision=options.precision,
            max_batch=options.batch,
            max_seq_len=256,
            progress=False,
        ) as model:
            model.warm_up()
            prompts = [entry["prompt"] for entry in json.loads(PROMPTS_FILE.read_text())]
            text = [token for prompt in prompts for token in model.tokenizer.encode(prompt)]
            for way, together in zip(WAYS, (None, options.batch, 1)):
                engine = Engine(model.generator, model.pool, model.tokenizer)
                requests = arrivals(options.requests, options.rate, text, options.seed)
                command.say(f"{way} ...")
                seconds, uploads = serve(engine, requests, together)
                results[way] = figures(seconds, uploads, requests, engine)
    print(
        f"{options.requests} requests, {options.rate} a second, {options.batch} rows, {options.precision}, "
        f"{opened.description}\n\n{table(results)}"
    )
    if options.json:
        print(json.dumps(results))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--board", help="which board to emulate where there is neither card nor simulator")
    parser.add_argument("--precision", default="fused", choices=["accuracy", "performance", "fused"])
    parser.add_argument("--batch", type=command.at_least_one, default=8, help="users of a decode step")
    parser.add_argument("--requests", type=command.at_least_one, default=24)
    parser.add_argument("--rate", type=float, default=1.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=0, help="seed of arrivals and lengths")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON too")
    options = parser.parse_args()
    if not 0 < options.rate < float("inf"):
        parser.error(f"--rate is {options.rate}, must be a positive number")
    return options


if __name__ == "__main__":
    command.run(main)
