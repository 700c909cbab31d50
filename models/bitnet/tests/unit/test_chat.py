# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's chat on a stand-in model that answers with the number of the messages that it was given."""

import argparse
import json
from types import SimpleNamespace

import pytest

from models.bitnet.demo.arguments import SHIPPED_MODEL
from models.bitnet.demo.chat import HELP, Talk, chat


class Model:
    """Records the messages of every answer."""

    def __init__(self):
        self.given = []

    def chat(self, messages, max_new_tokens, sampling, stream):
        self.given.append([(message["role"], message["content"]) for message in messages])
        if len(messages) > 4:
            return SimpleNamespace(text="", error="the prompt is too long")
        stream(0, text := f"answer {len(messages)}")
        return SimpleNamespace(text=text, error=None)


@pytest.fixture
def talk(monkeypatch, capsys):
    """A function that types lines, and gives the messages that the model got and what was printed."""

    def run(*lines: str, system: str | None = None, model: str = "other") -> tuple[list, str, str]:
        typed = iter(lines)

        def typing(prompt: str) -> str:
            try:
                return next(typed)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", typing)
        stand_in = Model()
        options = argparse.Namespace(system=system, model=model, max_new_tokens=8)
        assert chat(stand_in, options, None) == 0
        printed = capsys.readouterr()
        return stand_in.given, printed.out, printed.err

    return run


def test_the_model_sees_the_talk_so_far(talk):
    given, out, _ = talk("Hello", "And then?", system="Be brief.")
    system, first = ("system", "Be brief."), ("user", "Hello")
    assert given == [[system, first], [system, first, ("assistant", "answer 2"), ("user", "And then?")]]
    assert out == "Model: answer 2\nModel: answer 4\n"


def test_an_empty_line_ends(talk):
    assert len(talk("Hello", " ", "And then?")[0]) == 1


def test_reset_keeps_the_system_message(talk):
    given, _, err = talk("Hello", "/reset", "Again", system="Be brief.")
    assert given[1] == [("system", "Be brief."), ("user", "Again")] and "The talk begins anew." in err


def test_an_error_does_not_become_a_part_of_the_talk(talk):
    """The question that is too long is forgotten, so a shorter one can follow."""
    given, _, err = talk("one", "two", "three", "/reset", "four")
    assert "the prompt is too long (/reset begins a new talk)" in err
    assert given[3] == [("user", "four")]


def test_save_and_load(talk, tmp_path):
    file = tmp_path / "a talk.json"
    _, _, err = talk("Grüß Gott", f"/save {file}", system="Be brief.")
    assert f"3 messages are in {file}." in err
    assert json.loads(file.read_text(encoding="utf-8"))[1] == {"role": "user", "content": "Grüß Gott"}
    given, _, err = talk(f"/load {file}", "And then?")
    assert "3 messages were read" in err
    assert given == [[("system", "Be brief."), ("user", "Grüß Gott"), ("assistant", "answer 2"), ("user", "And then?")]]


@pytest.mark.parametrize("line", ["/help", "/save", "/load", "/what", "/reset now", "/"])
def test_help(talk, line):
    given, _, err = talk(line)
    assert not given and HELP in err


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", '{"role": "user"}', '[{"role": "user"}]', '[{"role": "king", "content": "a"}]', "[" * 100_000]
    + ['[{"role": "user", "content": 7}]', "7"],
)
def test_a_file_that_is_no_talk(talk, tmp_path, content):
    """An error of one line. The talk goes on as it was."""
    file = tmp_path / "talk.json"
    file.write_text(content)
    given, _, err = talk("Hello", f"/load {file}", "And then?")
    assert f"{file} is not a talk that /save wrote: " in err.splitlines()[-1]
    assert len(given[1]) == 3


def test_files_that_cannot_be_used(talk, tmp_path):
    _, _, err = talk(f"/load {tmp_path / 'none.json'}", f"/save {tmp_path}", f"/save {tmp_path / 'no' / 'a.json'}")
    assert "No such file" in err and "is a folder; name a file" in err and "there is no folder" in err


def test_the_shipped_model_says_what_it_is(talk):
    _, _, err = talk(model=str(SHIPPED_MODEL))
    assert "has read one book, the King James Bible" in err and "--model microsoft/bitnet-b1.58-2B-4T" in err
    assert "King James" not in talk()[2]


def test_a_talk_without_a_system_message_is_empty_after_a_reset():
    talk = Talk()
    talk.add("Hello", "answer")
    talk.reset()
    assert talk.messages == []
