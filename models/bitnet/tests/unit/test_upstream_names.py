# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The port uses only those names of models/common that tt-metal's models/common has, with equal parameters and results.

`upstream_common.json` records the public functions and methods of two files of tt-metal's models/common, with their
parameters, as of April 2026. The tests pass here, where models/common is this project's, and in a tt-metal checkout.
"""

import ast
import json
from math import inf, nan
from pathlib import Path

import pytest
import torch

from models.bitnet.tests.sources import BITNET, MODELS, imports, python_files
from models.common.utility_functions import comp_pcc

RECORDED = json.loads((Path(__file__).parent / "upstream_common.json").read_text())
COMMON = "models.common."


def parameters(function: ast.FunctionDef) -> str:
    """The parameters of a function with their defaults, without annotations."""
    given = function.args
    for one in [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]:
        if one is not None:
            one.annotation = None
    return ast.unparse(given)


def signatures(file: str) -> dict[str, str]:
    """The parameters of each function and method of a file of models/common, by name."""
    found = {}
    for node in ast.parse((MODELS / "common" / f"{file}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}": parameters(method) for method in methods}
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = parameters(node)
    return found


def test_our_models_common_has_nothing_that_upstreams_lacks():
    for path in python_files():
        if not path.is_relative_to(BITNET):
            assert path.stem in RECORDED, f"upstream has no models/common/{path.name}"
            assert signatures(path.stem).items() <= RECORDED[path.stem].items()


def test_what_the_port_imports_from_models_common_is_recorded_and_there():
    taken = {name.removeprefix(COMMON) for path in python_files() for name in imports(path) if name.startswith(COMMON)}
    assert taken >= {"lightweightmodule.LightweightModule", "utility_functions.comp_pcc"}
    for name in taken:
        file, _, item = name.partition(".")
        wanted = {key: value for key, value in RECORDED[file].items() if key.split(".")[0] == item}
        assert wanted, f"upstream's models/common has no {name}"
        assert wanted.items() <= signatures(file).items()


LINE = torch.arange(12.0)
BUMP = torch.tensor([0.0, 1, 0, 0]).repeat(3)
# golden, calculated -> what upstream's comp_pcc gives for pcc=0.9
RESULTS = {
    "equal": (LINE, LINE.clone(), True, 1.0),
    "scaled and shifted": (LINE, 2 * LINE + 1, True, 1.0),
    "negated": (LINE, -LINE, False, -1.0),
    "one value off": (LINE, LINE + BUMP, True, 0.992115611586595),
    "bfloat16": (LINE.bfloat16(), (LINE + BUMP).bfloat16(), True, 0.992115611586595),
    "calculated is rounded to golden's dtype": (LINE.bfloat16(), LINE + 1.001 * BUMP, True, 0.992115611586595),
    "golden is zero": (torch.zeros(3), torch.ones(3), False, 0.0),
    "both are zero": (torch.zeros(3), torch.zeros(3), True, 1.0),
    "golden is constant": (torch.ones(3), torch.tensor([1.0, 2, 3]), True, 1.0),
    "both are constant": (torch.ones(3), torch.full((3,), 2.0), True, 1.0),
    "calculated is all NaN": (LINE, nan * LINE, False, 0.0),
    "both are all NaN": (nan * LINE, nan * LINE, True, 1.0),
    "a NaN counts as zero": (LINE[1:5], torch.tensor([1.0, nan, 3, 4]), False, 0.848528137423857),
    "an infinity counts as zero": (torch.tensor([1.0, inf, 3, 4]), LINE[1:5], False, 0.848528137423857),
}


@pytest.mark.parametrize("golden, calculated, passed, correlation", RESULTS.values(), ids=RESULTS)
def test_comp_pcc_returns_what_upstreams_does(golden, calculated, passed, correlation):
    result = comp_pcc(golden, calculated, 0.9)
    assert result == (passed, pytest.approx(correlation, abs=1e-12))
