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

import ttnn_emulator

_SIGNAL_AT_PARENTS_DEATH = 1  # prctl's PR_SET_PDEATHSIG
_SEEDS = 2**31 - 1  # the plugin keeps a seed in 32 bits, and a larger one would end its engine
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
    _fold_seeds()
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


def _fold_seeds() -> None:
    """Bring a request's seed into the range that the plugin takes, in the check that vLLM makes of every request before
    it is on its way. (-1 is none, as everywhere in vLLM.)"""
    from vllm_tt_plugin.platform import TTPlatform  # needs vLLM's own start to be over

    check = TTPlatform.validate_request

    def validate_request(processed_inputs: Any, params: Any) -> None:
        check(processed_inputs, params)
        seed = getattr(params, "seed", None)
        if seed is not None and seed != -1:
            params.seed = seed % _SEEDS

    TTPlatform.validate_request = staticmethod(validate_request)


def _fold_data_parallel() -> None:
    """`--data-parallel-size` as so many models in one process (lanes), as the plugin does for models that it knows by
    name. (For others it starts a process each, and looks for their chips with tt-metal's own models.)"""
    from vllm_tt_plugin import platform

    in_one_process = platform._model_folds_dp_into_lanes

    def folds(model_class: Any) -> bool:
        return in_one_process(model_class) or f"{model_class.__module__}:{model_class.__name__}" == _CLASS

    platform._model_folds_dp_into_lanes = folds
