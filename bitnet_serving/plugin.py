# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Registers this model with vLLM.

vLLM calls `register` in every process that it starts (entry point `vllm.general_plugins`). The call comes before a
device is opened and before the class of a model is looked up.
"""

import ctypes
import multiprocessing
import os
import signal
from typing import Any

import torch
from vllm.model_executor.layers.quantization import register_quantization_config
from vllm.model_executor.layers.quantization.base_config import QuantizationConfig
from vllm.model_executor.models.registry import ModelRegistry
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.input_processor import InputProcessor

import ttnn_emulator
from bitnet_serving.admission import check, check_texts, fold_seed
from bitnet_serving.grammars import end_only_the_request

_SIGNAL_AT_PARENTS_DEATH = 1  # prctl's PR_SET_PDEATHSIG
_CLASS = "models.bitnet.tt.generator_vllm:BitNetForCausalLM"


class BitNetQuantization(QuantizationConfig):
    """The quantisation "bitnet" of a checkpoint's `quantization_config`.

    The class has only a name, because vLLM does not load the weights of this model.
    """

    @classmethod
    def get_name(cls) -> str:
        return "bitnet"

    @classmethod
    def get_supported_act_dtypes(cls) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16, torch.float32]

    @classmethod
    def get_min_capability(cls) -> int:
        return -1  # no GPU

    @staticmethod
    def get_config_filenames() -> list[str]:
        return []

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BitNetQuantization":
        return cls()

    def get_quant_method(self, layer: torch.nn.Module, prefix: str) -> None:
        return None


def register() -> None:
    """Register the quantisation and the model with vLLM, and patch vLLM.

    The model is registered under two names: the checkpoint's, and the same with the plugin's prefix "TT". The emulated
    device is installed first if there is no card.
    """
    ttnn_emulator.install()
    _end_with_parent()
    _check_requests()
    end_only_the_request()
    _fold_data_parallel()
    register_quantization_config("bitnet")(BitNetQuantization)
    for name in ("BitNetForCausalLM", "TTBitNetForCausalLM"):
        ModelRegistry.register_model(name, _CLASS)


def _end_with_parent() -> None:
    """Make a child process end with its parent.

    Otherwise vLLM's engine would outlive a killed server and keep the device from the next server.
    """

    def ask() -> None:
        ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGTERM)

    if multiprocessing.parent_process() is not None:
        ask()
    os.register_at_fork(after_in_child=ask)


def _check_requests() -> None:
    """Patch vLLM so that every request of every route is checked before it reaches the engine."""
    make_ready = InputProcessor.process_inputs

    def process_inputs(
        self: InputProcessor, request_id: str, prompt: Any, params: SamplingParams, *given: Any, **options: Any
    ) -> EngineCoreRequest:
        check_texts(params)
        request = make_ready(self, request_id, prompt, params, *given, **options)
        check(request, self.model_config.get_vocab_size())
        fold_seed(request)
        return request

    InputProcessor.process_inputs = process_inputs


def _fold_data_parallel() -> None:
    """Make `--data-parallel-size` run its models as lanes of one process.

    The plugin does this only for the models that it knows by name. For other models it starts one process a model and
    looks for their chips with tt-metal's models.
    """
    from vllm_tt_plugin import platform

    in_one_process = platform._model_folds_dp_into_lanes

    def folds(model_class: Any) -> bool:
        return in_one_process(model_class) or f"{model_class.__module__}:{model_class.__name__}" == _CLASS

    platform._model_folds_dp_into_lanes = folds
