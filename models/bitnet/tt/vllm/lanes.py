# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Data parallel under vLLM: whole models on chips of their own, all driven by one process in one batch. vLLM's plugin
calls each of them a lane.

The lanes divide the rows of the batch evenly and in order. Each lane has a cache of its own, and vLLM numbers the
blocks of every lane from 0.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import torch

from models.bitnet.tt.generation.decode_inputs import IDLE
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.model import BitNetModel


class Lane(Protocol):
    """The calls that `Lanes` passes on to the model of a lane. `BitNetForCausalLM` documents them."""

    model: BitNetModel

    def allocate_kv_cache(self, shape: Sequence[int], dtype: torch.dtype, num_layers: int) -> list[LayerCache]:
        """Allocate the cache's pool, one entry a layer."""

    def warmup_model_prefill(self, **options: Any) -> None:
        """Build the programs of a short prompt."""

    def warmup_model_decode(self, **options: Any) -> None:
        """Build the programs of a step, or capture them."""

    def prefill_forward(self, *args: Any, **options: Any) -> torch.Tensor:
        """Compute prompts, and give each one's next token or logits."""

    def decode_forward(self, *args: Any, **options: Any) -> Any:
        """Submit a step for all rows of the lane's batch."""

    def read_decode_output(self, output: Any, async_read: bool = False) -> Any:
        """Copy a step's output to the host, or start to."""

    def process_decode_output_host(self, output: Any, is_tokens: bool) -> torch.Tensor:
        """Tokens [rows], or logits [rows, 1, vocabulary]."""


class Lanes:
    """Several models behind the calls of one."""

    def __init__(self, models: Sequence[Lane]):
        self.models = list(models)
        self._rows = models[0].model.config.users  # of each
        self._vocabulary = models[0].model.config.model.vocab_size

    def allocate_kv_cache(self, shape: Sequence[int], dtype: torch.dtype, num_layers: int) -> list[list[LayerCache]]:
        """Allocate the block pool of each lane. `shape` is the shape of one pool."""
        return [model.allocate_kv_cache(shape, dtype, num_layers) for model in self.models]

    def warmup_model_prefill(self, **options: Any) -> None:
        for model in self.models:
            model.warmup_model_prefill(**options)

    def warmup_model_decode(self, **options: Any) -> None:
        for model in self.models:
            model.warmup_model_decode(**options)

    def prefill_forward(
        self,
        tokens: torch.Tensor,
        page_table: torch.Tensor,
        kv_cache: list[list[LayerCache]],
        prompt_lens: Sequence[int],
        start_pos: Sequence[int],
        empty_slots: Sequence[int],
        sampling_params: Any = None,
        **_: Any,
    ) -> torch.Tensor:
        """Compute prompts for the batch's rows `empty_slots`. The results come in the order of the prompts."""
        results: dict[int, torch.Tensor] = {}
        for lane, (model, cache) in enumerate(zip(self.models, kv_cache)):
            mine = [number for number, slot in enumerate(empty_slots) if slot // self._rows == lane]
            if mine:
                chosen = model.prefill_forward(
                    tokens[mine],
                    page_table[mine],
                    cache,
                    [prompt_lens[number] for number in mine],
                    [start_pos[number] for number in mine],
                    _of_rows(sampling_params, mine),
                )
                results |= zip(mine, chosen)
        return torch.stack([results[number] for number in range(len(results))])

    def decode_forward(
        self,
        tokens: torch.Tensor,
        page_table: torch.Tensor,
        kv_cache: list[list[LayerCache]],
        start_pos: torch.Tensor,
        sampling_params: Any = None,
        prompt_tokens: torch.Tensor | None = None,
        output_tokens: torch.Tensor | None = None,
        **options: Any,
    ) -> list[Any]:
        """One step of every lane -> what each gives. All steps are on their way before the first result is read.

        A lane in which no row has a request takes no step, and gives None. That cannot mislead it: when a row has one
        again, the rows have changed, and the plugin says so (`reset_batch`).
        """
        outputs = []
        for lane, (model, cache) in enumerate(zip(self.models, kv_cache)):
            mine = list(range(lane * self._rows, (lane + 1) * self._rows))
            if bool((start_pos[mine] == IDLE).all()):
                outputs.append(None)
                continue
            histories = {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
            outputs.append(
                model.decode_forward(
                    tokens[mine],
                    page_table[mine],
                    cache,
                    start_pos[mine],
                    sampling_params=_of_rows(sampling_params, mine),
                    **{name: None if history is None else history[mine] for name, history in histories.items()},
                    **options,
                )
            )
        return outputs

    def read_decode_output(self, outputs: list[Any], async_read: bool = False) -> Any:
        """Read the results of all lanes. The events are those of all lanes."""
        parts: list[Any] = []
        events: list[Any] = []
        for model, output in zip(self.models, outputs):
            part = output if output is None else model.read_decode_output(output, async_read)
            if async_read and part is not None:
                part, reached = part
                events += reached
            parts.append(part)
        return (parts, events) if async_read else parts

    def process_decode_output_host(self, outputs: list[Any], is_tokens: bool) -> torch.Tensor:
        """Tokens or logits of all rows. The rows of a lane without requests are 0."""
        return torch.cat([self._on_host(*lane, is_tokens) for lane in zip(self.models, outputs)])

    def _on_host(self, model: Lane, output: Any, is_tokens: bool) -> torch.Tensor:
        if output is None:
            shape = (self._rows,) if is_tokens else (self._rows, 1, self._vocabulary)
            return torch.zeros(shape, dtype=torch.int32 if is_tokens else torch.float32)
        return model.process_decode_output_host(output, is_tokens)


def _of_rows(params: Any, rows: Sequence[int]) -> Any:
    """The plugin's sampling parameters (a list for each setting) of these rows only."""
    if params is None:
        return None
    return SimpleNamespace(**{name: values and [values[row] for row in rows] for name, values in vars(params).items()})
