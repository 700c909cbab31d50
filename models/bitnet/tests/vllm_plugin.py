# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for vLLM's plugin for Tenstorrent, without vLLM.

It makes the plugin's calls of the adapter with the same arguments, types and order, on one model or on several (lanes).
"""

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.generator_vllm import BitNetForCausalLM
from models.bitnet.tt.vllm.lanes import Lanes

ROWS, BLOCK, CONTEXT, BLOCKS = 4, 32, 96, 16  # the rows and blocks of one model
VOCABULARY = shipped.config().vocab_size
SEEDED = SamplingParams(temperature=1.0, top_k=20, top_p=0.9, seed=11)


def start(adapter: BitNetForCausalLM | Lanes, num_layers: int, rows: int = ROWS) -> None:
    """Allocate the adapter's cache and warm it up. `rows` is the number of rows of the whole batch."""
    config = shipped.config()
    cache = adapter.allocate_kv_cache(
        (BLOCKS, config.num_key_value_heads, BLOCK, config.head_dim), torch.bfloat16, num_layers
    )
    for trace in (False, True):
        adapter.warmup_model_prefill(enable_trace=trace, kv_cache=cache, can_sample_on_device=True)
        adapter.warmup_model_decode(
            enable_trace=trace,
            kv_cache=cache,
            max_batch_size=rows,
            num_blocks=CONTEXT // BLOCK,
            can_sample_on_device=True,
        )


def models_of(adapter: BitNetForCausalLM | Lanes) -> list[BitNetForCausalLM]:
    """The adapter itself, or the adapter of each lane."""
    return adapter.models if isinstance(adapter, Lanes) else [adapter]


@dataclass
class Running:
    """A request in a row of the batch.

    `text` is the text so far that the host has. Its first `prompt_length` tokens are the prompt.
    """

    text: list[int]
    params: SamplingParams = GREEDY
    prompt_length: int = 0  # 0: all of the text is the prompt
    computed: int = 0  # the tokens that are already in the cache
    blocks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text, self.prompt_length = list(self.text), self.prompt_length or len(self.text)

    @property
    def generated(self) -> list[int]:
        return self.text[self.prompt_length :]


class Plugin:
    """The batch of the plugin: keeps the request of each row and runs steps."""

    def __init__(self, adapter: BitNetForCausalLM | Lanes):
        self.adapter = adapter
        caches = [model.generator.cache for model in models_of(adapter)]
        self.lanes = len(caches)
        self.cache: Any = caches if isinstance(adapter, Lanes) else caches[0]
        self.rows: dict[int, Running] = {}
        self.changed = True  # whether the batch has changed since the last decode step
        self._free = [iter(range(1, BLOCKS)) for _ in caches]  # each lane numbers its blocks

    # requests

    def add(self, text: list[int], params: SamplingParams = GREEDY, sample: bool = True, **options: Any) -> int:
        """Prefill one request in the first lane, and return its next token (by its logits if not `sample`)."""
        return self.prefill([(0, Running(text, params, **options))], sample)[0]

    def prefill(self, joining: list[tuple[int, Running]], sample: bool = True) -> list[int]:
        """Prefill several requests, given with their lanes, in one call. Returns their next tokens."""
        for lane, request in joining:
            of_lane = range(lane * ROWS, (lane + 1) * ROWS)
            self.rows[next(row for row in of_lane if row not in self.rows)] = request
            wanted = CONTEXT // BLOCK - len(request.blocks)
            request.blocks = [*request.blocks, *itertools.islice(self._free[lane], wanted)]
        new = [request for _, request in joining]
        slots = sorted(row for row, request in self.rows.items() if any(request is other for other in new))
        requests = [self.rows[slot] for slot in slots]
        longest = max(len(request.text) for request in requests)
        starts = np.array([request.computed for request in requests], dtype=np.int32)
        given = {"sampling_params": sampling(requests)} if sample else {}
        out = self.adapter.prefill_forward(
            tokens=torch.tensor([r.text + [0] * (longest - len(r.text)) for r in requests], dtype=torch.int32),
            page_table=torch.tensor([request.blocks for request in requests], dtype=torch.int32),
            kv_cache=self.cache,
            enable_trace=True,
            prompt_lens=np.array([len(request.text) for request in requests], dtype=np.int64),
            start_pos=torch.from_numpy(starts) if self.lanes > 1 else starts,
            empty_slots=slots,
            **given,
        )
        assert out.shape == ((len(requests),) if sample else (len(requests), 1, VOCABULARY))
        for request, token in zip(requests, (out if sample else out[:, 0].argmax(dim=-1)).tolist()):
            request.text.append(token)
        self.changed = True
        return [request.text[-1] for request in new]

    def end(self, row: int) -> list[int]:
        """End a request. Returns the tokens that it generated."""
        self.changed = True
        return self.rows.pop(row).generated

    def generated(self, row: int) -> list[int]:
        return self.rows[row].generated

    # steps

    def submit(self, device: bool = True, read_async: bool = False) -> Any:
        """Submit one decode step on the tokens that the host has."""
        capacity = self.lanes * ROWS
        batch = [self.rows.get(row) for row in range(capacity)]
        given: dict[str, Any] = {}
        if device:
            given["sampling_params"] = sampling([request or Running([0]) for request in batch])
            given["reset_batch"] = self.changed
        if device and any(request.params.penalised for request in self.rows.values()):
            given["prompt_tokens"] = padded([r.text[: r.prompt_length] if r else [] for r in batch])
            given["output_tokens"] = padded([r.generated if r else [] for r in batch])
        if self.lanes > 1:
            given["slot_remap"] = torch.arange(capacity, dtype=torch.int32)
        self.changed = False
        idle = [0] * (CONTEXT // BLOCK)
        output = self.adapter.decode_forward(
            tokens=torch.tensor([[r.text[-1] if r else 0] for r in batch], dtype=torch.int32),
            page_table=torch.tensor([r.blocks if r else idle for r in batch], dtype=torch.int32),
            kv_cache=self.cache,
            start_pos=torch.tensor([len(r.text) - 1 if r else -1 for r in batch], dtype=torch.int32),
            enable_trace=True,
            read_from_device=self.lanes > 1 and not read_async,
            **given,
        )
        return self.adapter.read_decode_output(output, async_read=True) if read_async else output

    def finish(self, output: Any, device: bool = True) -> torch.Tensor:
        """Read the tokens of a step, or its logits [rows, vocabulary], to the host."""
        output = self.adapter.process_decode_output_host(output, is_tokens=device)
        assert output.shape == ((self.lanes * ROWS,) if device else (self.lanes * ROWS, 1, VOCABULARY))
        return output if device else output[:, 0]

    def finish_async(self, pending: tuple[Any, list[Any]]) -> torch.Tensor:
        """Read the tokens of a step that was submitted with `read_async`."""
        host, events = pending
        for event in events:
            ttnn.event_synchronize(event)
        return self.finish(host)

    def step(self, device: bool = True, **options: Any) -> None:
        """Run a step and read its tokens before the next step."""
        output = self.finish(self.submit(device, **options), device)
        self.take(output if device else output.argmax(dim=-1))

    def steps_ahead(self, count: int) -> None:
        """Run steps, each submitted before the tokens of the step before are read. The host thus sends old tokens."""
        pending = self.submit(read_async=True)
        for _ in range(count - 1):
            following = self.submit(read_async=True)
            self.take(self.finish_async(pending))
            pending = following
        self.take(self.finish_async(pending))

    def take(self, tokens: torch.Tensor) -> None:
        for row, request in self.rows.items():
            request.text.append(int(tokens[row]))


def sampling(requests: list[Running]) -> SimpleNamespace:
    """The sampling parameters in the plugin's form.

    A greedy request has temperature 0 and top-k 1. A request without top-k has the size of the vocabulary as top-k.
    """
    params = [request.params for request in requests]
    return SimpleNamespace(
        temperature=[p.temperature for p in params],
        top_k=[1 if p.greedy else p.top_k or VOCABULARY for p in params],
        top_p=[0.0 if p.greedy else p.top_p for p in params],
        presence_penalty=[p.presence_penalty for p in params],
        frequency_penalty=[p.frequency_penalty for p in params],
        repetition_penalty=[p.repetition_penalty for p in params],
        seed=[p.seed for p in params],
        num_logprobs=[-2] * len(params),
        enable_log_probs=[False] * len(params),
    )


def padded(rows: list[list[int]]) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [-1] * (width - len(row)) for row in rows], dtype=torch.int32)
