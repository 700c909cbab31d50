# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of `vllm serve`: which addresses it listens on, and when it needs a key."""

import pytest

from bitnet_serving.start import command

KEY = {"VLLM_API_KEY": "secret"}


def test_this_machine_only():
    assert command(["model", "--port", "8000"], {})[-2:] == ["--host", "127.0.0.1"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1"])
def test_this_machine_by_other_names(host):
    assert command(["model", "--host", host], {})[-2:] == ["--host", host]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.com"])
@pytest.mark.parametrize("form", [lambda host: ["--host", host], lambda host: [f"--host={host}"]])
def test_other_addresses_want_a_key(host, form):
    arguments = ["model", *form(host)]
    for without in ([], ["--api-key"], ["--api-key", ""]):
        with pytest.raises(ValueError, match="without a key"):
            command([*arguments, *without], {"VLLM_API_KEY": ""})
    assert command(arguments, KEY)[-2:] == ["--host", host]
    assert command([*arguments, "--api-key", "a", "b"], {})[-5:] == ["--api-key", "a", "b", "--host", host]
    without_key = command([*arguments, "--without-key"], {})
    assert without_key[-2:] == ["--host", host] and "--without-key" not in without_key


def test_a_socket_file_wants_none():
    assert "/tmp/socket" in command(["model", "--host", "0.0.0.0", "--uds", "/tmp/socket"], {})
