# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the cost of each numeric choice by changing one setting at a time: the table of docs/experiments.md.

python models/bitnet/demo/ablation.py
python models/bitnet/demo/ablation.py --only accumulation --windows 2
python models/bitnet/demo/ablation.py --only fused
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

import torch  # noqa: E402

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.arguments import SHIPPED_MODEL, find_model  # noqa: E402
from models.bitnet.demo.command import at_least_one, say  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402
from models.bitnet.demo.evaluate import SAMPLE  # noqa: E402

_POSITION = 512  # where in the context the modelled bytes of the KV cache are counted


def variants() -> Iterator[tuple[str, Any]]:
    """The rows of the table: (the changed setting, the precision).

    A row in bold is a precision without changes. Every other row differs from the last row in bold by one setting.
    """
    import ttnn
    from models.bitnet.tt.precision import ACCURACY, FUSED, MATMULS, PERFORMANCE

    lofi, hifi2, hifi4 = ttnn.MathFidelity.LoFi, ttnn.MathFidelity.HiFi2, ttnn.MathFidelity.HiFi4
    bf16, bfp8, bfp4 = ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b

    def ternary(precision: Any, **changes: Any) -> Any:
        for name in MATMULS:
            precision = precision if name == "lm_head" else precision.with_matmul(name, **changes)
        return precision

    def head(precision: Any, **changes: Any) -> Any:
        return precision.with_matmul("lm_head", **changes)

    yield "**accuracy**", ACCURACY
    yield "ternary weights bfp8", ternary(ACCURACY, weight=bfp8)
    yield "ternary weights bf16", ternary(ACCURACY, weight=bf16)
    yield "ternary products HiFi2", ternary(ACCURACY, fidelity=hifi2)
    yield "ternary products HiFi4", ternary(ACCURACY, fidelity=hifi4)
    yield "ternary products, bf16 accumulation", ternary(ACCURACY, fp32_accumulation=False)
    yield "activations not quantised", replace(ACCURACY, quantise=False)
    yield "between operations bf16", replace(ACCURACY, activations=bf16)
    yield "attention HiFi2", replace(ACCURACY, attention_fidelity=hifi2)
    yield "attention LoFi", replace(ACCURACY, attention_fidelity=lofi)
    yield "cache bfp8", replace(ACCURACY, cache=bfp8)
    yield "head bfp8", head(ACCURACY, weight=bfp8)
    yield "head bfp4", head(ACCURACY, weight=bfp4)
    yield "head HiFi2", head(ACCURACY, fidelity=hifi2)
    yield "head LoFi", head(ACCURACY, fidelity=lofi)
    yield "head, bf16 accumulation", head(ACCURACY, fp32_accumulation=False)
    yield "**performance**", PERFORMANCE
    yield "ternary products HiFi2", ternary(PERFORMANCE, fidelity=hifi2)
    yield "ternary products HiFi4", ternary(PERFORMANCE, fidelity=hifi4)
    yield "ternary products, bf16 accumulation", ternary(PERFORMANCE, fp32_accumulation=False)
    yield "activations quantised", replace(PERFORMANCE, quantise=True)
    yield "attention HiFi4", replace(PERFORMANCE, attention_fidelity=hifi4)
    yield "attention LoFi", replace(PERFORMANCE, attention_fidelity=lofi)
    yield "cache bf16", replace(PERFORMANCE, cache=bf16)
    yield "head bf16", head(PERFORMANCE, weight=bf16)
    yield "head bfp4", head(PERFORMANCE, weight=bfp4)
    yield "**fused**", FUSED
    yield "attention HiFi2", replace(FUSED, attention_fidelity=hifi2)
    yield "attention LoFi", replace(FUSED, attention_fidelity=lofi)
    yield "cache bfp8", replace(FUSED, cache=bfp8)
    yield "whole head", replace(FUSED, head="whole")
    yield "head bf16", head(FUSED, weight=bf16)
    yield "head bfp4", head(FUSED, weight=bfp4)


def bytes_per_token(model: Any, precision: Any) -> int:
    """The DRAM bytes that a greedy step of one user reads: the weights, and a cache of 512 positions.

    Of a head in two passes the bytes are those of the first pass. The weights of a few tokens come on top.
    """
    import ttnn
    from models.bitnet.tt.kernels.common.ternary_tiles import TILE_BYTES
    from models.bitnet.tt.layout import TILE
    from models.bitnet.tt.precision import FusedPrecision
    from models.bitnet.tt.weights.state_dict import projection_names, tensor_shapes

    size = {ttnn.float32: 4, ttnn.bfloat16: 2, ttnn.bfloat8_b: 1088 / 1024, ttnn.bfloat4_b: 576 / 1024}

    def of_a_weight(matmul: str) -> float:
        if isinstance(precision, FusedPrecision):
            head_weight = precision.head_weight if precision.head == "whole" else ttnn.bfloat4_b
            return size[head_weight] if matmul == "lm_head" else TILE_BYTES / TILE**2
        return size[precision.matmuls[matmul].weight]

    shapes = tensor_shapes(model)
    short = {"q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "o_proj": "o"}
    total = model.vocab_size * model.hidden_size * of_a_weight("lm_head")
    for name in projection_names(model):
        part = name.rsplit(".", 1)[-1]
        out, inner = shapes[f"{name}.weight"]
        total += out * inner * of_a_weight(short.get(part, part.removesuffix("_proj")))
    rows = 2 * model.num_hidden_layers * model.num_key_value_heads * _POSITION
    return int(total + rows * model.head_dim * size[precision.cache])


def full_size() -> Any:
    """The config of the 2B-4T."""
    from models.bitnet.perf.random_model import LAYERS_2B, sizes

    return sizes(LAYERS_2B)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED_MODEL), help="a Hugging Face folder or hub id")
    parser.add_argument("--text", type=Path, default=SAMPLE)
    parser.add_argument("--windows", type=at_least_one, default=4)
    parser.add_argument("--positions", type=at_least_one)
    parser.add_argument("--board")
    parser.add_argument("--only", default="", help="only rows whose precision or change holds this text")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    folder = find_model(options.model)
    with open_device(options.board) as opened:
        from models.bitnet.demo.evaluation import Case, device_logits, score
        from models.bitnet.tt.bitnet import BitNet

        chosen = [(name, precision) for name, precision in variants() if options.only in f"{precision.name}: {name}"]
        if not chosen:
            raise SystemExit(f"ablation: no row holds {options.only!r}")
        try:
            case = Case.load(folder, options.text, options.positions, options.windows)
        except (ValueError, OSError) as error:
            raise SystemExit(f"ablation: {error}") from None
        say(f"{case.describe()}; on {opened.description}")
        golden, users = case.reference_logits(), len(case.windows.tokens)
        print("| changed | top-1 | top-5 | PCC | relative error | perplexity | MB/token | MB/token, 2B-4T |")
        print("|---|---|---|---|---|---|---|---|")
        for name, precision in chosen:
            with BitNet.from_pretrained(
                folder, opened.device, precision, max_batch=users, max_seq_len=case.context, progress=False
            ) as model:
                scores = score(device_logits(model, case.windows), golden, case.windows.targets)
            megabytes = [bytes_per_token(shape, precision) / 1e6 for shape in (case.reference.config, full_size())]
            off = scores.perplexity / scores.perplexity_reference - 1
            print(
                f"| {name} | {scores.top1:.2%} | {scores.top5:.2%} | {scores.pcc:.6f} | {scores.relative_error:.3%} "
                f"| {off:+.3%} | {megabytes[0]:.2f} | {megabytes[1]:.0f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    command.run(main)
