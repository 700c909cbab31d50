# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a folder of a GGUF file, because vLLM wants a checkpoint as a folder with a config and a tokenizer."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from models.bitnet.tt.weights.checkpoint import gguf_file, load_tokenizer, read_config
from models.bitnet.tt.weights.hub import find_checkpoint


def servable(model: str, cache: Path) -> str:
    """The name to give to vLLM: `model` itself, or a folder below `cache` if it is a GGUF file.

    Raises ValueError with a message of one line if there is no such checkpoint.
    """
    checkpoint = find_checkpoint(model)
    file = gguf_file(checkpoint)
    return model if file is None else str(folder_of(file.resolve(), cache))


def folder_of(file: Path, cache: Path) -> Path:
    """A folder with the config, the tokenizer, and a link to the GGUF file. It is made once for each file."""
    state = file.stat()
    version = hashlib.sha256(f"{file} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:16]
    folder = cache / f"{file.stem}-{version}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as place:
        unfinished = Path(place) / "folder"
        unfinished.mkdir()
        hf = read_config(file).to_hf()
        load_tokenizer(file).save_pretrained(unfinished)
        (unfinished / "config.json").write_text(json.dumps(hf, indent=2) + "\n", encoding="utf-8")
        ends = json.dumps({"eos_token_id": hf["eos_token_id"]})
        (unfinished / "generation_config.json").write_text(ends + "\n", encoding="utf-8")
        (unfinished / file.name).symlink_to(file)
        try:
            os.rename(unfinished, folder)
        except OSError:
            if not folder.is_dir():  # otherwise another server has just made it
                raise
    return folder
