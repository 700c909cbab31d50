# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module counts what a program's DRAM bytes ask of each bank.

Pages of an interleaved tensor go around the banks. A sharded tensor has a shard on each of its banks, in order.
"""

from ttnn_emulator.library.programs import TILE, Cores, Program, TensorInfo


def bytes_by_bank(program: Program, banks: int) -> list[int]:
    """Return the bytes that a program reads from each DRAM bank or writes to it.

    An operation that touches a part of its tensors only (an embedding, a cache) is counted as if it touched the same
    part of each bank.
    """
    read = _spread(program.inputs, program.dram_read, banks)
    written = _spread(program.outputs, program.dram_written, banks)
    return [a + b for a, b in zip(read, written)]


def tensor_by_bank(tensor: TensorInfo, banks: int) -> list[int]:
    """Return the bytes of a DRAM tensor on each bank."""
    if tensor.shard is None:
        pages, page = -(-tensor.bytes // max(tensor.page_bytes, 1)), tensor.page_bytes
        return [page * (pages // banks + (bank < pages % banks)) for bank in range(banks)]
    held = [0] * banks
    places = cores_of(tensor.cores)
    shards, size = shards_of(tensor)
    for number in range(shards):
        held[places[number % len(places)][0] % banks] += size
    return held


def shards_of(tensor: TensorInfo) -> tuple[int, int]:
    """Return how many shards a sharded tensor has, and the bytes of one."""
    rows, columns = tensor.shard
    width = tensor.shape[-1] if tensor.shape else 1
    height = 1
    for size in tensor.shape[:-1]:
        height *= size
    shards = -(-height // rows) * -(-width // columns)
    if tensor.layout == "TILE":
        return shards, -(-rows // TILE) * -(-columns // TILE) * tensor.page_bytes
    return shards, rows * columns * tensor.page_bytes // width


def cores_of(rectangles: tuple[Cores, ...]) -> list[tuple[int, int]]:
    """Return the columns and rows of all cores of some rectangles, each rectangle row by row."""
    return [(x, y) for r in rectangles for y in range(r.top, r.bottom + 1) for x in range(r.left, r.right + 1)]


def _spread(tensors: tuple[TensorInfo, ...], moved: int, banks: int) -> list[int]:
    """Return how `moved` bytes lie on the banks where these tensors lie."""
    held = [tensor_by_bank(tensor, banks) for tensor in tensors if tensor.in_dram]
    by_bank = [sum(of_bank) for of_bank in zip(*held)] if held else [0] * banks
    whole = sum(by_bank)
    if whole == moved or whole == 0:
        return by_bank if whole else [-(-moved // banks)] * banks
    return [moved * part // whole for part in by_bank]
