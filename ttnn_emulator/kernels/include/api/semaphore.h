// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// A semaphore as an object.
#pragma once

#include "api/dataflow/noc.h"
#include "api/dataflow/semaphore_binding_token.h"

template <ProgrammableCoreType core_type = ProgrammableCoreType::TENSIX>
class Semaphore {
public:
    explicit Semaphore(uint32_t id, AT) : address_(emu_semaphore(id, HERE)) {}
    explicit Semaphore(SemaphoreBindingToken token, AT) : address_(emu_semaphore(token.id, HERE)) {}

    // of this core
    void up(uint32_t by) const { *word() += by; }
    void down(uint32_t by, AT) const {
        wait_min(by, HERE);
        *word() -= by;
    }
    void wait(uint32_t value, AT) const { noc_semaphore_wait(word(), value, HERE); }
    void wait_min(uint32_t value, AT) const { noc_semaphore_wait_min(word(), value, HERE); }
    void set(uint32_t value, AT) const { noc_semaphore_set(word(), value, HERE); }
    uint32_t value(AT) const {
        emu_pause(HERE);
        return *word();
    }

    // of other cores
    void up(const Noc& noc, uint32_t x, uint32_t y, uint32_t by, uint8_t vc = 1, AT) const {
        noc_semaphore_inc(get_noc_addr(x, y, address_, noc.get_noc_id()), by, noc.get_noc_id(), vc, HERE);
    }
    template <ProgrammableCoreType other_type = core_type>
    void relay_unicast(const Noc& noc, const Semaphore<other_type>& to, uint32_t x, uint32_t y, AT) const {
        noc_semaphore_set_remote(address_, get_noc_addr(x, y, to.address_, noc.get_noc_id()), noc.get_noc_id(), HERE);
    }
    template <NocOptions opts = NocOptions::DEFAULT>
    void set_multicast(
        const Noc& noc, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1, uint32_t destinations, bool linked = false,
        AT) const {
        relay_multicast<opts>(noc, *this, x0, y0, x1, y1, destinations, linked, HERE);
    }
    template <NocOptions opts = NocOptions::DEFAULT, ProgrammableCoreType other_type = core_type>
    void relay_multicast(
        const Noc& noc, const Semaphore<other_type>& to, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1,
        uint32_t destinations, bool linked = false, AT) const {
        const bool to_sender = has_flag(opts, NocOptions::MCAST_INCL_SRC);
        const uint64_t all = get_noc_multicast_addr(x0, y0, x1, y1, to.address_, noc.get_noc_id());
        emu_multicast(address_, all, 4, destinations, to_sender, noc.get_noc_id(), HERE);
    }
    void inc_multicast(
        const Noc& noc, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1, uint32_t by, uint32_t destinations, AT) const {
        const uint64_t all = get_noc_multicast_addr(x0, y0, x1, y1, address_, noc.get_noc_id());
        noc_semaphore_inc_multicast(all, by, destinations, noc.get_noc_id(), 4, HERE);
    }

private:
    template <ProgrammableCoreType>
    friend class Semaphore;
    volatile uint32_t* word() const { return reinterpret_cast<volatile uint32_t*>(uintptr_t(address_)); }

    uint32_t address_;
};
