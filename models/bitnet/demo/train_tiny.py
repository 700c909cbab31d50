# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Trains the small BitNet that ships with the demo, from scratch, on a CPU, in about an hour.

    python -m models.bitnet.demo.train_tiny --minutes 60

Ctrl-C saves the training state, and the same command resumes from it. `--minutes 0` only writes the model trained so
far. The schedule follows the minutes of training, not the steps. A slow or busy machine therefore trains fewer steps,
but its learning rate still falls to zero.
"""

import argparse
import math
import pickle
import signal
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tqdm import tqdm

from models.bitnet.demo import tiny_data, tiny_export
from models.bitnet.demo.command import at_least_one
from models.bitnet.demo.tiny_model import BitLinear, TinyBitNet

CONFIG: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 2048,
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
}
TOKENS_PER_STEP = 4096
WARMUP, LONG_ROWS_FROM = 0.02, 0.8  # fractions of the training time
DECAY_UNTIL = 0.5  # weight decay keeps ternary weights flipping; without it they settle in the second half
EVERY_MINUTES = 5.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=duration, default=60.0, help="training time in all, resumed parts included")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "tiny", help="folder for the model")
    parser.add_argument("--state", type=Path, default=tiny_data.cache_dir() / "train" / "tiny.pt")
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--lr", type=positive, default=2e-3)
    parser.add_argument("--threads", type=at_least_one, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="needs a C++ compiler")
    parser.add_argument("--fp32", action="store_true", help="multiply in fp32: for CPUs without bf16 arithmetic")
    return parser.parse_args()


def positive(text: str) -> float:
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def duration(text: str) -> float:
    return 0.0 if float(text) == 0 else positive(text)


def learning_rate(peak: float, progress: float) -> float:
    """The learning rate at `progress` in [0, 1]: a linear warm-up to `peak`, then a linear decay to zero."""
    return peak * min(progress / WARMUP, (1.0 - progress) / (1.0 - WARMUP)) if progress < 1.0 else 0.0


def optimizer_for(model: TinyBitNet) -> torch.optim.Optimizer:
    ternary = {id(m.weight) for m in model.modules() if isinstance(m, BitLinear)}
    groups = [[p for p in model.parameters() if (id(p) in ternary) == decays] for decays in (True, False)]
    return torch.optim.AdamW([{"params": g} for g in groups], lr=0.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True)


class Trainer:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        torch.set_num_threads(args.threads)
        torch.manual_seed(args.seed)
        chapters = tiny_data.split_chapters(tiny_data.fetch_text())
        self.train_text, self.held_out = tiny_data.split_held_out(chapters)
        self.tokenizer = tiny_data.train_tokenizer(self.train_text, CONFIG["vocab_size"])
        self.rows = tiny_data.Rows(self.train_text, self.tokenizer, args.seed)
        self.model = TinyBitNet(CONFIG)
        self.model.dtype = torch.float32 if args.fp32 else torch.bfloat16
        self.optimizer = optimizer_for(self.model)
        self.seconds, self.step, self.tokens = 0.0, 0, 0
        if args.resume and args.state.exists():
            self.load()

    def load(self) -> None:
        try:
            state = torch.load(self.args.state, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.seconds, self.step, self.tokens = state["seconds"], state["step"], state["tokens"]
        except (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError):
            raise SystemExit(
                f"train_tiny: {self.args.state} is not a training state of this model; --no-resume starts anew and "
                "replaces it"
            ) from None
        self.rows.rng.seed(self.step)  # a seed that does not draw the rows already seen

    def save(self) -> None:
        self.args.state.parent.mkdir(parents=True, exist_ok=True)
        new = self.args.state.with_suffix(".new")
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state | {"seconds": self.seconds, "step": self.step, "tokens": self.tokens}, new)
        new.replace(self.args.state)

    def held_out_bpb(self, every: int) -> float:
        """Bits per byte of every `every`th held-out chapter, with exact integer sums as in inference."""
        dtype, self.model.dtype = self.model.dtype, torch.float32
        self.model.eval()
        context = CONFIG["max_position_embeddings"]
        result = tiny_export.bits_per_byte(self.model, self.tokenizer, self.held_out[::every], context)
        self.model.train()
        self.model.dtype = dtype
        return result

    def train_step(self, forward: Any, progress: float) -> float:
        length = CONFIG["max_position_embeddings"] // (1 if progress >= LONG_ROWS_FROM else 2)
        batch = self.rows.batch(TOKENS_PER_STEP // length, length + 1)
        for group, decay in zip(self.optimizer.param_groups, (0.1, 0.0)):
            group["lr"] = learning_rate(self.args.lr, progress)
            group["weight_decay"] = decay if progress < DECAY_UNTIL else 0.0
        logits = forward(batch[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.tokens += batch.shape[0] * length
        return loss.item()

    def train(self) -> None:
        forward = torch.compile(self.model, dynamic=False) if self.args.compile else self.model
        self.model.train()
        limit, next_check, average, bpb = self.args.minutes * 60, self.seconds, None, float("nan")
        recent: list[float] = []
        with tqdm(total=round(limit), initial=round(self.seconds), unit="s", mininterval=5.0) as bar:
            while self.seconds < limit:
                begin = time.perf_counter()
                loss = self.train_step(forward, self.seconds / limit)
                spent = time.perf_counter() - begin
                # A step far slower than its neighbours compiled something. Compilation does not count as training time.
                if not recent or spent > 10 * recent[-1]:
                    spent = min(spent, recent[-1] if recent else 1.0)
                recent = [*recent[-19:], spent]
                self.seconds += spent
                average = loss if average is None else 0.98 * average + 0.02 * loss
                speed = TOKENS_PER_STEP * len(recent) / sum(recent)
                bar.n = min(round(self.seconds), bar.total)
                bar.set_postfix_str(f"step {self.step} loss {average:.3f} held-out {bpb:.3f} bpb {speed:.0f} tokens/s")
                if self.seconds >= next_check + EVERY_MINUTES * 60:
                    next_check = self.seconds
                    bpb = self.held_out_bpb(every=4)
                    self.save()
                    bar.write(f"{self.seconds / 60:.0f} min: step {self.step}, {bar.postfix}, now {bpb:.3f}")


def main() -> None:
    args = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` saves as Ctrl-C does
    trainer = Trainer(args)
    if args.minutes:
        try:
            trainer.train()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        trainer.save()
    tiny_export.export(trainer.model, trainer.tokenizer, args.out)
    run = {
        "steps": trainer.step,
        "tokens_per_step": TOKENS_PER_STEP,
        "minutes": trainer.seconds / 60,
        "limit": args.minutes or trainer.seconds / 60,
    }
    bpb = tiny_export.write_model_card(args.out, trainer.train_text, trainer.held_out, run)
    print(f"{args.out}: {bpb:.3f} held-out bits per byte; its README.md has the rest")


if __name__ == "__main__":
    main()
