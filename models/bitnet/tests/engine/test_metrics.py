# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The text form of the engine's numbers, read as Prometheus reads it."""

import re

import pytest

from models.bitnet.tests.engine.test_engine import finish, make, text
from models.bitnet.tt.engine.metrics import prometheus
from models.bitnet.tt.engine.request import Request

COMMENT = re.compile(r"# (HELP|TYPE) ([a-z_]+) (.+)")
SAMPLE = re.compile(r'([a-z_]+)(?:\{quantile="([0-9.]+)"\})? ([0-9.e+-]+)')


def parse(exposition: str) -> tuple[dict[str, str], dict[str, str], dict[tuple[str, str], float]]:
    """Kinds, helps and samples; each family has its HELP and TYPE before its first sample, and nothing comes twice."""
    assert exposition.endswith("\n")
    found: dict[str, dict[str, str]] = {"HELP": {}, "TYPE": {}}
    samples: dict[tuple[str, str], float] = {}
    family = ""
    for line in exposition.splitlines():
        if line.startswith("#"):
            what, family, value = COMMENT.fullmatch(line).groups()
            assert family not in found[what]
            found[what][family] = value
        else:
            name, quantile, value = SAMPLE.fullmatch(line).groups()
            assert family in found["HELP"] and family in found["TYPE"]
            assert name in (family, f"{family}_sum", f"{family}_count")
            assert (name, quantile) not in samples
            samples[name, quantile] = float(value)
    return found["TYPE"], found["HELP"], samples


def test_the_text_form_says_what_the_dict_says():
    engine = make(users=2, blocks=13)
    for i in range(5):
        engine.add(Request(text(70, i % 2), 6))
    finish(engine)
    counts, gauges = engine.metrics.as_dict(), engine.gauges()
    kinds, helps, samples = parse(prometheus(engine.metrics, gauges))
    assert kinds.keys() == helps.keys()

    times = [name for name, kind in kinds.items() if kind == "summary"]
    seen = set()
    for family in times:
        name = family.removeprefix("bitnet_").removesuffix("_seconds")
        for percent in (50, 90, 99):
            key = f"{name}_p{percent}_s"
            assert samples[family, str(percent / 100)] == pytest.approx(counts[key], rel=1e-5)
            seen.add(key)
        seen.add(f"{name}_largest_s")  # has no sample: a scraper takes the largest of its own window
        assert samples[f"{family}_sum", None] >= samples[family, "0.5"] >= 0
    assert samples["bitnet_ttft_seconds_count", None] == counts["finished"] == 5
    for family in (name for name, kind in kinds.items() if kind == "counter"):
        name = family.removeprefix("bitnet_").removesuffix("_total")
        assert samples[family, None] == counts[name]
        seen.add(name)
    assert seen == counts.keys(), "every number of the dict is in the text"
    assert {name for name, kind in kinds.items() if kind == "gauge"} == {f"bitnet_{name}" for name in gauges}
    assert all(samples[f"bitnet_{name}", None] == value for name, value in gauges.items())
