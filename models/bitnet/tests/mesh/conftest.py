# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The tests here need several chips, as a 4xp150 has: `make test` runs them on that board."""

import pytest

import ttnn


def pytest_runtest_setup(item: pytest.Item) -> None:
    if ttnn.get_num_devices() == 1:
        pytest.skip("needs several chips; there is one")
