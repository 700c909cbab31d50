# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What vLLM has to know of this model. It calls `register` in every process that it starts (entry point
`vllm.general_plugins`), before a device is opened and before a model's class is looked up."""

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
from serving.admission import check, check_texts, fold_seed
from serving.grammars import end_only_the_request

_SIGNAL_AT_PARENTS_DEATH = 1  # prctl's PR_SET_PDEATHSIG
_CLASS = "models.bitnet.tt.generator_vllm:BitNetForCausalLM"


class BitNetQuantization(QuantizationConfig):
    """The checkpoints' `quantization_config`: known by its name only, because vLLM loads no weights here."""

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
    """The device where there is none, the quantisation's name, and the model under both names that are looked up: the
    checkpoint's own, and with the plugin's "TT" before it."""
    ttnn_emulator.install()
    _end_with_parent()
    _check_requests()
    end_only_the_request()
    _fold_data_parallel()
    register_quantization_config("bitnet")(BitNetQuantization)
    for name in ("BitNetForCausalLM", "TTBitNetForCausalLM"):
        ModelRegistry.register_model(name, _CLASS)


def _end_with_parent() -> None:
    """vLLM's engine outlives a front that was killed, and would keep the device from the next one."""

    def ask() -> None:
        ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGTERM)

    if multiprocessing.parent_process() is not None:
        ask()
    os.register_at_fork(after_in_child=ask)


def _check_requests() -> None:
    """Check every request on its way to the engine, whatever route it came by."""
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
    """`--data-parallel-size` as so many models in one process (lanes), as the plugin does for models that it knows by
    name. (For others it starts a process each, and looks for their chips with tt-metal's own models.)"""
    from vllm_tt_plugin import platform

    in_one_process = platform._model_folds_dp_into_lanes

    def folds(model_class: Any) -> bool:
        return in_one_process(model_class) or f"{model_class.__module__}:{model_class.__name__}" == _CLASS

    platform._model_folds_dp_into_lanes = folds
