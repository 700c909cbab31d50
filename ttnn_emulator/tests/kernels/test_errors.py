# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the runner says of kernels that do not compile, and of programs that cannot go on."""

import os
import re

import pytest
import torch

import ttnn
from ttnn_emulator.arithmetic.native import library
from ttnn_emulator.errors import EmulatorError, KernelDoesNotCompile, KernelFault
from ttnn_emulator.tests.kernels.programs import buffer, compute, cores, reader, run, words_on, writer


@pytest.mark.parametrize(
    "body, before, message",
    [
        ("int n = no_such_function(3);", "", r"no such name in it or in the kernel API \(.*\): no_such_function"),
        ("", '#include "api/dataflow/no_such_header.h"', "there is no header api/dataflow/no_such_header.h"),
        ("int n = 3", "", "does not compile: .*error: expected"),
        ("", "#error broken on purpose", "broken on purpose"),
        ('get_named_compile_time_arg_val("absent");', "", "does not compile"),
        ("constexpr uint32_t n = get_compile_time_arg_val(3);", "", "no compile-time argument of this index"),
    ],
)
def test_a_kernel_that_does_not_compile(device, body, before, message):
    if "absent" in body:
        body = f"constexpr uint32_t n = {body}"
    with pytest.raises(KernelDoesNotCompile, match=message) as raised:
        run([words_on(device, [0] * 32)], [reader(body, before=before)])
    assert "inline-" in str(raised.value).splitlines()[0]


def test_a_compute_function_that_is_not_there_is_named(device):
    with pytest.raises(KernelDoesNotCompile, match="kernel API .*: gelu_tile"):
        run([words_on(device, [0] * 32)], [compute("gelu_tile(0);")])


def test_without_a_compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmulatorError, match="install g.. or clang.., or .pip install ziglang., or set CXX") as raised:
        library.find_compiler()
    assert "\n" not in str(raised.value)


def test_a_compiler_that_does_not_start(device, monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/c++")
    with pytest.raises(EmulatorError, match="/nowhere/c.. .*: No such file"):
        run([words_on(device, [0] * 32)], [reader("")])


BAD = {
    "an argument that is not there": ("get_arg_val<uint32_t>(4);", "no such argument: runtime argument 4 of 0"),
    "a buffer that is not there": ("cb_reserve_back(5, 1);", "no such buffer: circular buffer 5"),
    "a semaphore that is not there": ("get_semaphore(0);", "no such semaphore: semaphore 0; the program has 0"),
    "more pages than a buffer has": (
        "cb_reserve_back(0, 9);",
        "too many pages: 9 pages of buffer 0 are reserved, which has 2",
    ),
    "pages that were not waited for": ("cb_pop_front(0, 1);", "pop of an empty buffer: 1 pages of buffer 0"),
    "a DRAM address without a tensor": (
        "noc_async_read(get_noc_addr_from_bank_id<true>(0, 64), get_write_ptr(0), 32);",
        "out of bounds: a NoC read of 32 bytes at 0x40 of DRAM bank 0, where no tensor lies",
    ),
    "coordinates without a core": (
        "noc_async_write(get_write_ptr(0), get_noc_addr(40, 41, get_write_ptr(0)), 32);",
        r"no such core: a NoC write of the NoC coordinates \(40,41\)",
    ),
    "a wait that never ends": (
        "cb_wait_front(0, 2);",
        r"deadlock: 1 kernels have not ended:\n.*core \(0,0\): inline kernel waits for 2 pages of buffer 0",
    ),
}


@pytest.mark.parametrize("body, message", BAD.values(), ids=BAD)
def test_a_program_that_cannot_go_on(device, body, message):
    with pytest.raises(KernelFault, match=message) as raised:
        run([words_on(device, [0] * 32)], [reader(body)], [buffer(0)])
    assert re.search(r"inline-\w+\.cpp:\d+|inline kernel", str(raised.value))


def test_a_deadlock_names_all_kernels_that_wait(device):
    both = cores(0, 0, 1, 0)
    body = "noc_semaphore_wait((volatile tt_l1_ptr uint32_t*)get_semaphore(0), 3);"
    kernels = [reader(body), writer("cb_reserve_back(0, 2); cb_push_back(0, 2); cb_reserve_back(0, 1);")]
    with pytest.raises(KernelFault) as raised:
        run([words_on(device, [0] * 32)], kernels, [buffer(0, on=both)], semaphores=1, on=both)
    text = str(raised.value)
    assert "deadlock: 4 kernels have not ended" in text
    assert "core (0,0) and 1 others: inline kernel waits until semaphore 0 is 3; it is 0" in text
    assert "waits for 1 free pages of buffer 0, where 2 of 2 are in use" in text


def test_a_kernel_that_is_edited_is_compiled_again(device, tmp_path):
    header, source = tmp_path / "number.h", tmp_path / "kernel.cpp"
    header.write_text("constexpr uint32_t number = 1;")
    source.write_text(
        '#include "api/dataflow/dataflow_api.h"\n#include "number.h"\n'
        "void kernel_main() {\n"
        "    auto words = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_write_ptr(0));\n"
        "    for (uint32_t i = 0; i < 32; i++) words[i] = number;\n"
        "    const auto tensor = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));\n"
        "    noc_async_write_page(0, tensor, get_write_ptr(0));\n    noc_async_write_barrier();\n}\n"
    )
    tensor = words_on(device, [0] * 32)

    def value() -> torch.Tensor:
        descriptor = reader("", common=[tensor.buffer_address()], tensors=[tensor]).described(cores())
        descriptor.kernel_source = str(source)
        descriptor.source_type = ttnn.KernelDescriptor.SourceType.FILE_PATH
        program = ttnn.ProgramDescriptor(kernels=[descriptor], semaphores=[], cbs=[buffer(0, ttnn.uint32, page=128)])
        return ttnn.to_torch(ttnn.generic_op([tensor, tensor], program)).flatten()

    assert value().tolist() == [1] * 32
    header.write_text("constexpr uint32_t number = 2;")
    os.utime(header)
    assert value().tolist() == [2] * 32
