# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The three precisions of the port, and how to change one setting for an experiment.

| setting                  | accuracy                                | performance             | fused               |
|--------------------------|-----------------------------------------|-------------------------|---------------------|
| ternary projections      | stock operations                        | stock operations        | fused programs      |
| ternary matmuls' inputs  | int8, one scale a row, held in bfloat16 | bfloat16, not quantised | same as accuracy    |
| ternary weights          | bfloat4_b (exact)                       | bfloat4_b (exact)       | two bits (exact)    |
| matmul fidelity          | LoFi: exact for these operands          | LoFi                    | LoFi                |
| accumulation             | float32: exact below 2**24              | float32                 | float32             |
| between operations       | float32                                 | bfloat16                | float32             |
| attention (q, k, v)      | bfloat16, HiFi4*, float32 sums          | bfloat16, HiFi2*        | bfloat16, HiFi4*    |
| KV cache                 | bfloat16*                               | bfloat8_b*              | bfloat16*           |
| lm_head                  | bfloat16, HiFi4                         | bfloat8_b, HiFi2        | bfloat8_b*, HiFi4,  |
|                          |                                         |                         | fused program       |
| tokens of a decode step  | from all logits of lm_head              | same                    | in two passes*      |

Every setting of `accuracy` and `performance` can be changed (`StockPrecision`). The fused programs compute in one way:
only the settings with a * can be changed in `fused` (`FusedPrecision`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

import ttnn

MATMULS = ("qkv", "o", "gate", "up", "down", "lm_head")
HEAD_WEIGHTS = (ttnn.bfloat4_b, ttnn.bfloat8_b, ttnn.bfloat16)  # dtypes that the fused program of lm_head reads
HEADS = ("whole", "two-pass")  # how a fused decode step chooses tokens; see two_pass_head.py


@dataclass(frozen=True)
class MatmulPrecision:
    """The numeric choices of one matmul: the dtype of its weight, its math fidelity and its accumulation."""

    weight: ttnn.DataType
    fidelity: ttnn.MathFidelity
    fp32_accumulation: bool = True


@dataclass(frozen=True)
class StockPrecision:
    """Every numeric choice of a model whose projections and lm_head are stock operations of ttnn."""

    name: str
    quantise: bool  # whether the input rows of a ternary matmul are rounded to int8
    activations: ttnn.DataType  # the dtype of activations between operations
    cache: ttnn.DataType
    attention_fidelity: ttnn.MathFidelity
    matmuls: Mapping[str, MatmulPrecision]

    def with_matmul(self, name: str, **changes: Any) -> "StockPrecision":
        """A copy of this precision with other settings for one matmul: `PERFORMANCE.with_matmul("o", fidelity=...)`.

        `changes` are fields of `MatmulPrecision`.
        """
        _check_matmul(name)
        changed = {**self.matmuls, name: replace(self.matmuls[name], **changes)}
        return replace(self, matmuls=MappingProxyType(changed))


@dataclass(frozen=True)
class FusedPrecision:
    """Every numeric choice that a model of fused programs leaves open."""

    activations: ClassVar[ttnn.DataType] = ttnn.float32  # the dtype of activations between programs

    name: str
    cache: ttnn.DataType
    attention_fidelity: ttnn.MathFidelity
    head_weight: ttnn.DataType
    head: str  # one of HEADS: the step's choice of tokens, when nobody wants all logits

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ValueError(f"there is no head '{self.head}'; choose one of {', '.join(HEADS)}")
        if self.head_weight not in HEAD_WEIGHTS:
            choices, given = (", ".join(d.name.lower() for d in ds) for ds in (HEAD_WEIGHTS, [self.head_weight]))
            raise ValueError(f"fused cannot read the weight of lm_head as {given}; choose one of {choices}")

    def with_matmul(self, name: str, **changes: Any) -> "FusedPrecision":
        """A copy of this precision with another weight dtype for lm_head: `FUSED.with_matmul("lm_head", weight=...)`.

        Other settings of lm_head and settings of other matmuls cannot be changed.
        """
        _check_matmul(name)
        open_settings = {"weight"} if name == "lm_head" else set()
        if fixed := sorted(changes.keys() - open_settings):
            product = (
                "lm_head in HiFi4 with float32 sums"
                if name == "lm_head"
                else f"{name} from two-bit weights and int8 codes, in LoFi with float32 sums"
            )
            raise ValueError(
                f"fused computes {product}, so {', '.join(fixed)} of {name} cannot be changed; "
                "its choices are cache, attention_fidelity, and weight of lm_head"
            )
        return replace(self, head_weight=changes.get("weight", self.head_weight))


Precision = StockPrecision | FusedPrecision


def _check_matmul(name: str) -> None:
    if name not in MATMULS:
        raise ValueError(f"there is no matmul '{name}'; choose one of {', '.join(MATMULS)}")


def _matmuls(head: MatmulPrecision) -> Mapping[str, MatmulPrecision]:
    ternary = MatmulPrecision(weight=ttnn.bfloat4_b, fidelity=ttnn.MathFidelity.LoFi)
    return MappingProxyType({name: head if name == "lm_head" else ternary for name in MATMULS})


ACCURACY = StockPrecision(
    name="accuracy",
    quantise=True,
    activations=ttnn.float32,
    cache=ttnn.bfloat16,
    attention_fidelity=ttnn.MathFidelity.HiFi4,
    matmuls=_matmuls(MatmulPrecision(weight=ttnn.bfloat16, fidelity=ttnn.MathFidelity.HiFi4)),
)
PERFORMANCE = StockPrecision(
    name="performance",
    quantise=False,
    activations=ttnn.bfloat16,
    cache=ttnn.bfloat8_b,
    attention_fidelity=ttnn.MathFidelity.HiFi2,
    matmuls=_matmuls(MatmulPrecision(weight=ttnn.bfloat8_b, fidelity=ttnn.MathFidelity.HiFi2)),
)
FUSED = FusedPrecision(
    name="fused",
    cache=ttnn.bfloat16,
    attention_fidelity=ttnn.MathFidelity.HiFi4,
    head_weight=ttnn.bfloat8_b,
    head="two-pass",
)
PRECISIONS: Mapping[str, Precision] = {precision.name: precision for precision in (ACCURACY, PERFORMANCE, FUSED)}


def find_precision(precision: str | Precision) -> Precision:
    """Returns the precision of this name. A precision object is returned unchanged."""
    if isinstance(precision, Precision):
        return precision
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision '{precision}'; choose one of {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]
