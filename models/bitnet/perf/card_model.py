# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A model of the time of a decode step on a card.

The modelled time is the sum of four terms: the DRAM bytes over a fraction of the DRAM bandwidth, the dispatch of each
program, a latency inside each program, and the time by which unpacking two-bit weights exceeds reading them. This
project measured nothing here. Dispatch is published. The fraction and the latency are fitted to published speeds of
other models on the same cards. The error of the fit on these speeds is the uncertainty of a modelled figure. The model
does not know the speed of any single operation; bottom_up.py estimates a step from published speeds of operations.
"""

import functools
from dataclasses import dataclass

import numpy as np

_BFP4, _BFP8 = 0.5625, 1.0625  # bytes a weight
# GB/s of one bank of `dram_grid_size`: Wormhole has 288 GB/s over 12 banks, Blackhole 512 GB/s over 8 banks
_BANK_BANDWIDTH = {"wormhole_b0": 24.0, "blackhole": 64.0}

# A core unpacks two-bit block floats at 16 bytes a cycle at most (tt-isa-documentation, UNPACR), so a tile of 256 bytes
# takes 16 cycles. The clocks are the specified ones, in GHz.
UNPACK_CYCLES_A_TILE = 16
_CLOCK = {"wormhole_b0": 1.0, "blackhole": 1.35}

# A matrix unit multiplies 8 by 16 by 16 values a cycle in LoFi (tt-isa-documentation, MVMUL), so a product of two tiles
# takes 16 cycles. Higher fidelities repeat it.
_CYCLES_A_TILE_PRODUCT = {"LoFi": 16, "HiFi2": 32, "HiFi3": 48, "HiFi4": 64}
_FLOPS_A_TILE_PRODUCT = 2 * 32**3

# Microseconds between traced programs: 1.2 on an n300 and 0.94 on a p150 for empty programs on all cores
# (tt-metal, tests/tt_metal/tt_metal/perf_microbenchmark/dispatch/goldens/pgm_dispatch.json).
DISPATCH_US = 1.0

_LLAMA = (
    "tt-metal at 040a27c, models/tt_transformers/PERF.md, performance; weights as its tt/model_config.py and "
    "model_params set them (FF1, FF3 bfp4, the rest bfp8); 22 programs a layer and 25 outside, counted by reading "
    "its tt/{decoder,attention,mlp,lm_head}.py"
)
_NEWER_LLAMA = "tt-metal's issue 55080; weights and programs as those of the other Llama rows"
_PORT = (
    "deveworld/bitnet-tt on GitHub: speeds on a p150a as its author states them; 950 to 980 programs, counted on the "
    "library's mock p150"
)


@dataclass(frozen=True)
class Published:
    """A published decode speed (tokens/s/user, batch 1) with the weights and programs of the step."""

    model: str
    card: str
    bandwidth: float  # GB/s, as specified
    gigabytes: float  # weights, which are read once a token
    programs: int
    speed: float
    source: str

    @property
    def milliseconds(self) -> float:
        return 1e3 / self.speed


def _llama(layers: int, hidden: int, inner: int, heads: int, kv_heads: int, width: int, bfp8_ff13_layers: int = 0):
    attention = hidden * width * (2 * heads + 2 * kv_heads)
    gate_up = 2 * hidden * inner
    layer = gate_up * _BFP4 + hidden * inner * _BFP8 + attention * _BFP8
    head = hidden * 128256 * _BFP8
    return (layers * layer + bfp8_ff13_layers * gate_up * (_BFP8 - _BFP4) + head) / 1e9, 22 * layers + 25


_1B = _llama(16, 2048, 8192, 32, 8, 64)
_3B = _llama(28, 3072, 8192, 24, 8, 128)
_8B = _llama(32, 4096, 14336, 32, 8, 128, bfp8_ff13_layers=1)
PUBLISHED = (
    Published("Llama-3.2-1B", "n150", 288, *_1B, 87.8, _LLAMA),
    Published("Llama-3.2-3B", "n150", 288, *_3B, 54.0, _LLAMA),
    Published("Llama-3.1-8B", "n150", 288, *_8B, 28.3, _LLAMA),
    Published("Llama-3.1-8B", "p150", 512, *_8B, 42.1, _NEWER_LLAMA),
    Published("BitNet 2B-4T, packed 2-bit weights", "p150", 512, 0.870, 965, 74.0, _PORT),
    Published("BitNet 2B-4T, bfp4 weights", "p150", 512, 1.521, 965, 32.0, _PORT),
)


@dataclass(frozen=True)
class CardModel:
    """The constants of the model. `share` is the fraction of the specified DRAM bandwidth that a step reaches.

    `latency_us` is the time in microseconds in which a program reads nothing: its cores start, wait for each other and
    end. A program with several stages waits in each of them, but reads the weights of later stages meanwhile.
    """

    share: float
    latency_us: float

    def milliseconds(self, gigabytes: float, programs: float, bandwidth: float) -> float:
        """The modelled time of a step of `programs` programs with one stage each."""
        return self.dram_ms(gigabytes, bandwidth) + 1e-3 * (DISPATCH_US + self.latency_us) * programs

    def dram_ms(self, gigabytes: float, bandwidth: float) -> float:
        return 1e3 * gigabytes / (self.share * bandwidth)

    def error(self, row: Published) -> float:
        """The modelled over the published speed, minus one. The error is positive if the model is too fast."""
        return row.milliseconds / self.milliseconds(row.gigabytes, row.programs, row.bandwidth) - 1


@functools.cache
def fit(rows: tuple[Published, ...] = PUBLISHED) -> CardModel:
    """The constants that minimise the squared relative errors of the time. No card reads more than its bandwidth."""
    a = np.array([[1e3 * r.gigabytes / r.bandwidth, 1e-3 * r.programs] for r in rows])
    relative = a / np.array([[r.milliseconds] for r in rows])
    slope, program_us = np.linalg.lstsq(relative, np.ones(len(rows)), rcond=None)[0]
    if slope < 1:
        dram, programs = relative.T
        slope, program_us = 1.0, programs @ (1 - dram) / (programs @ programs)
    return CardModel(share=1 / slope, latency_us=program_us - DISPATCH_US)


def unpack_ms(architecture: str, tiles: int) -> float:
    """The least time in milliseconds in which a core unpacks this many tiles of two-bit weights."""
    return 1e-6 * UNPACK_CYCLES_A_TILE * tiles / _CLOCK[architecture]


def multiply_ms(architecture: str, flops: int, fidelity: str, cores: int) -> float:
    """The least time in milliseconds in which the matrix units of `cores` cores multiply and add so often."""
    cycles = _CYCLES_A_TILE_PRODUCT[fidelity] * flops / _FLOPS_A_TILE_PRODUCT
    return 1e-6 * cycles / cores / _CLOCK[architecture]


def bandwidth(architecture: str, banks: int) -> float:
    """The specified DRAM bandwidth of a chip, GB/s."""
    return _BANK_BANDWIDTH[architecture] * banks


def fits_without_one() -> list[CardModel]:
    """The fits to all published rows but one, one fit for each row left out."""
    return [fit(tuple(other for other in PUBLISHED if other is not row)) for row in PUBLISHED]


def calibration_table() -> str:
    """The fitted constants and the error on every published row, as a table."""
    model = fit()
    lines = [
        f"Modelled with {100 * model.share:.0f} % of the specified DRAM bandwidth and {model.latency_us:.1f} us of "
        f"latency a program, fitted to published speeds, and {DISPATCH_US:.1f} us of dispatch:",
        f"  {'model':<36}{'card':<6}{'GB':>6}{'programs':>10}{'published':>11}{'modelled':>10}{'error':>8}",
    ]
    for row in PUBLISHED:
        modelled = 1e3 / model.milliseconds(row.gigabytes, row.programs, row.bandwidth)
        lines.append(
            f"  {row.model:<36}{row.card:<6}{row.gigabytes:>6.2f}{row.programs:>10}{row.speed:>11.1f}{modelled:>10.1f}"
            f"{100 * model.error(row):>+7.0f}%"
        )
    return "\n".join(lines)
