# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The config that vLLM and the plugin make from `--data-parallel-size` before an engine starts."""

from vllm.engine.arg_utils import EngineArgs
from vllm_tt_plugin.config import get_tt_data_parallel_size

from models.bitnet.tests import shipped


def test_data_parallel_becomes_lanes_of_one_process():
    config = EngineArgs(
        str(shipped.FOLDER), block_size=32, max_num_seqs=4, max_model_len=512, data_parallel_size=2
    ).create_engine_config()
    assert config.parallel_config.data_parallel_size == 1 and get_tt_data_parallel_size(config) == 2
    assert config.scheduler_config.max_num_seqs == 8  # the users of both models
    assert config.scheduler_config.scheduler_cls.endswith("TTLaneCoordinator")
