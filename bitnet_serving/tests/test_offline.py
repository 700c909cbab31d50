# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""vLLM without a server gives the same tokens as `BitNet.generate`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bitnet_serving.gguf_folder import servable
from models.bitnet.tests import shipped
from models.bitnet.tests.gguf_files import metadata, tokenizer_values, write_gguf
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams

TEXTS = shipped.texts(8)
SEEDED = [SamplingParams(0.8, 16, 0.95, seed) for seed in range(8)]


def by_vllm(result, texts, count, params, model=str(shipped.FOLDER), **environment):
    rows = [{"temperature": p.temperature, "top_k": p.top_k or -1, "top_p": p.top_p, "seed": p.seed} for p in params]
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("offline.py"), result],
        input=json.dumps({"model": model, "texts": texts, "count": count, "params": rows}),
        capture_output=True,
        text=True,
        env={**os.environ, "VLLM_NO_USAGE_STATS": "1", **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(result.read_text())


def without_ends(rows):
    """The tokens without the end token, as `BitNet.generate` gives them."""
    return [[token for token in row if token not in shipped.config().eos_token_ids] for row in rows]


def test_greedy_and_seeded(generated, tmp_path):
    """Eight prompts are decoded greedily and eight with seeds, in a batch of four users."""
    params = [*[GREEDY] * 8, *SEEDED]
    result = by_vllm(tmp_path / "result", TEXTS * 2, 16, params)
    assert result["preemptions"] == 0
    assert without_ends(result["tokens"]) == generated(TEXTS, 16, [GREEDY] * 8) + generated(TEXTS, 16, SEEDED)


def test_a_gguf_file(generated, tmp_path):
    """A GGUF file of the shipped model gives its tokens."""
    values = metadata(shipped.config()) | tokenizer_values(shipped.tokenizer())
    file = write_gguf(tmp_path / "tiny.gguf", values, shipped.state())
    result = by_vllm(tmp_path / "result", TEXTS, 16, [GREEDY] * 8, model=servable(str(file), tmp_path / "cache"))
    assert without_ends(result["tokens"]) == generated(TEXTS, 16, [GREEDY] * 8)


def test_preemption(generated, tmp_path):
    """The cache is too small for four long texts. vLLM preempts some texts, and no text loses a token.

    A preempted text is prefilled again. Prefill rounds differently from decode, so two nearly tied tokens may change
    places, and the rest of the text then differs.
    """
    count = 160
    result = by_vllm(tmp_path / "result", TEXTS[:4], count, [GREEDY] * 4, BITNET_CACHE_TOKENS="512")
    assert result["preemptions"] > 0
    expected = generated(TEXTS[:4], count, [GREEDY] * 4)
    assert [len(row) for row in result["tokens"]] == [count] * 4
    assert sum(row == other for row, other in zip(result["tokens"], expected)) >= 2
