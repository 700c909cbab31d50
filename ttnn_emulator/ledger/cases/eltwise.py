# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of elementwise operations: binary, unary, fused activations, comparisons, conversions."""

import ttnn
from ttnn_emulator.ledger.cases.table import FLOATS, TYPES, case
from ttnn_emulator.ledger.inputs import SHAPE

_ROW, _COLUMN = (1, SHAPE[1]), (SHAPE[0], 1)


def unary(operation: str, *parameters: float) -> ttnn.UnaryWithParam:
    return ttnn.UnaryWithParam(getattr(ttnn.UnaryOpType, operation), *parameters)


def _binary() -> None:
    for kind in FLOATS:
        dtype = TYPES[kind]
        for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
            call = getattr(ttnn, name)
            case(f"binary/{name} {kind}", lambda x, c=call, d=dtype: c(x.spread(d), x.spread(d, zeros=False)))
            if name in ("add", "multiply", "maximum"):
                case(f"scalar/{name} {kind} 0.3", lambda x, c=call, d=dtype: c(x.spread(d), 0.3))
        for name, where, shape in (
            ("add", "row", _ROW),
            ("multiply", "column", _COLUMN),
            ("divide", "column", _COLUMN),
        ):
            call = getattr(ttnn, name)
            case(
                f"broadcast/{name} {kind} {where}",
                lambda x, c=call, d=dtype, s=shape: c(x.spread(d), x.spread(d, s, zeros=False)),
            )
        case(f"binary/divide {kind} by zero", lambda x, d=dtype: ttnn.divide(x.spread(d), x.whole(0, 1, d)))
        case(f"binary/remainder {kind}", lambda x, d=dtype: ttnn.remainder(x.spread(d), x.spread(d, zeros=False)))
    for name, first, second in (("add", "fp32", "bf16"), ("multiply", "fp32", "bf16"), ("divide", "bf16", "fp32")):
        call = getattr(ttnn, name)
        a, b = TYPES[first], TYPES[second]
        case(f"mixed/{name} {first} {second}", lambda x, c=call, a=a, b=b: c(x.spread(a), x.spread(b, zeros=False)))
        case(
            f"mixed/{name} fp32 to bf16",
            lambda x, c=call: c(x.spread(ttnn.float32), x.spread(ttnn.float32, zeros=False), dtype=ttnn.bfloat16),
        )
    case("mixed/add bf16 to fp32", lambda x: ttnn.add(x.spread(), x.spread(), dtype=ttnn.float32))


def _fused() -> None:
    for kind in FLOATS:
        dtype = TYPES[kind]
        for name in ("ABS", "RELU", "SQUARE"):
            before = [unary(name)]
            case(
                f"fused/multiply {kind} {name} first",
                lambda x, d=dtype, b=before: ttnn.multiply(x.normal(d), x.normal(d), input_tensor_a_activations=b),
            )
        case(
            f"fused/maximum {kind} scalar ABS first",
            lambda x, d=dtype: ttnn.maximum(x.normal(d), 1e-5, input_tensor_a_activations=[unary("ABS")]),
        )
        case(
            f"fused/multiply {kind} scalar RELU first",
            lambda x, d=dtype: ttnn.multiply(x.normal(d), 2.0, input_tensor_a_activations=[unary("RELU")]),
        )
        case(
            f"fused/multiply {kind} RELU last",
            lambda x, d=dtype: ttnn.multiply(x.normal(d), x.normal(d), activations=[unary("RELU")]),
        )
        case(
            f"fused/add {kind} RELU last",
            lambda x, d=dtype: ttnn.add(x.normal(d), x.normal(d), activations=[unary("RELU")]),
        )


def _comparisons() -> None:
    for kind, names in (
        ("bf16", ("eq", "lt", "le", "logical_and")),
        ("fp32", ("eq", "ne", "lt", "le", "gt", "ge", "logical_and")),
        ("int32", ("eq", "lt")),
    ):
        dtype = TYPES[kind]
        for name in names:
            # few values, so that many are equal
            call = getattr(ttnn, name)
            case(
                f"comparison/{name} {kind}",
                lambda x, c=call, d=dtype: c(x.whole(-2, 2, d), x.whole(-2, 2, d)),
            )
    case("comparison/lt fp32 to fp32", lambda x: ttnn.lt(*two(x, ttnn.float32), dtype=ttnn.float32))
    for kind in FLOATS:
        case(
            f"comparison/where {kind}", lambda x, d=TYPES[kind]: ttnn.where(x.whole(0, 1, d), x.spread(d), x.spread(d))
        )


def two(x, dtype):
    return x.whole(-2, 2, dtype), x.whole(-2, 2, dtype)


def _unary() -> None:
    plain = ("abs", "neg", "relu", "square", "round", "floor", "frac", "sqrt", "rsqrt", "reciprocal")
    for kind in FLOATS:
        dtype = TYPES[kind]
        for name in plain:
            positive = name in ("sqrt", "rsqrt")
            call = getattr(ttnn, name)
            case(
                f"unary/{name} {kind}",
                lambda x, c=call, d=dtype, p=positive: c(x.spread(d, zeros=not p, positive=p)),
            )
        for name in ("exp", "log", "sigmoid", "tanh", "silu"):
            make = "spread" if name == "log" else "normal"
            place = {"zeros": False, "positive": True} if name == "log" else {"scale": 3.0}
            call = getattr(ttnn, name)
            case(f"unary/{name} {kind}", lambda x, c=call, d=dtype, m=make, p=place: c(getattr(x, m)(d, **p)))
        chain = [unary("ABS"), unary("MAXIMUM", 1e-5)]
        case(
            f"unary/chain abs maximum {kind}", lambda x, d=dtype, c=chain: ttnn.unary_chain(x.normal(d, scale=1e-5), c)
        )
        case(f"unary/clamp {kind}", lambda x, d=dtype: ttnn.clamp(x.spread(d), -1.5, 100.0))


def _conversions() -> None:
    for source in ("bf16", "fp32", "bfp8", "bfp4"):
        for target in ("bf16", "fp32", "bfp8", "bfp4"):
            if source != target:
                a, b = TYPES[source], TYPES[target]
                case(f"typecast/{source} to {target}", lambda x, a=a, b=b: ttnn.typecast(x.spread(a), b))
    for source in FLOATS:
        for target in ("int32", "uint32", "uint16"):
            low = -1000 if target == "int32" else 0
            a, b = TYPES[source], TYPES[target]
            case(f"typecast/{source} to {target}", lambda x, a=a, b=b, n=low: ttnn.typecast(x.whole(n, 1000, a), b))
        case(
            f"typecast/{source} fractions to int32",
            lambda x, a=TYPES[source]: ttnn.typecast(x.normal(a, scale=9.0), ttnn.int32),
        )
    for source in ("int32", "uint32", "uint16"):
        for target in FLOATS:
            a, b = TYPES[source], TYPES[target]
            case(f"typecast/{source} to {target}", lambda x, a=a, b=b: ttnn.typecast(x.whole(0, 60000, a), b))


def _extremes() -> None:
    for kind in FLOATS:
        dtype = TYPES[kind]
        for name in ("add", "subtract", "multiply", "divide", "maximum"):
            call = getattr(ttnn, name)
            case(f"extreme/{name} {kind}", lambda x, c=call, d=dtype: c(x.extreme(d), x.extreme(d)))
        for name in ("abs", "neg", "relu", "sqrt", "rsqrt", "reciprocal", "exp", "log", "sigmoid", "tanh", "silu"):
            call = getattr(ttnn, name)
            case(f"extreme/{name} {kind}", lambda x, c=call, d=dtype: c(x.extreme(d)))
        for name in ("exp", "sigmoid", "tanh", "silu", "erfc"):
            call = getattr(ttnn, name)
            case(f"saturating/{name} {kind}", lambda x, c=call, d=dtype: c(x.spread(d)))
    case("extreme/typecast fp32 to bf16", lambda x: ttnn.typecast(x.extreme(ttnn.float32), ttnn.bfloat16))


def _more() -> None:
    """Add cases of less common functions in 16 bits, where it shows whether a kernel rounds or truncates."""
    for name in ("erf", "erfc", "softsign", "gelu", "log1p", "sin", "cos", "exp2", "expm1", "cbrt", "hardsigmoid"):
        call = getattr(ttnn, name)
        case(
            f"more/{name}",
            lambda x, c=call, p=name == "log1p": c(x.normal() if not p else x.spread(positive=True)),
            "exact" if name in ("erfc", "softsign", "sin", "cos", "expm1") else "ulps=1",
        )
    case("more/leaky_relu", lambda x: ttnn.leaky_relu(x.spread(), negative_slope=0.3))
    case("more/hardtanh", lambda x: ttnn.hardtanh(x.spread(), min_val=-0.3, max_val=0.3))
    case("more/power", lambda x: ttnn.pow(x.spread(), 2.0), "ulps=1")
    case("more/clamp of odd limits", lambda x: ttnn.clamp(x.spread(), -0.3, 0.3))
    case(
        "more/scalar chain",
        lambda x: ttnn.unary_chain(x.spread(), [unary("ADD_UNARY_SFPU", 0.3), unary("MUL_UNARY_SFPU", 0.7)]),
    )
    for name in ("subtract", "divide", "rsub"):
        call = getattr(ttnn, name)
        case(f"more/{name} 0.3", lambda x, c=call: c(x.spread(), 0.3))
    case("more/squared_difference", lambda x: ttnn.squared_difference(x.spread(), x.spread()))
    case("more/rsub", lambda x: ttnn.rsub(x.spread(), x.spread()))
    case("more/multiply fast", lambda x: ttnn.multiply(x.spread(), x.spread(), fast_and_approximate_mode=True))
    case("more/addcmul", lambda x: ttnn.addcmul(x.spread(), x.spread(), x.spread(), value=1.0), "ulps=1")


for _fill in (_binary, _fused, _comparisons, _unary, _conversions, _extremes, _more):
    _fill()
