# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fabric between the chips of a mesh: which chips a packet passes that enters it by a channel of a chip.

A packet of a one-dimensional fabric goes straight on. On a chip that has two neighbours it goes on to the other one, as
the library connects the routers at the corners of a mesh.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import ttnn
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.library.private import fabric_direction

_MOST_HOPS = 16  # that a packet's header has room for
_OPPOSITE = {0: 1, 1: 0, 2: 3, 3: 2}  # east and west, north and south
_ONE_DIMENSION = (ttnn.FabricConfig.FABRIC_1D, ttnn.FabricConfig.FABRIC_1D_RING)

Link = tuple[int, int, int, int]  # a chip of the board, its channel, another chip, and the channel there


@dataclass(frozen=True)
class Fabric:
    """The channels of all chips of a mesh. Chips have their numbers in the mesh."""

    packet_bytes: int  # of the largest payload
    paths: dict[tuple[int, int], list[int]]  # by chip and channel: the chips that a packet passes

    @classmethod
    def of(cls, mesh: ttnn.MeshDevice, links: Iterable[Link]) -> "Fabric":
        """Return the fabric that the library has configured on a board of these links."""
        config = ttnn.get_fabric_config()
        if config not in _ONE_DIMENSION:
            raise UnsupportedOperation(
                f"ttnn.generic_op: kernels that use the fabric run with FABRIC_1D or FABRIC_1D_RING, not with {config}"
            )
        both_ways = [*links, *((other, there, chip, channel) for chip, channel, other, there in links)]
        around: dict[int, set[int]] = {}
        for chip, _, other, _ in both_ways:
            around.setdefault(chip, set()).add(other)
        routes = _Routes(mesh, around)
        numbers = routes.numbers
        paths = {
            (numbers[chip], channel): [numbers[passed] for passed in routes.path(chip, other)]
            for chip, channel, other, _ in both_ways
            if chip in numbers and other in numbers
        }
        return cls(ttnn.get_tt_fabric_max_payload_size_bytes(), paths)


class _Routes:
    """The ways of packets between the chips of a board, as far as these are in the mesh."""

    def __init__(self, mesh: ttnn.MeshDevice, around: dict[int, set[int]]):
        rows, columns = mesh.shape
        places = [ttnn.MeshCoordinate(y, x) for y in range(rows) for x in range(columns)]
        self.numbers = {
            mesh.get_device_id(place): number for number, place in enumerate(places)
        }  # by chip of the board
        self._around = around
        self._nodes = {mesh.get_device_id(place): mesh.get_fabric_node_id(place) for place in places}

    def path(self, chip: int, following: int | None) -> list[int]:
        """Return the chips that a packet passes on its way from a chip to a neighbour and on."""
        path = []
        while following is not None and len(path) < _MOST_HOPS:
            path.append(following)
            chip, following = following, self._next(chip, following)
        return path

    def _next(self, before: int, chip: int) -> int | None:
        """Return the chip to which a packet goes on that comes from `before`, or None where it cannot."""
        others = [other for other in self._around[chip] if other != before and other in self.numbers]
        if len(self._around[chip]) == 2:
            return next(iter(others), None)
        onward = _OPPOSITE[self._direction(chip, before)]
        return next((other for other in others if self._direction(chip, other) == onward), None)

    def _direction(self, chip: int, other: int) -> int:
        return fabric_direction(self._nodes[chip], self._nodes[other])
