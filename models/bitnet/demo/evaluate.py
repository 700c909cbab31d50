# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the model on the device with the float32 reference, teacher-forced over a text.

python models/bitnet/demo/evaluate.py
python models/bitnet/demo/evaluate.py --precision performance --layers --plot layers.png
python models/bitnet/demo/evaluate.py --model microsoft/bitnet-b1.58-2B-4T --text book.txt --json
python models/bitnet/demo/evaluate.py --write-reference models/bitnet/demo/tiny_reference.safetensors
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

import torch  # noqa: E402

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.arguments import DEFAULT_PRECISION, MODEL, PRECISIONS, SHIPPED_MODEL, find_model  # noqa: E402
from models.bitnet.demo.command import at_least_one, new_file, say  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402

SAMPLE = Path(__file__).resolve().parent / "prompts" / "evaluation.txt"


def main() -> int:
    options = parse_arguments()
    torch.set_grad_enabled(False)
    folder = find_model(options.model)
    with open_device(options.board) as opened:
        # the device must be prepared before ttnn is imported, so these imports come here
        from models.bitnet.demo import reference_file
        from models.bitnet.demo.evaluation import Case, agreement, device_choices, device_logits, score
        from models.bitnet.tt.bitnet import BitNet

        try:
            case = Case.load(folder, options.text or SAMPLE, options.positions, options.windows)
            say(f"{case.describe()}; running the reference …")
            golden = case.reference_logits()
            if options.write_reference:
                reference_file.write(options.write_reference, case, golden)
                say(f"wrote {options.write_reference}")
                return 0
            say(f"running on {opened.description} …")
            model = BitNet.from_pretrained(
                folder,
                opened.device,
                precision=options.precision,
                max_batch=len(case.windows.tokens),
                max_seq_len=case.context,
                weight_cache=options.weight_cache,
                enable_trace=not options.no_trace,
                progress=sys.stderr.isatty(),
            )
        except (ValueError, OSError) as error:
            raise SystemExit(f"evaluate: {error}") from None
        with model:
            scores = score(device_logits(model, case.windows), golden, case.windows.targets, case.target_bytes)
            precision = model.config.precision.name
            chosen = agreement(device_choices(model, case.windows), golden)
            report(scores, chosen, case, opened, options, precision)
            floor = score(case.disturbed_logits(), golden, case.windows.targets) if options.floor else None
            if floor is not None:
                report_floor(floor)
            errors = find_layer_errors(model, case, options) if options.layers or options.plot else []
        if options.json:
            about = {"device": opened.description, "precision": precision, "windows": len(case.windows.tokens)}
            more = {
                "top1_chosen": chosen,
                "layers": [vars(error) for error in errors],
                "floor": floor.as_dict() if floor else None,
            }
            print(json.dumps({**scores.as_dict(), **about, **more}))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED_MODEL), help=MODEL)
    parser.add_argument("--text", type=Path, help=f"what to predict (default: a short sample, prompts/{SAMPLE.name})")
    parser.add_argument("--precision", choices=PRECISIONS, help=DEFAULT_PRECISION)
    parser.add_argument("--board", help="which board to emulate without a card (default: n150)")
    parser.add_argument(
        "--positions", type=at_least_one, help="tokens to predict in a window (default: as many as prefilled)"
    )
    parser.add_argument("--windows", type=at_least_one, default=4, help="windows of the text at most, one user each")
    parser.add_argument("--layers", action="store_true", help="rank the sub-blocks by the error they add")
    parser.add_argument("--floor", action="store_true", help="measure the reference against itself with 1e-6 of noise")
    parser.add_argument("--plot", type=new_file, help="write a PNG of the error after every sub-block")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON; shares are fractions")
    parser.add_argument(
        "--write-reference", type=new_file, help="write the reference's likeliest tokens there, and stop"
    )
    parser.add_argument("--no-trace", action="store_true", help="run every program of every step from the host")
    parser.add_argument("--weight-cache", type=Path, help="a folder that keeps device-ready weights")
    return parser.parse_args()


def report(scores: Any, chosen: float, case: Any, opened: Any, options: argparse.Namespace, precision: str) -> None:
    bits = f"{scores.bits_per_byte:.4f} (reference {scores.bits_per_byte_reference:.4f})"
    rows = [
        ("top-1 agreement", f"{scores.top1:.2%}"),
        ("top-1 of the chosen tokens", f"{chosen:.2%}"),
        ("reference's choice in top 5", f"{scores.top5:.2%}"),
        ("logits PCC", f"{scores.pcc:.6f} (mean {scores.pcc_mean:.6f}, worst {scores.pcc_worst:.6f})"),
        (
            "logits relative error",
            f"{scores.relative_error:.3%} (mean {scores.relative_error_mean:.3%}, worst "
            f"{scores.relative_error_worst:.3%})",
        ),
        ("KL from the reference", f"{scores.kl:.2e} nats"),
        ("perplexity", f"{scores.perplexity:.3f} (reference {scores.perplexity_reference:.3f})"),
        ("bits per byte", bits),
        ("positions", f"{scores.positions} in {len(case.windows.tokens)} windows, {case.windows.prefill} prefilled"),
        ("device", f"{opened.description}, precision {precision}"),
        ("text", str(options.text) if options.text else f"the sample prompts/{SAMPLE.name}, written for this"),
    ]
    for name, value in rows:
        print(f"  {name:<30}{value}")


def report_floor(floor: Any) -> None:
    print(
        f"  The reference against itself, its embedding off by 1e-6: top-1 {floor.top1:.2%}, PCC {floor.pcc:.6f}, "
        f"relative error {floor.relative_error:.3%}"
    )


def find_layer_errors(model: Any, case: Any, options: argparse.Namespace) -> list[Any]:
    """The errors of all sub-blocks in one prefill of the first window."""
    from models.bitnet.demo.layer_errors import device_stream, layer_errors, plot, ranked_table, reference_stream

    tokens = case.windows.tokens[0, :-1]
    errors = layer_errors(case.reference, device_stream(model, tokens), reference_stream(case.reference, tokens))
    if options.layers:
        print(f"\n  Where error enters, over a prefill of {len(tokens)} positions, relative to the residual stream:\n")
        print(ranked_table(errors))
    if options.plot:
        plot(errors, options.plot, f"{Path(options.model).name}, precision {model.config.precision.name}")
        say(f"wrote {options.plot}")
    return errors


if __name__ == "__main__":
    command.run(main)
