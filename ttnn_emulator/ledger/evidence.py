# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What shows that an operation's values are the machine's: the ledger, the operation's definition, or nothing yet.

`evidence.json` has the operations that the ledger's cases call, each with the weakest bar of those cases. The command
`python -m ttnn_emulator.ledger evidence` writes it anew.
"""

import functools
import json
from enum import Enum
from pathlib import Path

from ttnn_emulator.errors import UnsupportedOperation

FILE = Path(__file__).with_name("evidence.json")
# the modules of `operations` whose operations move values, or choose among them, and compute none
_MOVING = "shape layout placing heads kv_cache embedding ccl_moves".split()
# other operations that leave no choice: moves, comparisons, bits, signs, selections and constants
_DEFINED = frozenset(
    f"ttnn.{name}"
    for name in """zeros ones full zeros_like ones_like full_like moreh_full_like moreh_full empty empty_like
    allocate_tensor_on_device arange fill all_gather all_broadcast mesh_partition experimental.all_gather_async
    all_to_all_dispatch all_to_all_combine moe_expert_token_remap moe_routing_remap
    eq eq_ ne ne_ lt lt_ le le_ gt gt_ ge ge_ eqz gez gtz lez ltz nez isfinite isinf isnan isneginf isposinf
    logical_and logical_and_ logical_or logical_or_ logical_xor logical_xor_ logical_not logical_not_
    bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift logical_left_shift
    logical_right_shift bitcast gcd lcm where maximum minimum max min topk argmax max_pool2d
    concat split chunk stack repeat repeat_interleave expand roll narrow gather index_fill indexed_fill tril triu
    abs neg sign signbit identity relu floor ceil trunc frac clamp clip plus_one manual_seed
    experimental.nlp_kv_cache_load_slice alt_complex_rotate90 fill_rm fill_ones_rm fold adaptive_max_pool2d
    experimental.rotate_half""".split()
)


class Kind(Enum):
    """What shows an operation's values."""

    LEDGER = "ledger"
    DEFINITION = "definition"
    TORCH = "torch"


@functools.cache
def _recorded() -> dict[str, str]:
    return json.loads(FILE.read_text())


def bar_of(name: str) -> str | None:
    """Return the weakest bar of the ledger's cases with an operation, or with the one that it does in place."""
    return _recorded().get(name) or _recorded().get(name.removesuffix("_"))


def kind_of(name: str, module: str) -> Kind:
    """Return what shows the values of the operation `name`, whose value function stands in `module`."""
    if bar_of(name) is not None:
        return Kind.LEDGER
    return Kind.DEFINITION if name in _DEFINED or module.rsplit(".", 1)[-1] in _MOVING else Kind.TORCH


def describe(name: str, module: str) -> str:
    """Return a few words on how near an operation's values are to the machine's."""
    kind = kind_of(name, module)
    if kind is Kind.LEDGER:
        bar = bar_of(name)
        return "all bits of the recorded chips" if bar == "exact" else f"the recorded chips within {bar}"
    return "exact by definition" if kind is Kind.DEFINITION else "torch's values, rounded; no record"


def refuse_without_evidence(name: str, module: str) -> None:
    """Refuse an operation whose values nothing shows. `TTNN_EMULATOR_STRICT=1` asks for this."""
    if kind_of(name, module) is Kind.TORCH:
        raise UnsupportedOperation(
            f"{name}: its values are torch's, and nothing recorded shows how near they are to the machine's; "
            "TTNN_EMULATOR_STRICT refuses such operations"
        )
