// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "report.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fibers.h"
#include "memory.h"

namespace runner {

namespace {

std::string formatted(const char* format, va_list list) {
    char buffer[800];
    vsnprintf(buffer, sizeof buffer, format, list);
    return buffer;
}

std::string place_of(const Fiber* fiber) { return text("%s:%d", base_name(fiber->file), fiber->line); }

void add(
    const Fiber* fiber, const std::string& call, const std::string& place, const char* rule, const std::string& what) {
    std::string key = rule;
    std::string where;
    if (fiber) {
        key += place + fiber->name;
        where = text(
            " [%s, %s, %sat %s]", fiber->name.c_str(), name_of(fiber->core).c_str(), call.c_str(), place.c_str());
    }
    if (machine.seen[key]++ == 0) machine.errors.push_back(std::string(rule) + ": " + what + where);
}

}  // namespace

const char* base_name(const char* path) {
    const char* slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

std::string text(const char* format, ...) {
    va_list list;
    va_start(list, format);
    std::string result = formatted(format, list);
    va_end(list);
    return result;
}

void report(const char* rule, const char* format, ...) {
    va_list list;
    va_start(list, format);
    const Fiber* fiber = machine.running;
    add(fiber, fiber ? text("in %s ", fiber->call) : "", fiber ? place_of(fiber) : "", rule, formatted(format, list));
    va_end(list);
}

void report_of(const Fiber* fiber, const char* file_and_line, const char* rule, const char* format, ...) {
    va_list list;
    va_start(list, format);
    add(fiber, "", file_and_line, rule, formatted(format, list));
    va_end(list);
}

std::string name_of(const Core* core) {
    const std::string name = text("core (%u,%u)", core->x, core->y);
    return machine.chips.size() == 1 ? name : name + text(" of chip %u", machine.chips[core->chip]);
}

void give_up() {
    machine.given_up = true;
    to_scheduler();
    abort();
}

std::string describe(Core* core, uint32_t address) {
    const CircularBuffer* buffer = find_buffer(core, address);
    if (!buffer) return text("L1 0x%x of %s", address, name_of(core).c_str());
    const uint32_t offset = address - buffer->address;
    return text(
        "buffer %u page %u + %u of %s", number_of(core, buffer), offset / buffer->page, offset % buffer->page,
        name_of(core).c_str());
}

}  // namespace runner
