# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs `scripts/serve` in a separate process group."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 600  # the longest wait for the start and for one answer


class Server:
    """A server that starts when its context is entered. `url` is its address. `log` is the file of its output."""

    def __init__(self, log: Path, *options: str, **environment: str):
        self.log, self._options, self._environment = log, options, environment
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.end(signal.SIGTERM)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [ROOT / "scripts/serve", "--port", str(self.port), "--max-num-seqs", "4", *self._options]
        environment = {**os.environ, **self._environment}
        with self.log.open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        started = time.monotonic()
        while not self.healthy():
            late = time.monotonic() - started > _PATIENCE_S
            if late or self._process.poll() is not None:
                self.end(signal.SIGKILL)
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(1)

    def end(self, how: signal.Signals) -> None:
        """Send the signal to all processes of the server and wait for their end.

        The engine's process outlives a killed server's process for a moment.
        """
        if self._process.poll() is None:
            os.killpg(self._process.pid, how)
            self._process.wait(timeout=120)

    def kill_front(self) -> None:
        """Kill the process that listens with SIGKILL. The other processes of its group have to end by themselves."""
        self._process.kill()
        self._process.wait()
        for _ in range(120):
            if subprocess.run(["pgrep", "-g", str(self._process.pid)], stdout=subprocess.DEVNULL).returncode:
                return
            time.sleep(0.5)
        raise RuntimeError("a process of the killed server still runs")

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def post(self, path: str = "/v1/completions", raw: bytes | None = None, **body: Any) -> httpx.Response:
        """Send a request to the model. `raw`, if given, is the whole body."""
        headers = {"content-type": "application/json"}
        if raw is not None:
            return httpx.post(f"{self.url}{path}", content=raw, headers=headers, timeout=_PATIENCE_S)
        return httpx.post(f"{self.url}{path}", json={"model": "bitnet", **body}, timeout=_PATIENCE_S)

    def metric(self, name: str) -> float:
        """The value of a counter or gauge of vLLM's /metrics."""
        lines = httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))
