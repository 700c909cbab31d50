# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as a person runs it: as a command, from two folders, with good and bad arguments."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.bitnet.demo import bench as bench_module
from models.bitnet.demo import demo as demo_module
from models.bitnet.demo.arguments import DEFAULT_PROMPT, parse_arguments, read_prompts
from models.bitnet.tests import shipped

SCRIPT = shipped.DEMO / "demo.py"
ROOT = SCRIPT.parents[3]
PROMPT = "And it came to pass"
LONG = "in the days of the judges, " * 6  # more than a cache block of 32 tokens
ROWS = 5  # of a step: of a request and its drafts
KEYS = {
    "text",
    "tokens",
    "device",
    "ttft_s",
    "ms_per_token",
    "tokens_per_s_user",
    "uploaded_bytes_per_step",
    "downloaded_bytes_per_step",
    "programs_per_step",
    "tokens_per_step",
    "drafted_tokens",
    "accepted_tokens",
    "traced",
}


def demo(*arguments: str, folder: Path = ROOT, script: str | Path = SCRIPT) -> subprocess.CompletedProcess:
    """Run the demo to its end, without access to the hub."""
    command = [sys.executable, str(script), *(a if isinstance(a, bytes) else str(a) for a in arguments)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *arguments: str | Path) -> tuple[dict, str]:
    """The JSON and the whole output of the demo, run in this process."""
    monkeypatch.setattr(sys, "argv", ["demo.py", "--json", *map(str, arguments)])
    assert demo_module.main() == 0
    output = capsys.readouterr().out
    return json.loads(output.splitlines()[-1]), output


def result(done: subprocess.CompletedProcess) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def traced() -> tuple[dict, str]:
    """The JSON and the whole output of a run with the defaults from the repository's root."""
    done = demo(PROMPT, "--json", "--max-new-tokens", "24")
    return result(done), done.stdout


def test_json(traced):
    numbers, output = traced
    assert KEYS <= set(numbers)
    assert numbers["traced"] is True and numbers["precision"] == "fused", "the default of one chip"
    assert re.search(r"^  precision +fused$", output, re.MULTILINE)
    assert numbers["uploaded_bytes_per_step"] == 0 and numbers["downloaded_bytes_per_step"] == 4 * ROWS
    assert numbers["text"] == shipped.tokenizer().decode(numbers["tokens"], skip_special_tokens=True)
    assert len(numbers["tokens"]) == 24 and numbers["programs_per_step"] > 10
    assert numbers["ttft_s"] > 0 and numbers["ms_per_token"] > 0 and numbers["tokens_per_s_user"] > 0
    assert f"{PROMPT}{numbers['text']}\n" in output, "the text is shown after its prompt"
    assert "tokens/s/user" in output
    if "emulated" in numbers["device"]:
        assert "not a card's" in output


def test_without_trace_and_from_the_models_folder(traced):
    """`cd models/bitnet && python demo/demo.py --no-trace` gives the same text as the traced run."""
    done = demo(
        PROMPT,
        "--json",
        "--max-new-tokens",
        "24",
        "--no-trace",
        folder=ROOT / "models/bitnet",
        script="demo/demo.py",
    )
    numbers = result(done)
    assert numbers["traced"] is False and numbers["uploaded_bytes_per_step"] == 0
    assert numbers["tokens"] == traced[0]["tokens"] and numbers["text"] == traced[0]["text"]


def test_a_file_of_prompts(tmp_path, traced, monkeypatch, capsys):
    """Three prompts at once in one KV cache, with seeded draws: each text follows its prompt.

    Two prompts that begin alike use the same whole blocks.
    """
    prompts = [PROMPT, f"{PROMPT} {LONG} the LORD", f"{PROMPT} {LONG} then"]
    both = zip(*(shipped.tokenizer().encode(prompt) for prompt in prompts[1:]))
    alike = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], both)))
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps([{"prompt": prompt} for prompt in prompts]))
    options = ["--max-new-tokens", "12", "--temperature", "0.8", "--seed", "1", "--cache-tokens", "384"]
    numbers, output = here(monkeypatch, capsys, "--prompts", file, *options)
    assert numbers["shared_tokens"] == alike // 32 * 32 > 0
    assert f"{numbers['shared_tokens']} of {numbers['prompt_tokens']}\n" in output
    assert numbers["uploaded_bytes_per_step"] == 0 and numbers["downloaded_bytes_per_step"] == 4 * ROWS
    assert len(numbers["completions"]) == 3
    for number, (prompt, completion) in enumerate(zip(prompts, numbers["completions"])):
        assert f"[{number}] {prompt}{completion['text']}" in output
        assert completion["finish_reason"] in ("length", "stop")
    assert numbers["completions"][0]["tokens"] != traced[0]["tokens"][:12]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "-1"], "temperature is -1.0"),
        ([b"caf\xe9"], "is not valid UTF-8"),
    ],
    ids=["after a device was opened", "before"],
)
def test_bad_arguments(arguments, message):
    """A bad argument gives an error of one line and no traceback."""
    done = demo(*arguments)
    assert done.returncode not in (0, -signal.SIGINT)
    assert "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "no/such-model"], "no/such-model is neither a folder nor a GGUF file nor on the hub"),
        (["--prompts", "no-such-file.json"], "no-such-file.json"),
        (["--prompts", str(shipped.FOLDER / "config.json")], "is not a JSON list"),
        ([PROMPT, "--prompts", "x.json"], "argument --prompts: not allowed with argument prompt"),
        ([PROMPT, "--chat"], "argument --chat: not allowed with argument prompt"),
        (["-f", "x.txt", "--bench"], "argument --bench: not allowed with argument -f/--file"),
        (["-f", "no-such-file.txt"], "no-such-file.txt cannot be read as text"),
        (["-f", "/dev/null"], "/dev/null is empty; give a text to continue"),
        (["--bench", "--json"], "--json is for prompts"),
        (["--bench", "--speculate", "4"], "--bench times steps without drafts"),
        (["--system", "Be brief."], "--system is for --chat"),
        (["--max-new-tokens", "0"], "--max-new-tokens"),
        (["--speculate", "many"], "--speculate"),
        (["--stop", ""], "--stop"),
    ],
)
def test_arguments_that_are_refused_before_a_device_opens(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert message in refusal(monkeypatch, capsys, *arguments)


def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *arguments: str, opens=False) -> str:
    """The last line of the demo's standard error, run in this process.

    The demo must end, and without `opens` it must not open a device before.
    """
    monkeypatch.setattr(sys, "argv", ["demo.py", *arguments])
    if not opens:
        monkeypatch.setattr(demo_module, "open_device", lambda *_: pytest.fail("a device was opened"))
    with pytest.raises(SystemExit) as end:
        demo_module.main()
    if isinstance(end.value.code, str):  # Python prints such a code, and ends with status 1
        return end.value.code
    assert end.value.code not in (0, None)
    return capsys.readouterr().err.splitlines()[-1]


def test_a_folder_that_is_no_model(tmp_path, monkeypatch, capsys):
    assert "config.json: no such file" in refusal(monkeypatch, capsys, "--model", str(tmp_path), opens=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [("[" * 100_000, "is not a JSON list"), ('[{"prompt": "\\ud800"}]', "is not valid UTF-8")],
    ids=["nested", "half a character"],
)
def test_a_bad_file_of_prompts(tmp_path, monkeypatch, capsys, content, message):
    file = tmp_path / "prompts.json"
    file.write_text(content)
    assert message in refusal(monkeypatch, capsys, "--prompts", str(file))


def test_chat_without_a_template(tmp_path, monkeypatch, capsys):
    """--chat is refused before the weights are read, with what to do instead: the folder has no weights."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text((shipped.FOLDER / name).read_text())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    message = refusal(monkeypatch, capsys, "--chat", "--model", str(tmp_path), opens=True)
    assert "has no chat template: it only continues text. Give it the beginning of a text" in message


def test_prompts_from_a_file_and_from_standard_input(tmp_path, traced, monkeypatch):
    """The last line break is not a part of the prompt."""
    file = tmp_path / "prompt.txt"
    file.write_bytes(f"{PROMPT}\r\n".encode())
    monkeypatch.setattr(sys, "argv", ["demo.py", "-f", str(file)])
    assert read_prompts(parse_arguments("")) == [PROMPT]
    command = [sys.executable, str(SCRIPT), "-", "--json", "--max-new-tokens", "24"]
    done = subprocess.run(command, cwd=ROOT, input=f"{PROMPT}\n", capture_output=True, text=True, timeout=300)
    assert result(done)["tokens"] == traced[0]["tokens"]


def test_standard_input_is_left_alone(monkeypatch):
    """A script whose standard input is a pipe that nobody closes gets the default prompt."""
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    monkeypatch.setattr(sys, "argv", ["demo.py"])
    assert read_prompts(parse_arguments("")) == [DEFAULT_PROMPT]
    os.close(writing)


def test_bench(monkeypatch, capsys):
    """The table has a row for each test. The line below says whose times they are."""
    monkeypatch.setattr(bench_module, "PROMPT", 32)
    monkeypatch.setattr(bench_module, "NEW", 4)
    monkeypatch.setattr(bench_module, "REPEATS", 2)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--bench"])
    assert demo_module.main() == 0
    head, line, *rows, _, about = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    assert cells[0] == ["model", "size", "params", "board", "precision", "test", "t/s"]
    size = (shipped.FOLDER / "model.safetensors").stat().st_size / 2**20
    weights = sum(t.numel() for name, t in shipped.state().items() if not name.endswith("_scale"))
    for row, test in zip(cells[1:], ("pp32", "tg4"), strict=True):
        assert row[:3] == ["tiny", f"{size:.2f} MiB", f"{weights / 1e6:.2f} M"] and row[4:6] == ["fused", test]
        mean, spread = map(float, row[6].split(" ± "))
        assert mean > 0 and spread >= 0
        assert ("emulated" in row[3]) == about.startswith("Times of the emulation on this machine's CPU, not a card's.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speculate", "-1"], "demo: speculate is -1, must be between 0 and 31: a step has 32 rows"),
        (["--speculate", "2", "--precision", "accuracy"], "demo: speculate is 2, must be 0 in precision accuracy"),
    ],
)
def test_drafts_that_cannot_be_verified(monkeypatch, capsys, arguments, message):
    assert refusal(monkeypatch, capsys, *arguments, opens=True).startswith(message)


def test_drafts_change_no_text(monkeypatch, capsys):
    """A text that repeats itself takes fewer steps with drafts. The report says how many drafts were right."""
    prompt = "The first lot came forth to Jehoiarib, the second to Jedaiah, The third to Harim, the fourth to"
    results = [here(monkeypatch, capsys, prompt, "--max-new-tokens", "48", "--speculate", k) for k in "04"]
    (plain, _), (speculating, output) = results
    assert speculating["tokens"] == plain["tokens"]
    assert plain["tokens_per_step"] == 1 and plain["drafted_tokens"] == plain["accepted_tokens"] == 0
    drafted, accepted = speculating["drafted_tokens"], speculating["accepted_tokens"]
    assert 0 < accepted < drafted
    assert speculating["tokens_per_step"] == pytest.approx(47 / (47 - accepted))
    assert re.search(rf"^  drafts accepted +{accepted} of {drafted}$", output, re.MULTILINE)
    assert plain["downloaded_bytes_per_step"] == 4


def test_a_short_context(monkeypatch, capsys):
    """A context shorter than a tile works."""
    numbers, _ = here(monkeypatch, capsys, PROMPT, "--max-seq-len", "20", "--max-new-tokens", "40")
    assert 0 < len(numbers["tokens"]) < 20 and numbers["completions"][0]["finish_reason"] == "length"


@pytest.mark.skipif(
    bool(os.environ.get("TT_METAL_SIMULATOR")) or any(Path("/dev/tenstorrent").glob("*")),
    reason="a board is only chosen where there is neither card nor simulator",
)
def test_an_unknown_board():
    done = demo("--board", "n9000")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "n9000" in done.stderr.splitlines()[-1]


def start(*arguments: str) -> subprocess.Popen:
    # the background job of a shell ignores Ctrl-C, and so would its child processes
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import runpy, sys; "
    run = "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-u", "-c", listen + run, str(SCRIPT), *arguments]
    # unbuffered: `communicate` would not see what a buffer holds
    return subprocess.Popen(command, cwd=ROOT, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_ctrl_c_while_it_writes():
    """After Ctrl-C the demo keeps the text so far and ends with the table."""
    process = start(PROMPT, "--json", "--max-new-tokens", "400")
    shown = b""
    while shown.count(b" ") < 8:  # the prompt has four
        byte = process.stdout.read(1)
        assert byte, process.stderr.read().decode()
        shown += byte
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=120)
    assert process.returncode in (0, 130) and b"Traceback" not in errors, errors.decode()
    lines = (shown + rest).decode().splitlines()
    numbers = json.loads(lines[-1])
    assert numbers["completions"][0]["finish_reason"] == "interrupted"
    assert 0 < len(numbers["tokens"]) < 400
    written = (shown + rest).decode().split("\n\n  time to first token")[0]
    # the interruption may fall between a token and its printing
    assert (PROMPT + numbers["text"]).startswith(written) and len(written) > len(PROMPT)


def test_ctrl_c_while_it_loads():
    """After Ctrl-C during loading the demo ends without a traceback."""
    process = start(PROMPT)
    seen = b""
    while b"warming up" not in seen:
        chunk = process.stderr.read(4096)
        assert chunk, seen.decode()
        seen += chunk
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and b"Traceback" not in errors, errors.decode()
