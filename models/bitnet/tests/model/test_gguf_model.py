# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model from a GGUF file writes what it writes from its folder. The host holds one layer at a time."""

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from models.bitnet.demo.evaluation import Case
from models.bitnet.tests import shipped
from models.bitnet.tests.families import FAMILIES
from models.bitnet.tests.gguf_files import metadata, tokenizer_values, write_gguf
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.model import BitNetModel
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.weights.checkpoint import read_config
from models.bitnet.tt.weights.state_dict import load_state_dict, open_state_dict
from models.bitnet.tt.weights.upload import DeviceWeights

NO_TEXT = SimpleNamespace(decode=lambda tokens, **options: "")  # a tokenizer of tokens without text
PROMPTS = ["And it came to pass", "In the beginning"]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer())
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", values, shipped.state())


def test_the_same_text(open_device, gguf, tmp_path):
    """The second start takes the weights from the cache that the first wrote."""
    options = {"max_batch": 2, "max_seq_len": 64, "progress": False}

    def texts(path) -> list[tuple[str, list[int]]]:
        with BitNet.from_pretrained(path, open_device, weight_cache=tmp_path, **options) as model:
            return [(done.text, done.tokens) for done in model.generate(PROMPTS, 16)]

    expected = texts(shipped.FOLDER)
    assert texts(gguf) == expected and all(len(tokens) == 16 for _, tokens in expected)
    assert texts(gguf.parent) == expected


def test_a_llama_of_the_same_tokens(open_device, tmp_path):
    """A file of architecture llama, which stores the rows of q and k in another order, and the model's folder."""
    FAMILIES["llama"](tmp_path)
    config, state = BitNetConfig.from_pretrained(tmp_path), load_state_dict(tmp_path)
    values = metadata(replace(config, bos_token_id=1, eos_token_ids=(2,)), "llama")
    path = write_gguf(tmp_path / "m.gguf", values, state, "llama", "BF16")

    def tokens(config: BitNetConfig, state: Mapping[str, torch.Tensor]) -> list[list[int]]:
        config = replace(config, eos_token_ids=())
        with BitNet(ModelConfig(config, open_device, "fused", 2, 64), state, NO_TEXT) as model:
            return [done.tokens for done in model.generate([[5, 300, 7, 11], [250, 3]], 6)]

    expected = tokens(config, state)
    assert all(len(set(text)) > 1 for text in expected)
    assert tokens(read_config(path), open_state_dict(path)) == expected


def test_the_same_reference(gguf):
    """`evaluate.py` measures with the file as it does with the folder."""
    text = shipped.DEMO / "prompts" / "evaluation.txt"
    ours, expected = (Case.load(path, text, positions=8, most=1) for path in (gguf, shipped.FOLDER))
    assert torch.equal(ours.windows.tokens, expected.windows.tokens) and ours.target_bytes == expected.target_bytes
    torch.testing.assert_close(ours.reference_logits(), expected.reference_logits(), rtol=0, atol=1e-4)


class Watched(Mapping):
    """A state dict that knows which of the tensors that it gave are still in memory."""

    def __init__(self, state: Mapping[str, torch.Tensor]):
        self.state = state
        self.given: dict[str, weakref.ref] = {}
        self.most_layers = 0

    def __getitem__(self, name: str) -> torch.Tensor:
        tensor = self.state[name]
        self.given[name] = weakref.ref(tensor)
        held = {
            name.split(".")[2]
            for name, given in self.given.items()
            if name.endswith("_proj.weight") and given() is not None
        }
        self.most_layers = max(self.most_layers, len(held))
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.state)

    def __len__(self) -> int:
        return len(self.state)


@pytest.mark.parametrize("precision", ["fused", "accuracy"])
def test_the_host_holds_one_layer(open_device, gguf, precision):
    state = Watched(open_state_dict(gguf))
    config = ModelConfig(shipped.config(), open_device, precision, 1, 64)
    BitNetModel(config, DeviceWeights(open_device), state)
    assert len(state.given) > 40 and state.most_layers == 1
