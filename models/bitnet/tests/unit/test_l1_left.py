# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused programs must fit the L1 of the device that is open, which may be opened with less of it for tensors."""

import pytest
import torch

import ttnn
from models.bitnet.demo.device import open_device
from models.bitnet.perf.random_weights import FULL
from models.bitnet.tests.ternary import to_device
from models.bitnet.tt.fused_programs import FusedProgramsDoNotFit
from models.bitnet.tt.layout import TILE, Chip, first_cores, free_l1_bytes, users_columns
from models.bitnet.tt.model_config import ModelConfig


@pytest.mark.parametrize("device_params", [{"worker_l1_size": 400_000}], indirect=True)
def test_l1_is_what_the_open_device_has_left(mesh_device):
    """A device may be opened with less L1 for tensors and buffers, for larger kernels. Tensors take some of it too."""
    pattern = "^fused: the head's program, 2560 wide, needs 477184 bytes of a core's L1, there are {}; use .*$"
    with pytest.raises(FusedProgramsDoNotFit, match=pattern.format("400000")):
        ModelConfig(FULL, mesh_device, "fused", 1)
    cores = first_cores(Chip.of(mesh_device).cores, Chip.of(mesh_device))
    memory = users_columns(cores.num_cores() * TILE, cores, TILE)
    kept = to_device(torch.zeros(1, 1, TILE, cores.num_cores() * TILE), mesh_device, ttnn.float32, memory)
    with pytest.raises(FusedProgramsDoNotFit, match=pattern.format("395904")):
        ModelConfig(FULL, mesh_device, "fused", 1)
    assert kept.is_allocated()


def test_the_demos_device_has_room_for_the_kernels_of_two_programs():
    """The kernels of decode attention are about 50 kB, and those of the largest fused program 44."""
    with open_device() as opened:
        assert ttnn.get_max_worker_l1_unreserved_size() - free_l1_bytes(opened.device) >= 100_000
        for users in (1, 32):
            ModelConfig(FULL, opened.device, "fused", users)
