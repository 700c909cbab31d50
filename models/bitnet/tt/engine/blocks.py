# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The host's record of the cache's blocks: their owners, and which of them hold the beginning of a prompt.

A block that a prompt fills is known by the hash of all tokens up to its end. Prompts with the same beginning share the
block. The pool keeps it when it has no owner, until another request needs the room.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence, Set

import torch

from models.bitnet.tt.kv_cache import PagedAttentionConfig


class OutOfBlocks(RuntimeError):
    """The pool has no free block left for a request."""


def prefix_keys(model: str, tokens: Sequence[int], block_size: int) -> list[bytes]:
    """Return a key for the content of each block that `tokens` fill. It covers all earlier tokens and the model."""
    keys, key = [], hashlib.sha256(model.encode()).digest()
    for end in range(block_size, len(tokens) + 1, block_size):
        block = ",".join(map(str, tokens[end - block_size : end]))
        key = hashlib.sha256(key + block.encode()).digest()
        keys.append(key)
    return keys


class BlockPool:
    """Knows which blocks are free, and each user's page table.

    A pool with blocks for every user's whole context is contiguous: each user always owns the same run of blocks, and
    no block is shared.
    """

    def __init__(self, paging: PagedAttentionConfig, users: int, max_seq_len: int):
        self.users, self.block_size, self.blocks = users, paging.block_size, paging.max_num_blocks
        # the width of a page table: a whole context, or the whole pool if that is less
        self.blocks_per_user = min(-(-max_seq_len // paging.block_size), paging.max_num_blocks)
        self.contiguous = paging.max_num_blocks >= users * self.blocks_per_user
        blocks = list(range(paging.max_num_blocks))
        runs = [blocks[u * self.blocks_per_user : (u + 1) * self.blocks_per_user] for u in range(users)]
        self._owned: list[list[int]] = runs if self.contiguous else [[] for _ in range(users)]
        self._free: list[int] = [] if self.contiguous else blocks[::-1]
        self._table = torch.zeros(users, self.blocks_per_user, dtype=torch.int32)
        self._changed = set(range(users))  # users whose row of the table is no longer right
        self._owners: dict[int, int] = {}  # of each block in use, the number of its users
        self._keys: dict[int, bytes] = {}  # of blocks whose content is known
        self._known: dict[bytes, int] = {}  # and back
        self._kept: OrderedDict[int, None] = OrderedDict()  # known and nobody's, the least recently used first

    @property
    def free_blocks(self) -> int:
        """How many blocks a request can get. Kept blocks are among them."""
        return len(self._free) + len(self._kept)

    @property
    def kept(self) -> Set[int]:
        """Blocks without an owner that hold the beginning of a prompt."""
        return self._kept.keys()

    def missing(self, user: int, positions: int) -> int:
        """Return how many more blocks `user` needs for its first `positions` positions."""
        return max(0, -(-positions // self.block_size) - len(self._owned[user]))

    def reserve(self, user: int, positions: int) -> bool:
        """Give `user` blocks for its first `positions` positions. Return whether its table grew. Raise OutOfBlocks, and
        give it none, if there are too few."""
        missing = self.missing(user, positions)
        if missing > self.free_blocks:
            raise OutOfBlocks(
                f"the KV cache is full: {positions} positions need {missing} more blocks of {self.block_size}, "
                f"{self.free_blocks} are free; end a request or use a larger cache"
            )
        if missing:
            self._owned[user] += [self._take() for _ in range(missing)]
            self._changed.add(user)
        return missing > 0

    def find(self, keys: Sequence[bytes]) -> list[int]:
        """Return the blocks that hold the longest known beginning of this content."""
        blocks = []
        for key in keys:
            if key not in self._known:
                break
            blocks.append(self._known[key])
        return blocks

    def share(self, user: int, blocks: Sequence[int]) -> None:
        """Begin the empty table of `user` with blocks that `find` returned."""
        if self._owned[user]:
            raise ValueError(f"user {user} has blocks already; only an empty table can begin with shared ones")
        self._hold(blocks)
        self._owned[user] = list(blocks)
        self._changed.add(user)

    def exchange(self, user: int, first: int, blocks: Sequence[int]) -> None:
        """Replace blocks of `user`, from its block `first` on, by blocks that `find` returned. The user must not have
        written into its own."""
        place = slice(first, first + len(blocks))
        own = self._owned[user][place]
        self._hold(blocks)
        self._owned[user][place] = blocks
        self._changed.add(user)
        self._let_go(own)

    def learn(self, user: int, keys: Sequence[bytes]) -> None:
        """Record that the first blocks of `user` hold this content. Of blocks with equal content only one is known."""
        if self.contiguous:
            return
        for block, key in zip(self._owned[user], keys):
            if block not in self._keys and key not in self._known:
                self._keys[block], self._known[key] = key, block

    def release(self, user: int) -> None:
        """Take the blocks of a finished user back. The pool reuses the last of them first."""
        if self.contiguous:
            return
        self._let_go(self._owned[user])
        self._owned[user] = []
        self._changed.add(user)

    def forget(self) -> None:
        """Forget the content of all blocks."""
        self._free += self._kept
        self._kept.clear()
        self._keys.clear()
        self._known.clear()

    def page_table(self) -> torch.Tensor:
        """Return every user's blocks: int32 [users, blocks_per_user], 0 past a user's blocks, where reads are masked.

        The pool never writes into a table that it has returned. It returns the same one until somebody's blocks change.
        """
        if self._changed:
            self._table = self._table.clone()
            for user in self._changed:
                blocks = self._owned[user]
                self._table[user, : len(blocks)] = torch.tensor(blocks, dtype=torch.int32)
                self._table[user, len(blocks) :] = 0
            self._changed.clear()
        return self._table

    def row(self, user: int) -> torch.Tensor:
        """Return one user's row of the page table: int32 [blocks_per_user]."""
        return self.page_table()[user]

    def _hold(self, blocks: Sequence[int]) -> None:
        for block in blocks:
            self._kept.pop(block, None)
            self._owners[block] = self._owners.get(block, 0) + 1

    def _let_go(self, blocks: Sequence[int]) -> None:
        for block in reversed(blocks):
            self._owners[block] -= 1
            if self._owners[block]:
                continue
            del self._owners[block]
            if block in self._keys:
                self._kept[block] = None
            else:
                self._free.append(block)

    def _take(self) -> int:
        if self._free:
            block = self._free.pop()
        else:
            block, _ = self._kept.popitem(last=False)
            del self._known[self._keys.pop(block)]
        self._owners[block] = 1
        return block
