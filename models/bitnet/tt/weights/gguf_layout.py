# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tells in which order a GGUF file packs its ternary values. The file does not say it.

The converter in Python, and the one in C++ on x86, pack blocks of 128 values. The one in C++ packs blocks of 64 values
on ARM, and four neighbouring rows in one of its builds for x86. All write the same codes, in other orders.

A hidden unit of the MLP is a row of gate, a row of up and a column of down. In a trained model these have similar
shares of values that are not zero, so the right order shows: in the shipped model the correlation is 0.3 to 0.9 in the
right order and up to 0.25 in the others.
"""

import torch

from models.bitnet.tt.weights.packing import unpack_i2_s

_DEVIATIONS = 6  # of the correlation of independent numbers, by which another order must fit better


def foreign_layout(
    gate: tuple[torch.Tensor, tuple[int, int]],
    up: tuple[torch.Tensor, tuple[int, int]],
    down: tuple[torch.Tensor, tuple[int, int]],
) -> str | None:
    """The layout that fits the MLP of a layer clearly better than blocks of 128, or None. Takes codes and shapes."""

    def fit(block: int | None) -> float:
        def dense(matrix: tuple[torch.Tensor, tuple[int, int]], dim: int) -> torch.Tensor:
            packed, shape = matrix
            values = unpack_i2_s(packed, shape, block or 4 * shape[1])
            return (values != 0).sum(dim, dtype=torch.float32)

        rows, columns = dense(gate, 1) + dense(up, 1), dense(down, 0)
        return torch.corrcoef(torch.stack([rows, columns]))[0, 1].nan_to_num().item()

    margin = _DEVIATIONS / down[1][1] ** 0.5
    others = {"blocks of 64 values, as on ARM": 64, "blocks of four rows": None}
    fits = {name: fit(block) for name, block in others.items()}
    best = max(fits, key=fits.get)
    return best if fits[best] > fit(128) + margin else None
