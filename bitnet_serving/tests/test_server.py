# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The OpenAI server: several clients, settings that the host handles, clients that leave, and kill -9."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from models.bitnet.tests import shipped
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams

TEXTS = shipped.texts(4)


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=600) as client:
        yield client


def complete(client, prompt=TEXTS[0], **options):
    options = {"max_tokens": 8, "temperature": 0, **options}
    return client.completions.create(model="bitnet", prompt=prompt, **options).choices[0]


def text_of(tokens):
    return shipped.tokenizer().decode(tokens, skip_special_tokens=True)


def test_four_clients_at_once(client, generated):
    """Two greedy and two seeded clients at once. Each client gets the text that it gets alone."""
    params = [GREEDY, SamplingParams(0.8, 16, 0.95, seed=3), GREEDY, SamplingParams(1.0, seed=4)]
    expected = [text_of(tokens) for tokens in generated(TEXTS, 12, params)]

    def ask(text, p):
        extra = {"top_k": p.top_k or -1}
        asked = {"temperature": p.temperature, "top_p": p.top_p, "seed": p.seed, "extra_body": extra, "max_tokens": 12}
        return complete(client, text, **asked).text

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, TEXTS, params)) == expected


def test_one_candidate_is_greedy(client):
    assert complete(client, temperature=2, seed=1, extra_body={"top_k": 1}).text == complete(client).text


def test_a_stream_is_the_text_in_pieces(client):
    whole = complete(client).text
    pieces = client.completions.create(model="bitnet", prompt=TEXTS[0], max_tokens=8, temperature=0, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == whole


def test_what_the_host_adds(client):
    """The host reads the logits for log probabilities, a logit bias, grammars and a least length."""
    plain = complete(client)
    logged = complete(client, logprobs=5)
    assert logged.text == plain.text
    for token, likeliest in zip(logged.logprobs.token_logprobs, logged.logprobs.top_logprobs):
        assert len(likeliest) >= 5 and token == max(likeliest.values())
    first = shipped.tokenizer().encode(plain.text, add_special_tokens=False)[0]
    assert complete(client, logit_bias={str(first): -100}).text != plain.text
    choice = {"structured_outputs": {"choice": ["unto him", "unto them"]}}
    assert complete(client, extra_body=choice).text in ("unto him", "unto them")
    digits = complete(client, extra_body={"structured_outputs": {"regex": "[0-9]{3}"}})
    assert digits.text.isdigit() and len(digits.text) == 3
    least = complete(client, max_tokens=8, extra_body={"min_tokens": 8})
    assert least.finish_reason == "length"
    assert complete(client).text == plain.text


def test_penalties(client):
    """The device's penalties give the text of vLLM's own. Log probabilities send the logits to vLLM's sampler."""
    plain = complete(client, max_tokens=24).text
    penalties = {"presence_penalty": 1, "frequency_penalty": 0.5, "extra_body": {"repetition_penalty": 1.2}}
    penalised = complete(client, max_tokens=24, **penalties).text
    assert penalised != plain
    assert complete(client, max_tokens=24, logprobs=1, **penalties).text == penalised


def test_several_answers_to_one_prompt(client):
    answers = client.completions.create(model="bitnet", prompt=TEXTS[0], n=3, temperature=1, seed=1, max_tokens=6)
    assert len({choice.text for choice in answers.choices}) > 1


def test_a_shared_prefix_is_found_again(client, server):
    text = TEXTS[0] * 6
    first = complete(client, text, max_tokens=4).text
    hits = server.metric("vllm:prefix_cache_hits_total")
    assert complete(client, text, max_tokens=4).text == first
    assert server.metric("vllm:prefix_cache_hits_total") > hits


def test_a_client_that_leaves_in_mid_stream(client, server):
    """The user of a client that leaves is free again within a few steps, and a later answer is the usual one."""
    expected = complete(client).text
    stream = client.completions.create(
        model="bitnet", prompt=TEXTS[1], max_tokens=400, stream=True, extra_body={"ignore_eos": True}
    )
    next(stream)
    stream.close()
    assert complete(client).text == expected
    assert server.metric("vllm:num_requests_running") == 0


def test_killed_and_started_again(client, server):
    expected = complete(client).text
    server.kill_front()
    assert not server.healthy()
    server.start()
    assert complete(client).text == expected


LEFT_OUT = [
    # the test wants five different texts from a full batch, which has four users here
    "test_seeding_and_variety.py::TestSeedingAndVariety::test_uniform_noseed_varied",
    # the first four penalties of the test are 1 or less, which only make "a a a" likelier
    "test_tt_penalties.py::TestRepetitionPenalty::test_different_repetition_penalties",
    # the test takes the first character of a text for its first token, but this model's words begin with a space
    "test_seeding_and_variety.py::TestSeedingAndVariety::test_topk",
]


@pytest.mark.skipif(
    "PLUGIN" not in os.environ, reason="the tests of the plugin are in its checkout; give PLUGIN=<folder>"
)
def test_the_plugins_tests(server):
    """The plugin's tests pass against the running server of four users, except those in LEFT_OUT."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/tt"),
            *(f"--deselect=tests/tt/{test}" for test in LEFT_OUT),
            *("--tt-server-url", server.url, "--tt-model-name", "bitnet", "--tt-max-num-seqs", "4"),
        ],
        cwd=Path(os.environ["PLUGIN"]).resolve(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
