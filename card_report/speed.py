# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Times decode and prefill with and without trace: `python -m card_report.speed shipped`.

It prints a line of JSON for each measurement. The clock is this machine's. On the emulated device and on a simulator it
times the emulation or the simulator, not a card.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from models.bitnet.demo.command import at_least_one
from models.bitnet.demo.device import open_device

SEPARATE = "fused, a program for each projection"  # the precision in the measurement of such steps


class Attempts:
    """Runs measurements. An error in a measurement is written to the log, and the next measurement runs."""

    def __init__(self) -> None:
        self.failed = False

    def __call__(self, what: str, measure: Callable[[], Any]) -> Any:
        try:
            return measure()
        except Exception:
            self.failed = True
            traceback.print_exc()
            print(f"failed: {what}", file=sys.stderr, flush=True)
            return None


def median_ms(work: Callable[[], Any], repeats: int) -> float:
    """The median time of `work` in milliseconds, after one run that is not timed."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def measure_decode(name: str, precision: str, model: Any, options: argparse.Namespace, attempt: Attempts) -> None:
    """Time decode steps around the context that PERF.md uses. A step includes the read of its tokens."""
    from card_report.modelled import modelled_step
    from card_report.stepping import CONTEXT
    from models.bitnet.perf.programs import capture

    users, context = model.config.users, CONTEXT[name]
    label = f"decode, {precision}, batch {users}"

    def timed(trace: bool) -> float:
        model.start(context - options.steps // 2 - 1)
        return median_ms(lambda: model.step(trace=trace), options.steps)

    untraced = attempt(f"{label}, untraced", lambda: timed(trace=False))
    traced = None if options.no_trace else attempt(f"{label}, traced", lambda: timed(trace=True))
    model.start(context - 1)
    programs = attempt(f"{label}, counted", lambda: capture(model.step, model.positions.tolist()))
    say(
        measured="decode",
        model=name,
        precision=precision,
        users=users,
        context=context,
        untraced_ms=untraced,
        traced_ms=traced,
        **(modelled_step(programs, model.config.device) if programs else {}),
    )


def measure_prefill(name: str, model: Any, length: int, options: argparse.Namespace, attempt: Attempts) -> None:
    """Time a prefill of one chunk: the whole call, and its programs alone."""
    import torch

    from card_report.modelled import dram_bytes
    from models.bitnet.perf.programs import capture
    from models.bitnet.tt.generation.sampling import GREEDY

    precision, repeats = model.config.precision.name, max(1, options.steps // 4)
    label, tokens = f"prefill of {length}, {precision}", torch.zeros(1, length, dtype=torch.int32)

    def first_token() -> torch.Tensor:
        return model.generator.prefill_forward_text(
            tokens, model.page_table[:1], sampling_params=[GREEDY], draws=model.draws[:1]
        )

    ttft = attempt(f"{label}, first token", lambda: median_ms(first_token, repeats))
    work = attempt(f"{label}, inputs", lambda: prefill_chunk(model, length))
    untraced = traced = None
    programs = []
    if work is not None:
        untraced = attempt(f"{label}, untraced", lambda: median_ms(work, repeats))
        programs = attempt(f"{label}, counted", lambda: capture(work, [length - 1])) or []
        if not options.no_trace:
            traced = attempt(f"{label}, traced", lambda: replayed_ms(model.config.device, work, repeats))
    say(
        measured="prefill",
        model=name,
        precision=precision,
        tokens=length,
        ttft_ms=ttft,
        untraced_ms=untraced,
        traced_ms=traced,
        programs=len(programs),
        gigabytes=dram_bytes(programs) / 1e9,
        gflop=sum(program.flops for program in programs) / 1e9,
    )


@contextmanager
def separate_programs(model: Any) -> Iterator[None]:
    """Inside this block every projection of a decode step is a program of its own."""
    from models.bitnet.tt.decode_layers import SeparateDecodeLayers

    merged = model.model.decode_layers
    model.generator.close()  # the next traced step is captured anew
    model.model.decode_layers = SeparateDecodeLayers(model.model.layers)
    try:
        yield
    finally:
        model.generator.close()
        model.model.decode_layers = merged


def prefill_chunk(model: Any, length: int) -> Callable[[], None]:
    """A function that runs the programs of a prefill of one chunk and waits for their end.

    The inputs are uploaded to the device before, once.
    """
    import torch

    import ttnn

    device, blocks = model.config.device, model.page_table[:1]
    size = model.paging.block_size

    def upload(values: Any, dtype: Any) -> Any:
        return ttnn.from_torch(values.to(torch.int32), dtype=dtype, device=device)

    tokens = upload(torch.zeros(1, length), ttnn.uint32)
    table, chunk = upload(blocks, ttnn.int32), upload(blocks[:, : -(-length // size)], ttnn.int32)

    def work(wait: bool = True) -> None:
        ttnn.deallocate(model.model.forward_prefill(tokens, model.cache, table, chunk, 0, length - 1))
        if wait:
            ttnn.synchronize_device(device)

    return work


def replayed_ms(device: Any, work: Callable[..., None], repeats: int) -> float:
    """The median time of `work` in milliseconds as a replayed trace."""
    import ttnn

    with captured(device, lambda: work(wait=False)) as trace:
        return median_ms(lambda: ttnn.execute_trace(device, trace, cq_id=0, blocking=True), repeats)


@contextmanager
def captured(device: Any, work: Callable[[], None]) -> Iterator[Any]:
    import ttnn

    trace = ttnn.begin_trace_capture(device, cq_id=0)
    try:
        work()
    finally:
        ttnn.end_trace_capture(device, trace, cq_id=0)
    try:
        yield trace
    finally:
        ttnn.release_trace(device, trace)


def say(**found: Any) -> None:
    print(json.dumps(found), flush=True)


def main() -> int:
    options = parse_arguments()
    attempt = Attempts()
    with open_device() as opened, tempfile.TemporaryDirectory() as scratch:
        # the device must be prepared before ttnn is imported, so these imports come here
        from card_report.stepping import builder

        build = builder(options.model, opened.device, Path(scratch))
        for precision in options.precisions:
            for users in options.batches:
                work = partial(measure, build, precision, users, options, attempt)
                attempt(f"{precision}, batch {users}", work)
    return 1 if attempt.failed else 0


def measure(build: Any, precision: str, users: int, options: argparse.Namespace, attempt: Attempts) -> None:
    """Measure one model. Its memory is free again afterwards."""
    model = build(precision, users)
    try:
        measure_decode(options.model, precision, model, options, attempt)
        if precision == "fused":
            with separate_programs(model):
                measure_decode(options.model, SEPARATE, model, options, attempt)
    finally:
        model.generator.close()  # frees the trace, because prefill must not allocate memory that a trace writes to
    for length in options.prompts if users == 1 else ():
        measure_prefill(options.model, model, length, options, attempt)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m card_report.speed", description=__doc__)
    parser.add_argument("model", choices=("shipped", "2b"), help="2b: random weights of the 2B-4T's sizes")
    choices = ("fused", "performance", "accuracy")
    parser.add_argument("--precisions", nargs="+", choices=choices, default=list(choices))
    parser.add_argument("--batches", nargs="+", type=at_least_one, default=[1], help="users that decode together")
    parser.add_argument("--prompts", nargs="+", type=at_least_one, default=[], help="tokens, a chunk of 1024 at most")
    parser.add_argument("--steps", type=at_least_one, default=20, help="timed; the median counts")
    parser.add_argument("--no-trace", action="store_true", help="a simulator has no traces")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
