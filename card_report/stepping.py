# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the models whose speed is measured: the shipped model, and a model of the 2B-4T's size."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import ttnn
from models.bitnet.demo.arguments import SHIPPED_MODEL
from models.bitnet.perf.random_model import LAYERS_2B, SteppingModel, cheap_state, sizes
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.state_dict import load_state_dict
from models.bitnet.tt.weights.upload import DeviceWeights

CONTEXT = {"shipped": 256, "2b": 1024}  # tokens that a user attends to, as in PERF.md for the 2B-4T
Builder = Callable[[str, int], SteppingModel]  # (precision, users)


class RepeatedLayers(DeviceWeights):
    """Device weights whose layers all have the values of the first layer, each layer in separate memory.

    The conversion of a whole model takes minutes, but a read of one layer from `cache` does not. The time of a step
    does not depend on the values.
    """

    def _converted(self, name: str, *how: Any) -> ttnn.Tensor:
        return super()._converted(re.sub(r"\.layers\.\d+\.", ".layers.0.", name), *how)


def repeated(state: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """The state dict of a model with many equal layers, from the state dict of a model with one layer."""
    return {
        name.replace(".layers.0.", f".layers.{layer}."): value
        for layer in range(layers)
        for name, value in state.items()
    }


def builder(name: str, device: ttnn.MeshDevice, scratch: Path) -> Builder:
    """A function that builds the model `name`, "shipped" or "2b", from a precision and a number of users."""
    if name == "2b":
        return full_size(device, scratch, sizes(LAYERS_2B))
    config = BitNetConfig.from_pretrained(SHIPPED_MODEL)
    state = load_state_dict(SHIPPED_MODEL, progress=False)
    return lambda precision, users: SteppingModel(
        device, precision, users, config, state, max_seq_len=config.max_position_embeddings
    )


def full_size(device: ttnn.MeshDevice, scratch: Path, model: BitNetConfig) -> Builder:
    """A builder of models with random weights. The folder `scratch` caches the converted weights of each precision."""
    state = repeated(cheap_state(replace(model, num_hidden_layers=1)), model.num_hidden_layers)
    return lambda precision, users: SteppingModel(
        device, precision, users, model, state, weights=RepeatedLayers(device, scratch)
    )
