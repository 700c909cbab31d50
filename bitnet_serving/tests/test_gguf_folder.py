# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that vLLM gets in the place of a GGUF file."""

import json
import os

import pytest
import torch
from transformers import AutoTokenizer

from bitnet_serving.gguf_folder import servable
from models.bitnet.tests import shipped
from models.bitnet.tests.gguf_files import metadata, tokenizer_values, write_gguf
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.state_dict import load_state_dict


@pytest.fixture
def file(tmp_path):
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer())
    return write_gguf(tmp_path / "tiny.gguf", values, shipped.state(), embedding="BF16")


def test_the_folder_of_a_file(file, tmp_path):
    """Config, tokenizer, ends and weights are those of the shipped folder."""
    folder = servable(str(file), tmp_path / "cache")
    assert BitNetConfig.from_pretrained(folder) == shipped.config()
    assert json.loads((tmp_path / "cache" / folder / "generation_config.json").read_text())["eos_token_id"] == [1, 2]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in shipped.texts():
        assert tokenizer.encode(text) == shipped.tokenizer().encode(text)
    assert tokenizer.chat_template == shipped.tokenizer().chat_template
    state = load_state_dict(folder, progress=False)
    for name, tensor in shipped.state().items():
        assert torch.equal(state[name].float(), tensor.float()), name


def test_it_is_made_once_for_each_file(file, tmp_path):
    cache = tmp_path / "cache"
    first = servable(str(file), cache)
    assert servable(str(file), cache) == first and len(list(cache.iterdir())) == 1
    os.utime(file, ns=(0, 0))
    assert servable(str(file), cache) != first


def test_a_folder_is_served_as_it_is(tmp_path):
    assert servable(str(shipped.FOLDER), tmp_path / "cache") == str(shipped.FOLDER)
    assert not (tmp_path / "cache").exists()


def test_what_is_no_checkpoint(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(ValueError, match="m.gguf: truncated, missing or not a GGUF file"):
        servable(str(tmp_path / "m.gguf"), tmp_path / "cache")
