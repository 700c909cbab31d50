# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decode step costs no more than was recorded, and no more than the port promises.

`recorded_figures.json` holds the counted figures of each chip. A change that costs programs or bytes has to edit it, on
purpose: `python -m models.bitnet.tests.perf.record_figures` writes this device's anew.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

import ttnn
from models.bitnet.perf.decode_profile import DecodeProfile, profile
from models.bitnet.perf.modelled import Card

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
every_case = pytest.mark.parametrize("precision, users", CASES, ids=lambda value: str(value))
_profiles: dict[tuple, DecodeProfile] = {}


def chip_name(device: ttnn.MeshDevice) -> str:
    """The chip as the layouts see it, or a row of them: boards with the same one have the same figures."""
    grid = device.compute_with_storage_grid_size()
    card = Card.of(device)
    name = f"{card.architecture} {grid.x}x{grid.y} cores, {card.dram_banks} DRAM banks"
    return name if card.chips == 1 else f"{card.chips} x {name}"


def risen(names: Iterable[str], allowed: dict, figures: dict) -> dict:
    """Those of `names` that are above what is recorded: (recorded, now)."""
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
    """At most 18 programs a layer in performance mode, one of them pure movement, 40 in accuracy mode, and 8 in fused,
    none of them; 8 outside the layers; 1.53 GB of weights a token, in fused 0.87; and nothing uploaded in the steady
    state."""
    if precision == "performance":
        assert figures["programs_per_layer"] <= 18
        assert figures["movement_per_layer"] <= 1
        assert figures["programs_per_step"] <= 548
        assert figures["weight_bytes_per_token"] <= 1.53e9
    if precision == "fused":
        assert figures["programs_per_layer"] <= 8
        assert figures["movement_per_layer"] == 0
        assert figures["weight_bytes_per_token"] <= 0.87e9
    assert figures["programs_per_layer"] <= 40
    assert figures["programs_outside_layers"] <= 8
    assert figures["uploaded_bytes_per_step"] == 0
    assert figures["downloaded_bytes_per_step"] == 4 * users
