// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Where an inline write goes. What else the library has here concerns its compiler.
#pragma once
enum class InlineWriteDst : uint8_t { DEFAULT, L1, REG };
