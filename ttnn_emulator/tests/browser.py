# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module opens a page in a headless Chromium, uses it by a script, and tells what the script found."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SECONDS = 300


def use(page: Path, script: str) -> dict:
    """Open a page, run the body of a function in it, and return its result. An error in the page is an error here."""
    text = page.read_text()
    listening = "<script>const FAILURES = []; addEventListener('error', e => FAILURES.push(e.message));</script>"
    using = (
        "<script>addEventListener('load', () => { let found = null; try { found = (() => {" + script + "})(); } "
        "catch (error) { FAILURES.push(String(error)); } const told = document.createElement('pre'); told.id = 'told'; "
        "told.textContent = JSON.stringify({found, failures: FAILURES}); document.body.append(told); });</script>"
    )
    used = page.with_name("used.html")
    used.write_text(text.replace("<head>", "<head>" + listening, 1).replace("</body>", using + "</body>"))
    dom = _chromium(page.parent, "--dump-dom", f"file://{used.resolve()}")
    told = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', dom, re.S).group(1)))
    assert not told["failures"], told["failures"]
    return told["found"]


def photograph(page: Path, png: Path, width: int, height: int) -> None:
    """Write a picture of a page in a window of this size."""
    size = f"--window-size={width},{height}"
    _chromium(page.parent, size, f"--screenshot={png.resolve()}", f"file://{page.resolve()}")


def _chromium(folder: Path, *arguments: str) -> str:
    # Chromium's own sandbox does not start as root, and the page is our own
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/chromium")
    command = [CHROMIUM, *options, "--virtual-time-budget=5000", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
