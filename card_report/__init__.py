# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Writes one report of the correctness and speed of this repository on a Tenstorrent card: `python -m card_report`."""
