# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A simple model of a program's time on a card. The time is modelled, and nobody measured it here.

The modelled time is the dispatch of the program and the longest of three: its fullest DRAM bank delivers and receives
its bytes, its cores' matrix units multiply, and its cores' links to the network on chip carry its operands and results.
All three are least times. A kernel's own latency, the vector unit, and the links between chips are not in the model.
"""

from dataclasses import dataclass

import ttnn
from ttnn_emulator.library.programs import Program
from ttnn_emulator.report.banks import bytes_by_bank

# Microseconds between traced programs: 1.2 on an n300, 0.94 on a p150.
DISPATCH_US = 1.0
# A tile product (32 x 32 x 32) takes so many cycles of a matrix unit, which multiplies 8 by 16 by 16 values a cycle.
_CYCLES_A_TILE_PRODUCT = {"LoFi": 16, "HiFi2": 32, "HiFi3": 48, "HiFi4": 64}
_FLOPS_A_TILE_PRODUCT = 2 * 32**3


@dataclass(frozen=True)
class Architecture:
    """The figures of an architecture that the model needs."""

    bank_gigabytes: float  # a second, of each DRAM bank as `dram_grid_size` counts them, as specified
    dram_share: float  # the part of it that programs reach
    gigahertz: float
    noc_bytes: int  # a cycle, in each direction, of each of a core's two networks


ARCHITECTURES = {
    "wormhole_b0": Architecture(bank_gigabytes=24.0, dram_share=253 / 288, gigahertz=1.0, noc_bytes=32),
    "blackhole": Architecture(bank_gigabytes=64.0, dram_share=0.90, gigahertz=1.35, noc_bytes=64),
}

SOURCES = {
    "DRAM bandwidth": "Specified: 288 GB/s over 12 banks (Wormhole), 512 GB/s over 8 banks (Blackhole p150).",
    "part of it that is reached": "253 of 288 GB/s on an n150 (tt-metal issue 39253); 90 % on Blackhole with several "
    "readers a bank (tt-metal issue 54242).",
    "matrix unit": "8 x 16 x 16 products a cycle in LoFi (tt-isa-documentation, MVMUL), repeated by HiFi2 to HiFi4; "
    "1.0 GHz (Wormhole), 1.35 GHz (Blackhole).",
    "network on chip": "32 bytes a cycle (Wormhole), 64 (Blackhole): tt-metal, "
    "tests/tt_metal/tt_metal/data_movement/documentation/intro_to_dm.md.",
    "dispatch": "1.2 us (n300) and 0.94 us (p150) for an empty traced program on all cores: tt-metal, "
    "tests/tt_metal/tt_metal/perf_microbenchmark/dispatch/goldens/pgm_dispatch.json.",
}


@dataclass(frozen=True)
class Chip:
    """The figures of an open device that the model and the reports need. On a mesh they are those of one chip."""

    architecture: str
    grid: tuple[int, int]  # columns and rows of worker cores
    dram_banks: int
    l1_limit: int  # bytes of each core's L1 that tensors and circular buffers share
    chips: int

    @classmethod
    def of(cls, device: ttnn.MeshDevice, l1_limit: int) -> "Chip":
        grid, banks = device.compute_with_storage_grid_size(), device.dram_grid_size()
        architecture = str(device.arch()).rsplit(".", 1)[-1].lower()
        return cls(architecture, (grid.x, grid.y), banks.x * banks.y, l1_limit, device.get_num_devices())

    @property
    def cores(self) -> int:
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True)
class Time:
    """The modelled time of one program in microseconds."""

    dram: float
    compute: float
    noc: float
    dispatch: float = DISPATCH_US

    @property
    def kernel(self) -> float:
        """The time without dispatch."""
        return max(self.dram, self.compute, self.noc)

    @property
    def total(self) -> float:
        return self.kernel + self.dispatch

    @property
    def bound(self) -> str:
        """The name of the longest term, which is what bounds the program."""
        return max(("dram", "compute", "noc", "dispatch"), key=lambda name: getattr(self, name))


def time_of(program: Program, chip: Chip) -> Time:
    """Return the modelled time of a program. Of unknown cores it is that of all cores."""
    card = ARCHITECTURES[chip.architecture]
    cores = program.cores or chip.cores
    fullest = max(bytes_by_bank(program, chip.dram_banks), default=0)
    cycles = _CYCLES_A_TILE_PRODUCT.get(program.fidelity, 64) * program.flops / _FLOPS_A_TILE_PRODUCT
    carried = max(
        sum(tensor.bytes if not tensor.in_dram else 0 for tensor in program.inputs) + program.dram_read,
        sum(tensor.bytes if not tensor.in_dram else 0 for tensor in program.outputs) + program.dram_written,
    )
    return Time(
        dram=1e-3 * fullest / (card.dram_share * card.bank_gigabytes),
        compute=1e-3 * cycles / cores / card.gigahertz,
        noc=1e-3 * carried / (cores * card.noc_bytes * card.gigahertz),
    )
