# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the chip: number formats, the matrix unit, and the vector unit with its functions."""
