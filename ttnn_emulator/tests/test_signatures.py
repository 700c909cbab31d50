# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Every value function names parameters that its operation has, and every option that decides values is decided on."""

import inspect
import re

import ttnn
from ttnn_emulator.device.registry import ARITHMETIC, PLACEMENT, VALUES

_MACHINERY = {"outputs", "mesh_shape", "plans", "programs"}  # told by the emulation, not by the program


def _operation(name: str):
    operation = ttnn
    for part in name.split(".")[1:]:
        operation = getattr(operation, part)
    return operation


def _parameters(operation) -> set[str] | None:
    """The names in any overload of the library's signature."""
    function = operation.function
    if inspect.isfunction(function):
        return set(inspect.signature(function).parameters)
    documentation = getattr(type(function).__call__, "__doc__", None) or ""
    if "(" not in documentation or "->" not in documentation:
        documentation = function.__doc__ or ""
    return set(re.findall(r"(?:\(|, |\*, )(\w+): ", documentation))


def test_every_name_is_an_operation():
    for name in VALUES:
        assert _operation(name).python_fully_qualified_name == name


def test_every_parameter_is_the_operations():
    # one function may serve operations (or overloads) that name a parameter differently
    known: dict[int, set[str]] = {}
    for name, row in VALUES.items():
        known.setdefault(id(row), set()).update(_parameters(_operation(name)))
    binary_names = {"input_tensor_a", "input_tensor_b", "input_a", "input_b", "value", "dtype", *ARITHMETIC}
    for name, row in VALUES.items():
        if row.function.__module__.endswith("eltwise"):
            allowed = known[id(row)] | binary_names
        else:
            allowed = known[id(row)]
        variable = {
            p.name for p in inspect.signature(row.function).parameters.values() if p.kind.name.startswith("VAR")
        }
        unknown = row.accepts - allowed - PLACEMENT - _MACHINERY - variable
        assert not unknown, f"{name} has no parameters {sorted(unknown)}; it has {sorted(allowed)}"


def test_every_option_that_decides_values_is_heeded_listed_or_refused():
    assert not ARITHMETIC & PLACEMENT
    for name, row in VALUES.items():
        has = _parameters(_operation(name)) & ARITHMETIC
        open_questions = has - row.accepts - set(row.without_effect) - set(row.only)
        assert not open_questions, f"nothing says what {name} does with {sorted(open_questions)}"
        listed = [*row.without_effect, *row.only]
        assert has.issuperset(listed), f"{name} has no option of {listed}"
        assert row.accepts.isdisjoint(listed) and len(listed) == len(set(listed)), f"{name} decides on {listed} twice"


def test_no_function_takes_options_that_it_does_not_name():
    assert [name for name, row in VALUES.items() if row.takes_all] == []
