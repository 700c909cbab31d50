# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`pytest -p ttnn_emulator.pytest_plugin`: the emulated device for tests of another tree, and for xdist's workers."""

import ttnn_emulator

ttnn_emulator.install()  # before any conftest imports ttnn; the board is $TTNN_EMULATOR_BOARD
