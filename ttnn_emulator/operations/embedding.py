# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Table lookup."""

from typing import Any

import torch

import ttnn
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.errors import UnsupportedOperation


@value("embedding")
def embedding(
    input_tensor,
    weight,
    *,
    padding_idx: int | None = None,
    layout: Any = None,
    embeddings_type: Any = ttnn.EmbeddingsType.GENERIC,
    dtype: Any = None,
    outputs: list[Output],
):
    if embeddings_type != ttnn.EmbeddingsType.GENERIC:
        raise UnsupportedOperation(f"ttnn.embedding: {embeddings_type} is not emulated; use EmbeddingsType.GENERIC")
    table = weight.reshape(-1, weight.shape[-1])
    return torch.nn.functional.embedding(input_tensor.long(), table).reshape(outputs[0].shape)
