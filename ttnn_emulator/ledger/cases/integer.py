# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of integers: arithmetic, bits and comparisons, with every broadcast."""

from collections.abc import Callable

import ttnn
from ttnn_emulator.ledger.cases.table import TYPES, case
from ttnn_emulator.ledger.inputs import Inputs

_SHAPE, _ROW, _COLUMN = (8, 40), (1, 40), (8, 1)
_SECOND: dict[str, tuple[int, ...] | int] = {"row": _ROW, "column": _COLUMN, "one": (1, 1), "scalar": 2}
# the largest operands; comparisons take few values, so that many are equal
_LARGEST = {"add": 1 << 20, "subtract": 1 << 20, "multiply": 30000}
_FEW = 3
_ANY = {"int32": (-(1 << 31), (1 << 31) - 1), "uint32": (0, (1 << 32) - 1)}


def _same_shape() -> None:
    for name in ("add", "subtract", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor"):
        call = getattr(ttnn, name)
        case(
            f"integer/{name} int32",
            lambda x, c=call: c(x.whole(-30000, 30000), x.whole(-30000, 30000)),
        )
    for kind in ("int32", "uint32"):
        case(f"integer/plus_one {kind}", lambda x, d=TYPES[kind]: _plus_one(x, d, False))
    case("integer/plus_one int32 skipping", lambda x: _plus_one(x, ttnn.int32, True))


def _plus_one(x: Inputs, dtype: ttnn.DataType, skip: bool) -> ttnn.Tensor:
    tensor = x.whole(-1 if skip else 0, 3, dtype, (32,), layout=ttnn.ROW_MAJOR_LAYOUT)
    ttnn.plus_one(tensor, skip_negative_entries=skip)
    return tensor


def _broadcasts() -> None:
    for kind in ("int32", "uint32"):
        for name in ("add", "multiply", "eq", "lt"):
            for where, second in _SECOND.items():
                _broadcast(name, kind, where, _SHAPE, second)
        for name in ("subtract", "ne", "le", "gt", "ge"):
            _broadcast(name, kind, "row", _SHAPE, _ROW)
        _broadcast("subtract", kind, "scalar", _SHAPE, _SECOND["scalar"])
        _broadcast("subtract", kind, "of the first row", _ROW, _SHAPE)
        _broadcast("add", kind, "column and row", _COLUMN, _ROW)
        for name in ("add", "subtract", "multiply", "lt", "le", "gt"):
            _broadcast(name, kind, "of any size", _SHAPE, _ROW, _ANY[kind])
    _broadcast("add", "int32", "batch", (2, 4, 40), (1, 4, 40))
    for name in ("add", "gt"):
        _broadcast(name, "int32", "negative scalar", _SHAPE, -3)
    for name, largest in (("add", 40000), ("lt", _FEW)):  # the sums of 16 bits wrap around
        _broadcast(name, "uint16", "row", _SHAPE, _ROW, (0, largest))


def _broadcast(
    name: str,
    kind: str,
    where: str,
    first: tuple[int, ...],
    second: tuple[int, ...] | int,
    limits: tuple[int, int] | None = None,
) -> None:
    """Return a case's function. `second` is the other tensor's shape, or a scalar."""
    call: Callable[..., ttnn.Tensor] = getattr(ttnn, name)
    largest = _LARGEST.get(name, _FEW)
    numbers = *(limits or (-3 * largest if kind == "int32" else 0, largest)), TYPES[kind]

    def run(x: Inputs) -> ttnn.Tensor:
        tensor = x.whole(*numbers, first)
        return call(tensor, second if isinstance(second, int) else x.whole(*numbers, second))

    case(f"integer broadcast/{name} {kind} {where}", run)


for _fill in (_same_shape, _broadcasts):
    _fill()
