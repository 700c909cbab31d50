# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The tests here need several chips, as a 4xp150 has: `make test` runs them on that board."""

import pytest
import ttnn

CHIPS = 4


def pytest_runtest_setup(item: pytest.Item) -> None:
    if ttnn.get_num_devices() < CHIPS:
        pytest.skip(f"needs {CHIPS} chips; there are {ttnn.get_num_devices()}")
