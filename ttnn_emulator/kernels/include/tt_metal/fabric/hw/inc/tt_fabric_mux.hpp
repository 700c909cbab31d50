// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// A sender by way of a core that many kernels share. It has a name only: a kernel that makes one does not compile.
#pragma once

#include "tt_metal/fabric/hw/inc/edm_fabric/edm_fabric_worker_adapters.hpp"

namespace tt::tt_fabric {
template <uint8_t buffers>
class WorkerToFabricMuxSender;
}  // namespace tt::tt_fabric
