# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A model's name stands for some files of the hub. A stand-in hub has models as folders and records downloads."""

import fnmatch
import shutil
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from models.bitnet.tt.weights.hub import find_checkpoint


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A function that puts a model with files of these names on the hub. Downloads go to the folder `here`."""
    there, here = tmp_path / "there", tmp_path / "here"

    def repository(name: str) -> Path:
        if not (there / name).is_dir():
            raise LocalEntryNotFoundError(f"no model {name}\nlook at the hub's page")
        return there / name

    def download(name: str, file: str) -> str:
        if not (repository(name) / file).is_file():
            raise LocalEntryNotFoundError(f"no file {file}")
        (here / name / file).parent.mkdir(parents=True, exist_ok=True)
        return str(shutil.copy(there / name / file, here / name / file))

    def snapshot(name: str, allow_patterns: list[str]) -> str:
        for file in list_files(name):
            if any(fnmatch.fnmatch(file, pattern) for pattern in allow_patterns):
                download(name, file)
        return str(here / name)

    def list_files(name: str) -> list[str]:
        folder = repository(name)
        return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr("huggingface_hub.list_repo_files", list_files)

    def publish(name: str, *files: str) -> Path:
        for file in files:
            (there / name / file).parent.mkdir(parents=True, exist_ok=True)
            (there / name / file).write_text(file)
        return here / name

    return publish


def downloaded(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_a_model_with_safetensors(hub):
    """The GGUF file and the pickled weights of the model are not downloaded."""
    folder = hub("a/b", "config.json", "model.safetensors", "tokenizer.json", "m.gguf", "pytorch_model.bin")
    assert find_checkpoint("a/b") == folder
    assert downloaded(folder) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_the_only_gguf_file(hub):
    folder = hub("a/b", "README.md", "m.gguf")
    assert find_checkpoint("a/b") == folder / "m.gguf" and downloaded(folder) == ["m.gguf"]


def test_several_gguf_files(hub):
    """The user has to name one. Nothing of this size is downloaded before."""
    folder = hub("a/b", "config.json", "x.gguf", "y.gguf")
    with pytest.raises(ValueError, match="a/b has 2 GGUF files; name one: a/b/x.gguf, a/b/y.gguf"):
        find_checkpoint("a/b")
    assert downloaded(folder) == ["config.json"]


@pytest.mark.parametrize("file", ["y.gguf", "deep/er/y.gguf"])
def test_one_of_several_gguf_files(hub, file):
    folder = hub("a/b", "config.json", "x.gguf", file)
    assert find_checkpoint(f"a/b/{file}") == folder / file and downloaded(folder) == [file]


def test_a_model_in_another_form(hub):
    """`load_state_dict` says what is missing in the folder."""
    folder = hub("a/b", "config.json", "pytorch_model.bin")
    assert find_checkpoint("a/b") == folder


@pytest.mark.parametrize("name", ["a/c", "a/b/z.gguf", "a/c/m.gguf"])
def test_what_the_hub_does_not_have(hub, name):
    hub("a/b", "m.gguf")
    with pytest.raises(ValueError, match=f"^{name} is neither a folder nor a GGUF file nor on the hub: no ") as error:
        find_checkpoint(name)
    assert "\n" not in str(error.value)


def test_on_disk(tmp_path, hub):
    (tmp_path / "m.gguf").touch()
    assert find_checkpoint(str(tmp_path)) == tmp_path
    assert find_checkpoint(str(tmp_path / "m.gguf")) == tmp_path / "m.gguf"
