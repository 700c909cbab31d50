# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""lm-evaluation-harness runs small tasks of this file on the device's model. Nothing is downloaded."""

import math
from collections.abc import Iterator

import pytest
import torch
from tokenizers import Tokenizer

from models.bitnet.demo.evaluate import SHIPPED_MODEL
from models.bitnet.reference.model import Model
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.state_dict import load_state_dict

lm_eval = pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: pip install lm_eval")

USERS = 3
CHOICES = [
    ("And God said, Let there be", ["light", "telephone"], 0),
    ("And it came", ["window", "to pass"], 1),
    ("And the LORD spake unto Moses,", ["saying", "engine"], 0),
    ("The children of", ["quickly", "Israel"], 1),
]
PASSAGES = [
    "And he said unto them, Go ye up into the city.",
    "In those days there was no king.",
    "Amen.",
    "And the men rose up early in the morning, and went forth.",
]


@pytest.fixture
def device_params() -> dict:
    return {"trace_region_size": 64 << 20}


@pytest.fixture
def adapter(device) -> Iterator:
    from models.bitnet.demo.lm_eval_adapter import BitNetLM

    with BitNet.from_pretrained(SHIPPED_MODEL, device, "accuracy", USERS, max_seq_len=128, progress=False) as model:
        yield BitNetLM(model)


@pytest.fixture(scope="module")
def reference() -> Model:
    return Model(BitNetConfig.from_pretrained(SHIPPED_MODEL), load_state_dict(SHIPPED_MODEL))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(SHIPPED_MODEL / "tokenizer.json"))


def requests(kind: str, arguments: list[tuple]) -> list:
    instance = pytest.importorskip("lm_eval.api.instance").Instance
    return [instance(kind, {}, one, number) for number, one in enumerate(arguments)]


def expected(reference: Model, tokens: list[int], scored: int) -> tuple[float, bool]:
    """The log-probability of the last `scored` tokens by the reference, and whether each of them is the likeliest."""
    rows = reference.prefill(torch.tensor(tokens[:-1])[None])[0][0, -scored:].double().log_softmax(-1)
    last = torch.tensor(tokens[-scored:])
    return rows.gather(-1, last[:, None]).sum().item(), torch.equal(rows.argmax(-1), last)


def test_loglikelihood(adapter, reference: Model, tokenizer: Tokenizer) -> None:
    """There are more requests than users. The requests have different lengths, and one has no context."""
    pairs = [(context, f" {choice}") for context, choices, _ in CHOICES for choice in choices] + [("", PASSAGES[0])]
    results = adapter.loglikelihood(requests("loglikelihood", pairs), disable_tqdm=True)
    assert len(results) == len(pairs)
    for (context, continuation), (value, greedy) in zip(pairs, results):
        scored = len(tokenizer.encode(context + continuation).ids) - len(tokenizer.encode(context).ids)
        golden, golden_greedy = expected(reference, tokenizer.encode(context + continuation).ids, scored)
        assert value == pytest.approx(golden, abs=0.02 * scored, rel=0.01)
        assert greedy == golden_greedy


def test_a_context_that_is_too_long_loses_its_start(adapter, reference: Model, tokenizer: Tokenizer) -> None:
    context, continuation = " ".join(PASSAGES * 8), " And he said"
    tokens = tokenizer.encode(context + continuation).ids
    assert len(tokens) > adapter.max_length + 1
    scored = len(tokens) - len(tokenizer.encode(context).ids)
    ((value, _),) = adapter.loglikelihood(requests("loglikelihood", [(context, continuation)]), disable_tqdm=True)
    golden, _ = expected(reference, tokens[-adapter.max_length - 1 :], scored)
    assert value == pytest.approx(golden, abs=0.02 * scored, rel=0.01)


def test_loglikelihood_rolling(adapter, reference: Model, tokenizer: Tokenizer) -> None:
    """Every token counts once. Every window after the first is as long as the context allows."""
    adapter.max_length = 32
    text = " ".join(PASSAGES)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) > 32
    short, long = adapter.loglikelihood_rolling(
        requests("loglikelihood_rolling", [(PASSAGES[2],), (text,)]), disable_tqdm=True
    )
    bos = reference.config.bos_token_id
    first = tokenizer.encode(PASSAGES[2], add_special_tokens=False).ids
    assert short == pytest.approx(expected(reference, [bos, *first], len(first))[0], abs=0.2)
    golden = expected(reference, [bos, *ids[:32]], 32)[0]
    for begin in range(32, len(ids), 32):
        end = min(begin + 32, len(ids))
        golden += expected(reference, ids[end - 33 : end], end - begin)[0]
    assert long == pytest.approx(golden, rel=0.01)


def test_generate_until(adapter) -> None:
    """The text is the model's greedy text up to the stop string. Requests may have different settings."""
    prompts = ["And it came to pass, when", "Then the people", "The LORD", "And the king"]
    settings = [{"until": [","], "max_gen_toks": 12}] * 3 + [{"until": [], "max_gen_toks": 5}]
    texts = adapter.generate_until(requests("generate_until", list(zip(prompts, settings))), disable_tqdm=True)
    for prompt, given, text in zip(prompts, settings, texts):
        (alone,) = adapter.model.generate([prompt], given["max_gen_toks"], stop=given["until"])
        assert text == alone.text and not any(stop in text for stop in given["until"])


def test_harness_runs_tasks(adapter, monkeypatch, reference: Model, tokenizer: Tokenizer) -> None:
    """The harness evaluates three tasks of three kinds."""
    datasets, harness_tasks = pytest.importorskip("datasets"), pytest.importorskip("lm_eval.tasks")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def task(name: str, rows: list[dict], **settings) -> dict:
        def dataset(**_):
            return {"test": datasets.Dataset.from_list(rows)}

        return {"task": name, "custom_dataset": dataset, "test_split": "test", **settings}

    choices = task(
        "choices",
        [{"context": context, "choices": options, "label": label} for context, options, label in CHOICES],
        output_type="multiple_choice",
        doc_to_text="context",
        doc_to_choice="choices",
        doc_to_target="label",
        metric_list=[{"metric": "acc"}],
    )
    rolling = task(
        "rolling",
        [{"text": text} for text in PASSAGES],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="text",
        metric_list=[{"metric": "bits_per_byte"}],
    )
    said = task(
        "said",
        [{"context": "And the LORD spake unto Moses,", "answer": "saying"}],
        output_type="generate_until",
        doc_to_text="context",
        doc_to_target="answer",
        generation_kwargs={"until": [","], "max_gen_toks": 4},
        metric_list=[{"metric": "exact_match", "ignore_punctuation": True}],
        filter_list=[{"name": "strip", "filter": [{"function": "remove_whitespace"}]}],
    )
    no_defaults = harness_tasks.TaskManager(include_defaults=False)  # the defaults are thousands of files
    tasks = [choices, rolling, said]
    results = lm_eval.simple_evaluate(adapter, tasks=tasks, bootstrap_iters=0, task_manager=no_defaults)["results"]
    assert results["choices"]["acc,none"] == 1.0
    bits = sum(
        -expected(reference, tokenizer.encode(text).ids, len(tokenizer.encode(text).ids) - 1)[0] for text in PASSAGES
    )
    bits /= math.log(2) * sum(len(text.encode()) for text in PASSAGES)
    assert results["rolling"]["bits_per_byte,none"] == pytest.approx(bits, rel=0.01)
    assert results["said"]["exact_match,strip"] in (0.0, 1.0)  # any greedy text is right


def test_chat_template_does_not_double_the_first_token(adapter) -> None:
    text = adapter.apply_chat_template([{"role": "user", "content": "Who was Moses?"}])
    assert adapter.tok_encode(text).count(adapter.prefix_token_id) == 1
    assert adapter.tok_encode("Who was Moses?").count(adapter.prefix_token_id) == 1
