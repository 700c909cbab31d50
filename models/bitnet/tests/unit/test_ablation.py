# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The rows of the ablation: the settings that they change, and their bytes per token."""

import json
from dataclasses import fields, replace

import pytest

import ttnn
from models.bitnet.demo.ablation import bytes_per_token, full_size, variants
from models.bitnet.tests.perf.test_recorded_figures import CONTEXT, FILE
from models.bitnet.tt.precision import ACCURACY, FUSED, PERFORMANCE, PRECISIONS


def test_every_row_has_another_name_and_changes_one_setting_of_its_precision():
    rows = list(variants())
    assert len({(precision.name, name) for name, precision in rows}) == len(rows)
    for name, precision in rows:
        base = PRECISIONS[precision.name]
        changed = [field for field in fields(base) if getattr(precision, field.name) != getattr(base, field.name)]
        assert len(changed) == (0 if name == f"**{precision.name}**" else 1), name


def test_fused_has_a_row_for_each_of_its_choices():
    rows = [precision for _, precision in variants() if precision.name == "fused"]
    for field in fields(FUSED)[1:]:
        assert any(getattr(precision, field.name) != getattr(FUSED, field.name) for precision in rows), field.name


@pytest.mark.parametrize(
    "chip, precision",
    [
        ("wormhole_b0 8x8 cores, 12 DRAM banks", FUSED),
        ("blackhole 11x10 cores, 8 DRAM banks", FUSED),
        ("blackhole 11x10 cores, 8 DRAM banks", PERFORMANCE),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_bytes_of_the_2b_are_those_that_the_library_was_counted_to_read(chip, precision):
    """The chips have DRAM banks that hold the weights without padding. The cache has half of the counted context."""
    counted = json.loads(FILE.read_text())[chip][f"{precision.name}, batch 1"]
    cache = counted["kv_bytes_read_per_step"] * 512 // CONTEXT
    assert bytes_per_token(full_size(), precision) == counted["stored_weight_bytes_per_token"] + cache


def test_bytes_of_other_heads_and_caches():
    model, weights = full_size(), 128256 * 2560
    eight_bits, sixteen_bits = 17 * weights // 16, 2 * weights
    whole = replace(FUSED, head="whole")
    assert bytes_per_token(model, whole) - bytes_per_token(model, FUSED) == eight_bits - 9 * weights // 16
    for precision, head in ((whole, eight_bits), (PERFORMANCE, eight_bits), (ACCURACY, sixteen_bits)):
        assert bytes_per_token(model, precision.with_matmul("lm_head", weight=ttnn.bfloat16)) - bytes_per_token(
            model, precision
        ) == (sixteen_bits - head)
    cache = 2 * 30 * 5 * 512 * 128
    smaller = bytes_per_token(model, FUSED) - bytes_per_token(model, replace(FUSED, cache=ttnn.bfloat8_b))
    assert smaller == cache * 2 - cache * 17 // 16
