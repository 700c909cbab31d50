# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Commands end without a traceback for a closed pipe, a full disk or a missing character, and check their arguments."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.bitnet.demo.command import at_least_one, new_file, unicode_text

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = "from models.bitnet.demo import command\ndef main():\n    {body}\n    return 0\ncommand.run(main)\n"


def shell(line: str, body: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run `line` in a shell. $program is a command whose main is `body`. PIPESTATUS has the command's exit status."""
    script = tmp_path / "some_command.py"
    script.write_text(PROGRAM.format(body=body), encoding="utf-8")
    environment = os.environ | {"program": f"{sys.executable} {script}", "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=60)


def test_nobody_reads_on(tmp_path):
    body = "[print('line', n) for n in range(100000)]"
    done = shell("$program | head -1; exit ${PIPESTATUS[0]}", body, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("line 0\n", "", 141)


@pytest.mark.parametrize("body", ["print('text')", "print('text' * 100000)"], ids=["at the end", "in the middle"])
def test_a_full_disk(tmp_path, body):
    done = shell("$program > /dev/full", body, tmp_path)
    assert done.returncode == 1 and done.stderr == "some_command: [Errno 28] No space left on device\n"


def test_interrupted(tmp_path):
    done = shell("$program", "raise KeyboardInterrupt", tmp_path)
    assert done.returncode == 130 and done.stderr == "\nsome_command: interrupted\n"


def test_a_terminal_without_the_characters(tmp_path):
    done = shell("$program", r"print('caf\u00e9'); command.say('\u2026')", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.stdout, done.stderr, done.returncode) == ("caf?\n", "?\n", 0)


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_a_closed_stream(tmp_path, closed):
    done = shell(f"$program {closed}", "print('result'); command.say('to the person')", tmp_path)
    assert done.returncode == 0
    assert done.stdout == ("" if "1>" in closed else "result\n")
    assert done.stderr == ("" if "2>" in closed else "to the person\n")


def test_new_file(tmp_path):
    assert new_file(str(tmp_path / "new.png")) == tmp_path / "new.png"
    for bad, message in ((tmp_path, "is a folder"), (tmp_path / "no" / "new.png", "there is no folder")):
        with pytest.raises(argparse.ArgumentTypeError, match=message):
            new_file(str(bad))


def test_text_and_counts():
    assert unicode_text("café …") == "café …" and at_least_one("3") == 3
    with pytest.raises(argparse.ArgumentTypeError, match="not valid UTF-8"):
        unicode_text(b"caf\xe9".decode("utf-8", "surrogateescape"))
    for bad in ("0", "-1", "1.5", "²", "many"):
        with pytest.raises(argparse.ArgumentTypeError, match="whole number"):
            at_least_one(bad)
