# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The boards that can be emulated, and the cluster description the library reads for each.

The figures (harvesting masks, link channels) are those of tt-umd's published example descriptors.
"""

from dataclasses import dataclass

from ttnn_emulator.errors import EmulatorError

_BUSES = (0x01, 0x41, 0x42, 0xC1)  # PCIe buses of the host's card slots; a bus tells the library the slot


@dataclass(frozen=True)
class Board:
    """One product: its chips, the ethernet links between them, and the mesh they form."""

    name: str
    architecture: str  # "wormhole_b0" or "blackhole"
    chips: int
    mesh_shape: tuple[int, int]
    links: tuple[tuple[int, int, int, int], ...] = ()  # (chip, channel, other chip, channel)
    harvest_mask: int = 0
    dram_harvest_mask: int = 0
    eth_harvest_mask: int = 0
    chips_per_card: int = 1
    product_code: int = 0  # the upper bits of a card's serial number, from which the library tells the product

    def descriptor(self) -> str:
        """The cluster descriptor (YAML) that tt-umd reads."""
        blackhole = self.architecture == "blackhole"
        chips = range(self.chips)
        lines = ["arch:"] + [f"  {c}: {self.architecture}" for c in chips]
        lines += ["chips: {}"] if blackhole else ["chips:"] + [f"  {c}: [{c}, 0, 0, 0]" for c in chips]
        if blackhole:
            lines += ["chip_unique_ids:"] + [f"  {c}: {1000 + c}" for c in chips]
        lines += ["ethernet_connections:"] if self.links else ["ethernet_connections: []"]
        for chip, channel, other, other_channel in self.links:
            lines.append(f"  - [{{chip: {chip}, chan: {channel}}}, {{chip: {other}, chan: {other_channel}}}]")
        lines += ["ethernet_connections_to_remote_devices: []"]
        lines += ["chips_with_mmio:"] + [f"  - {c}: {c}" for c in chips]
        lines += ["io_device_type: PCIe"] if blackhole else []
        lines += ["harvesting:"]
        for c in chips:
            # the second chip of a two-chip card has its other PCIe core
            pcie_mask = (2 >> c % self.chips_per_card) if blackhole else 0
            masks = (
                f"harvest_mask: {self.harvest_mask}, dram_harvesting_mask: {self.dram_harvest_mask}, "
                f"eth_harvesting_mask: {self.eth_harvest_mask}, pcie_harvesting_mask: {pcie_mask}"
            )
            extra = ", l2cpu_harvesting_mask: 0" if blackhole else ""
            lines.append(f"  {c}: {{noc_translation: true, {masks}{extra}}}")
        if blackhole:
            lines += ["chip_to_bus_id:"] + [f'  {c}: "0x{_BUSES[c]:04x}"' for c in chips]
            lines += ["asic_locations:"] + [f"  {c}: {c % self.chips_per_card}" for c in chips]
        lines += ["boards:"]
        for first in range(0, self.chips, self.chips_per_card):
            members = list(range(first, first + self.chips_per_card))
            serial = (self.product_code << 36) + first + 1
            product = self.name.split("x")[-1]
            lines.append(f"  - [{{board_id: {serial}}}, {{board_type: {product}}}, {{chips: {members}}}]")
        return "\n".join(lines) + "\n"


_PAIRS_4XP150 = ((0, 2, 4), (0, 3, 8), (1, 3, 4), (1, 2, 8))

BOARDS = {
    board.name: board
    for board in (
        Board("n150", "wormhole_b0", chips=1, mesh_shape=(1, 1), harvest_mask=64, product_code=0x18),
        Board(
            "p100",
            "blackhole",
            chips=1,
            mesh_shape=(1, 1),
            harvest_mask=192,
            dram_harvest_mask=8,
            eth_harvest_mask=16383,
            product_code=0x43,
        ),
        Board(
            "p150",
            "blackhole",
            chips=1,
            mesh_shape=(1, 1),
            harvest_mask=192,
            eth_harvest_mask=288,
            product_code=0x40,
        ),
        Board(
            "p300",
            "blackhole",
            chips=2,
            mesh_shape=(1, 2),
            links=((0, 2, 1, 9), (0, 3, 1, 8)),
            harvest_mask=192,
            eth_harvest_mask=288,
            chips_per_card=2,
            product_code=0x45,
        ),
        Board(
            "4xp150",
            "blackhole",
            chips=4,
            mesh_shape=(1, 4),
            links=tuple((a, first + i, b, first + i) for a, b, first in _PAIRS_4XP150 for i in range(4)),
            harvest_mask=192,
            eth_harvest_mask=288,
            product_code=0x40,
        ),
    )
}

_REFUSED = {
    "n300": "its dispatch cores take a row of the second chip, and the library's on-device tilize then targets it",
    "t3k": "its dispatch cores take a row of the remote chips, and the library's on-device tilize then targets it",
}
DEFAULT_BOARD = "n150"


def find_board(name: str) -> Board:
    """The board called `name` (any case), or an error that lists what there is."""
    key = name.lower()
    if key in _REFUSED:
        raise EmulatorError(f"board '{name}' cannot be emulated: {_REFUSED[key]}; choose one of {', '.join(BOARDS)}")
    if key not in BOARDS:
        raise EmulatorError(f"unknown board '{name}'; choose one of {', '.join(BOARDS)}")
    return BOARDS[key]
