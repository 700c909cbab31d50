# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a model on the device: prefill in chunks, decode as a replayed trace. The device chooses the tokens.

Everything that a decode step reads lies on the device. The step itself writes the next step's tokens, positions,
random numbers and counts of tokens there. The host uploads something only when a request joins, leaves or needs another
cache block. It downloads four bytes a user.

Several users of a step may be rows of one text, with the same row of the page table and consecutive positions. In
`fused` the cache keeps all of them, and each attends to those before it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

import ttnn
from models.bitnet.tt.generation.decode_inputs import IDLE, DecodeInputs, to_device
from models.bitnet.tt.generation.decode_steps import DecodeSteps, StepEnd
from models.bitnet.tt.generation.likeliest import likeliest_of, search_of_steps
from models.bitnet.tt.generation.penalties import Penaliser, Text, penalised_by_prompt
from models.bitnet.tt.generation.prefill import Prefill, check_tokens
from models.bitnet.tt.generation.sampling import Draws, Sampler, SamplerInputs, SamplingParams
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model import BitNetModel


class Reading(NamedTuple):
    """A copy of a step's result to the host that is under way."""

    host: ttnn.Tensor
    arrived: ttnn.MeshEvent


class Generator:
    """Runs `model` with its `cache`. `blocks_per_user` is the width of the page table. The owner must close it."""

    def __init__(self, model: BitNetModel, cache: list[LayerCache], block_size: int, blocks_per_user: int):
        self.model = model
        self.config = model.config
        self.device = model.config.device
        self.cache = cache
        self.block_size = block_size
        self.users = model.config.users
        self.prefill = Prefill(model, block_size)
        self.penaliser = Penaliser(self.config)
        self.sampler = Sampler(self.device, likeliest_of(model.config))
        self.inputs = DecodeInputs(model.config, blocks_per_user, block_size)
        search = search_of_steps(model, self.inputs.penalties.tensors["is_penalised"])
        self.steps = DecodeSteps(model, cache, self.inputs, self.penaliser, Sampler(self.device, search))
        self.downloaded_bytes = 0  # by all decode steps

    @property
    def uploaded_bytes(self) -> int:
        """Bytes uploaded by all decode steps."""
        return self.inputs.uploaded_bytes

    # prefill

    def prefill_forward_text(
        self,
        tokens: torch.Tensor,
        page_table: torch.Tensor,
        prompt_lens: Sequence[int] | None = None,
        sampling_params: list[SamplingParams] | None = None,
        draws: list[Draws] | None = None,
        start_pos: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Fill the cache with each row's prompt. With `start_pos`, the cache holds the tokens before it already.
        `start_pos` must be a whole number of blocks.

        tokens: [batch, longest], padded with anything; page_table: int32 [batch, blocks]. Returns the logits of each
        prompt's last token [batch, 1, vocabulary], or with `sampling_params` the tokens that follow [batch], chosen on
        the device with each row's `draws` (NO_TOKEN where the logits hold NaN or infinity).
        """
        lengths = [tokens.shape[1]] * len(tokens) if prompt_lens is None else [int(length) for length in prompt_lens]
        starts = [0] * len(tokens) if start_pos is None else [int(start) for start in start_pos]
        if len(tokens) > self.users:
            raise ValueError(
                f"a batch of {len(tokens)} prompts is larger than the {self.users} users of this generator"
            )
        for row, (length, first) in enumerate(zip(lengths, starts)):
            self.prefill.check(tokens[row, :length].tolist(), f"prompt {row}", first, page_table.shape[1])
        results = []
        for row, (length, first) in enumerate(zip(lengths, starts)):
            for start, stop in self.prefill.passes(first, length):
                logits = self.prefill.run(tokens[row, :length], page_table[row], start, stop, self.cache)
            if sampling_params is None:
                last = (length - 1) % TILE
                row_logits = ttnn.slice(logits, [0, 0, last, 0], [1, 1, last + 1, logits.shape[-1]])
                results.append(self.config.parallelism.read_sharded(row_logits).float()[0, 0])
                ttnn.deallocate(row_logits)
                ttnn.deallocate(logits)
            else:
                prompt = tokens[row, :length].tolist()
                results.append(self.first_token(logits, prompt, sampling_params[row], draws[row]))
        return torch.stack(results)

    def first_token(
        self, logits: ttnn.Tensor, prompt: Sequence[int], params: SamplingParams, draws: Draws
    ) -> torch.Tensor:
        """Choose the token that follows a prompt, from the tile of logits that the last pass of prefill returns. Frees
        the logits.

        All 32 rows get the prompt's parameters. To cut one row out of the tile would cost a pass over the logits, and
        the host fills 32 rows of the sampler's inputs in one go.
        """
        if params.penalised:
            logits = penalised_by_prompt(logits, prompt, params, self.config, self.penaliser)
        tokens = to_device(torch.zeros(1, 1, TILE), ttnn.uint32, self.device)
        if params.greedy:
            self.sampler.greedy(logits, tokens)
        else:
            inputs = SamplerInputs(self.device, TILE)
            inputs.set_params([params] * TILE)
            inputs.set_draws([draws] * TILE)
            self.sampler.sample(logits, inputs, tokens)
            inputs.deallocate()
        chosen = self.config.parallelism.read_replicated(tokens).flatten().to(torch.int32)
        ttnn.deallocate(tokens)
        return chosen[(len(prompt) - 1) % TILE]

    # decode

    def decode_forward(
        self,
        tokens: torch.Tensor,
        start_pos: torch.Tensor,
        page_table: torch.Tensor | None = None,
        enable_trace: bool = True,
        read_from_device: bool = True,
        sampling_params: list[SamplingParams] | None = None,
        draws: list[Draws] | None = None,
        texts: list[Text] | None = None,
    ) -> Any:
        """Run one step for every user.

        tokens: [users]; start_pos: [users], IDLE for rows without a request; page_table: int32 [users, blocks], None if
        unchanged. Only what differs from what the device holds is uploaded: feeding a step's tokens and the next
        positions back uploads nothing. With `sampling_params` (one a user) the result is the next tokens [users],
        chosen on the device (NO_TOKEN where the logits hold NaN or infinity), else logits [users, 1, vocabulary];
        `read_from_device=False` leaves it on the device for `read_decode_output`. `draws` (needed unless all are
        greedy) are the states for these tokens: a caller gives `Draws.next` of each to the following step. `texts`
        (needed if a request has penalties) are each row's tokens before `tokens`.
        """
        self.inputs.check(tokens, start_pos, page_table)
        check_tokens(tokens.flatten()[start_pos.flatten() != IDLE].tolist(), self.config.model.vocab_size)
        self.inputs.set(tokens, start_pos, page_table)
        end = StepEnd.LOGITS if sampling_params is None else StepEnd.choosing(sampling_params)
        if end.draws:
            self.inputs.set_sampling(sampling_params, draws or [])
        if end.penalises:
            self.inputs.set_penalties(sampling_params, texts or [])
        output = self.steps.run(end, enable_trace)
        if not read_from_device:
            return output
        if end.chooses:
            return self.read_tokens(output)
        return self.process_decode_output_host(self.read_decode_output(output))

    def decode_next(
        self, end: StepEnd, page_table: torch.Tensor | None = None, enable_trace: bool = True
    ) -> ttnn.Tensor:
        """Submit the step after one that ended the same way, with tokens, for the same rows.

        The step takes the tokens, positions and random numbers that the one before left on the device. The host need
        not have read the tokens, but it must have called `start_reading`: this step writes its own into the same
        tensor. The result stays on the device.
        """
        self.inputs.set_page_table(page_table)
        return self.steps.run(end, enable_trace)

    def start_reading(self, output: ttnn.Tensor) -> Reading:
        """Queue the copy of a step's result to the host. The device makes it before any step submitted later."""
        return Reading(output.cpu(blocking=False), ttnn.record_event(self.device, 0))

    def finish_reading(self, reading: Reading) -> torch.Tensor:
        """Wait for the copy of a step's tokens, and return them [users]."""
        ttnn.event_synchronize(reading.arrived)
        return self.process_decode_output_host(self.read_decode_output(reading.host), is_tokens=True)

    def read_tokens(self, output: ttnn.Tensor) -> torch.Tensor:
        """Return the tokens [users] of the newest step. The next step need not upload them."""
        tokens = self.process_decode_output_host(self.read_decode_output(output), is_tokens=True)
        self.inputs.tokens_read(tokens)
        return tokens

    def read_decode_output(self, output: ttnn.Tensor) -> torch.Tensor:
        """Return a step's result on the host."""
        parallelism = self.config.parallelism
        # every device holds the same tokens, and the logits of its shard of the vocabulary
        host = parallelism.read_replicated(output) if output.dtype == ttnn.uint32 else parallelism.read_sharded(output)
        self.downloaded_bytes += host.nbytes
        return host

    def process_decode_output_host(self, output: torch.Tensor, is_tokens: bool = False) -> torch.Tensor:
        """Return tokens [users], or logits [users, 1, vocabulary] in float32."""
        if not is_tokens:
            return output.float()[0, 0][:, None]
        return output.flatten().to(torch.int32)

    def warmup_model_prefill(self) -> None:
        """Build the programs of a prompt of one tile ahead of the first request."""
        length = min(TILE, self.config.max_seq_len)
        blocks = -(-length // self.block_size)
        # All rows go to block 0. The pool may hand it out later, and its owner then overwrites it.
        self.prefill_forward_text(torch.zeros(1, length), torch.zeros(1, blocks, dtype=torch.int32))

    def warmup_model_decode(self, enable_trace: bool = True, end: StepEnd = StepEnd.GREEDY) -> None:
        """Build (and with trace, capture) the decode step with every row idle."""
        self.steps.warm_up(end, enable_trace)

    def count_programs(self, end: StepEnd = StepEnd.GREEDY) -> int:
        """Return the number of programs of a decode step on a chip, counted in the library's graph of an idle step."""
        return self.steps.count_programs(end)

    def close(self) -> None:
        """Release the traces."""
        self.steps.close()

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
