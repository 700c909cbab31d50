# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's chat: turns on the terminal, and a history that can be kept in a file."""

import argparse
import json
from pathlib import Path
from typing import Any

from models.bitnet.demo.arguments import SHIPPED_MODEL
from models.bitnet.demo.command import new_file, say
from models.bitnet.tt.weights.checkpoint import load_tokenizer

HELP = """\
/reset        forget the talk so far
/save FILE    write the talk to a file (JSON)
/load FILE    go on with a talk from a file
/help         show these lines
An empty line ends. Ctrl-C ends an answer."""
_ROLES = ("system", "user", "assistant")


def check_can_chat(model: Path) -> None:
    """Raise ValueError if the checkpoint has no chat template. The check comes before the weights are loaded."""
    if not load_tokenizer(model).chat_template:
        raise ValueError(
            f"{model.name} has no chat template: it only continues text. Give it the beginning of a text instead of "
            "--chat, or take a model that was trained to talk: --model microsoft/bitnet-b1.58-2B-4T"
        )


def chat(model: Any, options: argparse.Namespace, sampling: Any) -> int:
    """Talk until an empty line or the end of the input. Returns the command's status."""
    if options.model == str(SHIPPED_MODEL):
        say(
            "The shipped model has read one book, the King James Bible, and knows nothing else. Ask it about a name "
            'in there, as in "Tell me about Moses.", or leave out --chat and give it a text to continue. For a real '
            "talk take --model microsoft/bitnet-b1.58-2B-4T."
        )
    say("/help lists the commands; an empty line ends.")
    talk = Talk(options.system)
    while line := _input():
        if line.startswith("/"):
            _obey(talk, line)
            continue
        print("Model: ", end="", flush=True)
        answer = model.chat(
            [*talk.messages, {"role": "user", "content": line}],
            options.max_new_tokens,
            sampling,
            stream=lambda _, text: print(text, end="", flush=True),
        )
        print()
        if answer.error:
            say(f"{answer.error} (/reset begins a new talk)")
        else:
            talk.add(line, answer.text)
    return 0


class Talk:
    """The messages of a chat so far. A system message, if there is one, is the first and stays after a reset."""

    def __init__(self, system: str | None = None):
        self._system = [] if system is None else [{"role": "system", "content": system}]
        self.messages: list[dict[str, str]] = list(self._system)

    def add(self, question: str, answer: str) -> None:
        self.messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    def reset(self) -> None:
        self.messages = list(self._system)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.messages, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def load(self, path: Path) -> None:
        """Take the messages of a file. Raises OSError, or ValueError if the file holds no talk."""
        try:
            messages = json.loads(path.read_text(encoding="utf-8"))
            turns = [(message["role"], message["content"]) for message in messages]
            if not all(role in _ROLES and isinstance(content, str) for role, content in turns):
                raise ValueError(f"a role is one of {', '.join(_ROLES)}, a content is a text")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{path} is not a talk that /save wrote: {error}") from None
        self.messages = [{"role": role, "content": content} for role, content in turns]


def _obey(talk: Talk, line: str) -> None:
    """Do what a line that begins with / says. Errors are told, and the talk goes on."""
    name, _, argument = line.partition(" ")
    try:
        if name == "/reset" and not argument:
            talk.reset()
            say("The talk begins anew.")
        elif name == "/save" and argument:
            talk.save(new_file(argument.strip()))
            say(f"{len(talk.messages)} messages are in {argument.strip()}.")
        elif name == "/load" and argument:
            talk.load(Path(argument.strip()))
            say(f"{len(talk.messages)} messages were read; the talk goes on.")
        else:
            say(HELP)
    except (OSError, ValueError, argparse.ArgumentTypeError) as error:
        say(str(error))


def _input() -> str:
    """A line of the user, without blanks around it. It is empty at the end of the input."""
    try:
        return input("You: ").strip()
    except (EOFError, KeyboardInterrupt):
        return ""
