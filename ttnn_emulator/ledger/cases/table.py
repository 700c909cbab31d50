# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The table of cases says what is called, and how near the emulated device should come to the machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ttnn
from ttnn_emulator.ledger.inputs import Inputs

Result = ttnn.Tensor | Sequence[ttnn.Tensor]
TYPES = {
    "bf16": ttnn.bfloat16,
    "fp32": ttnn.float32,
    "bfp8": ttnn.bfloat8_b,
    "bfp4": ttnn.bfloat4_b,
    "int32": ttnn.int32,
    "uint32": ttnn.uint32,
    "uint16": ttnn.uint16,
}
FLOATS = ("bf16", "fp32")


@dataclass(frozen=True)
class Case:
    """A case. `bar` is "exact" (all bits), "ulps=N" (of the result's dtype) or "pcc=P"."""

    group: str
    name: str
    run: Callable[[Inputs], Result]
    bar: str


TABLE: dict[str, Case] = {}


def case(name: str, run: Callable[[Inputs], Result], bar: str = "exact") -> None:
    """Add a case to the table. `name` is "group/what it does"."""
    assert name not in TABLE, name
    TABLE[name] = Case(name.split("/")[0], name, run, bar)
