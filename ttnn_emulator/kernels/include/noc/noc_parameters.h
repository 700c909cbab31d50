// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// NoC addresses, as the runner's calls.h says.
#pragma once

#define NOC_ADDR_COORD_SHIFT 36
#define NOC_XY_ADDR(x, y, a) ((uint64_t(uint32_t(x) | uint32_t(y) << 6) << 36) | uint64_t(uint32_t(a)))
#define NOC_MULTICAST_ADDR(x0, y0, x1, y1, a) \
    ((uint64_t(uint32_t(x0) | uint32_t(y0) << 6 | uint32_t(x1) << 12 | uint32_t(y1) << 18) << 36) | uint64_t(uint32_t(a)))
#define DYNAMIC_NOC_X(noc, x) (x)
#define DYNAMIC_NOC_Y(noc, y) (y)
#define NOC_0_X_PHYS_COORD(noc, size, x) (x)
#define NOC_0_Y_PHYS_COORD(noc, size, y) (y)
#ifdef ARCH_BLACKHOLE
#define VIRTUAL_TENSIX_START_X 1
#define VIRTUAL_TENSIX_START_Y 2
#else
#define VIRTUAL_TENSIX_START_X 18
#define VIRTUAL_TENSIX_START_Y 18
#endif
#define NOC_X(x) (x)
#define NOC_Y(y) (y)
#define NOC_UNICAST_ADDR_X(a) (uint32_t((a) >> 36) & 63)
#define NOC_UNICAST_ADDR_Y(a) (uint32_t((a) >> 42) & 63)
#define NOC_XY_PCIE_ENCODING(x, y) (uint64_t(62) << 36)
#define PCIE_NOC_X 0
#define PCIE_NOC_Y 0
#define NOC_MAX_BURST_SIZE 8192
#define NOC_MAX_TRANSACTION_ID 15
#define NOC_L1_READ_ALIGNMENT_BYTES L1_ALIGNMENT
#define NOC_L1_WRITE_ALIGNMENT_BYTES L1_ALIGNMENT
#define NOC_DRAM_READ_ALIGNMENT_BYTES DRAM_ALIGNMENT
#define NOC_DRAM_WRITE_ALIGNMENT_BYTES L1_ALIGNMENT
