// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Debugging aids that need a host which listens. They do nothing.
#pragma once
#define DPRINT(...) ((void)0)
