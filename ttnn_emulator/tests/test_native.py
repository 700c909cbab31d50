# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The compiled arithmetic: which compiler makes it, where it is kept, and what its functions refuse."""

import ast
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ttnn_emulator import EmulatorError, arithmetic
from ttnn_emulator.arithmetic import native, vector_functions
from ttnn_emulator.arithmetic.formats import FORMATS, Format, truncate
from ttnn_emulator.arithmetic.native import library
from ttnn_emulator.tests.subprocesses import python

_ARITHMETIC = Path(arithmetic.__file__).parent


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder on PATH, which is empty."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: None)
    return tmp_path


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_cxx_comes_first(monkeypatch):
    monkeypatch.setenv("CXX", "ccache 'my c++'")
    assert library.find_compiler() == ["ccache", "my c++"]


def test_a_compiler_on_path_comes_next_and_ziglang_last(no_compiler, monkeypatch):
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: name == "ziglang" or None)
    assert library.find_compiler() == [sys.executable, "-m", "ziglang", "c++"]
    _program(no_compiler / "clang++", "exit")
    assert library.find_compiler() == ["clang++"]


def test_without_a_compiler_one_line_says_what_to_install(no_compiler):
    with pytest.raises(EmulatorError, match="^[^\n]*install g.. or clang..[^\n]*pip install ziglang[^\n]*$"):
        library.find_compiler()


def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    _program(tmp_path / "broken", "echo 'no such option' >&2; exit 1")
    monkeypatch.setenv("CXX", str(tmp_path / "broken"))
    library.load.cache_clear()
    with pytest.raises(EmulatorError, match="broken --version\nno such option"):
        library.load()


def test_install_without_a_compiler_is_one_line(tmp_path):
    """A program learns of it before it has a device."""
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    run = python("-m", "ttnn_emulator", "-c", "1", PATH=str(tmp_path), CXX="")
    assert (run.returncode, len(run.stderr.splitlines())) == (2, 1)
    assert run.stderr.startswith("ttnn_emulator: the emulated device compiles its arithmetic and found no C++ compiler")


@pytest.fixture
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The cache folder, empty, and a compiler that takes the place of the real one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    script = 'if [ "$1" = --version ]; then cat "$0.version"; exit; fi\necho x >> "$0.calls"\n'
    script += 'while [ "$1" != -o ]; do shift; done\necho made > "$2"'
    _program(tmp_path / "compiler", script)
    (tmp_path / "compiler.version").write_text("1")
    monkeypatch.setenv("CXX", str(tmp_path / "compiler"))
    monkeypatch.setattr(library.ctypes, "CDLL", lambda path: Path(path))
    return tmp_path


def _load() -> Path:
    library.load.cache_clear()
    try:
        return library.load()
    finally:
        library.load.cache_clear()


def test_a_library_is_compiled_once_for_a_compilers_version(own_folder):
    first = _load()
    assert _load() == first and (own_folder / "compiler.calls").read_text() == "x\n"
    (own_folder / "compiler.version").write_text("2")
    assert _load() != first and (own_folder / "compiler.calls").read_text() == "x\nx\n"


@pytest.mark.parametrize("change", ["sources", "options", "cpu"])
def test_other_sources_options_and_cpus_have_a_library_of_their_own(own_folder, monkeypatch, change):
    first = _load()
    if change == "sources":
        (own_folder / "other.h").write_text("// another file")
        monkeypatch.setattr(library, "_FOLDER", own_folder)
    elif change == "options":
        monkeypatch.setattr(library, "_OPTIONS", ["-O2"])
    else:
        read = Path.read_text
        monkeypatch.setattr(Path, "read_text", lambda path: read(path).replace("flags", "flags other"))
    assert _load() != first


def test_processes_that_compile_at_once_leave_a_whole_library(own_folder, monkeypatch):
    put, others = os.replace, []

    def while_another_does(source: Path, target: Path) -> None:
        if not others:
            others.append(None)
            others[0] = _load()
        put(source, target)

    monkeypatch.setattr(os, "replace", while_another_does)
    assert _load() == others[0]
    folder = others[0].parent
    assert [path.name for path in folder.iterdir()] == [others[0].name] and others[0].read_text() == "made\n"


def test_a_killed_compiler_leaves_nothing_that_is_taken_for_a_library(own_folder):
    _program(own_folder / "compiler", 'if [ "$1" = --version ]; then echo 3; exit; fi\nkill -9 $$')
    with pytest.raises(EmulatorError, match="the C.. compiler failed"):
        _load()
    assert list((own_folder / "ttnn_emulator").iterdir()) == []


@pytest.mark.parametrize(
    "value", [torch.zeros(4, dtype=torch.float64), torch.zeros(4, 4).mT, torch.zeros(4).bfloat16()]
)
def test_memory_of_another_kind_is_refused(value):
    with pytest.raises(ctypes.ArgumentError, match="a contiguous tensor of torch.float32 is wanted"):
        native.function("sfpu_store")(value, torch.zeros(16), 4, native.Rounding.TRUNCATE, False)


def test_every_declared_function_is_in_the_library():
    for name in native._SIGNATURES:
        assert native.function(name).restype is None


@pytest.mark.parametrize(
    "a, b", [((3, 4), (3, 4)), ((3, 4), ()), ((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 1), (2, 1, 4))]
)
def test_operands_are_broadcast_as_in_torch(a, b):
    a, b = torch.randint(-9, 9, a).float(), torch.randint(-9, 9, b).float()
    assert torch.equal(native.elementwise("fpu_add", a, b, True), a + b)
    assert torch.equal(native.elementwise("fpu_add", b, a, True), a + b)
    assert torch.equal(native.elementwise("fpu_add", a.expand(5, *a.shape), b, True), (a + b).expand(5, *(a + b).shape))


def test_nothing_comes_of_empty_operands():
    for a, b in (((0, 4), (0, 4)), ((0, 4), (1,)), ((4, 0), (4, 1))):
        result = native.elementwise("fpu_add", torch.ones(a), torch.ones(b), True)
        assert result.shape == a


def test_arithmetic_knows_numbers_and_no_device():
    """No file of it imports ttnn, or what is installed."""
    allowed = ("ttnn_emulator.arithmetic", "ttnn_emulator.errors", "ttnn_emulator.library.toolchain")
    for path in _ARITHMETIC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("ttnn") or name.startswith(allowed), f"{path.name} imports {name}"


def _check_cpp(source: Path, *options: str) -> None:
    """Let the compiler check a source file."""
    warnings = "-Wall -Wextra -Werror -Wno-unknown-pragmas".split()
    subprocess.run([*library.find_compiler(), "-std=c++20", "-fsyntax-only", *warnings, *options, source], check=True)


def test_the_headers_can_be_used_alone(tmp_path):
    """A program that executes kernels natively includes them one by one."""
    for header in sorted((_ARITHMETIC / "native").glob("*.h")):
        source = tmp_path / f"{header.stem}.cpp"
        source.write_text(f'#include "{header}"\n')
        _check_cpp(source)


def _numbers() -> dict[str, int]:
    """What Python passes by number, by its name in C++."""
    numbers = {
        "sfpu::FUNCTIONS": len(native.Function),
        "eltwise::STEPS": len(native.Step),
        "eltwise::OPERATIONS": len(native.Operation),
        "eltwise::MOST_STEPS": native.MOST_STEPS,
    }
    for cpp, members in {
        "Rounding": native.Rounding,
        "block_float::Mantissa": native.Mantissa,
        "sfpu::Function": native.Function,
        "eltwise::Operation": native.Operation,
    }.items():
        numbers |= {f"{cpp}::{member.name}": member.value for member in members}
    plain = [step for step in native.Step if step.name not in native.Function.__members__]
    numbers |= {f"eltwise::Step::{step.name}": step.value for step in plain}
    numbers |= {f"Format::{format.name}": number for number, format in enumerate(FORMATS)}
    return numbers


def test_cpp_has_the_numbers_of_python(tmp_path):
    """Both languages list the functions, operations and formats that Python passes by number."""
    asserts = [f"static_assert(static_cast<int>(tensix::{name}) == {value});" for name, value in _numbers().items()]
    source = tmp_path / "numbers.cpp"
    source.write_text("\n".join(['#include "eltwise.h"', '#include "formats.h"', *asserts]))
    _check_cpp(source, "-I", str(_ARITHMETIC / "native"))


@pytest.mark.parametrize("bits", [8, 11])
def test_truncation_in_cpp_is_that_in_torch(bits):
    """A cache of float32 keeps the leading bits of what is written to it."""
    generator = torch.Generator().manual_seed(bits)
    x = torch.randint(-(1 << 31), 1 << 31, (1, 1, 1, 4096), generator=generator).int().view(torch.float32)
    cache, at_first_row = torch.zeros(1, 1, 1, 4096), native.numbers([0, 0, 0])
    native.function("cache_write_rows")(
        *(cache, FORMATS.index(Format.FLOAT32), *cache.shape[1:], x, True, *x.stride()[1:3], at_first_row, 1, bits)
    )
    assert torch.equal(cache.view(torch.int32), truncate(x, bits).view(torch.int32))
    assert not torch.equal(cache.view(torch.int32), x.view(torch.int32))


def test_a_function_in_16_bits_rounds_ties_away_from_zero():
    """These two logarithms are -65.25 and -34.125 to float32, and lie half-way between two bfloat16."""
    x = torch.tensor([4.595114772912394e-29, 1.5126788710517758e-15])
    for blackhole in (False, True):
        assert vector_functions.apply("log", x, False, blackhole).tolist() == [-65.5, -34.25]


@pytest.mark.parametrize("name", sorted(vector_functions.NAMES - {"erfc"}))
@pytest.mark.parametrize("blackhole", [False, True])
def test_a_function_in_16_bits_leaves_a_bfloat16(name, blackhole):
    """Only erfc leaves the rounding to the store."""
    x = torch.linspace(0.1, 20, 999).bfloat16().float()
    result = vector_functions.apply(name, x, False, blackhole)
    assert torch.equal(result, result.bfloat16().float())
