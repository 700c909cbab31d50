# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A model of the 2B-4T's sizes with random weights and few layers, for the speed tests.

The programs of a layer do not depend on the number of layers. A figure of the whole model is therefore that of the
programs outside the layers plus 30 times that of a layer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

import ttnn
from models.bitnet.perf.random_weights import FULL, random_state
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.decode_layers import decode_layers
from models.bitnet.tt.engine.blocks import BlockPool
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplingParams
from models.bitnet.tt.generator import IDLE, Generator
from models.bitnet.tt.kv_cache import PagedAttentionConfig, allocate_kv_cache
from models.bitnet.tt.model import BitNetModel
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import Precision
from models.bitnet.tt.weights.upload import DeviceWeights

LAYERS_2B = 30
VOCABULARY_2B = 128256


def sizes(layers: int = 3, vocabulary: int = VOCABULARY_2B) -> BitNetConfig:
    return replace(FULL, num_hidden_layers=layers, vocab_size=vocabulary)


def cheap_state(model: BitNetConfig) -> dict[str, torch.Tensor]:
    """A random state dict whose large tables repeat one small block.

    The values of these tables have no effect on speed, and a small block takes no time to draw.
    """
    state = random_state(replace(model, vocab_size=256))
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        state[name] = state[name].repeat(-(-model.vocab_size // 256), 1)[: model.vocab_size]
    return state


class SteppingModel:
    """A model on `device` that runs decode steps through its public generator.

    The batch has `users` users. The first `active` users decode at position `context`; the others are idle. The cache
    holds noise.
    """

    def __init__(
        self,
        device: ttnn.MeshDevice,
        precision: str | Precision = "performance",
        users: int = 1,
        model: BitNetConfig | None = None,
        state: dict[str, torch.Tensor] | None = None,
        max_seq_len: int = 4096,
        weights: DeviceWeights | None = None,
    ):
        self.model_config = model or sizes()
        self.config = ModelConfig(self.model_config, device, precision, users, max_seq_len)
        # all users have the same blocks here: only the number of blocks matters
        self.paging = PagedAttentionConfig(max_num_blocks=max_seq_len // 32)
        self.model = BitNetModel(self.config, weights or DeviceWeights(device), state or cheap_state(self.model_config))
        self.cache = allocate_kv_cache(self.config, self.paging)
        pool = BlockPool(self.paging, 1, max_seq_len)
        pool.reserve(0, self.paging.max_num_blocks * self.paging.block_size)
        self.page_table = pool.page_table().repeat(users, 1)
        self.generator = Generator(self.model, self.cache, self.paging.block_size, self.page_table.shape[1])
        self.draws = [Draws.from_seed(user) for user in range(users)]
        self.tokens = torch.zeros(users, dtype=torch.int32)
        self.positions = torch.full((users,), IDLE, dtype=torch.int32)

    def start(self, context: int, active: int | None = None) -> "SteppingModel":
        """Prepare the next step. It writes position `context` of `active` users (default: all users).

        The step attends to all positions up to `context`.
        """
        self.positions[:] = IDLE
        self.positions[: active if active is not None else self.config.users] = context
        self.tokens.zero_()
        return self

    def step(self, sampling: SamplingParams = GREEDY, trace: bool = False) -> torch.Tensor:
        """Run one decode step. The next step takes its tokens as inputs."""
        self.tokens = self.generator.decode_forward(
            self.tokens,
            self.positions,
            self.page_table,
            enable_trace=trace,
            sampling_params=[sampling] * self.config.users,
            draws=self.draws,
        )
        if not sampling.greedy:
            self.draws = [draws.next() for draws in self.draws]
        self.positions = torch.where(self.positions == IDLE, IDLE, self.positions + 1)
        return self.tokens

    def prefill(self, length: int) -> None:
        """Prefill one prompt of `length` tokens."""
        self.generator.prefill_forward_text(torch.zeros(1, length, dtype=torch.int32), self.page_table[:1])

    @contextmanager
    def first_layers(self, count: int) -> Iterator[None]:
        """Inside this block the model has only its first `count` layers."""
        model, layers, of_decode = self.model, self.model.layers, self.model.decode_layers
        model.layers, model.decode_layers = layers[:count], decode_layers(self.config, layers[:count])
        try:
            yield
        finally:
            model.layers, model.decode_layers = layers, of_decode

    def layers_and_rest(self, measure: Callable[[], float], layers: int = LAYERS_2B) -> float:
        """The result of `measure` for `layers` layers, extrapolated from its results for one layer and two layers."""
        with self.first_layers(1):
            one = measure()
        with self.first_layers(2):
            two = measure()
        return one + (layers - 1) * (two - one)
