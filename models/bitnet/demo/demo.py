# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs BitNet b1.58 on a Tenstorrent device: continues prompts and reports the cost of a decode step.

python models/bitnet/demo/demo.py "And it came to pass"
python models/bitnet/demo/demo.py --prompts models/bitnet/demo/prompts/prompts_32.json --temperature 0.8
python models/bitnet/demo/demo.py -f beginning.txt --max-new-tokens 200
python models/bitnet/demo/demo.py --model microsoft/bitnet-b1.58-2B-4T --chat --system "You are a pirate."
python models/bitnet/demo/demo.py --model ggml-model-i2_s.gguf --bench
python models/bitnet/demo/demo.py --board p300 --chips 2
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.arguments import find_model, parse_arguments, read_prompts  # noqa: E402
from models.bitnet.demo.chat import chat, check_can_chat  # noqa: E402
from models.bitnet.demo.command import say  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402
from models.bitnet.demo.report import report  # noqa: E402
from models.bitnet.tt.weights.checkpoint import read_config  # noqa: E402


def main() -> int:
    options = parse_arguments(__doc__)
    prompts = read_prompts(options)
    checkpoint = find_model(options.model)
    with open_device(options.board, options.chips) as opened:
        # the device must be prepared before ttnn is imported, so these imports come here
        from models.bitnet.demo.bench import bench
        from models.bitnet.tt.bitnet import BitNet
        from models.bitnet.tt.generation.sampling import SamplingParams

        try:
            if options.chat:
                check_can_chat(checkpoint)
            context = options.max_seq_len or read_config(checkpoint).max_position_embeddings
            sampling = SamplingParams(options.temperature, options.top_k, options.top_p, options.seed)
            model = BitNet.from_pretrained(
                checkpoint,
                opened.device,
                precision=options.precision,
                max_batch=len(prompts),
                max_seq_len=context,
                paging=shared_pool(options.cache_tokens),
                weight_cache=options.weight_cache,
                enable_trace=not options.no_trace,
                speculate=0 if options.bench else options.speculate,
            )
        except (ValueError, OSError) as error:
            raise SystemExit(f"demo: {error}") from None
        with model:
            say(f"{checkpoint.name} on {opened.description}, precision {model.config.precision.name}")
            model.warm_up(sample=not sampling.greedy, progress=True)
            if options.chat:
                return chat(model, options, sampling)
            if options.bench:
                return bench(model, opened, checkpoint)
            completions = complete(model, prompts, options, sampling)
            report(model, opened, options, completions, sampling)
            return 1 if any(c.finish_reason == "error" for c in completions) else 0


def shared_pool(tokens: int | None) -> Any:
    """The paging config of one KV cache of this many tokens for all prompts. None if `tokens` is None."""
    from models.bitnet.tt.kv_cache import PagedAttentionConfig

    if tokens is None:
        return None
    return PagedAttentionConfig(max_num_blocks=-(-tokens // PagedAttentionConfig.block_size))


def complete(model: Any, prompts: list[str], options: argparse.Namespace, sampling: Any) -> list[Any]:
    """Continue the prompts. A single text is printed as it grows, a batch at its end."""
    alone = len(prompts) == 1
    if alone:
        print(prompts[0], end="", flush=True)
    finished = model.generate(
        prompts,
        options.max_new_tokens,
        sampling,
        stream=(lambda number, text: print(text, end="", flush=True)) if alone else progress_of(len(prompts)),
        stop=options.stop,
    )
    print()
    for number, (prompt, completion) in enumerate(zip(prompts, finished)):
        if not alone:
            print(f"[{number}] {prompt}{completion.text}")
        if completion.error:
            say(f"prompt {number}: {completion.error}")
    return finished


def progress_of(prompts: int) -> Any:
    """A stream callback that counts the pieces of text of a batch on stderr."""
    shown = [0]

    def count(number: int, text: str) -> None:
        shown[0] += 1
        if sys.stderr.isatty():
            print(f"\r{shown[0]} pieces of text from {prompts} prompts", end="", file=sys.stderr, flush=True)

    return count


if __name__ == "__main__":
    command.run(main)
