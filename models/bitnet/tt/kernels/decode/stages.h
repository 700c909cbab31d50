// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What the kernels of decode_product know of the stages of their program: constants of all cores, and what every core
// is told. Touches no circular buffer and no semaphore.
#pragma once

#include <cstdint>
#include <string_view>

#include "api/compile_time_args.h"

constexpr uint32_t stages = get_named_compile_time_arg_val("stages");

// A constant of every stage.
struct OfStages {
    uint32_t values[stages];

    constexpr uint32_t operator[](uint32_t stage) const { return values[stage]; }

    // Whether this is the constant of any stage.
    constexpr bool contains(uint32_t value) const {
        for (uint32_t of_stage : values) {
            if (of_stage == value) {
                return true;
            }
        }
        return false;
    }
};

// The named compile-time arguments whose names are `name` and the number of a stage.
constexpr OfStages of_stages(std::string_view name) {
    OfStages constants{};
    for (uint32_t stage = 0; stage < stages; stage++) {
        char numbered[32]{};
        name.copy(numbered, name.size());
        numbered[name.size()] = '0' + stage;
        constants.values[stage] = get_named_compile_time_arg_val({numbered, name.size() + 1});
    }
    return constants;
}

// 1 for a stage with a norm before its product, 0 for a stage without one.
constexpr auto normed = of_stages("normed");

// Whether a stage has a norm. Where all have one, or none has, the compiler knows it.
constexpr bool is_normed(uint32_t stage) { return normed.contains(1) && (!normed.contains(0) || normed[stage]); }

// `CoreArguments` in decode_product.py and `StageArguments` in stages.py have the same order.
enum CoreArguments : uint32_t {
    CORE,             // the core's number in the team, and the number of its parts
    LEADS,            // 1 for the leader
    STAGE_ARGUMENTS,  // from here on, those of each stage
};
enum StageArguments : uint32_t {
    PART_FIRST,    // the part: the first tile column of the rows that this core measures and quantises
    PART_TILES,    // the part: how many tile columns, 0 for a core without a part
    FIRST_COLUMN,  // the first tile column of the results that this core computes
    COLUMNS,       // how many of them
};

// The place of a stage's argument among a core's runtime arguments.
constexpr uint32_t argument(uint32_t stage, StageArguments which) {
    return STAGE_ARGUMENTS + stage * (COLUMNS + 1) + which;
}
