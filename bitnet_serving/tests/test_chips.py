# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""vLLM on the two chips of an emulated n300: one model tensor parallel over both chips, and a model on each chip."""

from concurrent.futures import ThreadPoolExecutor

import openai

from bitnet_serving.tests.server import Server
from bitnet_serving.tests.test_offline import SEEDED, TEXTS, by_vllm, without_ends
from models.bitnet.tests import shipped
from models.bitnet.tt.generation.sampling import GREEDY

BOARD = {"TTNN_EMULATOR_BOARD": "n300"}


def test_one_model_on_both(generated_in_accuracy, tmp_path):
    """Greedy and seeded tokens on two chips are the same as on one chip."""
    params = [*[GREEDY] * 4, *SEEDED[:4]]
    result = by_vllm(tmp_path / "result", TEXTS[:4] * 2, 8, params, **BOARD, MESH_DEVICE="(1, 2)")
    expected = [generated_in_accuracy(TEXTS[:4], 8, chosen) for chosen in ([GREEDY] * 4, SEEDED[:4])]
    assert without_ends(result["tokens"]) == sum(expected, [])


def test_a_model_on_each(generated, tmp_path):
    """Eight clients at once are more than the users of one model. Each client gets the text that it gets alone."""
    expected = [shipped.tokenizer().decode(row, skip_special_tokens=True) for row in generated(TEXTS, 8, [GREEDY] * 8)]
    with (
        Server(tmp_path / "log", "--data-parallel-size", "2", **BOARD) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=600) as client,
        ThreadPoolExecutor(len(TEXTS)) as clients,
    ):

        def ask(text: str) -> str:
            answer = client.completions.create(model="bitnet", prompt=text, max_tokens=8, temperature=0)
            return answer.choices[0].text

        assert list(clients.map(ask, TEXTS)) == expected
        assert "2 in-process TT lanes" in server.log.read_text()
