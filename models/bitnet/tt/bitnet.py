# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The simple front: a model from a folder, prompts in, text out.

model = BitNet.from_pretrained("models/bitnet/demo/tiny", device)
print(model.generate(["Once upon a time"], max_new_tokens=64)[0].text)
model.close()
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import ttnn
from tqdm import tqdm

from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.generator import IDLE, Generator
from models.bitnet.tt.interrupt import KeptInterrupt
from models.bitnet.tt.kv_cache import BlockPool, OutOfBlocks, PagedAttentionConfig, allocate_kv_cache
from models.bitnet.tt.model import BitNetModel
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import Precision
from models.bitnet.tt.request import Completion, DecodeStep, Request
from models.bitnet.tt.sampling import GREEDY, Draws, SamplingParams
from models.bitnet.tt.text import TextStream
from models.bitnet.tt.weights import content_hash, load_state_dict

_MATRICES_PER_LAYER = 5  # fused qkv, o, gate, up, down
StreamCallback = Callable[[int, str], None]  # (prompt number, new text)


class BitNet:
    """A loaded model with its cache and generator. Requests share the batch: one that ends makes room for the next."""

    def __init__(
        self,
        config: ModelConfig,
        state: Mapping[str, torch.Tensor],
        tokenizer: Any,
        paging: PagedAttentionConfig | None = None,
        weights: DeviceWeights | None = None,
        enable_trace: bool = True,
    ):
        self.config = config
        self.tokenizer = tokenizer
        self.enable_trace = enable_trace
        self.paging = paging or PagedAttentionConfig.contiguous(config.users, config.max_seq_len)
        self.pool = BlockPool(self.paging, config.users, config.max_seq_len)
        model = BitNetModel(config, weights or DeviceWeights(config.device), state)
        cache = allocate_kv_cache(config, self.paging)
        self.generator = Generator(model, cache, self.paging.block_size, self.pool.blocks_per_user)
        self.steps: list[DecodeStep] = []  # of the last `generate`
        self._slots: list[Request | None] = [None] * config.users
        self._idle_draws = [Draws() for _ in range(config.users)]

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        device: ttnn.MeshDevice,
        precision: str | Precision = "accuracy",
        max_batch: int = 1,
        max_seq_len: int | None = None,
        cache_dtype: ttnn.DataType | None = None,
        paging: PagedAttentionConfig | None = None,
        weight_cache: str | Path | None = None,
        enable_trace: bool = True,
        progress: bool = True,
    ) -> "BitNet":
        """From a Hugging Face folder (config.json, safetensors, tokenizer).

        Without `paging` every user owns all the cache blocks it can need; `weight_cache` is a folder that keeps
        device-ready weights for the next start.
        """
        from transformers import AutoTokenizer  # the one thing here that a bare ttnn model does not need

        path = Path(path)
        model = BitNetConfig.from_pretrained(path)
        config = ModelConfig(model, device, precision, max_batch, max_seq_len, cache_dtype)
        state = load_state_dict(path, model, progress=progress)
        tokenizer = AutoTokenizer.from_pretrained(path)
        total = _MATRICES_PER_LAYER * model.num_hidden_layers + 2
        folder = Path(weight_cache) / content_hash(path) if weight_cache else None
        with (
            tqdm(total=total, desc="to the device", unit="matrix", disable=not progress, leave=False) as bar,
            KeptInterrupt() as interrupt,
        ):

            def loaded(name: str) -> None:
                bar.update()
                interrupt.check()

            return cls(config, state, tokenizer, paging, DeviceWeights(device, folder, loaded), enable_trace)

    def generate(
        self,
        prompts: Sequence[str | Sequence[int]],
        max_new_tokens: int = 128,
        sampling: SamplingParams | Sequence[SamplingParams] = GREEDY,
        stream: StreamCallback | None = None,
        stop: Sequence[str] = (),
    ) -> list[Completion]:
        """Complete every prompt (text, or token ids).

        A prompt that cannot be run (too long, no cache left) ends with `finish_reason` "error" and its reason; the
        others go on. Ctrl-C ends all requests and returns what they have so far.
        """
        requests = self._requests(prompts, max_new_tokens, sampling, stop)
        waiting = deque(requests)
        show = stream or (lambda number, text: None)
        self.steps = []
        started = time.perf_counter()
        try:
            with KeptInterrupt() as interrupt:
                while waiting or any(self._slots):
                    self._admit(waiting, show, started, interrupt)
                    if any(self._slots):
                        self._decode(show)
                    interrupt.check()
        except KeyboardInterrupt:
            for request in requests:
                if not request.completion.finish_reason:
                    self._finish(request, "interrupted", lambda number, text: None)
        finally:
            # a prefill or a step may have been cut short anywhere
            for slot in range(len(self._slots)):
                self._leave(slot)
            self.generator.inputs.forget()
        return [request.completion for request in requests]

    def chat(
        self,
        messages: list[dict[str, str]],
        max_new_tokens: int = 256,
        sampling: SamplingParams = GREEDY,
        stream: StreamCallback | None = None,
    ) -> Completion:
        """The assistant's answer to `messages` ({"role", "content"} each), through the model's chat template."""
        if not self.tokenizer.chat_template:
            raise ValueError("the model has no chat template; write the prompt yourself and give it to `generate`")
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompt = self.tokenizer.encode(text, add_special_tokens=False)  # the template has written them
        return self.generate([prompt], max_new_tokens, sampling, stream)[0]

    def warm_up(self, sample: bool = False, progress: bool = False) -> None:
        """Build the programs of a short prompt and of decode, and capture its trace, before the first request."""
        with (
            tqdm(total=2, desc="warming up", unit="step", disable=not progress, leave=False) as bar,
            KeptInterrupt() as interrupt,
        ):
            self.generator.warmup_model_prefill()
            bar.update()
            interrupt.check()
            self.generator.warmup_model_decode(self.enable_trace, sample)
            bar.update()

    def close(self) -> None:
        """Release the traces. The device stays open: its owner closes it."""
        self.generator.close()

    def __enter__(self) -> "BitNet":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _requests(
        self,
        prompts: Sequence[str | Sequence[int]],
        max_new_tokens: int,
        sampling: SamplingParams | Sequence[SamplingParams],
        stop: Sequence[str],
    ) -> list[Request]:
        if isinstance(prompts, str):
            raise TypeError("prompts is one string; give a list of prompts")
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {max_new_tokens}, must be at least 1")
        if isinstance(stop, str) or any(not text for text in stop):
            raise ValueError(f"stop is {stop!r}; give a list of strings, none of them empty")
        choices = [sampling] * len(prompts) if isinstance(sampling, SamplingParams) else list(sampling)
        if len(choices) != len(prompts):
            raise ValueError(f"there are {len(choices)} sampling parameters for {len(prompts)} prompts")
        requests = []
        for number, (prompt, choice) in enumerate(zip(prompts, choices)):
            tokens = self.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
            completion = Completion(prompt_tokens=len(tokens))
            stream = TextStream(self.tokenizer, tuple(stop))
            draws = Draws.from_seed(choice.seed)
            requests.append(Request(number, tokens, max_new_tokens, choice, stream, completion, draws))
        return requests

    def _admit(self, waiting: deque[Request], show: StreamCallback, started: float, interrupt: KeptInterrupt) -> None:
        """Prefill waiting requests into free slots."""
        while waiting and None in self._slots:
            interrupt.check()
            request = waiting[0]
            slot = self._slots.index(None)
            prompt = torch.tensor(request.prompt, dtype=torch.int64)
            try:
                self.generator.check_prompt(prompt, request.number)
                self.pool.reserve(slot, min(len(prompt) + 1, self.config.max_seq_len))
            except (ValueError, OutOfBlocks) as error:
                if isinstance(error, OutOfBlocks) and any(self._slots):
                    return  # a running request will make room
                waiting.popleft()
                self._fail(request, error, show)
                continue
            waiting.popleft()
            token = self.generator.prefill_forward_text(
                prompt[None],
                self.pool.page_table()[slot : slot + 1],
                sampling_params=[request.sampling],
                draws=[request.draws],
            )
            request.completion.ttft_s = time.perf_counter() - started
            self._slots[slot] = request
            self._take(slot, int(token[0]), show)

    def _decode(self, show: StreamCallback) -> None:
        """One token for every running request."""
        started = time.perf_counter()
        uploaded, downloaded = self.generator.uploaded_bytes, self.generator.downloaded_bytes
        self._grow(show)
        running = [(slot, request) for slot, request in enumerate(self._slots) if request is not None]
        if not running:
            return
        tokens, positions = torch.zeros(len(self._slots)), torch.full((len(self._slots),), IDLE)
        params, draws = [SamplingParams()] * len(self._slots), list(self._idle_draws)
        for slot, request in running:
            tokens[slot], positions[slot] = request.completion.tokens[-1], request.position
            params[slot], draws[slot] = request.sampling, request.draws
        chosen = self.generator.decode_forward(
            tokens,
            positions,
            self.pool.page_table(),
            enable_trace=self.enable_trace,
            sampling_params=params,
            draws=draws,
        )
        self.steps.append(
            DecodeStep(
                seconds=time.perf_counter() - started,
                users=len(running),
                uploaded_bytes=self.generator.uploaded_bytes - uploaded,
                downloaded_bytes=self.generator.downloaded_bytes - downloaded,
            )
        )
        for slot, _ in running:
            self._take(slot, int(chosen[slot]), show)

    def _grow(self, show: StreamCallback) -> None:
        """Make room for the position that each request writes next; one that gets none ends."""
        for slot, request in enumerate(self._slots):
            if request is not None:
                try:
                    self.pool.reserve(slot, request.position + 1)
                except OutOfBlocks as error:
                    self._fail(request, error, show)
                    self._leave(slot)

    def _take(self, slot: int, token: int, show: StreamCallback) -> None:
        """A new token of the request in `slot`."""
        request = self._slots[slot]
        completion = request.completion
        if token in self.config.model.eos_token_ids:
            self._finish(request, "stop", show)
        else:
            completion.tokens.append(token)
            self._show(request, request.stream.add(token), show)
            if request.stream.stopped:
                self._finish(request, "stop", show)
            elif len(completion.tokens) == request.limit:
                self._finish(request, "length", show)
            elif request.position >= self.config.max_seq_len:
                completion.error = f"the context of {self.config.max_seq_len} tokens is full"
                self._finish(request, "length", show)
        if completion.finish_reason:
            self._leave(slot)

    def _finish(self, request: Request, reason: str, show: StreamCallback) -> None:
        self._show(request, request.stream.finish(), show)
        request.completion.text = request.stream.text
        request.completion.finish_reason = reason

    def _fail(self, request: Request, error: Exception, show: StreamCallback) -> None:
        request.completion.error = str(error)
        self._finish(request, "error", show)

    def _leave(self, slot: int) -> None:
        self._slots[slot] = None
        self.pool.release(slot)

    @staticmethod
    def _show(request: Request, text: str, show: StreamCallback) -> None:
        if text:
            show(request.number, text)
