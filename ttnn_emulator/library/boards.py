# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The boards that can be emulated, and the cluster description the library reads for each.

The figures (harvesting masks, link channels) are those of tt-umd's published example descriptors, but for one: a chip
of an n300 or t3k has two rows of cores harvested, and here one. On a card its Ethernet cores dispatch, and programs
have the 8x8 worker cores that are left. On the mock cluster a row of worker cores dispatches, and the ninth row leaves
8x8 for programs.
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
    remote_chips: int = 0  # how many chips, from the last one back, are reached through the links of the others
    locations: tuple[tuple[int, int], ...] = ()  # where Wormhole chips sit, when that is not one row
    product: str = ""  # the cards' product, when that is not the board's name
    product_code: int = 0  # the upper bits of a card's serial number, from which the library tells the product

    def descriptor(self) -> str:
        """Return the cluster descriptor (YAML) that tt-umd reads."""
        blackhole = self.architecture == "blackhole"
        chips = range(self.chips)
        lines = ["arch:"] + [f"  {c}: {self.architecture}" for c in chips]
        locations = self.locations or [(c, 0) for c in chips]
        wormhole_chips = ["chips:"] + [f"  {c}: [{locations[c][0]}, {locations[c][1]}, 0, 0]" for c in chips]
        lines += ["chips: {}"] if blackhole else wormhole_chips
        if blackhole:
            lines += ["chip_unique_ids:"] + [f"  {c}: {1000 + c}" for c in chips]
        lines += ["ethernet_connections:"] if self.links else ["ethernet_connections: []"]
        for chip, channel, other, other_channel in self.links:
            lines.append(f"  - [{{chip: {chip}, chan: {channel}}}, {{chip: {other}, chan: {other_channel}}}]")
        lines += ["ethernet_connections_to_remote_devices: []"]
        lines += ["chips_with_mmio:"] + [f"  - {c}: {c}" for c in chips[: self.chips - self.remote_chips]]
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
        for number, members in enumerate(self._cards()):
            serial = (self.product_code << 36) + number + 1
            product = self.product or self.name
            lines.append(f"  - [{{board_id: {serial}}}, {{board_type: {product}}}, {{chips: {members}}}]")
        return "\n".join(lines) + "\n"

    def _cards(self) -> list[list[int]]:
        """Return the chips of each card."""
        if self.remote_chips:
            return [[chip, chip + self.remote_chips] for chip in range(self.remote_chips)]
        return [list(range(c, c + self.chips_per_card)) for c in range(0, self.chips, self.chips_per_card)]


_PAIRS_4XP150 = ((0, 2, 4), (0, 3, 8), (1, 3, 4), (1, 2, 8))
# (chip, first channel, other chip, its first channel): two links each
_PAIRS_T3K = (
    *((0, 6, 2, 6), (0, 14, 1, 14), (1, 0, 3, 0), (2, 14, 3, 14), (4, 6, 5, 6), (6, 6, 7, 6)),  # between cards
    *((chip, 8, chip + 4, 0) for chip in range(4)),  # on each card
)

BOARDS = {
    board.name: board
    for board in (
        Board("n150", "wormhole_b0", chips=1, mesh_shape=(1, 1), harvest_mask=64, product_code=0x18),
        Board(
            "n300",
            "wormhole_b0",
            chips=2,
            mesh_shape=(1, 2),
            links=((0, 8, 1, 0), (0, 9, 1, 1)),
            harvest_mask=64,
            remote_chips=1,
            product_code=0x14,
        ),
        Board(
            "t3k",
            "wormhole_b0",
            chips=8,
            mesh_shape=(2, 4),
            links=tuple((a, i + n, b, j + n) for a, i, b, j in _PAIRS_T3K for n in range(2)),
            harvest_mask=512,
            remote_chips=4,
            locations=((1, 0), (1, 1), (2, 0), (2, 1), (0, 0), (0, 1), (3, 0), (3, 1)),
            product="n300",
            product_code=0x14,
        ),
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
            product="p150",
            product_code=0x40,
        ),
    )
}

DEFAULT_BOARD = "n150"


def find_board(name: str) -> Board:
    """Return the board called `name`, in any case. An unknown name is an error that lists all boards."""
    key = name.lower()
    if key not in BOARDS:
        raise EmulatorError(f"unknown board '{name}'; choose one of {', '.join(BOARDS)}")
    return BOARDS[key]
