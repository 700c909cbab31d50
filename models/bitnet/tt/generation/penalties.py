# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Penalties on the tokens of a text, on the device: it counts the tokens and changes the logits.

The device holds one number for every row and token of the vocabulary: how often the model has written the token, plus
one half if the token is in the prompt. So one float32 tensor says what was written (the whole part) and what was seen
(all that is not 0). Counts are exact up to 2**23.

Every operation takes each logit by itself. So a chip with a shard of the vocabulary counts and penalises its shard.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.generation.sampling import SamplingParams
from models.bitnet.tt.heads import typecast
from models.bitnet.tt.kernels.head.best_tokens import LARGEST
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig

_PROMPTED = 0.5
_POSITIVE_PART = [ttnn.UnaryOpType.RELU]
_NEGATIVE_PART = [ttnn.UnaryOpType.NEG, ttnn.UnaryOpType.RELU]
_TIMES_WRITTEN = [ttnn.UnaryOpType.FLOOR]
_IS_WRITTEN = [ttnn.UnaryOpType.FLOOR, ttnn.UnaryOpType.GTZ]
_IS_FINITE = [ttnn.UnaryOpType.ISFINITE]
_WITHIN_BOUNDS = [ttnn.UnaryWithParam(ttnn.UnaryOpType.CLAMP_TSS, -LARGEST, LARGEST)]


class Text(NamedTuple):
    """The tokens of a row: its prompt, and what the model has written after it."""

    prompt: Sequence[int]
    written: Sequence[int]


NO_TEXT = Text((), ())  # what a row without penalties is given


class PenaltyInputs:
    """The device tensors that penalties read, one row a user. A step also counts its tokens in `counts`."""

    def __init__(self, config: ModelConfig, rows: int):
        self._device, self._rows, self._vocabulary = config.device, rows, config.model.vocab_size
        self._shards = config.parallelism.column_sharding.mapper
        self.counts = ttnn.to_device(self._host_counts([None] * rows), self._device)
        params = self._host_params([SamplingParams()] * rows)
        self.tensors = {name: ttnn.to_device(tensor, self._device) for name, tensor in params.items()}

    def set_params(self, params: Sequence[SamplingParams]) -> int:
        """Upload the penalties of each row. Return the number of bytes."""
        host = self._host_params(params)
        for name, tensor in host.items():
            ttnn.copy_host_to_device_tensor(tensor, self.tensors[name])
        return sum(tensor.logical_volume() * 4 for tensor in host.values())

    def set_texts(self, texts: Sequence[Text | None]) -> int:
        """Upload the counts of each row's text. None is an empty text. Return the number of bytes."""
        ttnn.copy_host_to_device_tensor(self._host_counts(texts), self.counts)
        return self._rows * self._vocabulary * 4

    def deallocate(self) -> None:
        for tensor in (self.counts, *self.tensors.values()):
            ttnn.deallocate(tensor)

    def _host_counts(self, texts: Sequence[Text | None]) -> ttnn.Tensor:
        counts = torch.zeros(self._rows, self._vocabulary)
        for row, text in zip(counts, texts):
            if text is not None:
                row += torch.bincount(torch.tensor(text.written, dtype=torch.int64), minlength=self._vocabulary)
                row[torch.tensor(text.prompt, dtype=torch.int64)] += _PROMPTED  # once, also for a repeated token
        return ttnn.from_torch(
            counts[None, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, mesh_mapper=self._shards
        )

    def _host_params(self, params: Sequence[SamplingParams]) -> dict[str, ttnn.Tensor]:
        values = {
            "repetition": [row.repetition_penalty for row in params],
            "inverse": [1 / row.repetition_penalty for row in params],
            "presence": [row.presence_penalty for row in params],
            "frequency": [row.frequency_penalty for row in params],
            "is_penalised": [float(row.penalised) for row in params],
        }
        return {
            name: ttnn.from_torch(
                torch.tensor(column)[None, None, :, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT
            )
            for name, column in values.items()
        }


class Penaliser:
    """Counts the tokens of a step and penalises its logits. The constructor allocates the columns' numbers."""

    def __init__(self, config: ModelConfig):
        self._columns = ttnn.from_torch(
            torch.arange(config.model.vocab_size).float()[None, None, None],
            dtype=ttnn.float32,
            layout=ttnn.TILE_LAYOUT,
            device=config.device,
            mesh_mapper=config.parallelism.column_sharding.mapper,
        )

    def count(self, tokens: ttnn.Tensor, inputs: PenaltyInputs) -> None:
        """Add one to the count of each row's token. tokens: uint32 [1, 1, rows], row-major."""
        column = ttnn.to_layout(ttnn.reshape(tokens, (1, 1, tokens.shape[-1], 1)), ttnn.TILE_LAYOUT)
        is_token = ttnn.eq(self._columns, ttnn.typecast(column, ttnn.float32), dtype=ttnn.float32)
        ttnn.add_(inputs.counts, is_token)

    def penalise(self, logits: ttnn.Tensor, inputs: PenaltyInputs) -> ttnn.Tensor:
        """[1, 1, rows, vocabulary] -> the penalised logits, float32. Frees its input.

        Positive logits of seen tokens are multiplied by the inverse of the repetition penalty, negative ones by the
        penalty itself. The presence penalty is subtracted from written tokens once, the frequency penalty as often as
        they were written. A penalised logit is at most LARGEST, so that no penalty makes a row unsound. A logit that is
        NaN or infinite stays as it is, so that the row ends as without penalties.
        """
        logits, counts, given = typecast(logits, ttnn.float32), inputs.counts, inputs.tensors
        rewarded = ttnn.multiply(logits, given["inverse"], input_tensor_a_activations=_POSITIVE_PART)
        punished = ttnn.multiply(logits, given["repetition"], input_tensor_a_activations=_NEGATIVE_PART)
        repeated = ttnn.subtract(rewarded, punished)  # one of the two is 0
        often = ttnn.multiply(counts, given["frequency"], input_tensor_a_activations=_TIMES_WRITTEN)
        repeated = ttnn.subtract(repeated, often)
        once = ttnn.multiply(counts, given["presence"], input_tensor_a_activations=_IS_WRITTEN)
        penalised = ttnn.subtract(repeated, once, activations=_WITHIN_BOUNDS)
        is_penalised = ttnn.multiply(logits, counts, input_tensor_a_activations=_IS_FINITE)  # not 0: yes
        result = ttnn.where(is_penalised, penalised, logits)
        ttnn.deallocate(logits)
        return result


def penalised_by_prompt(
    logits: ttnn.Tensor, prompt: Sequence[int], params: SamplingParams, config: ModelConfig, penaliser: Penaliser
) -> ttnn.Tensor:
    """Penalise a tile of logits, whose rows all follow one prompt. Frees the logits."""
    inputs = PenaltyInputs(config, TILE)
    inputs.set_params([params] * TILE)
    inputs.set_texts([Text(prompt, ())] * TILE)
    penalised = penaliser.penalise(logits, inputs)
    inputs.deallocate()
    return penalised
