# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Names and numbers that occur both in the C++ kernels and in Python are the same in both."""

import re
from enum import IntEnum
from importlib import import_module
from pathlib import Path

import pytest

import ttnn
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.layout import TILE

KERNELS = Path(describe.__file__).parents[1]
SOURCES = sorted([*KERNELS.rglob("*.cpp"), *KERNELS.rglob("*.h")])
# (file, enum, enumerators) of every enum in the C++ sources
ENUMS = [
    (path, name, re.findall(r"\w+", re.sub(r"//.*", "", body)))
    for path in SOURCES
    for name, body in re.findall(r"\benum\s*(\w*)[^{;]*\{([^}]*)\}", path.read_text(encoding="utf-8"))
]


def python_names(folder: Path, name: str) -> list[list[str]]:
    """The fields of each NamedTuple and the members of each IntEnum of this name in the modules of the folder."""
    found = []
    for path in folder.glob("*.py"):
        module = import_module(".".join(path.relative_to(KERNELS.parents[3]).with_suffix("").parts))
        described = getattr(module, name, None)
        if getattr(described, "__module__", None) != module.__name__:
            continue  # there is none, or the module imports it from another one
        if issubclass(described, IntEnum):
            assert [member.value for member in described] == list(range(len(described)))
            found.append([member.name for member in described])
        else:
            found.append([field.upper() for field in described._fields])
    return found


def test_there_are_enums():
    kernels_with_arguments = {path.parent.name for path, *_ in ENUMS}
    assert kernels_with_arguments == {"common", "decode", "prefill", "head"} and len(ENUMS) >= 20


@pytest.mark.parametrize("path, name, enumerators", ENUMS, ids=lambda value: getattr(value, "name", str(value)))
def test_an_enum_of_a_kernel_has_the_order_of_its_python_class(path, name, enumerators):
    """The order of runtime arguments and semaphores is the same in Python and C++.

    Python passes them by position. The kernel takes them by name.
    """
    assert python_names(path.parent, name) == [enumerators]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_argument_is_taken_by_a_bare_index(path):
    assert not re.findall(
        r"get_(?:arg_val|common_arg_val)<\w+>\(\d|get_semaphore\(\d", path.read_text(encoding="utf-8")
    )


def test_buffers_have_the_names_of_their_roles():
    named = r'constexpr uint32_t (\w+) = get_named_compile_time_arg_val\("(\w+)"\);'
    names = re.findall(named, (KERNELS / "common/buffers.h").read_text("utf-8"))
    assert names == [(role.name, role.name) for role in describe.Role]


def test_a_program_numbers_its_buffers_without_gaps():
    buffer = describe.Buffer.of(ttnn.bfloat16, 1)
    numbers = describe.role_numbers({role: buffer for role in (describe.Role.RESULT, describe.Role.ROWS)})
    assert numbers.keys() == {role.name for role in describe.Role}
    assert (numbers["RESULT"], numbers["ROWS"]) == (0, 1)
    assert all(number >= 64 for name, number in numbers.items() if name not in ("RESULT", "ROWS"))


def test_faces_make_up_a_tile():
    text = (KERNELS / "common/faces.h").read_text(encoding="utf-8")
    side, factor = (int(re.search(pattern, text).group(1)) for pattern in (r"SIDE = (\d+);", r"TILE = (\d+) \* SIDE;"))
    float32, bfloat16 = map(int, re.search(r"FLOAT32 = (\d+), BFLOAT16 = (\d+);", text).groups())
    assert factor * side == TILE
    assert describe.VALUE_BYTES == {ttnn.float32: float32, ttnn.bfloat16: bfloat16}
