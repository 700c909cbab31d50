// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The tables of circular buffers' tiles under the names that the unpacker and the packer have for them. Included behind
// the header that is made for each kernel.
#pragma once

namespace emu {
constexpr std::array<uint32_t, 64> tile_columns = [] {
    std::array<uint32_t, 64> columns;
    columns.fill(32);
    return columns;
}();
}  // namespace emu

constexpr auto& unpack_src_format = emu::Constants<emu::ThisKernel>::formats;
constexpr auto &unpack_dst_format = unpack_src_format, &pack_src_format = unpack_src_format,
               &pack_dst_format = unpack_src_format;
constexpr auto& unpack_tile_size = emu::Constants<emu::ThisKernel>::tile_bytes;
constexpr auto& pack_tile_size = unpack_tile_size;
constexpr auto& unpack_tile_r_dim = emu::Constants<emu::ThisKernel>::tile_rows;
constexpr auto& pack_tile_r_dim = unpack_tile_r_dim;
constexpr auto &unpack_tile_c_dim = emu::tile_columns, &pack_tile_c_dim = emu::tile_columns;

enum class DstSync { SyncHalf, SyncFull };
