// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Names of pools, broadcasts and threads, which data-movement kernels use too.
#pragma once
#include "api/compute/common_globals.h"

namespace ckernel {
template <typename T>
T load_blocking(const volatile T* from) { return *from; }
}  // namespace ckernel
