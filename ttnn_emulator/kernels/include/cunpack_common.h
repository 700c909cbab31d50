// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The unpacker's registers are in api/compute/common_globals.h.
#pragma once
#include "api/compute/common_globals.h"
