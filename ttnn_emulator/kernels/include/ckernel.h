// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Names of pools, broadcasts and threads, which data-movement kernels use too.
#pragma once
#include "api/compute/common_globals.h"
