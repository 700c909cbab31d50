# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs BitNet b1.58 on a Tenstorrent device: continues prompts and reports the cost of a decode step.

python models/bitnet/demo/demo.py "And it came to pass"
python models/bitnet/demo/demo.py --prompts models/bitnet/demo/prompts/prompts_32.json --temperature 0.8
python models/bitnet/demo/demo.py --chat
python models/bitnet/demo/demo.py --model microsoft/bitnet-b1.58-2B-4T --precision performance
python models/bitnet/demo/demo.py --board p300 --chips 2
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.command import at_least_one, say, unicode_text  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402
from models.bitnet.demo.report import report  # noqa: E402
from models.bitnet.tt.weights.checkpoint import load_tokenizer, read_config  # noqa: E402
from models.bitnet.tt.weights.hub import find_checkpoint  # noqa: E402

DEMO = Path(__file__).resolve().parent
SHIPPED_MODEL = DEMO / "tiny"
DEFAULT_PROMPT = "And the word of the LORD came unto me, saying,"
MOST_PROMPTS = 32
PRECISIONS = ("accuracy", "performance", "fused")
DEFAULT_PRECISION = "default: fused where its programs fit the model and the device, accuracy otherwise"


def main() -> int:
    options = parse_arguments()
    prompts = read_prompts(options)
    folder = find_model(options.model)
    with open_device(options.board, options.chips) as opened:
        # the device must be prepared before ttnn is imported, so these imports come here
        from models.bitnet.tt.bitnet import BitNet
        from models.bitnet.tt.generation.sampling import SamplingParams

        try:
            if options.chat:
                check_chat_template(folder)
            context = options.max_seq_len or read_config(folder).max_position_embeddings
            sampling = SamplingParams(options.temperature, options.top_k, options.top_p, options.seed)
            model = BitNet.from_pretrained(
                folder,
                opened.device,
                precision=options.precision,
                max_batch=len(prompts),
                max_seq_len=context,
                paging=shared_pool(options.cache_tokens),
                weight_cache=options.weight_cache,
                enable_trace=not options.no_trace,
                speculate=options.speculate,
            )
        except (ValueError, OSError) as error:
            raise SystemExit(f"demo: {error}") from None
        with model:
            say(f"{folder.name} on {opened.description}, precision {model.config.precision.name}")
            model.warm_up(sample=not sampling.greedy, progress=True)
            if options.chat:
                return chat(model, options, sampling)
            completions = complete(model, prompts, options, sampling)
            report(model, opened, options, completions, sampling)
            return 1 if any(c.finish_reason == "error" for c in completions) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "prompt", nargs="?", type=unicode_text, help=f"the text to continue (default: {DEFAULT_PROMPT!r})"
    )
    parser.add_argument("--prompts", type=Path, help='a JSON file of up to 32 prompts: [{"prompt": "..."}, ...]')
    parser.add_argument("--chat", action="store_true", help="talk with the model; an empty line ends")
    parser.add_argument(
        "--model", default=str(SHIPPED_MODEL), help="a Hugging Face folder or hub id (default: shipped)"
    )
    parser.add_argument("--board", help="which board to emulate without a card (default: n150)")
    parser.add_argument("--chips", type=at_least_one, default=1, help="run the model tensor parallel on so many chips")
    parser.add_argument("--precision", choices=PRECISIONS, help=DEFAULT_PRECISION)
    parser.add_argument("--max-new-tokens", type=at_least_one, default=80)
    parser.add_argument("--max-seq-len", type=at_least_one, help="context to keep a cache for (default: the model's)")
    parser.add_argument(
        "--cache-tokens",
        type=at_least_one,
        help="one KV cache of so many tokens for all prompts: prompts that begin alike use the same blocks, and a "
        "prompt waits while the cache is full (default: the cache holds a whole context for each prompt)",
    )
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest token")
    parser.add_argument("--top-k", type=int, default=0, help="draw from the k likeliest, 32 at most")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int, help="the same seed draws the same tokens")
    parser.add_argument(
        "--stop", type=unicode_text, action="append", default=[], help="end before this text; may be repeated"
    )
    parser.add_argument(
        "--speculate",
        type=int,
        metavar="K",
        help="verify up to K drafts of the next tokens in a step, which changes no text; 0 to 31 (default: 4 in fused, "
        "0 elsewhere)",
    )
    parser.add_argument("--no-trace", action="store_true", help="run every program of every step from the host")
    parser.add_argument("--weight-cache", type=Path, help="a folder that keeps device-ready weights")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if options.prompt is not None and options.prompts:
        parser.error("give a prompt or --prompts, not both")
    if options.chat and (options.prompt is not None or options.prompts or options.json):
        parser.error("--chat takes no prompt, --prompts or --json")
    if not all(options.stop):
        parser.error("--stop is empty; give the text to end before")
    return options


def read_prompts(options: argparse.Namespace) -> list[str]:
    if options.prompts is None:
        return [options.prompt if options.prompt is not None else DEFAULT_PROMPT]
    try:
        entries = json.loads(options.prompts.read_text(encoding="utf-8"))
        prompts = [unicode_text(str(entry["prompt"])) for entry in entries]
    except (OSError, ValueError, TypeError, KeyError, RecursionError, argparse.ArgumentTypeError) as error:
        raise SystemExit(f'demo: {options.prompts} is not a JSON list of {{"prompt": "..."}}: {error}') from None
    if not 1 <= len(prompts) <= MOST_PROMPTS:
        raise SystemExit(f"demo: {options.prompts} has {len(prompts)} prompts; give 1 to {MOST_PROMPTS}")
    return prompts


def find_model(name: str) -> Path:
    """The checkpoint's folder. Exits with a message of one line if there is no such checkpoint."""
    try:
        return find_checkpoint(name)
    except ValueError as error:
        raise SystemExit(f"{command.name()}: {error}") from None


def shared_pool(tokens: int | None) -> Any:
    """The paging config of one KV cache of this many tokens for all prompts. None if `tokens` is None."""
    from models.bitnet.tt.kv_cache import PagedAttentionConfig

    if tokens is None:
        return None
    return PagedAttentionConfig(max_num_blocks=-(-tokens // PagedAttentionConfig.block_size))


def check_chat_template(folder: Path) -> None:
    """Raise ValueError if the checkpoint has no chat template. The check comes before the weights are loaded."""
    if not load_tokenizer(folder).chat_template:
        raise ValueError(f"{folder} has no chat template, so --chat cannot write its turns; give a prompt instead")


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


def chat(model: Any, options: argparse.Namespace, sampling: Any) -> int:
    messages: list[dict[str, str]] = []
    while True:
        try:
            line = input("You: ").strip()
        except (EOFError, KeyboardInterrupt):
            line = ""
        if not line:
            return 0
        messages.append({"role": "user", "content": line})
        print("Model: ", end="", flush=True)
        answer = model.chat(
            messages, options.max_new_tokens, sampling, stream=lambda _, text: print(text, end="", flush=True)
        )
        print()
        if answer.error:
            say(answer.error)
        messages.append({"role": "assistant", "content": answer.text})


if __name__ == "__main__":
    command.run(main)
