# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that capture the library's graph: to see what ran, or to ask what would be allocated."""

import pytest
import torch

import ttnn

NO_DISPATCH = ttnn.graph.RunMode.NO_DISPATCH


@pytest.fixture
def ones(device):
    return ttnn.from_torch(torch.ones(64, 64), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)


def test_nothing_is_computed_without_dispatch(device, ones):
    ttnn.graph.begin_graph_capture(NO_DISPATCH)
    uploaded = ttnn.from_torch(torch.ones(64, 64), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    total = ttnn.add(ttnn.add(uploaded, ones, memory_config=ttnn.L1_MEMORY_CONFIG), ones)
    ttnn.add_(ones, ones)
    graph = ttnn.graph.end_graph_capture()
    assert total.shape == ones.shape
    assert ttnn.graph.extract_peak_L1_memory_usage(graph) > 0
    assert ttnn.to_torch(ones).eq(1).all()
    assert ttnn.to_torch(ttnn.add(ones, ones)).eq(2).all()


def test_an_operation_without_values_can_be_asked_about(device):
    image = ttnn.from_torch(torch.ones(1, 1, 64, 32), dtype=ttnn.bfloat16, device=device)
    ttnn.graph.begin_graph_capture(NO_DISPATCH)
    ttnn.upsample(ttnn.reshape(image, (1, 8, 8, 32)), 2)
    assert ttnn.graph.end_graph_capture()


def test_a_capture_inside_another(ones):
    ttnn.graph.begin_graph_capture()
    assert ttnn.to_torch(ttnn.add(ones, ones)).eq(2).all()
    ttnn.graph.begin_graph_capture(NO_DISPATCH)
    ttnn.add_(ones, ones)
    ttnn.graph.end_graph_capture()
    assert ttnn.to_torch(ttnn.add(ones, ones)).eq(2).all()
    assert ttnn.graph.end_graph_capture()


def test_a_report_that_an_error_ends(ones, tmp_path):
    with pytest.raises(KeyError), ttnn.graph.full_graph_capture(str(tmp_path), run_mode=NO_DISPATCH):
        raise KeyError
    assert ttnn.to_torch(ttnn.add(ones, ones)).eq(2).all()
    # after an error the library goes on recording arguments, until another capture ends
    ttnn.graph.begin_graph_capture()
    ttnn.graph.end_graph_capture()
    assert not ttnn.graph.is_python_io_recording_enabled()
