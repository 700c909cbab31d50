// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The library's watcher. The runner has checks of its own.
#pragma once
#define DEBUG_SANITIZE_NOC_ADDR(...) ((void)0)
