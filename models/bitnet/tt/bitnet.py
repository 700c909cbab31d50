# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The simple front: a model from a folder, prompts in, text out.

model = BitNet.from_pretrained("models/bitnet/demo/tiny", device)
print(model.generate(["Once upon a time"], max_new_tokens=64)[0].text)
model.close()
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import ttnn
from models.bitnet.tt.checks import as_texts, shown
from models.bitnet.tt.engine.blocks import BlockPool
from models.bitnet.tt.engine.engine import Engine
from models.bitnet.tt.engine.interrupt import KeptInterrupt
from models.bitnet.tt.engine.request import Completion, DecodeStep, Event, Request
from models.bitnet.tt.engine.speculation import DEFAULT_DRAFTS, can_speculate, check_speculate
from models.bitnet.tt.generation.decode_steps import StepEnd
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.generator import Generator
from models.bitnet.tt.kv_cache import PagedAttentionConfig, allocate_kv_cache
from models.bitnet.tt.model import BitNetModel
from models.bitnet.tt.model_config import ModelConfig, default_precision
from models.bitnet.tt.precision import Precision, find_precision
from models.bitnet.tt.weights.checkpoint import content_hash, load_tokenizer, read_config
from models.bitnet.tt.weights.state_dict import open_state_dict
from models.bitnet.tt.weights.upload import DeviceWeights

_MATRICES_PER_LAYER = 5  # fused qkv, o, gate, up, down
StreamCallback = Callable[[int, str], None]  # (prompt number, new text)


class BitNet:
    """A loaded model with its cache and generator. A request that ends makes room in the batch for the next one."""

    def __init__(
        self,
        config: ModelConfig,
        state: Mapping[str, torch.Tensor],
        tokenizer: Any,
        paging: PagedAttentionConfig | None = None,
        weights: DeviceWeights | None = None,
        enable_trace: bool = True,
        max_batch: int | None = None,
        speculate: int = 0,
    ):
        """`max_batch` requests run at a time (default: one for each row of a step). A step verifies up to `speculate`
        drafts of a request, in rows that no request needs."""
        users = config.users if max_batch is None else max_batch
        check_speculate(speculate, config.precision)
        if not 1 <= users <= config.users:
            raise ValueError(f"max_batch is {users}, must be between 1 and the {config.users} rows of a step")
        self.config = config
        self.tokenizer = tokenizer
        self.paging = paging or PagedAttentionConfig.contiguous(users, config.max_seq_len)
        self.pool = BlockPool(self.paging, users, config.max_seq_len)
        model = BitNetModel(config, weights or DeviceWeights(config.device), state)
        cache = allocate_kv_cache(config, self.paging)
        self.generator = Generator(model, cache, self.paging.block_size, self.pool.blocks_per_user)
        self.engine = Engine(self.generator, self.pool, tokenizer, enable_trace, speculate=speculate)
        self.steps: list[DecodeStep] = []  # of the last `generate`

    @property
    def enable_trace(self) -> bool:
        """Whether decode steps replay a trace. The engine holds the setting."""
        return self.engine.enable_trace

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        device: ttnn.MeshDevice,
        precision: str | Precision | None = None,
        max_batch: int = 1,
        max_seq_len: int | None = None,
        cache_dtype: ttnn.DataType | None = None,
        paging: PagedAttentionConfig | None = None,
        weight_cache: str | Path | None = None,
        enable_trace: bool = True,
        progress: bool = True,
        speculate: int | None = 0,
    ) -> "BitNet":
        """Load a model from a Hugging Face folder (config.json, safetensors, tokenizer) or a GGUF file.

        Without `precision` the model runs in `fused` where its fused programs fit the device, in `accuracy` otherwise.
        The log says which. Without `paging` every user owns all the cache blocks it can need. `weight_cache` names a
        folder that keeps device-ready weights for the next start. A step verifies up to `speculate` drafts of a
        request's next tokens, which changes no text. It then has 1 + `speculate` rows, or `max_batch` if that is more.
        None is the usual number of drafts where the precision can verify some, 0 elsewhere.
        """
        model = read_config(path)
        precision = find_precision(precision or default_precision(model, device, max_batch, cache_dtype))
        if speculate is None:
            speculate = DEFAULT_DRAFTS if can_speculate(precision) else 0
        rows = max(max_batch, 1 + check_speculate(speculate, precision))
        config = ModelConfig(model, device, precision, rows, max_seq_len, cache_dtype)
        state = open_state_dict(path, model)
        tokenizer = load_tokenizer(path)
        heads = 1 + config.has_two_pass_head * (1 + ("lm_head.weight" in state))
        total = _MATRICES_PER_LAYER * model.num_hidden_layers + 1 + heads
        folder = Path(weight_cache) / content_hash(path) if weight_cache else None
        with (
            tqdm(total=total, desc="to the device", unit="matrix", disable=not progress, leave=False) as bar,
            KeptInterrupt() as interrupt,
        ):

            def loaded(name: str) -> None:
                bar.update()
                interrupt.check()

            weights = DeviceWeights(device, folder, loaded)
            return cls(config, state, tokenizer, paging, weights, enable_trace, max_batch, speculate)

    def generate(
        self,
        prompts: Sequence[str | Sequence[int]],
        max_new_tokens: int = 128,
        sampling: SamplingParams | Sequence[SamplingParams] = GREEDY,
        stream: StreamCallback | None = None,
        stop: Sequence[str] = (),
    ) -> list[Completion]:
        """Complete every prompt (text, or token ids).

        An argument of a wrong type or range is a TypeError or ValueError before anything runs. A prompt that this model
        cannot run (too long, no such token), or whose run fails, ends with `finish_reason` "error" and its reason; the
        others go on. Ctrl-C ends all requests and returns what they have so far. Requests that come and go as they
        like are the engine's business: `model.engine`.
        """
        if self.engine.busy:
            raise RuntimeError("the engine has requests of its own; end them, or add these to it too")
        requests = self._requests(prompts, max_new_tokens, sampling, stop)
        numbers: dict[int, int] = {}  # of the engine's, the prompt's place
        completions: dict[int, Completion] = {}
        self.steps = []

        def record(events: list[Event]) -> None:
            completions.update({numbers[e.id]: e.completion for e in events if e.completion is not None})

        try:
            with KeptInterrupt() as interrupt:
                for place, request in enumerate(requests):
                    numbers[self.engine.add(request)] = place
                while self.engine.busy:
                    events = self.engine.step()
                    record(events)
                    if self.engine.last_step is not None:
                        self.steps.append(self.engine.last_step)
                    for event in events:
                        if event.text and stream is not None:
                            stream(numbers[event.id], event.text)
                    interrupt.check()
        except KeyboardInterrupt:
            for number in numbers:
                self.engine.abort(number, "interrupted")
        finally:
            for number in numbers:
                self.engine.abort(number)
            record(self.engine.take_events())
        never = (Completion(len(request.prompt), finish_reason="interrupted") for request in requests)  # not even added
        return [completions.get(place, completion) for place, completion in enumerate(never)]

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
            self.generator.warmup_model_decode(self.enable_trace, StepEnd.DRAWN if sample else StepEnd.GREEDY)
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
        if not isinstance(prompts, Iterable):
            raise TypeError(f"prompts is {shown(prompts)}; give a list of prompts")
        if not isinstance(sampling, Iterable | SamplingParams):
            raise TypeError(f"sampling is {shown(sampling)}, must be SamplingParams, or one for each prompt")
        prompts, stop = list(prompts), as_texts("stop", stop)
        choices = [sampling] * len(prompts) if isinstance(sampling, SamplingParams) else list(sampling)
        if len(choices) != len(prompts):
            raise ValueError(f"there are {len(choices)} sampling parameters for {len(prompts)} prompts")
        return [
            Request(self.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt, max_new_tokens, choice, stop)
            for prompt, choice in zip(prompts, choices)
        ]
