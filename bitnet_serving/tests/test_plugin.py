# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The plugin changes a process that serves this model, and no other.

vLLM calls `register` in every process, so a process of each test stands for one of vLLM's.
"""

import os
import subprocess
import sys

import pytest
import transformers

from models.bitnet.tests.families import FAMILIES, every_family

# prints what a process is like after it was given the configuration of a model of the first argument's architecture
PROCESS = """
import sys
from types import SimpleNamespace

from vllm.v1.engine.input_processor import InputProcessor
from vllm.v1.structured_output import StructuredOutputManager
from vllm_tt_plugin import platform

import ttnn_emulator
from bitnet_serving.plugin import register

checked = []
platform.TTPlatform.check_and_update_config = classmethod(lambda cls, config: checked.append(config))
patched = [
    (InputProcessor, "process_inputs"),
    (StructuredOutputManager, "_create_grammar"),
    (platform, "_model_folds_dp_into_lanes"),
]
before = [getattr(*place) for place in patched]
register()
hf_config = SimpleNamespace(architectures=[sys.argv[1]])
config = SimpleNamespace(model_config=SimpleNamespace(hf_config=hf_config))
for _ in range(2):
    platform.TTPlatform.check_and_update_config(config)
assert checked == [config, config]
board = ttnn_emulator.installed_board()
print(board and board.name, [getattr(*place) is not old for place, old in zip(patched, before)])
"""
# prints which class vLLM takes for the checkpoint folder of the first argument, on the platform of the second argument
MODEL_OF_A_FOLDER = """
import sys

from vllm import platforms
from vllm.config import ModelConfig
from vllm.platforms.cpu import CpuPlatform
from vllm_tt_plugin.platform import TTPlatform

from bitnet_serving.plugin import register

platforms._current_platform = {"tt": TTPlatform, "cpu": CpuPlatform}[sys.argv[2]]()
register()
config = ModelConfig(sys.argv[1], skip_tokenizer_init=True, enforce_eager=True)
print(config.architecture, config.hf_config.architectures)
"""
ELSEWHERE = """
import sys
from unittest import mock

from vllm.model_executor.models.registry import ModelRegistry

import bitnet_serving.plugin

sys.modules["vllm_tt_plugin"] = None
with mock.patch.object(ModelRegistry, "register_model") as registered:
    bitnet_serving.plugin.register()
print(registered.called)
"""


def last_line(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    run = subprocess.run(command, env={**os.environ, "VLLM_PLUGINS": ""}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.splitlines()[-1]


@pytest.mark.parametrize("architecture", ["BitNetForCausalLM", "TTBitNetForCausalLM"])
def test_a_process_that_serves_this_model_is_prepared_once(architecture):
    assert last_line(PROCESS, architecture) == "n150 [True, True, True]"


def test_a_process_that_serves_another_model_stays_as_it_is():
    assert last_line(PROCESS, "TTLlamaForCausalLM") == "None [False, False, False]"


@every_family
def test_a_ternary_checkpoint_under_another_name_gets_this_model(tmp_path, family):
    FAMILIES[family](tmp_path)
    assert last_line(MODEL_OF_A_FOLDER, str(tmp_path), "tt") == "BitNetForCausalLM ['BitNetForCausalLM']"


def test_a_full_precision_llama_stays_one(tmp_path):
    config = transformers.LlamaConfig(hidden_size=64, num_attention_heads=2, architectures=["LlamaForCausalLM"])
    config.save_pretrained(tmp_path)
    assert last_line(MODEL_OF_A_FOLDER, str(tmp_path), "tt") == "LlamaForCausalLM ['LlamaForCausalLM']"


def test_a_ternary_checkpoint_on_another_platform_stays_as_it_is(tmp_path):
    FAMILIES["llama"](tmp_path)
    assert last_line(MODEL_OF_A_FOLDER, str(tmp_path), "cpu") == "LlamaForCausalLM ['LlamaForCausalLM']"


def test_a_vllm_without_the_tenstorrent_plugin_gets_no_model():
    assert last_line(ELSEWHERE) == "False"
