# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a run in a real browser. These tests run where a Chromium is installed (Debian's package `chromium`).

Where there is none they are skipped. The figures of the page have tests of their own in test_report.py.
"""

from dataclasses import replace

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.report.modelled import time_of
from ttnn_emulator.report.page import page
from ttnn_emulator.tests import browser

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed to show the page")

# clicks and moves as a user does, and what the page then shows
HELPERS = """
const rows = () => [...document.querySelectorAll('#rows tbody tr')];
const cells = row => [...row.children].map(cell => cell.textContent);
const type = text => { $('filter').value = text; $('filter').dispatchEvent(new Event('input')); };
const mouse = (kind, target, x, y, more) => target.dispatchEvent(new MouseEvent(kind, {bubbles: true,
  clientX: canvas.getBoundingClientRect().left + x, clientY: canvas.getBoundingClientRect().top + y, ...more}));
"""


@pytest.fixture
def recorded(device, tmp_path):
    x = ttnn.from_torch(torch.ones(64, 96), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    w = ttnn.from_torch(torch.ones(96, 2048), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    with ttnn_emulator.record() as record:
        y = ttnn.matmul(x, w)
        for _ in range(4):
            ttnn.relu(x, memory_config=ttnn.L1_MEMORY_CONFIG)
        ttnn.to_torch(y)
    (tmp_path / "run.html").write_text(page(record, "run.py", "n150"))
    return record, tmp_path / "run.html"


def test_the_table_the_filter_and_the_groups(recorded):
    record, html = recorded
    script = """
    const found = {title: document.title, rows: rows().map(cells)};
    type('relu'); found.relu = rows().length;
    type('no such thing'); found.none = rows().length;
    type(''); $('grouped').click(); found.groups = rows().map(cells);
    $('grouped').click(); document.querySelector('th[data-column="#"]').click(); found.last = cells(rows()[0])[0];
    document.querySelector('[data-bound="dispatch"]').click(); found.bounds = rows().map(row => cells(row)[3]);
    return found;
    """
    found = browser.use(html, HELPERS + script)
    assert found["title"] == "run.py on n150"
    assert [row[1] for row in found["rows"]] == ["Matmul"] + ["Unary"] * 4
    times = [float(row[2]) for row in found["rows"]]
    assert times == sorted(times, reverse=True) and times[0] > 1
    assert (found["relu"], found["none"]) == (4, 0)
    assert [(group[1], group[6]) for group in found["groups"]] == [("4", "Unary"), ("1", "Matmul")]
    assert found["last"] == "4"
    assert found["bounds"] and "dispatch" not in found["bounds"]


def test_a_click_shows_the_program(recorded):
    record, html = recorded
    script = """
    rows()[0].click();
    const found = {detail: $('detail').textContent};
    const outlined = [...document.querySelectorAll('#grid rect[stroke="#1d2330"]')];
    found.cores = outlined.length;
    outlined[0].dispatchEvent(new MouseEvent('mousemove', {bubbles: true}));
    found.core = $('core').textContent;
    const relu = programs[2];
    mouse('click', canvas, x(relu.begin + relu.us / 2), 50);
    found.chosen = chosen.index;
    found.relu = $('detail').textContent;
    return found;
    """
    found = browser.use(html, HELPERS + script)
    matmul, relu = record.programs[0], record.programs[2]
    assert f"called at {matmul.source}" in found["detail"] and "[64, 96] bfloat16" in found["detail"]
    assert found["cores"] == matmul.cores
    buffers = [buffer for buffer in matmul.circular_buffers if not buffer.on_tensor]
    assert (
        all(f"{buffer.bytes / 1000:.2f} kB" in found["core"] for buffer in buffers) and "core (0, 0)" in found["core"]
    )
    assert found["chosen"] == 2 and f"called at {relu.source}" in found["relu"]
    assert f"{(relu.held_l1 + relu.circular_buffer_bytes) / 1000:.2f} kB of 1.39 MB" in found["relu"]


def test_zooming_and_moving(recorded):
    script = """
    const before = [...view], at = timeAt(300);
    canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: -1, clientX: canvas.getBoundingClientRect().left + 300}));
    const found = {before, zoomed: [...view], at, still: timeAt(300)};
    mouse('mousedown', canvas, 300, 50); mouse('mousemove', canvas, 250, 50); mouse('mouseup', window, 250, 50);
    found.moved = [...view];
    $('whole').click(); found.whole = [...view];
    dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'})); found.next = chosen.index;
    return found;
    """
    found = browser.use(recorded[1], HELPERS + script)
    span = found["before"][1] - found["before"][0]
    assert found["zoomed"][1] - found["zoomed"][0] == pytest.approx(0.8 * span)
    assert found["at"] == pytest.approx(found["still"], rel=0.02)
    assert found["moved"][0] > found["zoomed"][0] and found["whole"] == found["before"]
    assert found["next"] == 1


def test_thousands_of_programs(device, tmp_path):
    x = ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    with ttnn_emulator.record() as record:
        ttnn.relu(x)
        ttnn.exp(x)
    record.programs = record.programs[:1] * 2500 + record.programs[1:]
    (tmp_path / "run.html").write_text(page(record, "run.py", "n150"))
    script = """
    const found = {rows: rows().length, cut: $('cut').textContent};
    type('exp'); found.exp = rows().map(cells);
    return found;
    """
    found = browser.use(tmp_path / "run.html", HELPERS + script)
    assert (found["rows"], found["cut"]) == (1000, "the first 1000 of 2501; filter to see others")
    assert [row[0] for row in found["exp"]] == ["2500"]
    assert (tmp_path / "run.html").stat().st_size < 200_000  # each distinct program is there once


def test_a_chip_at_a_time(recorded):
    record, html = recorded
    record.programs += [replace(program, chip=1) for program in record.programs[:2]]
    html.write_text(page(record, "run.py", "n300"))
    script = """
    const found = {first: rows().length, clock, hidden: $('chip').hidden};
    $('chip').value = '1'; $('chip').dispatchEvent(new Event('change'));
    return {...found, second: rows().length, later: clock};
    """
    found = browser.use(html, HELPERS + script)
    assert (found["first"], found["second"], found["hidden"]) == (5, 2, False)
    times = [time_of(program, record.chip).total for program in record.programs]
    assert found["clock"] == pytest.approx(sum(times[:5]), abs=1e-3)
    assert found["later"] == pytest.approx(sum(times[5:]), abs=1e-3)


def test_an_empty_run(device, tmp_path):
    with ttnn_emulator.record() as record:
        pass
    (tmp_path / "run.html").write_text(page(record, "run.py", "n150"))
    assert browser.use(tmp_path / "run.html", HELPERS + "return rows().length;") == 0
