# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module compiles kernels and the runner for this CPU.

The emulator's cache folder keeps each compiled file. The file's name has a digest of all that the file depends on. Each
file is made under a temporary name and renamed, so that other processes find all of it or nothing.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import ttnn
from ttnn_emulator.arithmetic.native.library import find_compiler
from ttnn_emulator.errors import EmulatorError, KernelDoesNotCompile
from ttnn_emulator.kernels.chip import Chip
from ttnn_emulator.kernels.program import Format, Kernel, Processor, Program
from ttnn_emulator.library.toolchain import cache_folder

_HERE = Path(__file__).parent
_INCLUDE, _RUNNER, _ARITHMETIC = _HERE / "include", _HERE / "runner", _HERE.parent / "arithmetic" / "native"
_LIBRARY = Path(ttnn.__file__).parent
_LANGUAGE = "-std=c++20 -fPIC -ffp-contract=off".split()
_RUNNER_OPTIONS = "-O3 -g1 -march=native -mprefer-vector-width=512 -fno-math-errno -fno-trapping-math -shared".split()
_KERNEL_OPTIONS = (
    """-O1 -g1 -w -fpermissive -fno-strict-aliasing -fno-exceptions -fno-rtti -fvisibility=hidden""".split()
)
_GCC_OPTIONS = ["-fno-gnu-unique"]  # else kernels that have a variable of the same name share it
# the library's headers cast pointers to 32 bits, and leave out template arguments
_CLANG_OPTIONS = ["-fms-extensions", "-Wno-missing-template-arg-list-after-template-kw"]
_INSTRUMENTED = ["-fsanitize=thread"]
_FIRMWARE = {Processor.READER: "NCRISC", Processor.WRITER: "BRISC"}  # the others: TRISC
_BUFFERS = 64


@dataclass(frozen=True)
class Build:
    """A kernel to compile for a processor. An instrumented kernel calls the checks before every access."""

    kernel: Kernel
    processor: Processor
    instrumented: bool


def runner_library() -> Path:
    """Return the compiled runner. The first process that asks for it compiles it, which takes some ten seconds."""
    sources = sorted(_RUNNER.glob("*.cpp"))
    headers = sorted(_RUNNER.glob("*.h")) + sorted(_ARITHMETIC.glob("*.h"))
    key = _digest(*_toolchain(), *_RUNNER_OPTIONS, _cpu(), *_texts(sources + headers))
    path = _folder() / f"runner-{key}.so"
    if not path.exists():
        command = [*find_compiler(), *_LANGUAGE, *_RUNNER_OPTIONS, "-I", str(_ARITHMETIC), *map(str, sources), "-ldl"]
        _make(path, lambda made: _run([*command, "-o", str(made)]))
    return path


def kernel_libraries(builds: Iterable[Build], program: Program, chip: Chip) -> list[Path]:
    """Return the compiled kernels of a program, one for each build."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(lambda build: _kernel_library(build, program.formats, chip), builds))


def _kernel_library(build: Build, formats: dict[int, Format], chip: Chip) -> Path:
    kernel, folder = build.kernel, _folder()
    source = kernel.source or _inline_source(kernel.text)
    if not source.exists():
        raise EmulatorError(f"the kernel {source} does not exist")
    constants = _constants(kernel, formats)
    prelude = _prelude(build, chip)
    includes = [a for path in kernel.include_paths for a in ("-I", path)]
    defines = [f"-D{name}={value}" for name, value in kernel.defines]
    key = _digest(prelude.name, constants, str(source), *includes, *defines)
    found = _find(folder, source.stem, key)
    if found:
        return found
    with tempfile.TemporaryDirectory(dir=folder) as work:
        header, built, depends = Path(work) / "constants.h", Path(work) / "kernel.o", Path(work) / "kernel.d"
        header.write_text(constants)
        command = [*find_compiler(), *_options(build), "-include", str(prelude / "prelude.h"), "-include", str(header)]
        command += [*_include_folders(prelude), *includes, *defines, "-MMD", "-MF", str(depends)]
        _compile_kernel([*command, "-c", str(source), "-o", str(built)], source)
        files = _dependencies(depends, source, Path(work), prelude)
        path = folder / f"{source.stem}-{_digest(key, *_texts(files))}.so"
        # linked without -fsanitize: the runner has the functions that instrumented code calls
        _make(path, lambda made: _run([*find_compiler(), "-shared", str(built), "-o", str(made)]))
        _make(folder / f"{source.stem}-{key}.json", lambda made: made.write_text(json.dumps([str(f) for f in files])))
    return path


def _find(folder: Path, name: str, key: str) -> Path | None:
    """Return a kernel compiled from the present contents of its files, or None."""
    index = folder / f"{name}-{key}.json"
    if not index.exists():
        return None
    files = [Path(file) for file in json.loads(index.read_text())]
    if not all(file.exists() for file in files):
        return None
    path = folder / f"{name}-{_digest(key, *_texts(files))}.so"
    return path if path.exists() else None


def _dependencies(depends: Path, source: Path, work: Path, prelude: Path) -> list[Path]:
    """Return the source and the files that it includes, without those that the digest of the prelude covers."""
    words = shlex.split(depends.read_text().split(":", 1)[1].replace("\\\n", " "))
    files = {Path(word).resolve() for word in words} | {source.resolve()}
    known = (work.resolve(), prelude.resolve(), _INCLUDE.resolve(), _LIBRARY.resolve())
    return sorted(file for file in files if not any(file.is_relative_to(folder) for folder in known))


def _inline_source(text: str) -> Path:
    path = _folder() / f"inline-{_digest(text)}.cpp"
    if not path.exists():
        _make(path, lambda made: made.write_text(text))
    return path


def _constants(kernel: Kernel, formats: dict[int, Format]) -> str:
    """Return a header with a kernel's compile-time arguments and the formats of its circular buffers."""

    def table(values: dict[int, int], absent: int) -> str:
        return ", ".join(str(values.get(number, absent)) for number in range(_BUFFERS))

    arguments = ", ".join(f"{value}u" for value in kernel.compile_time_args)
    named = ", ".join(f'{{"{name}", {value}u}}' for name, value in kernel.named_args)
    codes = table({number: page.code for number, page in formats.items()}, 255)
    tile_bytes = table({number: _tile_bytes(page) for number, page in formats.items()}, 0)
    tile_rows = table({number: page.rows for number, page in formats.items()}, 0)
    pairs = f"std::array<std::pair<std::string_view, uint32_t>, {len(kernel.named_args)}>"
    return f"""#pragma once
template <>
struct emu::Constants<emu::ThisKernel> {{
    static constexpr std::array<uint32_t, {len(kernel.compile_time_args)}> arguments{{{arguments}}};
    static constexpr {pairs} named{{{{{named}}}}};
    static constexpr uint32_t formats[] = {{{codes}}};
    static constexpr uint32_t tile_bytes[] = {{{tile_bytes}}};
    static constexpr uint32_t tile_rows[] = {{{tile_rows}}};
}};
#include "kernel/formats.h"
#define DST_ACCUM_MODE {str(bool(kernel.compute and kernel.compute.wide)).lower()}
#define DST_SYNC_MODE DstSync::Sync{"Full" if kernel.compute and kernel.compute.full_sync else "Half"}
"""


_TILE_BYTES = {0: 4096, 5: 2048, 6: 1088, 7: 576, 8: 4096, 9: 2048, 15: 320, 24: 4096, 30: 1024}


def _tile_bytes(page: Format) -> int:
    return _TILE_BYTES.get(page.code, page.page_bytes) * page.rows // 32


def _prelude(build: Build, chip: Chip) -> Path:
    """Return the folder of the precompiled header with which kernels of this kind begin."""
    banks = ", ".join(str(core.noc_x | core.noc_y << 6) for core in chip.cores)
    board = f"""#pragma once
#define ARCH_{"BLACKHOLE" if chip.blackhole else "WORMHOLE"}
#define NOC_INDEX {build.kernel.noc}
#define NUM_DRAM_BANKS {chip.dram_banks}
#define NUM_L1_BANKS {len(chip.cores)}
#define IS_NOT_POW2_NUM_DRAM_BANKS 1
#define IS_NOT_POW2_NUM_L1_BANKS 1
#define DRAM_ALIGNMENT {chip.dram_alignment}
#define LOG_BASE_2_OF_DRAM_ALIGNMENT {chip.dram_alignment.bit_length() - 1}
#define L1_ALIGNMENT 16
#define LOG_BASE_2_OF_L1_ALIGNMENT 4
namespace emu {{
constexpr uint32_t l1_banks[] = {{{banks}}};
}}
"""
    which = "compute_kernel" if build.kernel.compute else "data_movement"
    text = f'#include "kernel/{which}.h"\n'
    key = _digest(*_toolchain(), *_options(build), str(_LIBRARY), board, text, *_headers())
    path = _folder() / f"prelude-{key}"
    header, compiled = path / "prelude.h", path / "prelude.h.gch"
    if not compiled.exists():
        path.mkdir(exist_ok=True)
        _write_once(path / "board.h", board)
        _write_once(header, text)
        command = [*find_compiler(), *_options(build), *_include_folders(path), "-x", "c++-header", str(header)]
        _make(compiled, lambda made: _run([*command, "-o", str(made)]))
    return path


def _write_once(path: Path, text: str) -> None:
    """Write a file unless it exists, so that its time stays: a new one would make the precompiled header invalid."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        made.write_text(text)
        with contextlib.suppress(FileExistsError):
            os.link(made, path)


def _options(build: Build) -> list[str]:
    options = [*_LANGUAGE, *_KERNEL_OPTIONS, *(_INSTRUMENTED if build.instrumented else [])]
    options += _CLANG_OPTIONS if _is_clang() else _GCC_OPTIONS
    if build.processor in (Processor.UNPACK, Processor.MATH, Processor.PACK):
        options += ["-DEMU_ONE_THREAD", f"-DTRISC_{build.processor.name}"]
    options.append(f"-DCOMPILE_FOR_{_FIRMWARE.get(build.processor, 'TRISC')}")
    return options


def _include_folders(prelude: Path) -> list[str]:
    metal = _LIBRARY / "tt_metal"
    ours, library = [prelude, _INCLUDE], [_LIBRARY, _LIBRARY / "ttnn", _LIBRARY / "ttnn" / "cpp", metal, metal / "api"]
    folders = [*ours, metal / "hw" / "inc", metal / "hostdevcommon" / "api", *library]
    return [argument for folder in folders for argument in ("-I", str(folder))]


def _compile_kernel(command: list[str], source: Path) -> None:
    done = _started(command)
    if done.returncode:
        raise KernelDoesNotCompile(f"{source} does not compile: {_summary(done.stderr)}\n{done.stderr}")


_UNKNOWN = re.compile(
    r"'(\w+)' (?:was not|has not been) declared|no arguments to '(\w+)'|undeclared identifier '(\w+)'"
)
_NO_HEADER = re.compile(r"fatal error: '?([\w./]+)'?(?:: No such file| file not found)")


def _summary(errors: str) -> str:
    """Return in one line why a kernel does not compile."""
    header = _NO_HEADER.search(errors)
    if header:
        return f"there is no header {header[1]} (those of the kernel API are in {_INCLUDE})"
    names = sorted({name for groups in _UNKNOWN.findall(errors) for name in groups if name})
    if names:
        return f"no such name in it or in the kernel API ({_INCLUDE}): {', '.join(names)}"
    return next((line for line in errors.splitlines() if "error:" in line), "the compiler failed")


def _make(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, then rename it."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        write(made)
        os.replace(made, path)


def _started(command: list[str]) -> subprocess.CompletedProcess:
    environment = os.environ | {"LC_ALL": "C"}
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=_folder(), env=environment)
    except OSError as error:
        raise EmulatorError(f"the C++ compiler does not start: {shlex.join(command)}: {error.strerror}") from None


def _run(command: list[str]) -> str:
    done = _started(command)
    if done.returncode:
        raise EmulatorError(f"the C++ compiler failed: {shlex.join(command)}\n{done.stderr}")
    return done.stdout


def _folder() -> Path:
    folder = cache_folder() / "native"
    folder.mkdir(exist_ok=True)
    return folder


@functools.cache
def _version(*compiler: str) -> str:
    return _run([*compiler, "--version"])


def _toolchain() -> list[str]:
    compiler = find_compiler()
    return [*compiler, _version(*compiler), *_LANGUAGE]


def _is_clang() -> bool:
    return "clang" in _version(*find_compiler())


@functools.cache
def _headers() -> list[str]:
    """Return the texts of the kernel API."""
    return _texts([*sorted(_INCLUDE.rglob("*.h*")), _RUNNER / "calls.h"])


@functools.cache
def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))


def _texts(files: Iterable[Path]) -> list[str]:
    return [file.read_text() for file in files]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
