# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What each operation returned on a device, kept in a file, so that devices can be compared bit by bit."""
