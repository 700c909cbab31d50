# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The ttnn library seen from outside: the files it reads, its graph of a call, and changes to its functions."""
