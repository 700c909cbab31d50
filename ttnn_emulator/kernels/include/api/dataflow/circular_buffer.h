// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// A circular buffer as an object.
#pragma once

#include "kernel/buffer_object.h"

class CircularBuffer : public emu::BufferObject {
public:
    enum class AddrSelector { WRITE_PTR, READ_PTR };
    using BufferObject::BufferObject;
    uint32_t get_cb_id() const { return number_; }
};

#ifndef COMPILE_FOR_TRISC
// A buffer of which one end is meant, whether data are read or written there.
template <CircularBuffer::AddrSelector end>
struct CircularBufferView {
    const CircularBuffer& buffer;
    uint32_t get_read_ptr() const { return pointer(); }
    uint32_t get_write_ptr() const { return pointer(); }

private:
    uint32_t pointer() const {
        return end == CircularBuffer::AddrSelector::READ_PTR ? buffer.get_read_ptr() : buffer.get_write_ptr();
    }
};
template <CircularBuffer::AddrSelector end>
constexpr auto use(const CircularBuffer& buffer) { return CircularBufferView<end>{buffer}; }

template <>
struct noc_traits_t<CircularBuffer> : emu::BufferTraits<CircularBuffer, emu::OffsetInBuffer> {};
template <CircularBuffer::AddrSelector end>
struct noc_traits_t<CircularBufferView<end>> : emu::BufferTraits<CircularBufferView<end>, emu::OffsetInBuffer> {};
template <>
inline constexpr bool noc_zero_l1_endpoint_v<CircularBuffer> = true;
#endif
