# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Prefill computes prompts into the cache, in passes. Every position gets the same numbers however a prompt is cut.

The attention kernel takes queries and keys in blocks, and rounds between two blocks. A prompt must give the same tokens
in one pass, in many passes, and behind blocks that another prompt left in the cache. So full cache blocks are always
taken a block at a time. The rest of a prompt is a pass of its own unless its blocks are as large.
"""

from collections.abc import Sequence

import torch

import ttnn
from models.bitnet.tt.checks import shown
from models.bitnet.tt.generation.decode_inputs import to_device
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model import BitNetModel


class Prefill:
    """One prompt at a time: the library's paged_fill_cache fills one user's blocks, and its chunked attention takes one
    first position."""

    def __init__(self, model: BitNetModel, block_size: int):
        self._model, self._block_size = model, block_size

    def passes(self, start: int, length: int, most: int | None = None) -> list[tuple[int, int]]:
        """First and last position (exclusive) of each pass over a prompt of `length` tokens from `start` on, which is a
        whole number of blocks. A pass takes up to `most` tokens, one block at least."""
        size = self._block_size
        step = max((most or self._model.config.prefill_chunk) // size * size, size)
        whole, rest = length // size * size, length % size
        ends = [*range(start + step, whole, step), whole] if start < whole else []
        passes = list(zip([start, *ends], ends))
        if rest:
            fills = -(-rest // TILE) * TILE == size  # its rows are a whole block
            if fills and passes and passes[-1][1] - passes[-1][0] < step:
                passes[-1] = passes[-1][0], length
            else:
                passes.append((whole, length))
        return passes

    def check(self, tokens: Sequence[int], name: str, start: int = 0, blocks: int | None = None) -> None:
        """Raise ValueError if a prompt [length] cannot be run from `start` on, in a table of `blocks` blocks."""
        length, config = len(tokens), self._model.config
        if not length:
            raise ValueError(f"{name} is empty; give at least one token")
        if length > config.max_seq_len:
            raise ValueError(f"{name} has {length} tokens, more than the context of {config.max_seq_len}; shorten it")
        check_tokens(tokens, config.model.vocab_size)
        if blocks is not None and -(-length // self._block_size) > blocks:
            raise ValueError(f"{name} has {length} tokens, its page table only {blocks} blocks")
        if start % self._block_size or not 0 <= start < length:
            raise ValueError(
                f"{name} of {length} tokens cannot begin at position {start}: prefill begins with a block of "
                f"{self._block_size}, and computes at least the last token"
            )

    def run(
        self,
        tokens: torch.Tensor,
        blocks: torch.Tensor,
        start: int,
        stop: int,
        cache: list[LayerCache],
        to_logits: bool = True,
    ) -> ttnn.Tensor | None:
        """One pass over the prompt `tokens` [length], whose blocks are `blocks`. The last one returns the logits of the
        tile of rows that holds the last token, its row being (length - 1) % 32, if they are wanted."""
        size, device = self._block_size, self._model.config.device
        rows = -(-(stop - start) // TILE) * TILE
        padded = torch.nn.functional.pad(tokens[start:stop], (0, rows - (stop - start)))
        first = start // size
        inputs = [
            to_device(padded[None], ttnn.uint32, device),
            to_device(blocks[None], ttnn.int32, device),
            to_device(blocks[None, first : first - (-rows // size)], ttnn.int32, device),
        ]
        last = stop - 1 - start if to_logits and stop == len(tokens) else None
        logits = self._model.forward_prefill(inputs[0], cache, inputs[1], inputs[2], start, last)
        for tensor in inputs:
            ttnn.deallocate(tensor)
        return logits


def check_tokens(tokens: Sequence[int], vocabulary: int) -> None:
    """Raise ValueError if a token is outside the vocabulary."""
    for token in tokens:
        if not 0 <= token < vocabulary:
            raise ValueError(f"token {shown(token)} is outside the vocabulary of {vocabulary}")
