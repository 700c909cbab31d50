# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Python processes that start in an instant, as children of one process that has imported torch and no more.

Most of the start of a ttnn program is the import of torch, and the tests start many programs. A child gets its own
arguments, environment, folder and output, and then goes on as a new Python does.

This file is also the program of the first process. It reads requests as lines of JSON, runs them one after the other,
and answers each with the exit status of its child.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 600  # the longest that a child may run


class Prepared:
    """The first process. It ends with this one."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
        """Run `python -c CODE ...` or `python -m MODULE ...` as `subprocess.run` would, with its output captured."""
        with tempfile.TemporaryDirectory() as outputs:
            files = [Path(outputs, name) for name in ("stdout", "stderr")]
            request = {
                "arguments": arguments,
                "folder": str(folder),
                "environment": environment,
                "outputs": [str(file) for file in files],
            }
            print(json.dumps(request), file=self._process.stdin, flush=True)
            status = int(self._process.stdout.readline())
            output, errors = (file.read_text(encoding="utf-8") for file in files)
        return subprocess.CompletedProcess(arguments, status, output, errors)


def serve() -> None:
    import torch  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(arguments: list[str], folder: str, environment: dict[str, str], outputs: list[str]) -> None:
    """Turn this process into `python ARGUMENTS`, and run it to its end."""
    signal.alarm(SECONDS)
    for number, path in enumerate([os.devnull, *outputs]):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = ""
    sys.path[1:1] = environment["PYTHONPATH"].split(os.pathsep)
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    if kind == "-c":
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
