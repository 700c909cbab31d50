# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The example of docs/kernels.md: it does what the page says, and its report is the page's."""

import re
from pathlib import Path

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.errors import KernelFault
from ttnn_emulator.tests.kernels.programs import Code, buffer, compute, program, reader, result_like, write_pages

PAGE = (Path(ttnn_emulator.__file__).parent / "docs" / "kernels.md").read_text()
KERNELS = dict(re.findall(r"```cpp\n// (\w+\.cpp)\n(.*?)```", PAGE, re.DOTALL))
BARRIER = "        noc_async_read_barrier();\n"


def squares(device, folder: Path, reader_text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Square four tiles by the page's kernels -> (their result, the squares)."""
    value = torch.randint(-7, 8, (1, 1, 32, 128)).float()
    x = ttnn.from_torch(value, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    result = result_like(x)
    (folder / "reader.cpp").write_text(reader_text)
    (folder / "square.cpp").write_text(KERNELS["square.cpp"])
    pages = {(0, 0): [4]}
    codes: list[Code] = [reader("", common=[x.buffer_address()], tensors=[x], arguments=pages), compute("")]
    codes[1].arguments = pages
    described = program([*codes, write_pages(result, 4, 16)], [buffer(0), buffer(16)])
    kernels = described.kernels
    for kernel, name in zip(kernels, ("reader.cpp", "square.cpp")):
        kernel.kernel_source, kernel.source_type = str(folder / name), ttnn.KernelDescriptor.SourceType.FILE_PATH
    described.kernels = kernels
    return ttnn.to_torch(ttnn.generic_op([x, result], described)).float(), value.square()


@pytest.mark.parametrize("source", ["run", "sanitize"])
def test_the_example_runs(device, tmp_path, source):
    with ttnn_emulator.kernel_results(source):
        assert torch.equal(*squares(device, tmp_path, KERNELS["reader.cpp"]))


def test_the_report_of_the_broken_example(device, tmp_path):
    assert KERNELS["reader.cpp"].count(BARRIER) == 1
    broken = "// reader.cpp\n" + KERNELS["reader.cpp"].replace(BARRIER, "")  # with the line numbers of the page
    assert squares(device, tmp_path, broken)  # a plain run does not notice
    with pytest.raises(KernelFault) as raised, ttnn_emulator.kernel_results("sanitize"):
        squares(device, tmp_path, broken)
    report = " ".join(PAGE.split("KernelFault: ", 1)[1].split("```", 1)[0].split())
    assert " ".join(str(raised.value).split()) == report
