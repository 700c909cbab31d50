# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a decode step of the 30-layer model asks of the device: counted on a model of two layers, and scaled."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from models.bitnet.tests.perf.card_model import CardModel, bandwidth, fit, fits_without_one, unpack_ms
from models.bitnet.tests.perf.host_time import library_time
from models.bitnet.tests.perf.programs import Program, capture
from models.bitnet.tests.perf.random_model import LAYERS_2B, SteppingModel


@dataclass(frozen=True)
class DecodeProfile:
    """The programs of one layer and of the rest of a step, and the figures that follow from them."""

    before: list[Program]
    layer: list[Program]
    after: list[Program]
    architecture: str
    card_bandwidth: float  # GB/s, as specified
    users: int
    uploaded_bytes: int
    downloaded_bytes: int
    host_ms: float
    layers: int = LAYERS_2B

    def total(self, figure: Callable[[Program], float]) -> float:
        """The sum of a figure over all programs of a step."""
        return sum(times * figure(program) for program, times in self.counted())

    def counted(self) -> list[tuple[Program, int]]:
        """Every program, and how often a step runs it."""
        rest = [(program, 1) for program in self.before], [(program, 1) for program in self.after]
        return rest[0] + [(program, self.layers) for program in self.layer] + rest[1]

    @property
    def programs(self) -> int:
        return len(self.before) + self.layers * len(self.layer) + len(self.after)

    @property
    def dram_bytes(self) -> float:
        return self.total(lambda p: p.dram_read + p.dram_written)

    @property
    def modelled_ms(self) -> float:
        return self._modelled_ms(fit())

    def _modelled_ms(self, model: CardModel) -> float:
        return self.total(lambda program: self._terms(model, program)[0] + self._terms(model, program)[1])

    def _terms(self, model: CardModel, program: Program) -> tuple[float, float]:
        """(DRAM and the program itself, what unpacking takes longer than DRAM), in ms."""
        gigabytes = (program.dram_read + program.dram_written) / 1e9
        unpacking = unpack_ms(self.architecture, program.unpacked_tiles)
        excess = max(unpacking - model.dram_ms(gigabytes, self.card_bandwidth), 0.0)
        return model.milliseconds(gigabytes, 1, self.card_bandwidth), excess

    @property
    def unpacker_ms(self) -> float:
        """The part of the modelled time in which the unpackers of two-bit weights are slower than DRAM."""
        model = fit()
        return self.total(lambda program: self._terms(model, program)[1])

    def modelled_ms_of(self, program: Program) -> float:
        """One program's part of the modelled time."""
        return sum(self._terms(fit(), program))

    @property
    def roofline_ms(self) -> float:
        """The least time in which the specified bandwidth moves the step's bytes."""
        return 1e-6 * self.dram_bytes / self.card_bandwidth

    def figures(self) -> dict[str, float | int | list[float]]:
        slowest, fastest = (f(self._modelled_ms(model) for model in fits_without_one()) for f in (max, min))
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
            "host_ms_per_step": round(self.host_ms, 2),
            "peak_circular_buffer_bytes": max(program.l1_bytes for program, _ in self.counted()),
            "modelled_ms_per_step": round(self.modelled_ms, 3),
            "modelled_ms_of_unpackers": round(self.unpacker_ms, 3),
            "modelled_tokens_per_s_user": round(1e3 / self.modelled_ms, 1),
            "modelled_tokens_per_s_user_range": [round(1e3 / slowest, 1), round(1e3 / fastest, 1)],
            "roofline_tokens_per_s_user": round(1e3 / self.roofline_ms, 1),
        }


def profile(model: SteppingModel, context: int, active: int | None = None, time_host: bool = False) -> DecodeProfile:
    """The step that writes position `context`, of a model of two layers that was just built (or its circular buffers
    are not known). With `time_host` the library's time on this host is taken too."""
    chip, device = model.config.chip, model.config.device
    architecture = str(device.arch()).rsplit(".", 1)[-1].lower()

    def programs() -> list[Program]:
        model.start(context, active)
        return capture(model.step, model.positions.tolist())

    two = programs()
    generator = model.generator
    uploaded, downloaded = generator.uploaded_bytes, generator.downloaded_bytes
    model.step()
    uploaded, downloaded = generator.uploaded_bytes - uploaded, generator.downloaded_bytes - downloaded
    with model.first_layers(1):
        one = programs()
    built = {program.key: program for program in two if program.l1_bytes}
    two = [_known(program, built) for program in two]
    length = len(two) - len(one)
    # the layers: the first stretch of that length that comes twice in a row
    keys = [program.key for program in two]
    first = next(i for i in range(len(keys)) if keys[i : i + length] == keys[i + length : i + 2 * length])
    return DecodeProfile(
        before=two[:first],
        layer=two[first : first + length],
        after=two[first + 2 * length :],
        architecture=architecture,
        card_bandwidth=bandwidth(architecture, chip.dram_banks),
        users=model.config.users,
        uploaded_bytes=uploaded,
        downloaded_bytes=downloaded,
        host_ms=model.layers_and_rest(lambda: host_ms(model.step)) if time_host else 0.0,
    )


def host_ms(step: Callable[[], object], repeats: int = 10) -> float:
    """The library's own milliseconds on this host in the quickest of several steps."""
    step()
    times = []
    for _ in range(repeats):
        with library_time() as timer:
            step()
        times.append(timer.milliseconds)
    return min(times)


def _known(program: Program, built: dict[tuple, Program]) -> Program:
    """The program with the cores and circular buffers that were seen when it was built."""
    seen = built.get(program.key)
    return replace(program, cores=seen.cores, l1_bytes=seen.l1_bytes) if seen else program


def _stored_weight(program: Program) -> int:
    """A sharded matrix with the padding of its last bank; our own pages have none."""
    return program.inputs[1].stored_bytes if program.name == "Matmul" else program.weight_bytes
