# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Device programs of a program's own: their results are the golden function's, or the kernels', as is chosen."""

import struct
from collections.abc import Callable

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.errors import EmulatorError, KernelFault, KernelMismatch, TraceError, UnsupportedOperation
from ttnn_emulator.tests.kernels import programs
from ttnn_emulator.tests.tensors import assert_same, integers, put

_CORE = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(0, 0))])


def program(*tensors: ttnn.Tensor) -> ttnn.ProgramDescriptor:
    """One kernel on one core, which would read and write these tensors."""
    arguments = ttnn.RuntimeArgs()
    arguments[0][0] = [tensor.buffer_address() for tensor in tensors]
    pages = ttnn.CBFormatDescriptor(buffer_index=0, data_format=ttnn.bfloat16, page_size=2048)
    kernel = ttnn.KernelDescriptor(
        kernel_source="void kernel_main() {}",
        source_type=ttnn.KernelDescriptor.SourceType.SOURCE_CODE,
        core_ranges=_CORE,
        compile_time_args=[],
        runtime_args=arguments,
        config=ttnn.ReaderConfigDescriptor(),
    )
    buffers = ttnn.CBDescriptor(total_size=4096, core_ranges=_CORE, format_descriptors=[pages])
    return ttnn.ProgramDescriptor(kernels=[kernel], semaphores=[], cbs=[buffers])


def golden(x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    return x.float() * x.float() * scale


@ttnn.register_python_operation(name="ttnn.test_own.square", golden_function=golden)
def square(x: ttnn.Tensor, scale: float = 1.0, *, memory_config: ttnn.MemoryConfig | None = None) -> ttnn.Tensor:
    tiles = ttnn.to_layout(x, ttnn.TILE_LAYOUT)
    output = ttnn.allocate_tensor_on_device(x.shape, x.dtype, ttnn.TILE_LAYOUT, x.device(), ttnn.DRAM_MEMORY_CONFIG)
    return ttnn.reshape(ttnn.generic_op([tiles, output], program(tiles, output)), x.shape)


@ttnn.register_python_operation(name="ttnn.test_own.twice")
def twice(x: ttnn.Tensor) -> ttnn.Tensor:
    return ttnn.add(x, x)


@ttnn.register_python_operation(name="ttnn.test_own.bare")
def bare(x: ttnn.Tensor) -> ttnn.Tensor:
    return ttnn.generic_op([x, x], program(x, x))


@pytest.mark.parametrize("layout", [ttnn.TILE_LAYOUT, ttnn.ROW_MAJOR_LAYOUT])
def test_the_golden_function_gives_the_values(device, layout):
    x, held = put(integers((2, 1, 32, 64), 1, -15, 16).float(), device, layout=layout)
    options = {"scale": 2.0, "memory_config": ttnn.DRAM_MEMORY_CONFIG}
    assert_same(square(x, **options), (held * held * 2).bfloat16())
    assert_same(ttnn.add(square(x), x), ((held * held).bfloat16().double() + held).bfloat16())


def test_a_golden_function_has_a_faster_integer_product(device):
    """It stands in the place of torch's only while the golden function runs."""
    torchs, seen = torch._int_mm, []
    weight = integers((64, 32), 7, -1, 2).to(torch.int8)

    def product(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch._int_mm)
        if x.isnan().any():
            raise ArithmeticError
        return torch._int_mm(x[0, 0].to(torch.int8), weight.T)[None, None].float()

    multiply = ttnn.register_python_operation(name="ttnn.test_own.integer_product", golden_function=product)(
        lambda x: ttnn.generic_op([x, like(x)], program(x))
    )

    def like(x: ttnn.Tensor) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, 4, 64])
        return ttnn.allocate_tensor_on_device(shape, ttnn.float32, x.layout, x.device(), ttnn.DRAM_MEMORY_CONFIG)

    for seed in range(3):
        x, held = put(integers((1, 1, 4, 32), seed, -127, 128).float(), device)
        assert_same(multiply(x), held @ weight.T.double())
    assert len(seen) == 3 and torchs not in seen and torch._int_mm is torchs
    with pytest.raises(ArithmeticError):
        multiply(put(torch.full((1, 1, 4, 32), torch.nan), device)[0])
    assert torch._int_mm is torchs


def test_in_a_trace(device):
    x, held = put(integers((1, 1, 32, 64), 2, -15, 16).float(), device)
    square(x)
    number = ttnn.begin_trace_capture(device)
    output = square(x)
    ttnn.end_trace_capture(device, number)
    with pytest.raises(TraceError, match="ttnn.test_own.square writes it in a trace"):
        ttnn.to_torch(output)
    for _ in range(2):
        ttnn.execute_trace(device, number)
        assert_same(output, (held * held).bfloat16())
        held = -held / 2
        host = ttnn.from_torch(held.bfloat16(), layout=ttnn.TILE_LAYOUT)
        ttnn.copy_host_to_device_tensor(host, x)
    ttnn.release_trace(device, number)


def test_it_is_counted(device):
    x, _ = put(integers((1, 1, 32, 64), 3, -15, 16).float(), device)
    with ttnn_emulator.record() as recorded:
        square(x)
    programs = [program for program in recorded.programs if program.operation == "ttnn.generic_op"]
    assert len(programs) == 1 and programs[0].cores == 1 and programs[0].circular_buffer_bytes == 4096
    assert programs[0].name == "test_own.square" and "test_own.square" in recorded.summary()
    # two tiles, on two banks
    assert (programs[0].dram_read, programs[0].bank_read, programs[0].dram_written) == (4096, 2048, 4096)


def test_a_python_operation_is_its_body(device):
    x, held = put(integers((1, 1, 32, 64), 4, -15, 16).float(), device)
    assert_same(twice(x), held + held)


def test_without_a_golden_function_the_kernels_run(device):
    """This kernel does nothing: the result was never written."""
    x, held = put(integers((1, 1, 32, 64), 5, -15, 16).float(), device)
    for call in (lambda: bare(x), lambda: ttnn.generic_op([x, x], program(x, x))):
        assert_same(call(), held)
    assert ttnn.to_torch(ttnn.generic_op([x, ttnn.empty_like(x)], program(x, x))).isnan().all()


def test_options_that_the_golden_function_does_not_know_are_refused(device):
    def plain(x: torch.Tensor) -> torch.Tensor:
        return x

    @ttnn.register_python_operation(name="ttnn.test_own.option", golden_function=plain)
    def option(x: ttnn.Tensor, *, power: int = 1) -> ttnn.Tensor:
        return ttnn.generic_op([x, x], program(x, x))

    x, _ = put(integers((1, 1, 32, 64), 6, -15, 16).float(), device)
    with pytest.raises(UnsupportedOperation, match="power=3"):
        option(x, power=3)


# --- results of kernels ----------------------------------------------------------------------------------------------


def doubling(x: ttnn.Tensor, output: ttnn.Tensor, scale: float = 2.0) -> ttnn.Tensor:
    """Runs kernels that multiply float32 tiles by a number."""
    pages = x.buffer_num_pages()
    body = f"""
    compute_kernel_hw_startup(0, 16);
    for (uint32_t i = 0; i < {pages}; i++) {{
        cb_wait_front(0, 1);
        tile_regs_acquire();
        copy_tile(0, 0, 0);
        mul_unary_tile(0, {struct.unpack("<I", struct.pack("<f", scale))[0]}u);
        tile_regs_commit();
        cb_pop_front(0, 1);
        cb_reserve_back(16, 1);
        tile_regs_wait();
        pack_tile(0, 16);
        tile_regs_release();
        cb_push_back(16, 1);
    }}"""
    headers = '#include "api/compute/tile_move_copy.h"\n#include "api/compute/eltwise_unary/binop_with_scalar.h"'
    kernels = [
        programs.read_pages(x, pages),
        programs.compute(body, headers, straight=[0], fp32_dest_acc_en=True),
        programs.write_pages(output, pages, 16),
    ]
    buffers = [programs.buffer(number, ttnn.float32, page=4096) for number in (0, 16)]
    return ttnn.generic_op([x, output], programs.program(kernels, buffers))


def operation(name: str, golden: Callable, scale: float = 2.0) -> Callable[[ttnn.Tensor], ttnn.Tensor]:
    """A Python operation of these kernels with a golden function."""

    @ttnn.register_python_operation(name=f"ttnn.test_own.{name}", golden_function=golden)
    def double(x: ttnn.Tensor) -> ttnn.Tensor:
        return doubling(x, programs.result_like(x), scale)

    return double


def test_kernels_read_and_write_at_each_replay(device):
    x, held = put(integers((1, 1, 32, 64), 1, -15, 16).float(), device, ttnn.float32)
    doubling(x, programs.result_like(x))
    number = ttnn.begin_trace_capture(device)
    output = doubling(x, programs.result_like(x))
    ttnn.end_trace_capture(device, number)
    with pytest.raises(TraceError, match="ttnn.generic_op writes it in a trace"):
        ttnn.to_torch(output)
    for _ in range(2):
        ttnn.execute_trace(device, number)
        assert_same(output, 2 * held)
        held = -held / 2
        ttnn.copy_host_to_device_tensor(ttnn.from_torch(held.float(), layout=ttnn.TILE_LAYOUT), x)
    ttnn.release_trace(device, number)


def test_kernels_are_counted(device):
    x, _ = put(integers((1, 1, 32, 64), 3, -15, 16).float(), device, ttnn.float32)
    with ttnn_emulator.record() as recorded:
        doubling(x, programs.result_like(x))
    (program,) = [one for one in recorded.programs if one.operation == "ttnn.generic_op"]
    assert (program.name, program.cores, program.dram_read, program.dram_written) == ("generic_op", 1, 8192, 8192)
    assert program.circular_buffer_bytes == 4 * 4096


def test_the_environment_chooses(device):
    """The golden function trebles, the kernels double."""
    trebled = operation("trebled", lambda x: 3 * x)
    x, held = put(integers((1, 1, 32, 64), 7, -15, 16).float(), device, ttnn.float32)
    for source, factor in (("golden", 3), ("run", 2)):
        with ttnn_emulator.kernel_results(source):
            assert_same(trebled(x), factor * held)
    for source in ("check", "sanitize"):
        with ttnn_emulator.kernel_results(source, 2):
            with pytest.raises(
                KernelMismatch, match="test_own.trebled: .* values of result 0 are not the golden function's"
            ):
                trebled(x)


def test_a_program_is_sanitized_once_for_tensors_of_the_same_shapes(device):
    """An argument says whether the reader leaves out its barrier, which only the sanitizer notices."""

    def run(columns: int, is_faulty: bool) -> None:
        x, held = put(integers((1, 1, 32, columns), 1, -15, 16).float(), device, ttnn.float32)
        result, pages = programs.result_like(x), columns // 32
        reads = programs.read_pages(x, pages)
        barrier = "noc_async_read_barrier();"
        reads.body = reads.body.replace(barrier, f"if (!get_common_arg_val<uint32_t>(1)) {barrier}")
        reads.common = [*reads.common, int(is_faulty)]
        kernels, buffers = [reads, programs.write_pages(result, pages)], [programs.buffer(0, ttnn.float32, page=4096)]
        assert_same(ttnn.generic_op([x, result], programs.program(kernels, buffers)), held)

    with ttnn_emulator.kernel_results("sanitize", 4, once=True):
        run(64, False)
        run(64, True)
        for _ in range(2):  # a run with a fault is not the one that counts
            with pytest.raises(KernelFault, match="read still in flight"):
                run(96, True)
    with ttnn_emulator.kernel_results("sanitize", 4):
        with pytest.raises(KernelFault, match="read still in flight"):
            run(64, True)


@pytest.mark.parametrize(
    "source, seeds, message", [("runs", 8, "golden, run, check, sanitize"), ("sanitize", 0, "from 1 on")]
)
def test_a_choice_that_there_is_not(source, seeds, message):
    with pytest.raises(EmulatorError, match=message):
        ttnn_emulator.kernel_results(source, seeds)


def test_a_check_compares_at_each_replay(device):
    doubled = operation("doubled", lambda x: torch.where(x == 7, x, 2 * x))  # wrong for sevens
    x, _ = put(torch.ones(1, 1, 32, 64), device, ttnn.float32)
    with ttnn_emulator.kernel_results("check"):
        doubled(x)
        number = ttnn.begin_trace_capture(device)
        doubled(x)
        ttnn.end_trace_capture(device, number)
        ttnn.execute_trace(device, number)
        ttnn.copy_host_to_device_tensor(ttnn.from_torch(torch.full((1, 1, 32, 64), 7.0), layout=ttnn.TILE_LAYOUT), x)
        with pytest.raises(KernelMismatch, match="the kernels give 14.0 and it gives 7.0"):
            ttnn.execute_trace(device, number)
        ttnn.release_trace(device, number)
