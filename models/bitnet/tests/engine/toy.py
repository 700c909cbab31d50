# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A device in little for the engine's tests: its cache holds the tokens themselves, and the next token is a hash of
what a request's blocks hold. Whoever reads or writes a wrong block gets another text."""

import hashlib
from types import SimpleNamespace

import torch

from models.bitnet.tt.generation.decode_inputs import IDLE
from models.bitnet.tt.generation.decode_steps import StepEnd
from models.bitnet.tt.generation.penalties import NO_TEXT
from models.bitnet.tt.generation.prefill import Prefill
from models.bitnet.tt.generation.sampling import Draws, SamplingParams
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN
from models.bitnet.tt.kv_cache import PagedAttentionConfig
from models.bitnet.tt.layout import TILE

VOCABULARY = 97
NOTHING = -7  # in a position that nobody has written


class ToyPrefill(Prefill):
    def __init__(self, toy: "ToyGenerator"):
        super().__init__(SimpleNamespace(config=toy.config), toy.block_size)
        self._toy = toy

    def run(self, tokens, blocks, start, stop, cache, to_logits):
        self._toy.fail()
        self._toy.fail_for(blocks)
        for position in range(start, stop):
            self._toy.write(blocks, position, int(tokens[position]))
        # the rest of the last tile is written too, as far as there are blocks
        for position in range(stop, min(-(-stop // TILE) * TILE, -(-stop // self._block_size) * self._block_size)):
            self._toy.write(blocks, position, 0)
        return self._toy.logits(blocks, stop) if to_logits and stop == len(tokens) else None


class ToyGenerator:
    """Has what the engine asks of a `Generator`. As on the device, all steps write their tokens into one tensor.

    `fail`, if set, is called before every call into the device, and `fail_for` before a pass over the prompt whose
    blocks it is given. Logits are NaN where `is_nan` says so of a request's blocks.
    """

    def __init__(self, users: int, paging: PagedAttentionConfig, context: int, ends: tuple[int, ...]):
        self.block_size = paging.block_size
        self.config = SimpleNamespace(
            users=users,
            max_seq_len=context,
            prefill_chunk=2 * paging.block_size,
            precision="toy",
            cache_dtype="tokens",
            model=SimpleNamespace(vocab_size=VOCABULARY, eos_token_ids=ends),
        )
        self.cache = torch.full((paging.max_num_blocks, paging.block_size), NOTHING)
        self.prefill = ToyPrefill(self)
        self.uploaded_bytes = self.downloaded_bytes = self.forgotten = 0
        self.inputs = self
        self.tokens = torch.zeros(users, dtype=torch.int32)
        self.positions: torch.Tensor | None = None  # None: what the device holds is unknown
        self.steps_ahead = 0  # submitted by `decode_next`
        self.fail = lambda: None
        self.fail_for = lambda blocks: None
        self.is_nan = lambda blocks: False

    def forget(self) -> None:
        self.forgotten += 1
        self.positions = None

    def tokens_read(self, tokens: torch.Tensor) -> None:
        assert torch.equal(tokens, self.tokens), "these are not the tokens on the device"

    def write(self, blocks: torch.Tensor, position: int, token: int) -> None:
        self.cache[int(blocks[position // self.block_size]), position % self.block_size] = token

    def read(self, blocks: torch.Tensor, length: int) -> list[int]:
        used = blocks[: -(-length // self.block_size)].long()
        return self.cache[used].flatten()[:length].tolist()

    def logits(self, blocks: torch.Tensor, length: int) -> list[int]:
        """The text that the next token follows from, or nothing for NaN."""
        return [] if self.is_nan(blocks) else self.read(blocks, length)

    def first_token(self, logits, prompt, params: SamplingParams, draws: Draws) -> int:
        self.fail()
        return choose(logits, params, draws)

    def decode_forward(
        self, tokens, positions, page_table, enable_trace, read_from_device, sampling_params, draws, texts
    ):
        assert not read_from_device
        for row, position in enumerate(positions.tolist()):
            if position != IDLE and texts[row] is not NO_TEXT:  # a draft has none
                before = [*texts[row].prompt, *texts[row].written]
                assert before == self.read(page_table[row], position), "a text that the cache does not have"
        self.fail()
        self.tokens[:], self.positions, self.params, self.draws = tokens, positions.clone(), sampling_params, draws
        return self.run_step(page_table)

    def decode_next(self, end, page_table, enable_trace):
        self.fail()
        assert self.positions is not None, "a step goes on from what is unknown"
        assert end == StepEnd.choosing(self.params)
        self.steps_ahead += 1
        return self.run_step(page_table)

    def run_step(self, page_table: torch.Tensor) -> torch.Tensor:
        active = [(row, position) for row, position in enumerate(self.positions.tolist()) if position != IDLE]
        for row, position in active:
            self.write(page_table[row], position, int(self.tokens[row]))
        for row, position in active:
            text = self.logits(page_table[row], position + 1)
            self.tokens[row] = choose(text, self.params[row], self.draws[row])
            self.positions[row] += 1
        self.draws = [draws.next() for draws in self.draws]
        self.fail()
        return self.tokens

    def start_reading(self, output: torch.Tensor) -> torch.Tensor:
        self.fail()
        return output.clone()

    def finish_reading(self, reading: torch.Tensor) -> torch.Tensor:
        self.fail()
        return reading

    def read_tokens(self, output: torch.Tensor) -> torch.Tensor:
        self.fail()
        self.tokens_read(output)
        return output


def choose(text: list[int], params: SamplingParams, draws: Draws) -> int:
    """The token that follows `text`, by the draws if any; no token follows where logits are NaN.

    Seven times of eight it follows from the last token alone. So texts repeat themselves, and drafts are often right.
    """
    if not text:
        return NO_TOKEN
    assert NOTHING not in text, "a position that was never written was read"
    drawn = () if params.greedy else draws.state
    number = hashed((text, drawn))
    return (hashed(text[-1]) if number % 8 else number) % VOCABULARY


def hashed(value: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:4], "little")


def alone(prompt: list[int], count: int, params: SamplingParams, context: int, ends: tuple[int, ...]) -> list[int]:
    """What a request gives by itself: from the definition, without an engine."""
    text, draws = list(prompt), Draws.from_seed(params.seed)
    while len(text) - len(prompt) < count and len(text) <= context:
        token = choose(text, params, draws.at(len(text) - 1))
        if token in ends:
            break
        text.append(token)
    return text[len(prompt) :]


class Words:
    """A tokenizer whose tokens are numbers."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        return "".join(f"{token} " for token in tokens)
