# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Running a model on the device: prefill in chunks, decode as a replayed trace, tokens chosen on the device.

Everything that a decode step reads lies on the device: the step itself writes the next step's tokens, positions and
random numbers there. The host uploads something only when a request joins, leaves or needs another cache block, and
downloads four bytes a user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import ttnn

from models.bitnet.tt.decode_inputs import IDLE, DecodeInputs, to_device
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.likeliest import likeliest_of
from models.bitnet.tt.model import BitNetModel
from models.bitnet.tt.prefill import Prefill, check_tokens
from models.bitnet.tt.sampling import Draws, Sampler, SamplerInputs, SamplingParams

_LOGITS, _GREEDY, _SAMPLE = "logits", "greedy", "sample"


@dataclass
class _Trace:
    number: ttnn.MeshTraceId
    output: ttnn.Tensor


class Generator:
    """`model` with its `cache`; `blocks_per_user` is the width of the page table. Close it when done."""

    def __init__(self, model: BitNetModel, cache: list[LayerCache], block_size: int, blocks_per_user: int):
        self.model = model
        self.config = model.config
        self.device = model.config.device
        self.cache = cache
        self.block_size = block_size
        self.users = model.config.users
        self.prefill = Prefill(model, block_size)
        self.sampler = Sampler(self.device, likeliest_of(model.config))
        self.inputs = DecodeInputs(model.config, blocks_per_user, block_size)
        self._traces: dict[str, _Trace] = {}
        self.downloaded_bytes = 0  # by all decode steps

    @property
    def uploaded_bytes(self) -> int:
        """By all decode steps."""
        return self.inputs.uploaded_bytes

    # prefill

    def prefill_forward_text(
        self,
        tokens: torch.Tensor,
        page_table: torch.Tensor,
        kv_cache: list[LayerCache] | None = None,
        prompt_lens: Sequence[int] | None = None,
        sampling_params: list[SamplingParams] | None = None,
        draws: list[Draws] | None = None,
        start_pos: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Fill the cache with each row's prompt, from `start_pos` on (a whole number of blocks) if what is before it is
        there already.

        tokens: [batch, longest], padded with anything; page_table: int32 [batch, blocks]. Returns the logits of each
        prompt's last token [batch, 1, vocabulary], or with `sampling_params` the tokens that follow [batch], chosen on
        the device (`draws` are then advanced).
        """
        lengths = [tokens.shape[1]] * len(tokens) if prompt_lens is None else [int(length) for length in prompt_lens]
        starts = [0] * len(tokens) if start_pos is None else [int(start) for start in start_pos]
        if len(tokens) > self.users:
            raise ValueError(
                f"a batch of {len(tokens)} prompts is larger than the {self.users} users of this generator"
            )
        for row, (length, first) in enumerate(zip(lengths, starts)):
            self.prefill.check(tokens[row, :length], f"prompt {row}", first, page_table.shape[1])
        results = []
        for row, (length, first) in enumerate(zip(lengths, starts)):
            for start, stop in self.prefill.passes(first, length):
                logits = self.prefill.run(tokens[row, :length], page_table[row], start, stop, kv_cache or self.cache)
            if sampling_params is None:
                last = (length - 1) % TILE
                row_logits = ttnn.slice(logits, [0, 0, last, 0], [1, 1, last + 1, logits.shape[-1]])
                results.append(self.config.sharing.read_columns(row_logits).float()[0, 0])
                ttnn.deallocate(row_logits)
                ttnn.deallocate(logits)
            else:
                results.append(self.first_token(logits, (length - 1) % TILE, sampling_params[row], draws[row]))
        return torch.stack(results)

    def first_token(self, logits: ttnn.Tensor, row: int, params: SamplingParams, draws: Draws) -> torch.Tensor:
        """The token that follows a prompt. All rows of the tile are chosen from, one counts."""
        tokens = to_device(torch.zeros(1, 1, TILE), ttnn.uint32, self.device)
        if params.greedy:
            self.sampler.greedy(logits, tokens)
        else:
            inputs = SamplerInputs(self.device, TILE)
            inputs.set([params] * TILE, [draws] * TILE)
            self.sampler.sample(logits, inputs, tokens)
            inputs.deallocate()
        chosen = self.config.sharing.read(tokens).flatten()[row].to(torch.int32)
        ttnn.deallocate(tokens)
        draws.advance()
        return chosen

    # decode

    def decode_forward(
        self,
        tokens: torch.Tensor,
        start_pos: torch.Tensor,
        page_table: torch.Tensor | None = None,
        kv_cache: list[LayerCache] | None = None,
        enable_trace: bool = True,
        read_from_device: bool = True,
        sampling_params: list[SamplingParams] | None = None,
        draws: list[Draws] | None = None,
    ) -> Any:
        """One step for every user.

        tokens: [users]; start_pos: [users], IDLE for rows without a request; page_table: int32 [users, blocks], None if
        unchanged. Only what differs from what the device holds is uploaded: feeding a step's tokens and the next
        positions back uploads nothing. With `sampling_params` (one a user) the result is the next tokens [users],
        chosen on the device, else logits [users, 1, vocabulary]; `read_from_device=False` leaves it on the device for
        `read_decode_output`. `draws` (needed unless all are greedy) are advanced.
        """
        if kv_cache is not None and kv_cache is not self.cache:
            raise ValueError("decode reads the cache that the generator was made with: its trace holds the addresses")
        self.inputs.check(tokens, start_pos, page_table)
        check_tokens(tokens.flatten()[start_pos.flatten() != IDLE], self.config.model.vocab_size)
        self.inputs.set(tokens, start_pos, page_table)
        mode = _LOGITS
        if sampling_params is not None:
            mode = _GREEDY if all(params.greedy for params in sampling_params) else _SAMPLE
        if mode == _SAMPLE:
            self.inputs.set_sampling(sampling_params, draws or [])
        output = self._replay(mode) if enable_trace else self._step(mode)
        self.inputs.after_step(chose=mode != _LOGITS, drew=mode == _SAMPLE)
        if not read_from_device:
            return output
        return self.process_decode_output_host(self.read_decode_output(output), is_tokens=mode != _LOGITS)

    def read_decode_output(self, output: ttnn.Tensor) -> torch.Tensor:
        """A step's result on the host."""
        sharing = self.config.sharing
        # tokens are alike on all chips, logits are shares of the vocabulary
        host = sharing.read(output) if output.dtype == ttnn.uint32 else sharing.read_columns(output)
        self.downloaded_bytes += host.nbytes
        return host

    def process_decode_output_host(self, output: torch.Tensor, is_tokens: bool = False) -> torch.Tensor:
        """Tokens [users], or logits [users, 1, vocabulary] in float32."""
        if not is_tokens:
            return output.float()[0, 0][:, None]
        tokens = output.flatten().to(torch.int32)
        self.inputs.tokens_read(tokens)
        return tokens

    def warmup_model_prefill(self, lengths: list[int] | None = None) -> None:
        """Build the programs of these prompt lengths (default: one tile) ahead of the first request."""
        for length in lengths or [min(TILE, self.config.max_seq_len)]:
            blocks = -(-length // self.block_size)
            # all rows go to block 0, which the pool may hand out later: whoever gets it overwrites it
            self.prefill_forward_text(torch.zeros(1, length), torch.zeros(1, blocks, dtype=torch.int32))

    def warmup_model_decode(self, enable_trace: bool = True, sample: bool = False) -> None:
        """Build (and with trace, capture) the decode step with every row idle."""
        mode = _SAMPLE if sample else _GREEDY
        self.inputs.set_idle()
        if enable_trace:
            self._capture(mode)
        else:
            self._step(mode)
            self.inputs.forget()

    def count_programs(self, sample: bool = False) -> int:
        """How many programs a decode step is on a chip, from the library's graph of one with every row idle."""
        self.inputs.set_idle()
        graph_capture = ttnn._ttnn.graph  # ttnn.graph's own functions add a warning
        graph_capture.begin_graph_capture(graph_capture.RunMode.NORMAL)
        try:
            self._step(_SAMPLE if sample else _GREEDY)
        finally:
            graph = graph_capture.end_graph_capture()
        self.inputs.forget()
        return sum(node["node_type"] == "program_execution" for node in graph) // self.config.sharing.chips

    def close(self) -> None:
        """Release the traces."""
        for trace in self._traces.values():
            ttnn.release_trace(self.device, trace.number)
        self._traces = {}

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _step(self, mode: str) -> ttnn.Tensor:
        """One decode step on what the device holds, leaving the next step's inputs there."""
        inputs = self.inputs
        logits = self.model.forward_decode(inputs.tokens, inputs.positions, inputs.page_table, self.cache)
        if mode == _GREEDY:
            self.sampler.greedy(logits, inputs.tokens)
        elif mode == _SAMPLE:
            self.sampler.sample(logits, inputs.sampling, inputs.tokens)
        ttnn.plus_one(inputs.positions, skip_negative_entries=True)
        return logits if mode == _LOGITS else inputs.tokens

    def _replay(self, mode: str) -> ttnn.Tensor:
        if mode not in self._traces:
            held = self.inputs.held()
            self.inputs.set_idle()
            self._capture(mode)
            self.inputs.restore(held)
        trace = self._traces[mode]
        ttnn.execute_trace(self.device, trace.number, cq_id=0, blocking=False)
        return trace.output

    def _capture(self, mode: str) -> None:
        """Compile and capture the step. Rows must be idle, so that nothing is written to the cache."""
        if mode in self._traces:
            return
        output = self._step(mode)
        if mode == _LOGITS:
            ttnn.deallocate(output)
        number = ttnn.begin_trace_capture(self.device, cq_id=0)
        try:
            output = self._step(mode)
        except BaseException:
            ttnn.end_trace_capture(self.device, number, cq_id=0)
            ttnn.release_trace(self.device, number)
            raise
        ttnn.end_trace_capture(self.device, number, cq_id=0)
        self._traces[mode] = _Trace(number, output)
        self.inputs.forget()
