# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Formats a decode profile as a table and as sentences."""

from dataclasses import dataclass, replace

from models.bitnet.perf.decode_profile import DecodeProfile
from models.bitnet.perf.links import COLLECTIVE_US_RANGE, us_range
from models.bitnet.perf.modelled import Time
from models.bitnet.perf.programs import Program, Tensor

_PREFILL_ROWS, _ROWS_OF_A_TILE = 1024, 32


@dataclass
class Row:
    """Programs that differ only in their layer or their weight."""

    program: Program
    count: int = 0


def rows_of(profile: DecodeProfile) -> list[Row]:
    rows: dict[tuple, Row] = {}
    for program, times in profile.counted():
        rows.setdefault(program.key, Row(program)).count += times
    return list(rows.values())


def table(profile: DecodeProfile) -> str:
    """A table with one line for each kind of program, in the order in which a step runs them."""
    header = ("program", "count", "inputs", "cores", "fidelity", "MB a step", "MFLOP", "L1 kB", "modelled share")
    lines, whole = [header], profile.modelled.total
    for row in rows_of(profile):
        program = row.program
        moved = row.count * (program.dram_read + program.dram_written)
        share = row.count * profile.modelled_ms_of(program) / whole
        lines.append(
            (
                program.name + (" (moves only)" if program.moves_only else ""),
                str(row.count),
                " x ".join(shape_of(tensor) for tensor in program.inputs[:2]),
                str(program.cores or "?"),
                program.fidelity if program.name in ("Matmul", "SdpaDecode", "LayerNorm") else "",
                f"{moved / 1e6:.2f}",
                f"{row.count * program.flops / 1e6:.1f}",
                f"{program.l1_bytes / 1024:.0f}",
                f"{100 * share:.1f} %",
            )
        )
    return _columns(lines, left=(0, 2))


def _columns(lines: list[tuple[str, ...]], left: tuple[int, ...]) -> str:
    """Align the cells of the lines in columns. The columns in `left` are aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))
        )
        for line in lines
    ]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def shape_of(tensor: Tensor) -> str:
    shape = [size for size in tensor.shape[:-2] if size != 1] + list(tensor.shape[-2:])
    return f"{list(shape)} {tensor.dtype.lower().replace('bfloat', 'bf').replace('float', 'f')}"


def summary(profile: DecodeProfile) -> str:
    figures, time = profile.figures(), profile.modelled
    each = f" on each of {profile.card.chips} chips" if profile.card.chips > 1 else ""
    host = f"; {profile.host_ms:.1f} ms in the library on this host when not traced" if profile.host_ms else ""
    low, high = figures["modelled_tokens_per_s_user_range"]
    slowest, fastest = figures["bottom_up_tokens_per_s_user_range"]
    return "\n".join(
        [
            f"{profile.programs} programs a step{each}: {figures['programs_per_layer']} a layer (of which "
            f"{figures['movement_per_layer']} move data only), {figures['programs_outside_layers']} outside the layers",
            f"{figures['weight_bytes_per_token'] / 1e6:.1f} MB of weights a token "
            f"({figures['stored_weight_bytes_per_token'] / 1e6:.1f} MB with the padding of the DRAM banks), "
            f"{figures['kv_bytes_read_per_step'] / 1e6:.1f} MB of KV cache, "
            f"{figures['dram_bytes_per_step'] / 1e6:.1f} MB over DRAM in all, "
            f"{figures['flops_per_step'] / 1e9:.2f} GFLOP",
            f"{figures['uploaded_bytes_per_step']} bytes uploaded and {figures['downloaded_bytes_per_step']} "
            f"downloaded a step{host}",
            f"modelled: {time.dram:.2f} ms of DRAM + {time.latency:.2f} ms of latency inside programs + "
            f"{time.dispatch:.2f} ms of dispatch + {time.units:.2f} ms of unpackers and matrix units"
            f"{_of_links(time)} = {time.total:.2f} ms",
            f"modelled {figures['modelled_tokens_per_s_user']:.0f} tokens/s/user "
            f"(modelled {low:.0f} to {high:.0f} with any one published row left out), "
            f"{profile.users * 1e3 / time.total:.0f} tokens/s in all",
            f"estimated from published times of single operations: {slowest:.0f} to {fastest:.0f} tokens/s/user",
            f"DRAM roofline ({profile.card.bandwidth:.0f} GB/s): {profile.roofline_ms:.2f} ms, "
            f"{figures['roofline_tokens_per_s_user']:.0f} tokens/s/user",
        ]
    )


def _of_links(time: Time) -> str:
    return f" + {time.links:.2f} ms of links" if time.links else ""


def collectives(profile: DecodeProfile) -> str:
    """The collectives of a step, with their bytes and their modelled time."""
    lines = [("all_gather_async of", "a step", "bytes a chip brings", "MB received a step", "MB sent a step, at most")]
    gathers = profile.collectives
    for gather in gathers:
        received, sent = f"{gather.received / 1e6:.3f}", f"{gather.sent / 1e6:.3f}"
        lines.append((gather.what, str(gather.times), str(gather.shard_bytes), received, sent))
    whole = sum(gather.received for gather in gathers), sum(gather.sent for gather in gathers)
    lines.append(("all", str(sum(gather.times for gather in gathers)), "", *(f"{total / 1e6:.3f}" for total in whole)))

    card, links = profile.card, profile.card.links
    low, high = (profile.on(collective_us=us).modelled.total for us in COLLECTIVE_US_RANGE)
    every_link = profile.on(links=replace(links, used=links.between)).modelled.total
    in_layers = [gather for gather in gathers if gather.times == profile.layers]
    chunk = sum(gather.received for gather in in_layers) * _PREFILL_ROWS // _ROWS_OF_A_TILE
    return "\n".join(
        [
            _columns(lines, left=(0,)),
            "",
            f"modelled with {links.used} of {links.between} links between neighbours, {links.gigabytes} GB/s each way "
            f"and link, and {card.collective_us:.0f} us a gather beyond a program's cost: "
            f"{profile.modelled.total:.2f} ms a step",
            f"modelled with {us_range()} us a gather: {low:.2f} to {high:.2f} ms; with all links: {every_link:.2f} ms",
            f"a prefill chunk of {_PREFILL_ROWS} tokens: the layers' {profile.layers * len(in_layers)} gathers, of as "
            f"many rows, {chunk / 1e6:.0f} MB received by each chip",
        ]
    )
