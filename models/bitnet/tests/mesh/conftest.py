# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Skips the tests of this folder on a single chip. `make test` runs them on an emulated board of several, a 4xp150."""

import pytest

import ttnn


def pytest_runtest_setup(item: pytest.Item) -> None:
    if ttnn.get_num_devices() == 1:
        pytest.skip("needs several chips; there is one")
