// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What every core of the head's second pass is told. A candidate is a token in a row's shortlist. Candidates are
// numbered row by row. Touches no circular buffer and no semaphore of its own.
#pragma once

#include <cstdint>

enum CandidateArguments : uint32_t {
    FIRST_CANDIDATE,  // of this core
    CANDIDATES_HERE,  // how many of them, 0 for a core that has none
    MERGED_ROW,       // the row that this core merges, the number of rows for none
};
