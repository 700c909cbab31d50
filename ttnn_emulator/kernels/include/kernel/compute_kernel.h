// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What precedes a compute kernel; compiled once.
#pragma once
#include "kernel/prelude.h"
#include "api/compute/compute_kernel_api.h"
