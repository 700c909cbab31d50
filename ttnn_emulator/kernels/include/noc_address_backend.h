// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "internal/dataflow/noc_address_backend_xy.h"
namespace noc_address_backend = noc_address_backend_xy;
