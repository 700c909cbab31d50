# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The model as vLLM's plugin for Tenstorrent drives it. Nothing here needs vLLM: the plugin calls these methods.

vLLM's scheduler takes the place of `engine`: it chooses what runs, owns the cache's blocks, shares and preempts. Its
requests have been checked, and an exception here would end the server for everybody: so what a client asks for beyond
what the device does is cut to it (see `wanted`), or done on the host. A row whose logits are NaN or infinite gets an
end token, and the log says so: vLLM has no way to be told that one request failed.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import ttnn
from models.bitnet.tt.generation.decode_inputs import IDLE
from models.bitnet.tt.generation.decode_steps import StepEnd
from models.bitnet.tt.generation.penalties import Text
from models.bitnet.tt.generation.sampling import CANDIDATES, GREEDY, NO_DRAWS, Draws, SamplingParams
from models.bitnet.tt.generator import Generator
from models.bitnet.tt.kernels.head.best_tokens import LARGEST, NO_TOKEN
from models.bitnet.tt.kv_cache import LayerCache, PagedAttentionConfig, allocate_kv_cache
from models.bitnet.tt.model import BitNetModel
from models.bitnet.tt.model_config import ModelConfig, default_precision
from models.bitnet.tt.tensor_parallel import rows_of_devices
from models.bitnet.tt.vllm.lanes import Lanes
from models.bitnet.tt.weights.checkpoint import content_hash, read_config
from models.bitnet.tt.weights.hub import find_checkpoint
from models.bitnet.tt.weights.state_dict import open_state_dict
from models.bitnet.tt.weights.upload import DeviceWeights

_log = logging.getLogger(__name__)
# of all users, for each chip of a row: 5.0 GB of bfloat16 keys and values for the 2B, in an n150's 12 GB (of two chips
# each has three of the five heads, and 32 contexts of 4096 are 6.0 GB on it)
_MOST_TOKENS = 65536
_HOTTEST = 1e6  # a temperature at which all candidates are equally likely


class BitNetForCausalLM:
    """`initialize_vllm_model` makes an instance. `allocate_kv_cache` then makes it ready to run."""

    model_capabilities = {
        "supports_prefix_caching": True,
        "supports_sample_on_device": True,
        "supports_async_decode": True,
    }

    def __init__(self, model: BitNetModel, **_: Any):  # vLLM looks for a constructor that takes its keywords
        self.model = model
        self.generator: Generator | None = None
        self._end: StepEnd | None = None  # of the last step, if its rows may go on by themselves

    # what vLLM knows a text generator by; its plugin calls none of these

    def embed_input_ids(self, input_ids: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("the device looks tokens up itself: call prefill_forward or decode_forward")

    def forward(self, input_ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("a batch is prefilled or decoded: call prefill_forward or decode_forward")

    def compute_logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("the head runs on the device: call prefill_forward or decode_forward")

    def modules(self) -> Iterator[torch.nn.Module]:
        """Yield nothing: the model has no torch modules."""
        return iter(())

    # loading

    @classmethod
    def get_max_tokens_all_users(
        cls, max_model_len: int, max_num_seqs: int, num_devices: int, tt_data_parallel: int, **_: Any
    ) -> int:
        """Positions that a model's cache is made for: all that its rows can fill, but not more than
        $BITNET_CACHE_TOKENS."""
        most = int(os.environ.get("BITNET_CACHE_TOKENS", _MOST_TOKENS * (num_devices // tt_data_parallel)))
        return min(max_model_len * max_num_seqs, max(most, max_model_len))

    @classmethod
    def initialize_vllm_model(
        cls,
        hf_config: Any,
        mesh_device: ttnn.MeshDevice,
        max_batch_size: int,
        max_seq_len: int,
        tt_data_parallel: int = 1,
        optimizations: str | None = None,
    ) -> "BitNetForCausalLM | Lanes":
        """Load the weights of one model that is sharded over a row of chips, or of `tt_data_parallel` models, each with
        a row of chips and a part of the batch.

        `optimizations` is the precision. The plugin knows two precisions by name; an entry `tt_precision` in the
        checkpoint's config (`--hf-overrides`) names any of the three. Without either the models run in `fused` where
        its programs fit a row, in `accuracy` otherwise. $TT_CACHE_PATH may name a folder for device-ready weights.
        """
        rows = rows_of_devices(mesh_device, tt_data_parallel)
        folder = find_checkpoint(hf_config._name_or_path)
        config, users = read_config(folder), max_batch_size // tt_data_parallel
        asked = optimizations or getattr(hf_config, "tt_precision", None)
        precision = asked or default_precision(config, rows[0], users)
        configs = [ModelConfig(config, row, precision, users, max_seq_len) for row in rows]
        state = open_state_dict(folder, config)
        kept = os.environ.get("TT_CACHE_PATH")
        cache = Path(kept) / content_hash(folder) if kept else None
        models = [cls(BitNetModel(each, DeviceWeights(each.device, cache), state)) for each in configs]
        return models[0] if tt_data_parallel == 1 else Lanes(models)

    def allocate_kv_cache(self, shape: Sequence[int], dtype: torch.dtype, num_layers: int) -> list[LayerCache]:
        """The pool of blocks [blocks, kv_heads, block_size, head_dim] of every layer, in the precision's data type."""
        blocks, _, block_size, _ = shape
        config = self.model.config
        cache = allocate_kv_cache(config, PagedAttentionConfig(block_size, blocks))
        columns = min(-(-config.max_seq_len // block_size), blocks)
        self.generator = Generator(self.model, cache, block_size, columns)
        return cache

    def warmup_model_prefill(self, enable_trace: bool, can_sample_on_device: bool, **_: Any) -> None:
        """Build the programs of a short prompt. Prompts have no trace."""
        if enable_trace:
            return
        self.generator.warmup_model_prefill()
        if can_sample_on_device:
            tokens, table = torch.zeros(1, 1, dtype=torch.int32), torch.zeros(1, 1, dtype=torch.int32)
            for params in (GREEDY, SamplingParams(temperature=1.0), SamplingParams(repetition_penalty=2.0)):
                self.generator.prefill_forward_text(tokens, table, sampling_params=[params], draws=[NO_DRAWS])

    def warmup_model_decode(self, enable_trace: bool, can_sample_on_device: bool, **_: Any) -> None:
        """Build the programs of every way in which a step can end, or capture them. A step with penalties is captured
        when a request first has some."""
        for end in StepEnd if can_sample_on_device else [StepEnd.LOGITS]:
            if not (enable_trace and end.penalises):
                self.generator.warmup_model_decode(enable_trace, end)

    # running

    def prefill_forward(
        self,
        tokens: torch.Tensor,
        page_table: torch.Tensor,
        kv_cache: list[LayerCache],
        prompt_lens: Sequence[int],
        start_pos: Sequence[int],
        sampling_params: Any = None,
        **_: Any,
    ) -> torch.Tensor:
        """The rows' prompts from `start_pos` on, up to `prompt_lens` -> the tokens that follow [rows] if there are
        `sampling_params`, else logits [rows, 1, vocabulary].

        With penalties all tokens given count as the prompt. That is also so for a preempted request, whose own tokens
        come back with its prompt: its first token after that sees no presence and no frequency.
        """
        lengths = [int(length) for length in prompt_lens]
        given = {"prompt_lens": lengths, "start_pos": start_pos}
        if sampling_params is None:
            return self.generator.prefill_forward_text(tokens, page_table, **given)
        params = wanted(sampling_params)
        draws = [draws_at(request, length - 1) for request, length in zip(params, lengths)]
        chosen = self.generator.prefill_forward_text(tokens, page_table, **given, sampling_params=params, draws=draws)
        return self._known(chosen)

    def decode_forward(
        self,
        tokens: torch.Tensor,
        page_table: torch.Tensor,
        kv_cache: list[LayerCache],
        start_pos: torch.Tensor,
        enable_trace: bool = True,
        sampling_params: Any = None,
        reset_batch: bool = True,
        prompt_tokens: torch.Tensor | None = None,
        output_tokens: torch.Tensor | None = None,
        **_: Any,
    ) -> Any:
        """One step -> tokens or logits, on the device.

        Without `reset_batch` the rows are those of the last step. If that one chose tokens on the device, the step goes
        on with them and with the device's positions: what the host gives may be a step old, as it need not have read
        them yet. (Which slot a request had before means nothing here: a row keeps its draws, which follow from seed and
        position, and the counts of its text.)

        If a request has penalties, `prompt_tokens` and `output_tokens` are each row's text, padded with -1.
        """
        end, self._end = self._end, None  # an exception leaves nothing to go on with
        common = {"page_table": page_table, "enable_trace": enable_trace}
        if sampling_params is None:
            return self.generator.decode_forward(tokens, start_pos, **common, read_from_device=False)
        if end is not None and not reset_batch:
            output, self._end = self.generator.decode_next(end, **common), end
            return output
        params, draws = _rows(sampling_params, start_pos.flatten().tolist())
        output = self.generator.decode_forward(
            tokens,
            start_pos,
            **common,
            read_from_device=False,
            sampling_params=params,
            draws=draws,
            texts=None if prompt_tokens is None else texts_of(prompt_tokens, output_tokens),
        )
        self._end = StepEnd.choosing(params)
        return output

    def read_decode_output(self, output: Any, async_read: bool = False) -> Any:
        """Start to copy a step's result to the host. Return it with the events after which the copy is complete."""
        if not async_read:
            return output.cpu()
        reading = self.generator.start_reading(output)
        return reading.host, [reading.arrived]

    def process_decode_output_host(self, output: ttnn.Tensor, is_tokens: bool) -> torch.Tensor:
        """Tokens [rows], or logits [rows, 1, vocabulary]."""
        host = self.generator.process_decode_output_host(self.generator.read_decode_output(output), is_tokens)
        return self._known(host) if is_tokens else host

    def _known(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens of the vocabulary: an end token (0 in a model without any) for each row that has none."""
        bad, end = tokens >= NO_TOKEN, (*self.model.config.model.eos_token_ids, 0)[0]
        if bad.any():
            rows = bad.nonzero().flatten().tolist()
            _log.error("the logits of rows %s are NaN or infinite; their texts end here", rows)
        return tokens.masked_fill(bad, end)


def wanted(given: Any) -> list[SamplingParams]:
    """vLLM's sampling parameters (a list for each setting), within what the device does: it draws among the 32
    likeliest tokens. "No top-k" comes as the vocabulary's size, the sharpest top-p as 0."""
    choices = [_choice(*row) for row in zip(given.temperature, given.top_k, given.top_p, given.seed)]
    penalties = zip(given.repetition_penalty, given.presence_penalty, given.frequency_penalty)
    return [replace(choice, **_penalties(*row)) for choice, row in zip(choices, penalties)]


def _choice(temperature: float, top_k: int, top_p: float, seed: int | None) -> SamplingParams:
    if not temperature > 0:
        return GREEDY
    kept = top_k if 1 <= top_k < CANDIDATES else 0
    if not top_p > 0:
        kept, top_p = 1, 1.0
    return SamplingParams(min(temperature, _HOTTEST), kept, min(top_p, 1.0), seed)


def _penalties(repetition: float, presence: float, frequency: float) -> dict[str, float]:
    return {
        "repetition_penalty": min(max(repetition, 1 / LARGEST), LARGEST),
        "presence_penalty": min(max(presence, -LARGEST), LARGEST),
        "frequency_penalty": min(max(frequency, -LARGEST), LARGEST),
    }


def texts_of(prompts: torch.Tensor, generated: torch.Tensor) -> list[Text]:
    """Each row's tokens before its newest one, which is the next step's input. Negative tokens are padding."""
    prompts, generated = ([row[row >= 0].tolist() for row in rows] for rows in (prompts, generated))
    return [Text(prompt, written[:-1]) for prompt, written in zip(prompts, generated)]


def draws_at(params: SamplingParams, position: int) -> Draws:
    """The draws for the token that follows `position`. They depend on the seed and the position alone."""
    return Draws.from_seed(params.seed).at(position)


def _rows(given: Any, positions: list[int]) -> tuple[list[SamplingParams], list[Draws]]:
    """The parameters and draws of a step. Idle rows are greedy, which costs nothing."""
    params = [GREEDY if p == IDLE else request for request, p in zip(wanted(given), positions)]
    return params, [NO_DRAWS if request.greedy else draws_at(request, p) for request, p in zip(params, positions)]
