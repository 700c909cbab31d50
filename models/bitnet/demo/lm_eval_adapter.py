# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs lm-evaluation-harness (pip install lm_eval) on a loaded model.

with BitNet.from_pretrained(folder, device, max_batch=32) as model:
    results = lm_eval.simple_evaluate(BitNetLM(model), tasks=["arc_easy"])
"""

from typing import Any

import torch
from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.generator import IDLE

_MAX_NEW_TOKENS = 256


class BitNetLM(TemplateLM):
    """The harness's interface to a model. It runs as many requests at once as the model has users."""

    def __init__(self, model: BitNet):
        super().__init__()
        self.model, self.tokenizer = model, model.tokenizer
        self.max_length = model.config.max_seq_len

    @property
    def eot_token_id(self) -> int:
        return self.tokenizer.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        return self.tokenizer.bos_token_id

    @property
    def tokenizer_name(self) -> str:
        return self.tokenizer.name_or_path

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return self.tokenizer.apply_chat_template(
            chat_history, tokenize=False, add_generation_prompt=add_generation_prompt
        )

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        if add_special_tokens is None:  # the text of a chat template has the first token already
            add_special_tokens = not string.startswith(self.tokenizer.bos_token)
        return self.tokenizer.encode(string, add_special_tokens=add_special_tokens)

    def _loglikelihood_tokens(self, requests: list[tuple], **_: Any) -> list[tuple[float, bool]]:
        results = self._score([(context, continuation) for _, context, continuation in requests])
        for (texts, _, _), result in zip(requests, results):
            self.cache_hook.add_partial("loglikelihood", texts, result)
        return results

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        totals = []
        for (text,) in (request.args for request in requests):
            tokens = self.tok_encode(text, add_special_tokens=False)
            windows = get_rolling_token_windows(tokens, self.prefix_token_id, self.max_length, context_len=1)
            totals.append(sum(value for value, _ in self._score([make_disjoint_window(window) for window in windows])))
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), totals[-1])
        return totals

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        texts = [""] * len(requests)
        batches: dict[str, list[int]] = {}
        for number, request in enumerate(requests):  # a batch has requests with the same settings
            batches.setdefault(repr(request.args[1]), []).append(number)
        for numbers in batches.values():
            settings = requests[numbers[0]].args[1]
            until = settings.get("until") or []
            until = [until] if isinstance(until, str) else until
            limit = min(int(settings.get("max_gen_toks", _MAX_NEW_TOKENS)), self.max_length - 1)
            prompts = [self.tok_encode(requests[number].args[0])[limit - self.max_length :] for number in numbers]
            sampling = GREEDY
            if settings.get("do_sample"):
                sampling = SamplingParams(settings.get("temperature", 1.0), top_p=settings.get("top_p", 1.0), seed=0)
            stop = [text for text in until if text]
            for number, completion in zip(numbers, self.model.generate(prompts, limit, sampling, stop=stop)):
                if completion.finish_reason == "error":
                    raise RuntimeError(f"request {number}: {completion.error}")
                texts[number] = completion.text
                self.cache_hook.add_partial("generate_until", requests[number].args, completion.text)
        return texts

    def _score(self, pairs: list[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
        """For each (context, continuation): the log-probability of the continuation, and whether it is the greedy text.

        The context is prefilled and the continuation is forced. A text that is too long loses its start.
        """
        users, results = self.model.config.users, []
        for begin in range(0, len(pairs), users):
            results += self._score_batch(pairs[begin : begin + users])
        return results

    def _score_batch(self, pairs: list[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
        model, users = self.model, self.model.config.users
        # the last token of a continuation is predicted and never an input, so it needs no position
        rooms = [self.max_length + 1 - len(continuation) for _, continuation in pairs]
        pairs = [(context[max(0, len(context) - room) :], cont) for (context, cont), room in zip(pairs, rooms)]
        if any(not context for context, _ in pairs):
            raise ValueError(f"a continuation is longer than the context of {self.max_length} tokens")
        for user, (context, continuation) in enumerate(pairs):
            model.pool.reserve(user, len(context) + len(continuation) - 1)
        try:
            return self._force(pairs, model.pool.page_table(), users)
        finally:
            for user in range(len(pairs)):
                model.pool.release(user)

    def _force(self, pairs: list[tuple[list[int], list[int]]], table: torch.Tensor, users: int) -> list:
        generator, trace = self.model.generator, self.model.enable_trace
        totals, greedy = [0.0] * len(pairs), [True] * len(pairs)
        lengths = [len(context) for context, _ in pairs]
        prompts = torch.zeros(len(pairs), max(lengths), dtype=torch.int64)
        for user, (context, _) in enumerate(pairs):
            prompts[user, : len(context)] = torch.tensor(context)
        logits = generator.prefill_forward_text(prompts, table[: len(pairs)], prompt_lens=lengths)
        for step in range(max(len(continuation) for _, continuation in pairs)):
            tokens, positions = torch.zeros(users, dtype=torch.int64), torch.full((users,), IDLE)
            for user, (context, continuation) in enumerate(pairs):
                if step < len(continuation):
                    row, token = logits[user, 0].double(), continuation[step]
                    totals[user] += row.log_softmax(-1)[token].item()
                    greedy[user] &= bool(row.argmax() == token)
                if step + 1 < len(continuation):
                    tokens[user], positions[user] = continuation[step], len(context) + step
            if (positions != IDLE).any():
                logits = generator.decode_forward(tokens, positions, table, enable_trace=trace)
        return list(zip(totals, greedy))
