# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Registers this model with vLLM.

vLLM calls `register` in every process that it starts (entry point `vllm.general_plugins`), whatever it serves. The call
comes before a device is opened and before the class of a model is looked up.
"""

import ctypes
import functools
import importlib.util
import multiprocessing
import os
import signal
from typing import Any

import torch
from vllm.config import ModelConfig, VllmConfig
from vllm.model_executor.layers.quantization import register_quantization_config
from vllm.model_executor.layers.quantization.base_config import QuantizationConfig
from vllm.model_executor.models.registry import ModelRegistry
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.input_processor import InputProcessor

import ttnn_emulator
from bitnet_serving.admission import check, check_texts, fold_seed
from bitnet_serving.grammars import end_only_the_request
from models.bitnet.tt.config import BitNetConfig

_SIGNAL_AT_PARENTS_DEATH = 1  # prctl's PR_SET_PDEATHSIG
_CLASS = "models.bitnet.tt.generator_vllm:BitNetForCausalLM"
_ARCHITECTURES = ("BitNetForCausalLM", "TTBitNetForCausalLM")  # the checkpoint's name, and vLLM's plugin's for it
_OTHER_NAMES = ("LlamaForCausalLM", "BitnetForCausalLM")  # ternary checkpoints have them, and full-precision ones too


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
    """Register the quantisation and the model with vLLM.

    A process that serves this model is changed when it checks its configuration. Others stay as they are.
    """
    if importlib.util.find_spec("vllm_tt_plugin") is None:
        return  # this vLLM runs on other devices
    register_quantization_config("bitnet")(BitNetQuantization)
    for name in _ARCHITECTURES:
        ModelRegistry.register_model(name, _CLASS)
    _name_ternary_models()
    _prepare_at_configuration()


def _name_ternary_models() -> None:
    """Patch vLLM so that a ternary checkpoint under another architecture's name gets this model's name.

    vLLM asks for the model's sizes as soon as it has read a config, and looks the class up behind that.
    """
    get_sizes = ModelConfig.get_model_arch_config

    def get_model_arch_config(self: ModelConfig) -> Any:
        if _runs_on_tenstorrent() and _is_other_ternary_model(self.hf_config):
            self.hf_config.architectures = [_ARCHITECTURES[0]]
        return get_sizes(self)

    ModelConfig.get_model_arch_config = get_model_arch_config


def _runs_on_tenstorrent() -> bool:
    from vllm.platforms import current_platform
    from vllm_tt_plugin.platform import TTPlatform

    return isinstance(current_platform, TTPlatform)


def _is_other_ternary_model(hf_config: Any) -> bool:
    """Whether this is a model that BitNetConfig reads, under one of the other names."""
    if not any(name in _OTHER_NAMES for name in getattr(hf_config, "architectures", None) or ()):
        return False
    try:
        BitNetConfig.from_hf(hf_config)
    except ValueError:
        return False
    return True


def _prepare_at_configuration() -> None:
    """Patch the plugin's platform so that a process which is to serve this model is prepared for it.

    Every process checks its configuration before it opens a device, starts another process or takes a request.
    """
    from vllm_tt_plugin.platform import TTPlatform

    check_configuration = TTPlatform.check_and_update_config

    def check_and_update_config(cls: type, vllm_config: VllmConfig) -> None:
        if _serves_bitnet(vllm_config.model_config):
            _prepare()
        check_configuration(vllm_config)

    TTPlatform.check_and_update_config = classmethod(check_and_update_config)


def _serves_bitnet(model: ModelConfig) -> bool:
    return any(name in _ARCHITECTURES for name in model.hf_config.architectures)


@functools.cache
def _prepare() -> None:
    """Prepare this process for serving the model. Without a card it gets the emulated device."""
    ttnn_emulator.install()
    _end_with_parent()
    _check_requests()
    end_only_the_request()
    _fold_data_parallel()


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
    """Patch vLLM so that every request to this model, of every route, is checked before it reaches the engine."""
    make_ready = InputProcessor.process_inputs

    def process_inputs(
        self: InputProcessor, request_id: str, prompt: Any, params: SamplingParams, *given: Any, **options: Any
    ) -> EngineCoreRequest:
        if not _serves_bitnet(self.model_config):
            return make_ready(self, request_id, prompt, params, *given, **options)
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
