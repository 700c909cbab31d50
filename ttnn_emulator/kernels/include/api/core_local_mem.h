// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// A pointer into this core's L1 that the NoC takes as an endpoint.
#pragma once

#include "api/lock.h"

template <typename T, typename AddressType = uintptr_t>
class CoreLocalMem {
    using difference_type = std::ptrdiff_t;

public:
    CoreLocalMem(AddressType address) : pointer_(reinterpret_cast<T*>(uintptr_t(address))) {}
    CoreLocalMem(T* pointer) : pointer_(pointer) {}

    T* get_unsafe_ptr() const { return pointer_; }
    AddressType get_address() const { return AddressType(reinterpret_cast<uintptr_t>(pointer_)); }
    T& operator[](uint32_t index) const { return pointer_[index]; }
    T& operator*() const { return *pointer_; }
    T* operator->() const { return pointer_; }
    explicit operator bool() const { return pointer_ != nullptr; }
    auto operator<=>(const CoreLocalMem&) const = default;

    CoreLocalMem& operator+=(difference_type by) { return pointer_ += by, *this; }
    CoreLocalMem& operator-=(difference_type by) { return pointer_ -= by, *this; }
    CoreLocalMem& operator++() { return *this += 1; }
    CoreLocalMem& operator--() { return *this -= 1; }
    CoreLocalMem operator++(int) { return pointer_++; }
    CoreLocalMem operator--(int) { return pointer_--; }
    CoreLocalMem operator+(difference_type by) const { return pointer_ + by; }
    CoreLocalMem operator-(difference_type by) const { return pointer_ - by; }
    difference_type operator-(const CoreLocalMem& other) const { return pointer_ - other.pointer_; }

    [[nodiscard]] auto scoped_lock(size_t count) const { return Lock([] {}); }

private:
    T* pointer_;
};

#ifndef COMPILE_FOR_TRISC
#include "api/dataflow/endpoints.h"
#include "api/dataflow/noc.h"
#include "api/tensor/noc_traits.h"

template <typename T, typename AddressType>
struct noc_traits_t<CoreLocalMem<T, AddressType>> {
    struct src_args_type {
        AddressType offset_bytes = 0;
    };
    using dst_args_type = src_args_type;
    struct dst_args_mcast_type {};

    template <Noc::AddressType type>
    static auto src_addr(const CoreLocalMem<T, AddressType>& memory, const Noc&, const src_args_type& args) {
        static_assert(type == Noc::AddressType::LOCAL_L1, "CoreLocalMem is an endpoint of its own core only");
        return memory.get_address() + args.offset_bytes;
    }
    template <Noc::AddressType type>
    static auto dst_addr(const CoreLocalMem<T, AddressType>& memory, const Noc& noc, const dst_args_type& args) {
        return src_addr<type>(memory, noc, args);
    }
};
template <typename T, typename AddressType>
inline constexpr bool noc_zero_l1_endpoint_v<CoreLocalMem<T, AddressType>> = true;
#endif
