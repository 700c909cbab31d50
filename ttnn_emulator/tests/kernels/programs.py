# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Small programs, written in a few lines, for the tests of the runner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

import ttnn

DATA_MOVEMENT = '#include "api/dataflow/dataflow_api.h"\n'
COMPUTE = '#include "api/compute/common.h"\n'


def cores(left: int = 0, top: int = 0, right: int = 0, bottom: int = 0) -> ttnn.CoreRangeSet:
    """A rectangle of cores."""
    return ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(left, top), ttnn.CoreCoord(right, bottom))])


ONE = cores()


@dataclass
class Code:
    """A kernel's text. `body` is what `kernel_main` does, `before` what stands in front of it."""

    body: str
    config: Any = field(default_factory=ttnn.ReaderConfigDescriptor)
    on: ttnn.CoreRangeSet | None = None  # None: all cores of the program
    before: str = ""
    common: Sequence[int] = ()
    arguments: Mapping[tuple[int, int], Sequence[int]] = field(default_factory=dict)  # by core
    tensors: Sequence[ttnn.Tensor] = ()  # whose layouts are compile-time arguments
    compile_time: Sequence[int] = ()
    named: Mapping[str, int] = field(default_factory=dict)
    defines: Mapping[str, str] = field(default_factory=dict)

    def described(self, everywhere: ttnn.CoreRangeSet) -> ttnn.KernelDescriptor:
        arguments = ttnn.RuntimeArgs()
        for (x, y), values in self.arguments.items():
            arguments[x][y] = list(values)
        header = COMPUTE if isinstance(self.config, ttnn.ComputeConfigDescriptor) else DATA_MOVEMENT
        layouts = [n for tensor in self.tensors for n in ttnn.TensorAccessorArgs(tensor).get_compile_time_args()]
        return ttnn.KernelDescriptor(
            kernel_source=f"{header}{self.before}\nvoid kernel_main() {{\n{self.body}\n}}\n",
            source_type=ttnn.KernelDescriptor.SourceType.SOURCE_CODE,
            core_ranges=self.on or everywhere,
            compile_time_args=[*self.compile_time, *layouts],
            named_compile_time_args=list(self.named.items()),
            defines=list(self.defines.items()),
            runtime_args=arguments,
            common_runtime_args=list(self.common),
            config=self.config,
        )


def reader(body: str, **options: Any) -> Code:
    return Code(body, ttnn.ReaderConfigDescriptor(), **options)


def writer(body: str, **options: Any) -> Code:
    return Code(body, ttnn.WriterConfigDescriptor(), **options)


def compute(body: str, before: str = "", straight: Sequence[int] = (), **settings: Any) -> Code:
    """A compute kernel. The buffers `straight` are unpacked to the destination register as they are."""
    config = ttnn.ComputeConfigDescriptor(**settings)
    module = ttnn._ttnn.program_descriptor
    modes = [module.UnpackToDestMode.Default] * 64
    for number in straight:
        modes[number] = module.UnpackToDestMode.UnpackToDestFp32
    config.unpack_to_dest_mode = module.VectorUnpackToDestMode(modes)
    return Code(body, config, before=before)


def buffer(number: int, dtype: ttnn.DataType = ttnn.bfloat16, pages: int = 2, page: int = 2048, **where: Any) -> Any:
    """A circular buffer on all cores of a program, or `on` some."""
    format = ttnn.CBFormatDescriptor(buffer_index=number, data_format=dtype, page_size=page)
    return ttnn.CBDescriptor(total_size=pages * page, core_ranges=where.get("on", ONE), format_descriptors=[format])


def program(
    kernels: Sequence[Code], buffers: Sequence[Any] = (), semaphores: int = 0, on: ttnn.CoreRangeSet = ONE
) -> ttnn.ProgramDescriptor:
    """The description of a program on some cores."""
    return ttnn.ProgramDescriptor(
        kernels=[code.described(on) for code in kernels],
        semaphores=[ttnn.SemaphoreDescriptor(id=n, core_ranges=on, initial_value=0) for n in range(semaphores)],
        cbs=list(buffers),
    )


def run(tensors: Sequence[ttnn.Tensor], *described: Any, **options: Any) -> torch.Tensor:
    """Run a program. Returns the value of the last tensor."""
    tensors = list(tensors) * (2 if len(tensors) == 1 else 1)  # the library wants two, which may be the same
    return ttnn.to_torch(ttnn.generic_op(tensors, program(*described, **options)))


def result_like(tensor: ttnn.Tensor, dtype: ttnn.DataType | None = None) -> ttnn.Tensor:
    """A tensor that nobody has written."""
    memory = tensor.memory_config()
    return ttnn.allocate_tensor_on_device(tensor.shape, dtype or tensor.dtype, tensor.layout, tensor.device(), memory)


def words_on(device: ttnn.MeshDevice, values: Sequence[int]) -> ttnn.Tensor:
    """A row-major tensor of integers: a page of 32 for every 32."""
    value = torch.tensor(values, dtype=torch.int64).reshape(1, 1, -1, 32).to(torch.int32)
    return ttnn.from_torch(value, dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)


def read_pages(tensor: ttnn.Tensor, pages: int, to: int = 0) -> Code:
    """A reader that brings pages of a tensor into a buffer, one by one."""
    body = f"""
    const auto tensor = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
    for (uint32_t page = 0; page < {pages}; page++) {{
        cb_reserve_back({to}, 1);
        noc_async_read_page(page, tensor, get_write_ptr({to}));
        noc_async_read_barrier();
        cb_push_back({to}, 1);
    }}"""
    return reader(body, common=[tensor.buffer_address()], tensors=[tensor])


def write_pages(tensor: ttnn.Tensor, pages: int, source: int = 0) -> Code:
    """A writer that takes pages of a tensor from a buffer, one by one."""
    body = f"""
    const auto tensor = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
    for (uint32_t page = 0; page < {pages}; page++) {{
        cb_wait_front({source}, 1);
        noc_async_write_page(page, tensor, get_read_ptr({source}));
        noc_async_write_barrier();
        cb_pop_front({source}, 1);
    }}"""
    return writer(body, common=[tensor.buffer_address()], tensors=[tensor])
