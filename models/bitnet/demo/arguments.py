# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's arguments, and the prompts and the checkpoint that they name."""

import argparse
import json
import sys
from pathlib import Path

from models.bitnet.demo import command
from models.bitnet.demo.command import at_least_one, unicode_text
from models.bitnet.tt.weights.hub import find_checkpoint

DEMO = Path(__file__).resolve().parent
SHIPPED_MODEL = DEMO / "tiny"
DEFAULT_PROMPT = "And the word of the LORD came unto me, saying,"
MOST_PROMPTS = 32
PRECISIONS = ("accuracy", "performance", "fused")
DEFAULT_PRECISION = "default: fused where its programs fit the model and the device, accuracy otherwise"
MODEL = "a Hugging Face folder, a GGUF file (i2_s), or either on the hub: owner/model or owner/model/file.gguf"


def parse_arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "prompt",
        nargs="?",
        type=unicode_text,
        help=f"the text to continue; - reads it from standard input (default: {DEFAULT_PROMPT!r})",
    )
    what.add_argument(
        "-f", "--file", type=Path, help="a file with the text to continue; its last line break is dropped"
    )
    what.add_argument("--prompts", type=Path, help='a JSON file of up to 32 prompts: [{"prompt": "..."}, ...]')
    what.add_argument("--chat", action="store_true", help="talk with the model; /help lists the commands there")
    what.add_argument(
        "--bench", action="store_true", help="time a prompt of 128 tokens and 32 new ones, as llama-bench"
    )
    parser.add_argument("--system", type=unicode_text, metavar="TEXT", help="with --chat: what the model shall be")
    parser.add_argument("--model", default=str(SHIPPED_MODEL), help=f"{MODEL} (default: shipped)")
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
    if options.json and (options.chat or options.bench):
        parser.error("--json is for prompts, not for --chat and --bench")
    if options.system is not None and not options.chat:
        parser.error("--system is for --chat")
    if options.bench and options.speculate:
        parser.error("--bench times steps without drafts, so it takes no --speculate")
    if not all(options.stop):
        parser.error("--stop is empty; give the text to end before")
    return options


def read_prompts(options: argparse.Namespace) -> list[str]:
    """The texts to continue. Exits with a message of one line if a file cannot be used."""
    if options.file is not None or options.prompt == "-":
        return [_read_text(options.file)]
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


def _read_text(file: Path | None) -> str:
    """The text of a file, or of standard input if `file` is None, without its last line break."""
    name = file or "standard input"
    try:
        content = file.read_bytes() if file else sys.stdin.buffer.read()
        text = content.decode("utf-8").replace("\r\n", "\n").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"demo: {name} cannot be read as text: {error}") from None
    if not text:
        raise SystemExit(f"demo: {name} is empty; give a text to continue")
    return text


def find_model(name: str) -> Path:
    """The checkpoint. Exits with a message of one line if there is no such checkpoint."""
    try:
        return find_checkpoint(name)
    except ValueError as error:
        raise SystemExit(f"{command.name()}: {error}") from None
