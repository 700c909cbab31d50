# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Host and device have memory of their own: what changes one of them afterwards does not change the other."""

from collections.abc import Callable

import pytest
import torch

import ttnn
from ttnn_emulator.tests.tensors import get

KINDS = [
    (ttnn.bfloat16, ttnn.ROW_MAJOR_LAYOUT),
    (ttnn.bfloat16, ttnn.TILE_LAYOUT),
    (ttnn.float32, ttnn.ROW_MAJOR_LAYOUT),
    (ttnn.float32, ttnn.TILE_LAYOUT),
    (ttnn.int32, ttnn.ROW_MAJOR_LAYOUT),
]
SHAPE = (1, 1, 32, 64)
_TORCH = {ttnn.bfloat16: torch.bfloat16, ttnn.float32: torch.float32, ttnn.int32: torch.int32}


def memory_of(host: ttnn.Tensor) -> torch.Tensor:
    """The memory of a host tensor."""
    return torch.from_dlpack(host.host_buffer().get_shard(ttnn.MeshCoordinate(0, 0)))


def upload_by_parts(source: torch.Tensor, device, **kind) -> tuple[ttnn.Tensor, list[torch.Tensor]]:
    host = ttnn.from_torch(source, **kind)
    return ttnn.to_device(host, device), [source, memory_of(host)]


def upload_at_once(source: torch.Tensor, device, **kind) -> tuple[ttnn.Tensor, list[torch.Tensor]]:
    return ttnn.from_torch(source, device=device, **kind), [source]


def upload_into(source: torch.Tensor, device, **kind) -> tuple[ttnn.Tensor, list[torch.Tensor]]:
    host, tensor = ttnn.from_torch(source, **kind), ttnn.from_torch(torch.zeros_like(source), device=device, **kind)
    ttnn.copy_host_to_device_tensor(host, tensor)
    return tensor, [source, memory_of(host)]


@pytest.mark.parametrize("upload", [upload_by_parts, upload_at_once, upload_into])
@pytest.mark.parametrize("dtype,layout", KINDS)
def test_the_host_changes_after_an_upload(device, upload: Callable, dtype, layout):
    source = torch.ones(SHAPE, dtype=_TORCH[dtype])
    tensor, memories = upload(source, device, dtype=dtype, layout=layout)
    for memory in memories:
        memory.fill_(9)
    assert (get(tensor) == 1).all()


def change_by_an_output(tensor: ttnn.Tensor) -> None:
    ttnn.add(tensor, 1, output_tensor=tensor)


def change_by_an_upload(tensor: ttnn.Tensor) -> None:
    other = torch.full(SHAPE, 5, dtype=_TORCH[tensor.dtype])
    ttnn.copy_host_to_device_tensor(ttnn.from_torch(other, dtype=tensor.dtype, layout=tensor.layout), tensor)


def change_a_cache(tensor: ttnn.Tensor) -> None:
    rows = ttnn.from_torch(
        torch.full((1, 1, 32, 64), 7.0), dtype=tensor.dtype, layout=tensor.layout, device=tensor.device()
    )
    ttnn.update_cache(tensor, rows, 3)


def change_by_one(tensor: ttnn.Tensor) -> None:
    ttnn.plus_one(tensor)


@pytest.mark.parametrize(
    "change,dtype,layout",
    [(change_by_an_output, dtype, ttnn.TILE_LAYOUT) for dtype in (ttnn.bfloat16, ttnn.float32)]
    + [(change_by_an_upload, *kind) for kind in KINDS]
    + [(change_a_cache, ttnn.bfloat16, ttnn.TILE_LAYOUT), (change_a_cache, ttnn.float32, ttnn.TILE_LAYOUT)]
    + [(change_by_one, ttnn.int32, ttnn.ROW_MAJOR_LAYOUT)],
)
def test_the_device_changes_after_a_download(device, change: Callable, dtype, layout):
    """Twice: what was changed in place once may be the device's own."""
    tensor = ttnn.from_torch(torch.ones(SHAPE, dtype=_TORCH[dtype]), dtype=dtype, layout=layout, device=device)
    change(tensor)
    held = get(tensor).clone()
    downloads = [tensor.cpu(), ttnn.from_device(tensor), ttnn.to_torch(tensor)]
    change(tensor)
    change(tensor)
    for download in downloads:
        value = download if isinstance(download, torch.Tensor) else ttnn.to_torch(download)
        assert torch.equal(value.to(held.dtype), held)


@pytest.mark.parametrize("dtype,layout", KINDS)
def test_the_host_changes_after_a_download(device, dtype, layout):
    tensor = ttnn.from_torch(torch.ones(SHAPE, dtype=_TORCH[dtype]), dtype=dtype, layout=layout, device=device)
    download = tensor.cpu()
    memory_of(download).fill_(9)
    assert (ttnn.to_torch(download) != 1).all()
    ttnn.to_torch(tensor).fill_(9)
    assert (get(tensor) == 1).all()
