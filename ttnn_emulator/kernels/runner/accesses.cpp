// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Pointers of sanitized kernels. They are compiled with -fsanitize=thread, which calls these functions before every
// access through a pointer, and linked without its runtime.

#include <cstring>

#include "memory.h"
#include "report.h"

using namespace runner;

namespace {

void touch(const void* pointer, unsigned long bytes, Access access) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
    if (!machine.running || address >= L1_STEP) return;  // a variable of the kernel
    check_access(uint32_t(address), uint32_t(bytes), access);
    show_in_window(machine.running->core);
}

}  // namespace

#define ACCESSES_OF(n)                                                                        \
    void __tsan_read##n(void* p) { touch(p, n, Access::LOAD); }                               \
    void __tsan_write##n(void* p) { touch(p, n, Access::STORE); }                             \
    void __tsan_unaligned_read##n(void* p) { touch(p, n, Access::LOAD); }                     \
    void __tsan_unaligned_write##n(void* p) { touch(p, n, Access::STORE); }                   \
    void __tsan_volatile_read##n(void* p) { touch(p, n, Access::LOAD); }                      \
    void __tsan_volatile_write##n(void* p) { touch(p, n, Access::STORE); }                    \
    void __tsan_unaligned_volatile_read##n(void* p) { touch(p, n, Access::LOAD); }            \
    void __tsan_unaligned_volatile_write##n(void* p) { touch(p, n, Access::STORE); }          \
    void __tsan_read_write##n(void* p) { touch(p, n, Access::LOAD), touch(p, n, Access::STORE); }

extern "C" {
ACCESSES_OF(1)
ACCESSES_OF(2)
ACCESSES_OF(4)
ACCESSES_OF(8)
ACCESSES_OF(16)
void __tsan_read_range(void* p, unsigned long n) { touch(p, n, Access::LOAD); }
void __tsan_write_range(void* p, unsigned long n) { touch(p, n, Access::STORE); }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_init() {}
void __tsan_vptr_update(void**, void*) {}
void* __tsan_memcpy(void* to, const void* from, unsigned long n) {
    touch(from, n, Access::LOAD);
    touch(to, n, Access::STORE);
    return memcpy(to, from, n);
}
void* __tsan_memset(void* to, int value, unsigned long n) {
    touch(to, n, Access::STORE);
    return memset(to, value, n);
}
void* __tsan_memmove(void* to, const void* from, unsigned long n) {
    touch(from, n, Access::LOAD);
    touch(to, n, Access::STORE);
    return memmove(to, from, n);
}
}
