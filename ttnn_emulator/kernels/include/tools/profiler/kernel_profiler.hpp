// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Zones of the device profiler. They do nothing.
#pragma once
#define DeviceZoneScopedN(...) ((void)0)
#define DeviceZoneScopedMainN(...) ((void)0)
