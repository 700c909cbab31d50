# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The container of a GGUF file: its metadata by name, and tensors that are read when they are wanted.

The reader of the package `gguf` does not know the type of ternary tensors, and takes 14 s for a vocabulary of 128,256.
"""

import math
import mmap
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.bitnet.tt.weights.entry import CheckpointError

I2_S = 36  # the type of ternary tensors: four codes a byte, one scale for all
FLOATS = {0: torch.float32, 1: torch.float16, 30: torch.bfloat16}

_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_I2_S_TAIL = 32  # bytes behind the codes; the first four are the scale


@dataclass(frozen=True)
class StoredTensor:
    """The place and the form of a tensor in the file. `shape` is in torch's order: [out, in] for a matrix."""

    type: int
    type_name: str
    shape: tuple[int, ...]
    start: int
    size: int


class GGUFFile:
    """The metadata and the tensors of a GGUF file. Raises CheckpointError if the file is damaged or no GGUF file."""

    def __init__(self, path: Path):
        self.path = path
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self.metadata, self.tensors = _parse(data)
        except (OSError, ValueError, OverflowError, MemoryError) as error:
            raise CheckpointError(f"{path}: truncated, missing or not a GGUF file ({error})") from None

    def read(self, name: str, first: int = 0, count: int | None = None) -> torch.Tensor:
        """`count` bytes of a tensor from byte `first` on (default: all bytes) -> uint8 [count]."""
        tensor = self.tensors[name]
        content = torch.empty(tensor.size if count is None else count, dtype=torch.uint8)
        with self.path.open("rb") as file:
            file.seek(tensor.start + first)
            if file.readinto(memoryview(content.numpy())) != len(content):
                raise CheckpointError(f"{self.path}: {name}: the file has become shorter")
        return content


class _Cursor:
    """Reads the values of `data` one after the other. Raises ValueError behind its end."""

    def __init__(self, data: mmap.mmap):
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise ValueError("it ends early")
        self.position += count
        return self.data[self.position - count : self.position]

    def numbers(self, form: str, count: int) -> tuple[Any, ...]:
        return struct.unpack(f"<{count}{form}", self.take(count * struct.calcsize(form)))

    def number(self, form: str) -> Any:
        return self.numbers(form, 1)[0]

    def string(self) -> str:
        return self.take(self.number("Q")).decode()

    def value(self) -> Any:
        kind = self.number("I")
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(_form(kind))
        kind, count = self.number("I"), self.number("Q")
        if kind == _STRING:
            return [self.string() for _ in range(count)]
        return list(self.numbers(_form(kind), count))

    def tensor(self) -> tuple[int, tuple[int, ...], int]:
        """The type, the shape and the offset of a tensor."""
        dimensions = self.number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        shape = self.numbers("Q", dimensions)[::-1]
        return self.number("I"), shape, self.number("Q")


def _form(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"a value has the unknown type {kind}")
    return _SCALARS[kind]


def _parse(data: mmap.mmap) -> tuple[dict[str, Any], dict[str, StoredTensor]]:
    cursor = _Cursor(data)
    if cursor.take(4) != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    version = cursor.number("I")
    if version not in _VERSIONS:
        order = ", as in a big-endian file" if version & 0xFFFF == 0 else ""
        raise ValueError(f"its version is {version}{order}, must be 2 or 3")
    tensor_count, value_count = cursor.numbers("Q", 2)
    metadata = _unique((cursor.string(), cursor.value()) for _ in range(value_count))
    listed = _unique((cursor.string(), cursor.tensor()) for _ in range(tensor_count))
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise ValueError(f"general.alignment is {alignment!r}, must be a power of two")
    first = -(-cursor.position // alignment) * alignment
    tensors = {}
    for name, (kind, shape, offset) in listed.items():
        type_name, size = _size(name, kind, math.prod(shape))
        tensors[name] = StoredTensor(kind, type_name, shape, first + offset, size)
    _check_places(tensors, len(data))
    return metadata, tensors


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{name!r} occurs twice")
        values[name] = value
    return values


def _size(name: str, kind: int, elements: int) -> tuple[str, int]:
    """The name of a tensor's type, and the bytes of so many elements."""
    if kind in FLOATS:
        return str(FLOATS[kind]).removeprefix("torch."), elements * FLOATS[kind].itemsize
    if kind == I2_S:
        return "i2_s", -(-elements // 4) + _I2_S_TAIL
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    if kind not in GGML_QUANT_SIZES:
        raise ValueError(f"{name} has the unknown type {kind}")
    block, size = GGML_QUANT_SIZES[kind]
    if elements % block:
        raise ValueError(f"{name} has {elements} elements, which are no whole blocks of {block}")
    return GGMLQuantizationType(kind).name.lower(), elements // block * size


def _check_places(tensors: dict[str, StoredTensor], length: int) -> None:
    """Raise ValueError if a tensor ends behind the file's end or in the next tensor."""
    placed = sorted(tensors.items(), key=lambda item: item[1].start)
    for (name, tensor), end in zip(placed, [*(tensor.start for _, tensor in placed[1:]), length]):
        if tensor.start + tensor.size > end:
            raise ValueError(f"{name} reaches beyond byte {end}, where the file ends or the next tensor starts")
