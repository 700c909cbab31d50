# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The three precisions of the port, and how to change one setting of one operation for an experiment.

| setting                  | accuracy                                | performance             | fused               |
|--------------------------|-----------------------------------------|-------------------------|---------------------|
| ternary projections      | stock operations                        | stock operations        | programs of our own |
| activations into ternary | int8, one scale a row, held in bfloat16 | bfloat16, not quantised | as accuracy         |
| ternary weights          | bfloat4_b (exact)                       | bfloat4_b (exact)       | two bits (exact)    |
| matmul fidelity          | LoFi: exact for these operands          | LoFi                    | LoFi                |
| accumulation             | float32: exact below 2**24              | float32                 | float32             |
| between operations       | float32                                 | bfloat16                | float32             |
| attention (q, k, v)      | bfloat16, HiFi4, float32 sums           | bfloat16, HiFi2         | as accuracy         |
| KV cache                 | bfloat16                                | bfloat8_b               | bfloat16            |
| lm_head                  | bfloat16, HiFi4                         | bfloat8_b, HiFi2        | bfloat8_b, HiFi4,   |
|                          |                                         |                         | program of our own  |
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import ttnn

MATMULS = ("qkv", "o", "gate", "up", "down", "lm_head")


@dataclass(frozen=True)
class MatmulPrecision:
    """One matrix product: how its weight is stored, which operand bits are multiplied, how sums are kept."""

    weight: ttnn.DataType
    fidelity: ttnn.MathFidelity
    fp32_accumulation: bool = True


@dataclass(frozen=True)
class Precision:
    """Every numeric choice of the model."""

    name: str
    quantise: bool  # round the rows that enter a ternary matmul to int8
    activations: ttnn.DataType  # what travels between operations
    cache: ttnn.DataType
    attention_fidelity: ttnn.MathFidelity
    fused_programs: bool  # ternary projections, from two bits a weight, and the head by programs of our own
    matmuls: Mapping[str, MatmulPrecision]

    def with_matmul(self, name: str, **changes: Any) -> "Precision":
        """The same precision with one matmul's settings changed: `PERFORMANCE.with_matmul("down", fidelity=...)`."""
        if name not in self.matmuls:
            raise ValueError(f"there is no matmul '{name}'; choose one of {', '.join(self.matmuls)}")
        changed = {**self.matmuls, name: replace(self.matmuls[name], **changes)}
        return replace(self, matmuls=MappingProxyType(changed))


def _matmuls(head: MatmulPrecision) -> Mapping[str, MatmulPrecision]:
    ternary = MatmulPrecision(weight=ttnn.bfloat4_b, fidelity=ttnn.MathFidelity.LoFi)
    return MappingProxyType({name: head if name == "lm_head" else ternary for name in MATMULS})


ACCURACY = Precision(
    name="accuracy",
    quantise=True,
    activations=ttnn.float32,
    cache=ttnn.bfloat16,
    attention_fidelity=ttnn.MathFidelity.HiFi4,
    fused_programs=False,
    matmuls=_matmuls(MatmulPrecision(weight=ttnn.bfloat16, fidelity=ttnn.MathFidelity.HiFi4)),
)
PERFORMANCE = Precision(
    name="performance",
    quantise=False,
    activations=ttnn.bfloat16,
    cache=ttnn.bfloat8_b,
    attention_fidelity=ttnn.MathFidelity.HiFi2,
    fused_programs=False,
    matmuls=_matmuls(MatmulPrecision(weight=ttnn.bfloat8_b, fidelity=ttnn.MathFidelity.HiFi2)),
)
FUSED = Precision(
    name="fused",
    quantise=True,
    activations=ttnn.float32,
    cache=ttnn.bfloat16,
    attention_fidelity=ttnn.MathFidelity.HiFi4,
    fused_programs=True,
    # HiFi4 sees all of a row's bits, and costs nothing where reading the weights takes longest
    matmuls=_matmuls(MatmulPrecision(weight=ttnn.bfloat8_b, fidelity=ttnn.MathFidelity.HiFi4)),
)
PRECISIONS = {precision.name: precision for precision in (ACCURACY, PERFORMANCE, FUSED)}


def find_precision(precision: str | Precision) -> Precision:
    """A precision by name, or one made by hand as it is."""
    if isinstance(precision, Precision):
        return precision
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision '{precision}'; choose one of {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]
