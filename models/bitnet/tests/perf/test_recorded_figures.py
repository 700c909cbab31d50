# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decode step costs no more than was recorded, and no more than the port promises.

`recorded_figures.json` has the counted figures of each chip. A change that costs programs or bytes must change the file
on purpose: `python -m models.bitnet.tests.perf.record_figures` writes the figures of this device.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

import ttnn
from models.bitnet.perf.decode_profile import DecodeProfile, profile
from models.bitnet.perf.modelled import Card
from models.bitnet.tt.fused_programs import LAST_LAYER, TO_NEXT_LAYER

FILE = Path(__file__).with_name("recorded_figures.json")
GUARDED = (
    "programs_per_step",
    "programs_per_layer",
    "programs_outside_layers",
    "movement_per_layer",
    "stored_weight_bytes_per_token",
    "kv_bytes_read_per_step",
    "dram_bytes_per_step",
    "uploaded_bytes_per_step",
    "downloaded_bytes_per_step",
)
CONTEXT = 1024
CASES = [(precision, users) for precision in ("performance", "accuracy", "fused") for users in (1, 32)]
every_case = pytest.mark.parametrize(
    "precision, users",
    [pytest.param(*case, marks=pytest.mark.board) if "fused" in case else case for case in CASES],
    ids=lambda value: str(value),
)
_profiles: dict[tuple, DecodeProfile] = {}


def chip_name(device: ttnn.MeshDevice) -> str:
    """A name for the chip, or a row of chips, by the sizes that layouts use. Equal names have equal figures."""
    grid = device.compute_with_storage_grid_size()
    card = Card.of(device)
    name = f"{card.architecture} {grid.x}x{grid.y} cores, {card.dram_banks} DRAM banks"
    return name if card.chips == 1 else f"{card.chips} x {name}"


def risen(names: Iterable[str], allowed: dict, figures: dict) -> dict:
    """The figures in `names` that are above the recorded ones, as (recorded, now)."""
    return {name: (allowed[name], figures[name]) for name in names if figures[name] > allowed[name]}


@pytest.fixture
def figures(precision, users, stepping, open_device):
    key = id(open_device), precision, users
    if key not in _profiles:
        _profiles[key] = profile(stepping(precision, users), CONTEXT - 1)
    return _profiles[key].figures()


@every_case
def test_no_figure_rises(precision, users, figures, open_device):
    recorded = json.loads(FILE.read_text()).get(chip_name(open_device))
    if recorded is None:
        pytest.skip(f"no figures are recorded for {chip_name(open_device)}")
    above = risen(GUARDED, recorded[f"{precision}, batch {users}"], figures)
    assert not above, f"above what {FILE.name} records (recorded, now): {above}"


@every_case
def test_the_promised_counts(precision, users, figures):
    """The promises of the port on programs, weights and uploads hold.

    A layer has at most 18 programs in performance, of which one only moves data, 40 in accuracy, and 3 in fused, of
    which none only moves data. There are at most 8 programs outside the layers. A token reads at most 1.53 GB of
    weights, in fused 0.71 GB. A steady step uploads nothing.
    """
    if precision == "performance":
        assert figures["programs_per_layer"] <= 18
        assert figures["movement_per_layer"] <= 1
        assert figures["programs_per_step"] <= 548
        assert figures["weight_bytes_per_token"] <= 1.53e9
    if precision == "fused":
        assert figures["programs_per_layer"] <= 3
        assert figures["programs_per_step"] <= 97
        assert figures["movement_per_layer"] == 0
        assert figures["weight_bytes_per_token"] <= 0.71e9
    assert figures["programs_per_layer"] <= 40
    assert figures["programs_outside_layers"] <= 8
    assert figures["uploaded_bytes_per_step"] == 0
    assert figures["downloaded_bytes_per_step"] == 4 * users


@pytest.mark.board
def test_projections_and_tiles_of_fused_programs(stepping):
    """The model of a card's time takes them from the descriptions of the programs."""
    model = stepping("fused", 1)
    counted = [program for program, _ in profile(model, CONTEXT - 1).counted() if program.name == "decode_product"]
    described = [model.config.programs.decode(*names) for names in (("qkv",), TO_NEXT_LAYER, LAST_LAYER)]
    assert [program.stages for program in counted] == [len(one.stages) for one in described] == [1, 4, 3]
    tiles = [sum(stage.weight_tiles for stage in one.stages) for one in described]
    assert [program.unpacked_tiles for program in counted] == tiles
