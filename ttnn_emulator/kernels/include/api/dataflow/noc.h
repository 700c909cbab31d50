// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The NoC as an object. What it moves data between are the endpoints that have traits: those of the library's headers
// (api/dataflow/endpoints.h, api/core_local_mem.h, api/tensor/noc_traits.h), and buffers.
#pragma once

#include "api/dataflow/dataflow_api.h"

template <typename T>
struct noc_traits_t {
    static_assert(sizeof(T) == 0, "the NoC does not move data from or to this type");
};
struct UnicastEndpoint;
struct MulticastEndpoint;
template <>
struct noc_traits_t<UnicastEndpoint>;
template <>
struct noc_traits_t<MulticastEndpoint>;
template <typename T>
inline constexpr bool noc_zero_l1_endpoint_v = false;
template <typename T>
inline constexpr bool is_scratchpad_v = false;
struct DataflowBufferArgs {
    uint32_t offset_bytes{};
};

enum class NocOptions : uint32_t {
    DEFAULT = 0, TXN_ID = 1, POSTED = 2, CUSTOM_VC = 4, MCAST_INCL_SRC = 8, INLINE_L1 = 16, INLINE_REG = 32
};
constexpr NocOptions operator|(NocOptions a, NocOptions b) noexcept { return NocOptions(uint32_t(a) | uint32_t(b)); }
constexpr bool has_flag(NocOptions options, NocOptions one) noexcept { return uint32_t(options) & uint32_t(one); }
struct NocOptVals {
    uint32_t vc = NOC_UNICAST_WRITE_VC;
    uint32_t trid = 0;
};

class Noc {
    template <typename T>
    using source_of = typename noc_traits_t<T>::src_args_type;
    template <typename T>
    using target_of = typename noc_traits_t<T>::dst_args_type;
    template <typename T>
    using targets_of = typename noc_traits_t<T>::dst_args_mcast_type;

public:
    enum class AddressType { NOC, LOCAL_L1 };
    static constexpr uint32_t INVALID_TXN_ID = 0xFFFFFFFF;

    explicit Noc(uint8_t noc = noc_index) : noc_(noc) {}
    uint8_t get_noc_id() const { return noc_; }
    bool is_local_bank(uint32_t x, uint32_t y) const { return x == my_x[noc_] && y == my_y[noc_]; }
    bool is_local_addr(uint64_t address) const {
        return is_local_bank(NOC_UNICAST_ADDR_X(address), NOC_UNICAST_ADDR_Y(address));
    }
    static uint32_t l1_cached_view(uint32_t address) { return address; }

    template <
        NocOptions opts = NocOptions::DEFAULT, uint32_t max_page_size = 0, bool tracing = true, typename Src, typename Dst>
    void async_read(
        const Src& src, const Dst& dst, uint32_t bytes, const source_of<Src>& from, const target_of<Dst>& to,
        const NocOptVals& values = {}, AT) const {
        if constexpr (has_flag(opts, NocOptions::TXN_ID)) emu_set_id(false, values.trid, noc_, HERE);
        emu_read(far(src, from), near_target(dst, to), bytes, noc_, HERE);
    }
    template <NocOptions opts = NocOptions::DEFAULT, uint32_t max_page_size = NOC_MAX_BURST_SIZE + 1, typename Src>
    void set_async_read_state(
        const Src& src, uint32_t bytes, const source_of<Src>& from, const NocOptVals& values = {}, AT) const {
        emu_set_state(false, far(src, from), bytes, noc_, HERE);
        if constexpr (has_flag(opts, NocOptions::TXN_ID)) emu_set_id(false, values.trid, noc_, HERE);
    }
    template <
        NocOptions opts = NocOptions::DEFAULT, uint32_t max_page_size = NOC_MAX_BURST_SIZE + 1, typename Src, typename Dst>
    void async_read_with_state(
        const Src& src, const Dst& dst, uint32_t bytes, const source_of<Src>& from, const target_of<Dst>& to,
        const NocOptVals& values = {}, AT) const {
        if constexpr (has_flag(opts, NocOptions::TXN_ID)) emu_set_id(false, values.trid, noc_, HERE);
        emu_read_with_state(
            uint32_t(far(src, from)), near_target(dst, to), max_page_size > NOC_MAX_BURST_SIZE ? bytes : 0, noc_, HERE);
    }

    template <
        NocOptions opts = NocOptions::DEFAULT, uint32_t max_page_size = 0, bool tracing = true, typename Src, typename Dst>
    void async_write(
        const Src& src, const Dst& dst, uint32_t bytes, const source_of<Src>& from, const target_of<Dst>& to,
        const NocOptVals& values = {}, AT) const {
        if constexpr (has_flag(opts, NocOptions::TXN_ID)) emu_set_id(true, values.trid, noc_, HERE);
        emu_write(near_source(src, from), far_target(dst, to), bytes, has_flag(opts, NocOptions::POSTED), noc_, HERE);
    }
    template <
        NocOptions opts = NocOptions::DEFAULT, uint32_t max_page_size = 0, bool tracing = true, typename Src, typename Dst>
    void async_write_multicast(
        const Src& src, const Dst& dst, uint32_t bytes, uint32_t destinations, const source_of<Src>& from,
        const targets_of<Dst>& to, bool linked = false, AT) const {
        const uint64_t all = noc_traits_t<Dst>::template dst_addr_mcast<AddressType::NOC>(dst, *this, to);
        emu_multicast(
            near_source(src, from), all, bytes, destinations, has_flag(opts, NocOptions::MCAST_INCL_SRC), noc_, HERE);
    }
    template <NocOptions opts = NocOptions::DEFAULT, uint32_t max_page_size = NOC_MAX_BURST_SIZE + 1, typename Dst>
    void set_async_write_state(
        const Dst& dst, uint32_t bytes, const target_of<Dst>& to, const NocOptVals& values = {}, AT) const {
        emu_set_state(true, far_target(dst, to), bytes, noc_, HERE);
    }
    template <
        NocOptions opts = NocOptions::DEFAULT, uint32_t max_page_size = NOC_MAX_BURST_SIZE + 1, typename Src, typename Dst>
    void async_write_with_state(
        const Src& src, const Dst& dst, uint32_t bytes, const source_of<Src>& from, const target_of<Dst>& to,
        const NocOptVals& values = {}, AT) const {
        emu_write_with_state(
            near_source(src, from), uint32_t(far_target(dst, to)), max_page_size > NOC_MAX_BURST_SIZE ? bytes : 0,
            has_flag(opts, NocOptions::POSTED), noc_, HERE);
    }
    template <NocOptions opts = NocOptions::DEFAULT, typename Dst>
    void inline_dw_write(
        const Dst& dst, uint32_t value, const target_of<Dst>& to, uint8_t be = 15, const NocOptVals& values = {}, AT) const {
        static_assert(!has_flag(opts, NocOptions::INLINE_REG), "inline writes to registers are not emulated");
        emu_write_word(far_target(dst, to), value, has_flag(opts, NocOptions::POSTED), noc_, HERE);
    }

    bool is_read_trid_flushed(uint32_t id, AT) const { return emu_has_arrived(EMU_READS, int(id), noc_, HERE); }
    template <NocOptions opts = NocOptions::DEFAULT>
    void async_read_barrier(const NocOptVals& values = {}, AT) const {
        emu_barrier(EMU_READS, id_of<opts>(values), noc_, HERE);
    }
    template <NocOptions opts = NocOptions::DEFAULT>
    void async_write_barrier(const NocOptVals& values = {}, AT) const {
        emu_barrier(EMU_WRITES, id_of<opts>(values), noc_, HERE);
    }
    template <NocOptions opts = NocOptions::DEFAULT>
    void async_writes_flushed(const NocOptVals& values = {}, AT) const {
        emu_barrier(has_flag(opts, NocOptions::POSTED) ? EMU_POSTED_SENT : EMU_WRITES_SENT, id_of<opts>(values), noc_, HERE);
    }
    void async_atomic_barrier(AT) const { noc_async_atomic_barrier(noc_, HERE); }
    void async_full_barrier(AT) const { noc_async_full_barrier(noc_, HERE); }

    // The zeros arrive before the barrier. Of a tensor's page, they come from memory that holds zeros already.
    template <typename Dst>
    void async_write_zeros(const Dst& dst, uint32_t bytes, const target_of<Dst>& to = {}, AT) const {
        static_assert(noc_zero_l1_endpoint_v<Dst>, "async_write_zeros does not clear this type");
        emu_read_zeros(near_target(dst, to), bytes, noc_, HERE);
    }
    template <typename Layout, typename Scratch>
    void async_write_zeros(
        const TensorAccessor<Layout>& tensor, uint32_t bytes, const target_of<TensorAccessor<Layout>>& to,
        const Scratch& scratch, AT) const {
        const uint32_t zeros = near_source(scratch, {});
        const uint64_t page = far_target(tensor, to);
        for (uint32_t done = 0; done < bytes; done += NOC_MAX_BURST_SIZE)
            emu_write(zeros, page + done, std::min<uint32_t>(bytes - done, NOC_MAX_BURST_SIZE), false, noc_, HERE);
    }
    void write_zeros_l1_barrier(AT) const { noc_async_read_barrier(noc_, HERE); }
    void write_zeros_dram_barrier(AT) const { noc_async_write_barrier(noc_, HERE); }

private:
    template <typename T>
    uint64_t far(const T& place, const source_of<T>& args) const {
        return noc_traits_t<T>::template src_addr<AddressType::NOC>(place, *this, args);
    }
    template <typename T>
    uint64_t far_target(const T& place, const target_of<T>& args) const {
        return noc_traits_t<T>::template dst_addr<AddressType::NOC>(place, *this, args);
    }
    template <typename T>
    uint32_t near_source(const T& place, const source_of<T>& args) const {
        return uint32_t(noc_traits_t<T>::template src_addr<AddressType::LOCAL_L1>(place, *this, args));
    }
    template <typename T>
    uint32_t near_target(const T& place, const target_of<T>& args) const {
        return uint32_t(noc_traits_t<T>::template dst_addr<AddressType::LOCAL_L1>(place, *this, args));
    }
    template <NocOptions opts>
    static int id_of(const NocOptVals& values) {
        return has_flag(opts, NocOptions::TXN_ID) ? int(values.trid) : EMU_ANY_ID;
    }

    uint8_t noc_;
};
