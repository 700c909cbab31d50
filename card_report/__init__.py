# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""One report of everything that a Tenstorrent card can show of this repository: `python -m card_report`."""
