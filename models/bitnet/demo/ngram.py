# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A byte n-gram model with Witten-Bell smoothing: the baseline for the shipped model."""

import numpy as np

_MAX_ORDER = 7  # a context and its next byte must fit one 64-bit key


class ByteNGram:
    """P(byte | previous `order` bytes), interpolated down to a uniform distribution over 256 bytes.

    Witten-Bell: with c(h, b) occurrences of b after context h, c(h) of h and t(h) different bytes seen after h,
    P(b|h) = (c(h, b) + t(h) * P(b|shorter h)) / (c(h) + t(h)). For an unseen context P(b|h) = P(b|shorter h).
    """

    def __init__(self, text: bytes, order: int = 3) -> None:
        if not 0 <= order <= _MAX_ORDER:
            raise ValueError(f"order must lie between 0 and {_MAX_ORDER}, got {order}")
        self.order = order
        data = np.frombuffer(text, dtype=np.uint8)
        self._tables = [self._count(data, n) for n in range(order + 1)]

    @staticmethod
    def _keys(data: np.ndarray, n: int) -> np.ndarray:
        """One integer per position >= n: the n bytes before it and the byte itself, first byte most significant."""
        count = max(len(data) - n, 0)
        keys = np.zeros(count, dtype=np.uint64)
        for i in range(n + 1):
            keys = (keys << np.uint64(8)) | data[i : i + count].astype(np.uint64)
        return keys

    @classmethod
    def _count(cls, data: np.ndarray, n: int) -> tuple[np.ndarray, ...]:
        grams, gram_counts = np.unique(cls._keys(data, n), return_counts=True)
        contexts, first = np.unique(grams >> np.uint64(8), return_index=True)
        if not len(grams):
            return grams, gram_counts, contexts, gram_counts, gram_counts
        totals = np.add.reduceat(gram_counts, first)
        kinds = np.diff(np.append(first, len(grams)))
        return grams, gram_counts, contexts, totals, kinds

    @staticmethod
    def _lookup(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        if not len(keys):
            return np.zeros(len(wanted), dtype=np.int64)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, values[at], 0)

    def probabilities(self, text: bytes) -> np.ndarray:
        """P of every byte of `text`. A byte near the start of the text has a shorter context."""
        data = np.frombuffer(text, dtype=np.uint8)
        result = np.full(len(data), 1.0 / 256.0)
        for n, (grams, gram_counts, contexts, totals, kinds) in enumerate(self._tables):
            keys = self._keys(data, n)
            seen = self._lookup(grams, gram_counts, keys)
            total = self._lookup(contexts, totals, keys >> np.uint64(8))
            kind = self._lookup(contexts, kinds, keys >> np.uint64(8))
            shorter = result[n:]
            result[n:] = np.where(total > 0, (seen + kind * shorter) / np.maximum(total + kind, 1), shorter)
        return result

    def bits_per_byte(self, text: bytes) -> float:
        return float(-np.log2(self.probabilities(text)).mean())
