// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Assertions of the library's low-level kernels.
#pragma once
#define LLK_ASSERT(...) ((void)0)
