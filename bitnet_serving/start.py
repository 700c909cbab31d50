# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Starts `vllm serve` on this machine's address: `python -m bitnet_serving.start MODEL [OPTION]...`.

MODEL may be a GGUF file. $XDG_CACHE_HOME (default: ~/.cache) keeps the folder that vLLM gets in its place. With an
address that other machines reach (`--host`), the server needs an API key or the option `--without-key`.
"""

import argparse
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bitnet_serving.gguf_folder import servable


def command(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command line of `vllm serve`. Raises ValueError if other machines could use the server without a key."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--uds")
    parser.add_argument("--api-key", "--api_key", nargs="*", default=[])
    parser.add_argument("--without-key", action="store_true")
    given, rest = parser.parse_known_args(arguments)
    keys = [key for key in given.api_key or [environment.get("VLLM_API_KEY", "")] if key]
    if not (keys or given.without_key or given.uds or is_local(given.host)):
        raise ValueError(
            f"others could use the server on {given.host or 'all addresses'} without a key: give a key "
            "(VLLM_API_KEY or --api-key), or give --without-key to serve without a key"
        )
    if given.uds:
        rest += ["--uds", given.uds]
    if given.api_key:
        rest += ["--api-key", *given.api_key]
    return ["vllm", "serve", *rest, "--host", given.host]  # vLLM takes the last --host


def is_local(host: str) -> bool:
    """Whether `host` is an address that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name, or an empty one, which stands for all addresses
        return False


def main() -> None:
    given = sys.argv[1:]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "bitnet-tt"
    try:
        if given and not given[0].startswith("-"):
            given[0] = servable(given[0], cache)
        arguments = command(given, os.environ)
    except (ValueError, OSError) as error:
        sys.exit(f"serve: {error}")
    os.execv(Path(sys.executable).with_name("vllm"), arguments)


if __name__ == "__main__":
    main()
