// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compile-time arguments.
#pragma once

template <uint32_t index, typename Kernel = emu::ThisKernel>
constexpr uint32_t get_ct_arg() {
    static_assert(index < emu::Constants<Kernel>::arguments.size(), "the kernel has no compile-time argument of this index");
    return emu::Constants<Kernel>::arguments[index];
}
#define get_compile_time_arg_val(index) get_ct_arg<index>()

void the_kernel_has_no_compile_time_argument_of_this_name();

template <typename Kernel = emu::ThisKernel>
constexpr uint32_t get_named_compile_time_arg_val(std::string_view name) {
    for (const auto& [known, value] : emu::Constants<Kernel>::named)
        if (known == name) return value;
    the_kernel_has_no_compile_time_argument_of_this_name();
    return 0;
}
