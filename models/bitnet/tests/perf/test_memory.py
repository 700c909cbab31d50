# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The memory that the table of models counts, and the tensors without values that it counts with."""

from dataclasses import replace

import pytest

import ttnn
from models.bitnet.perf.memory import dram_in_use, dram_of_board, stored_bytes
from models.bitnet.perf.random_weights import empty_state, random_state, shape


def test_bytes_of_a_tensor(device):
    before = dram_in_use(device)
    tensor = ttnn.zeros((9, 2, 64, 64), ttnn.bfloat16, ttnn.TILE_LAYOUT, device, ttnn.DRAM_MEMORY_CONFIG)
    size = 9 * 2 * 64 * 64 * 2
    assert stored_bytes(tensor) == size
    most = size + 2048 * device.dram_grid_size().x  # the last page of every bank may hold nothing
    assert size <= dram_in_use(device) - before <= most < dram_of_board(device)
    ttnn.deallocate(tensor)
    assert dram_in_use(device) == before


@pytest.mark.parametrize("tied", [True, False])
def test_an_empty_state_has_the_shapes_of_a_random_one(tied):
    model = replace(shape(4, 2, 32, 224), tie_word_embeddings=tied)
    random, empty = random_state(model), empty_state(model)
    assert random.keys() - empty.keys() == ({"lm_head.weight"} if tied else set())
    assert all((random[name].shape, random[name].dtype) == (t.shape, t.dtype) for name, t in empty.items())
    assert sum(t.untyped_storage().nbytes() for t in empty.values()) < 16 * len(empty)
