# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint on disk: a Hugging Face folder with safetensors, a GGUF file, or a folder with one GGUF file.

A folder with both is a folder with safetensors.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights import gguf, gguf_tokenizer
from models.bitnet.tt.weights.entry import CheckpointError, Entry

# A part of content_hash. Raise it whenever the conversion makes other device tensors from the same checkpoint.
PACKING_VERSION = 1

_SAFETENSORS, _INDEX = "model.safetensors", "model.safetensors.index.json"


def read_config(path: str | Path) -> BitNetConfig:
    """The model's shape. Raises ValueError, with a message of one line that names the file, if there is none."""
    file = gguf_file(Path(path))
    return gguf.read_config(file) if file else BitNetConfig.from_pretrained(path)


def load_tokenizer(path: str | Path) -> Any:
    """The tokenizer, as transformers has it. Raises ValueError or OSError if there is none."""
    file = gguf_file(Path(path))
    if file:
        return gguf_tokenizer.load_tokenizer(file)
    from transformers import AutoTokenizer  # a bare ttnn model does not need it

    return AutoTokenizer.from_pretrained(path)


def open_tensors(path: str | Path) -> dict[str, Entry]:
    """Every tensor under Hugging Face's name, opened but not read."""
    file = gguf_file(Path(path))
    return gguf.open_tensors(file) if file else _open_folder(Path(path))


def content_hash(path: str | Path) -> str:
    """A hex digest of everything that device tensors are made from: the weights, the config and PACKING_VERSION."""
    digest = hashlib.sha256(f"{PACKING_VERSION} {read_config(path)}".encode())
    for weights in weight_files(path):
        file_digest = hashlib.sha256()
        with weights.open("rb") as content:
            while block := content.read(1 << 20):
                file_digest.update(block)
        digest.update(file_digest.digest())
    return digest.hexdigest()


def weight_files(path: str | Path) -> list[Path]:
    """The files that hold the weights, in order."""
    file = gguf_file(Path(path))
    return [file] if file else sorted(_checkpoint_files(Path(path)))


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that `path` is, or that is the only one in the folder `path`. None for a folder of safetensors.

    Raises CheckpointError if a folder has several, and no safetensors.
    """
    if path.suffix == ".gguf" and not path.is_dir():
        return path
    if (path / _SAFETENSORS).is_file() or (path / _INDEX).is_file():
        return None
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        raise CheckpointError(
            f"{path}: has {len(files)} GGUF files; name one: {', '.join(file.name for file in files)}"
        )
    return files[0] if files else None


def _checkpoint_files(folder: Path) -> dict[Path, set[str] | None]:
    """The safetensors files of a folder, each with the names of its tensors in the index (None without an index)."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return {single: None}
    if not index.is_file():
        raise CheckpointError(f"{folder}: no model.safetensors and no {index.name} (pickled weights are never read)")
    files: dict[Path, set[str] | None] = {}
    try:
        for name, file_name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].items():
            if Path(file_name).name != file_name:
                raise ValueError(f"{name} is in {file_name!r}, which is not a file of this folder")
            files.setdefault(folder / file_name, set()).add(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index}: not an index of safetensors files ({error})") from error
    return files


def _open_folder(folder: Path) -> dict[str, Entry]:
    """Every tensor of a checkpoint folder, opened but not read."""
    entries = {}
    for path, promised in _checkpoint_files(folder).items():
        try:
            file = safe_open(path, framework="pt")
            names = set(file.keys())
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: truncated, missing or not safetensors ({error})") from error
        for name in sorted(names ^ (names if promised is None else promised)):
            raise CheckpointError(f"{path}: {name}: {'not in the index' if name in names else 'missing tensor'}")
        for name in names:
            entries[name] = Entry(str(path), name, lambda file=file, name=name: file.get_tensor(name))
    return entries
