# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs vLLM without a server in a separate process.

The process reads its settings as JSON from stdin and writes the tokens as JSON to the file of its argument.
"""

import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams


def main() -> None:
    given = json.load(sys.stdin)
    llm = LLM(
        given["model"],
        block_size=32,
        max_num_seqs=4,
        max_model_len=512,
        disable_log_stats=False,
        additional_config={"tt": {"sample_on_device_mode": "all"}},
    )
    params = [SamplingParams(max_tokens=given["count"], **row) for row in given["params"]]
    outputs = llm.generate(given["texts"], params)
    counts = {metric.name: metric.value for metric in llm.get_metrics() if hasattr(metric, "value")}
    tokens = [list(output.outputs[0].token_ids) for output in outputs]
    Path(sys.argv[1]).write_text(json.dumps({"tokens": tokens, "preemptions": counts["vllm:num_preemptions"]}))


if __name__ == "__main__":  # vLLM starts its engine's process from this file
    main()
