# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The ledger keeps what each operation returned on a device, so that devices can be compared bit by bit."""
