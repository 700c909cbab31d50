# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the programs and bytes of a decode step of the 30-layer model, on one chip or on each of several chips.

The figures are counted on a model of three layers and scaled to 30.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from models.bitnet.perf.bottom_up import bottom_up_ms
from models.bitnet.perf.host_time import library_time
from models.bitnet.perf.links import Collective, collectives_of
from models.bitnet.perf.modelled import Card, Time, speed_range, time_of_all
from models.bitnet.perf.programs import Program, capture
from models.bitnet.perf.random_model import LAYERS_2B, SteppingModel


@dataclass(frozen=True)
class DecodeProfile:
    """The programs of one layer and of the rest of a step, and the figures that follow from them.

    The last layer may have other programs than the others: a fused program begins in a layer and ends in the next one.
    """

    before: list[Program]
    layer: list[Program]
    last_layer: list[Program]
    after: list[Program]
    card: Card
    users: int
    uploaded_bytes: int
    downloaded_bytes: int
    host_ms: float
    layers: int = LAYERS_2B

    def total(self, figure: Callable[[Program], float]) -> float:
        """The sum of a figure over all programs of a step."""
        return sum(times * figure(program) for program, times in self.counted())

    def counted(self) -> list[tuple[Program, int]]:
        """Every program with the number of times that a step runs it."""
        times = (self.before, 1), (self.layer, self.layers - 1), (self.last_layer, 1), (self.after, 1)
        return [(program, count) for programs, count in times for program in programs]

    @property
    def programs(self) -> int:
        return sum(count for _, count in self.counted())

    @property
    def dram_bytes(self) -> float:
        return self.total(lambda p: p.dram_read + p.dram_written)

    @property
    def modelled(self) -> Time:
        return time_of_all(self.counted(), self.card)

    @property
    def bottom_up_ms(self) -> tuple[float, float]:
        """The shortest and the longest estimate from published times of single operations."""
        return bottom_up_ms(self.counted(), self.card)

    def modelled_ms_of(self, program: Program) -> float:
        """The modelled milliseconds of one program."""
        return time_of_all([(program, 1)], self.card).total

    def on(self, **changes: Any) -> "DecodeProfile":
        """Return this profile for a card with `changes`, which are fields of `Card`."""
        return replace(self, card=replace(self.card, **changes))

    @property
    def collectives(self) -> list[Collective]:
        return collectives_of(self.layer, self.before + self.after, self.layers, self.card.chips)

    @property
    def roofline_ms(self) -> float:
        """The least time in which the specified bandwidth moves the step's bytes."""
        return 1e-6 * self.dram_bytes / self.card.bandwidth

    def figures(self) -> dict[str, float | int | list[float]]:
        modelled, collectives = self.modelled, self.collectives
        return {
            "programs_per_layer": len(self.layer),
            "movement_per_layer": sum(program.moves_only for program in self.layer),
            "programs_outside_layers": len(self.before) + len(self.after),
            "programs_per_step": self.programs,
            "weight_bytes_per_token": int(self.total(lambda p: p.weight_bytes)),
            "stored_weight_bytes_per_token": int(self.total(_stored_weight)),
            "kv_bytes_read_per_step": int(self.total(lambda p: p.kv_read)),
            "dram_bytes_per_step": int(self.dram_bytes),
            "flops_per_step": int(self.total(lambda p: p.flops)),
            "uploaded_bytes_per_step": self.uploaded_bytes,
            "downloaded_bytes_per_step": self.downloaded_bytes,
            "chips": self.card.chips,
            "collectives_per_step": sum(gather.times for gather in collectives),
            "link_bytes_received_per_step": sum(gather.received for gather in collectives),
            "host_ms_per_step": round(self.host_ms, 2),
            "peak_circular_buffer_bytes": max(program.l1_bytes for program, _ in self.counted()),
            "modelled_ms_per_step": round(modelled.total, 3),
            "modelled_ms_of_units": round(modelled.units, 3),
            "modelled_ms_of_links": round(modelled.links, 3),
            "modelled_tokens_per_s_user": round(1e3 / modelled.total, 1),
            "modelled_tokens_per_s_user_range": [round(x, 1) for x in speed_range(self.counted(), self.card)],
            "bottom_up_tokens_per_s_user_range": [round(1e3 / ms, 1) for ms in reversed(self.bottom_up_ms)],
            "roofline_tokens_per_s_user": round(1e3 / self.roofline_ms, 1),
        }


def profile(model: SteppingModel, context: int, active: int | None = None, time_host: bool = False) -> DecodeProfile:
    """Profile the decode step that writes position `context`.

    The model has three layers and must be new: circular buffers are known only when a program is built. With
    `time_host` the profile also has the time of the ttnn library on this host.
    """
    device = model.config.device

    def programs() -> list[Program]:
        model.start(context, active)
        return capture(model.step, model.positions.tolist(), device.get_num_devices())

    three = programs()
    generator = model.generator
    uploaded, downloaded = generator.uploaded_bytes, generator.downloaded_bytes
    model.step()
    uploaded, downloaded = generator.uploaded_bytes - uploaded, generator.downloaded_bytes - downloaded
    with model.first_layers(2):
        two = programs()
    built = {program.key: program for program in three if program.l1_bytes}
    three = [_known(program, built) for program in three]
    length = len(three) - len(two)
    # the programs of a layer are the first sequence of that length that comes twice in a row
    keys = [program.key for program in three]
    first = next(i for i in range(len(keys)) if keys[i : i + length] == keys[i + length : i + 2 * length])
    return DecodeProfile(
        before=three[:first],
        layer=three[first : first + length],
        last_layer=three[first + 2 * length : first + 3 * length],
        after=three[first + 3 * length :],
        card=Card.of(device),
        users=model.config.users,
        uploaded_bytes=uploaded,
        downloaded_bytes=downloaded,
        host_ms=model.layers_and_rest(lambda: host_ms(model.step)) if time_host else 0.0,
    )


def host_ms(step: Callable[[], object], repeats: int = 10) -> float:
    """The milliseconds inside the ttnn library on this host, in the quickest of several steps."""
    step()
    times = []
    for _ in range(repeats):
        with library_time() as timer:
            step()
        times.append(timer.milliseconds)
    return min(times)


def _known(program: Program, built: dict[tuple, Program]) -> Program:
    """The program with the cores and circular buffers that the capture showed when the program was built."""
    seen = built.get(program.key)
    return replace(program, cores=seen.cores, l1_bytes=seen.l1_bytes) if seen else program


def _stored_weight(program: Program) -> int:
    """The stored bytes of a program's weight. A sharded matrix has padding in its last bank, two-bit pages none."""
    return program.inputs[1].stored_bytes if program.name == "Matmul" else program.weight_bytes
