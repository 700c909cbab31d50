# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of this package that do not import ttnn expect the emulated device in their process too."""

import ttnn  # noqa: F401
