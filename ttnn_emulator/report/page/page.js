// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
"use strict";

const BOUNDS = {dram: ["DRAM", "#3b7dd8"], compute: ["compute", "#d9822b"], noc: ["network on chip", "#2a9d6f"],
                dispatch: ["dispatch", "#9b8bb4"]};
const ROWS_SHOWN = 1000;
const $ = id => document.getElementById(id);
const colour = bound => BOUNDS[bound][1];

// ---- figures as text
const text = value => String(value).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
function bytes(size) {
  if (size === null || size === undefined) return "unknown";
  for (const unit of ["B", "kB", "MB"]) {
    if (size < 1000) return unit === "B" ? `${size} B` : `${size.toFixed(2)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(2)} GB`;
}
const micro = us => us >= 1e4 ? `${(us / 1e3).toFixed(2)} ms` : `${us.toFixed(us < 10 ? 2 : 1)} us`;
const number = (value, digits) => value === null || value === undefined ? "" : Number(value).toFixed(digits);
const shape = tensor => `[${tensor.shape.join(", ")}] ${tensor.dtype.toLowerCase()}`;
const short = line => line.split("/").pop();
const total = us => us.dispatch + Math.max(us.dram, us.compute, us.noc);

// ---- the programs of one chip in order, each with its begin on the modelled timeline
let programs = [], clock = 0, whole = 1, view = [0, 1], chosen = null, words = "", off = new Set(), sorting = ["us", -1];
const chips = [...new Set(DATA.programs.map(row => row[6]))].sort((a, b) => a - b);
const compared = DATA.programs.some(row => row[4] !== null);
function load(chip) {
  programs = []; clock = 0; chosen = null;
  DATA.programs.forEach(([kind, line, held, l1, pcc, error, on], number) => {
    if (on !== chip) return;
    const of = DATA.kinds[kind], us = total(of.us);
    programs.push({index: programs.length, number, kind: of, line: DATA.lines[line], held, l1, pcc, error, us, begin: clock,
                   words: `${of.name} ${of.operation} ${DATA.lines[line]}`.toLowerCase()});
    clock += us;
  });
  whole = Math.max(clock, 1);
  view = [0, whole];
}
const beginAfter = count => (programs.find(p => p.number >= count) || {begin: clock}).begin;
const matches = p => !off.has(p.kind.bound) && words.split(/\s+/).every(word => p.words.includes(word));

// ---- the head of the page
function showHead() {
  const chip = DATA.chip, sum = of => programs.reduce((all, p) => all + of(p), 0);
  document.title = `${DATA.title} on ${DATA.board}`;
  const many = chip && chip.chips > 1 ? `, one of ${chip.chips} chips` : "";
  $("title").textContent = `${DATA.title} on an emulated ${DATA.board}${many}`;
  const limit = chip ? ` of ${bytes(chip.l1_limit)}` : "";
  const figures = [["programs", programs.length], ["modelled time", micro(clock)],
    ["read from DRAM", bytes(sum(p => p.kind.dram_read))], ["written to DRAM", bytes(sum(p => p.kind.dram_written))],
    ["peak L1 of a core", bytes(DATA.peak_l1) + limit], ["peak DRAM", bytes(DATA.peak_dram)],
    ["uploaded", bytes(DATA.uploaded)], ["downloaded", bytes(DATA.downloaded)]];
  $("totals").innerHTML = figures.map(([name, value]) => `<span>${name} <b>${value}</b></span>`).join("");
  $("legend").innerHTML = Object.entries(BOUNDS).map(([bound, [name, c]]) => {
    const us = sum(p => p.kind.bound === bound ? p.us : 0);
    return `<span class="key ${off.has(bound) ? "off" : ""}" data-bound="${bound}"><span class="swatch" style="background:${c}"></span>` +
           `${name} ${(100 * us / whole).toFixed(0)} %</span>`;
  }).join("");
  const a = DATA.architecture;
  const values = a ? `<p>${text(chip.architecture)}: ${chip.dram_banks} banks of ${a.bank_gigabytes} GB/s, ` +
    `${(100 * a.dram_share).toFixed(0)} % of it; ${chip.grid[0]} x ${chip.grid[1]} cores at ${a.gigahertz} GHz; ` +
    `${a.noc_bytes} bytes a cycle to and from each core.</p>` : "";
  $("model").innerHTML = values + "<ul>" + Object.entries(DATA.sources).map(([name, source]) =>
    `<li><b>${text(name)}</b>: ${text(source)}</li>`).join("") +
    "<li><b>bytes</b>: those of whole operands and results, except of embeddings, slices, caches and attention.</li>" +
    "<li><b>FLOPs</b>: those of matrix products and attention. Elementwise programs count one an element, programs of " +
    "your own none.</li></ul>";
}

// ---- the timeline
const AXIS = 20, BARS = [24, 78], MEMORY = [86, 148], HOST = [154, 170];
const canvas = $("timeline"), pen = canvas.getContext("2d");
const x = time => (time - view[0]) / (view[1] - view[0]) * canvas.clientWidth;
const timeAt = px => view[0] + px / canvas.clientWidth * (view[1] - view[0]);
function visible() {  // the indices of the programs in view
  let low = 0, high = programs.length;
  while (low < high) { const mid = (low + high) >> 1; if (programs[mid].begin + programs[mid].us < view[0]) low = mid + 1; else high = mid; }
  let end = low;
  while (end < programs.length && programs[end].begin <= view[1]) end++;
  return [low, end];
}
function draw() {
  const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio; canvas.height = canvas.clientHeight * ratio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, canvas.clientHeight);
  drawAxis(width);
  const [low, end] = visible();
  const limit = DATA.chip ? DATA.chip.l1_limit : 1, high = MEMORY[1] - MEMORY[0];
  for (let i = low; i < end; i++) {
    const p = programs[i], left = x(p.begin), wide = Math.max(x(p.begin + p.us) - left, 0.7);
    pen.globalAlpha = matches(p) ? 1 : 0.12;
    pen.fillStyle = colour(p.kind.bound);
    pen.fillRect(left, BARS[0], wide > 3 ? wide - 0.6 : wide, BARS[1] - BARS[0]);
    if (wide > 40) {
      pen.save(); pen.beginPath(); pen.rect(left, BARS[0], wide - 3, BARS[1] - BARS[0]); pen.clip();
      pen.fillStyle = "#fff"; pen.font = "11px system-ui"; pen.fillText(p.kind.name, left + 4, BARS[0] + 16);
      pen.fillText(micro(p.us), left + 4, BARS[0] + 32); pen.restore();
    }
    pen.globalAlpha = 1;
    const held = high * p.held / limit, all = p.l1 === null ? held : high * p.l1 / limit;
    pen.fillStyle = "#b9c4dd"; pen.fillRect(left, MEMORY[1] - all, wide, all);
    pen.fillStyle = "#6f84b5"; pen.fillRect(left, MEMORY[1] - held, wide, held);
  }
  pen.strokeStyle = "#c0223b"; line(0, MEMORY[0], width, MEMORY[0]);
  label("L1 of a core: tensors (dark), circular buffers (light); the line is the limit", 4, MEMORY[0] + 11);
  for (const transfer of DATA.transfers) {
    const at = beginAfter(transfer.programs_before);
    if (at < view[0] || at > view[1]) continue;
    const up = transfer.direction === "to device";
    pen.fillStyle = up ? "#12805c" : "#a8326e";
    const px = Math.min(x(at), width - 4);
    pen.beginPath(); pen.moveTo(px - 4, up ? HOST[1] - 5 : HOST[0]); pen.lineTo(px + 4, up ? HOST[1] - 5 : HOST[0]);
    pen.lineTo(px, up ? HOST[0] : HOST[1] - 5); pen.fill();
  }
  label("host transfers: up to the device, down to the host", 10, HOST[1] + 4);
  if (chosen) {
    pen.strokeStyle = "#000"; pen.lineWidth = 2;
    pen.strokeRect(x(chosen.begin), BARS[0] - 2, Math.max(x(chosen.begin + chosen.us) - x(chosen.begin), 2), BARS[1] - BARS[0] + 4);
    pen.lineWidth = 1;
  }
}
function line(a, b, c, d) { pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke(); }
function label(words, px, py) { pen.fillStyle = "#5d6475"; pen.font = "10px system-ui"; pen.fillText(words, px, py); }
function drawAxis(width) {
  const rough = (view[1] - view[0]) / (width / 110), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(s => s >= rough);
  pen.strokeStyle = "#dfe3ec";
  for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) {
    line(x(at), AXIS, x(at), canvas.clientHeight);
    label(`${Number(at.toPrecision(6))} us${at ? "" : ", modelled"}`, x(at) + 2, 13);
  }
}
function programAt(px) {
  const at = timeAt(px), [low, end] = visible();
  for (let i = low; i < end; i++) if (at >= programs[i].begin && at < programs[i].begin + programs[i].us) return programs[i];
  return null;
}
function zoom(factor, at) {
  const span = Math.min(whole, Math.max(1, (view[1] - view[0]) * factor));
  const begin = Math.min(Math.max(0, at - (at - view[0]) / (view[1] - view[0]) * span), whole - span);
  view = [begin, begin + span];
  draw();
}
function move(by) {
  const span = view[1] - view[0], begin = Math.min(Math.max(0, view[0] + by), whole - span);
  view = [begin, begin + span];
  draw();
}
let dragged = null;
canvas.addEventListener("wheel", event => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event.offsetX)); }, {passive: false});
canvas.addEventListener("mousedown", event => { dragged = {from: event.offsetX, far: 0}; });
window.addEventListener("mouseup", () => { setTimeout(() => { dragged = null; }); });
canvas.addEventListener("click", event => { if (!dragged || dragged.far < 4) choose(programAt(event.offsetX), false); });
canvas.addEventListener("mouseleave", () => { $("tip").hidden = true; });
canvas.addEventListener("mousemove", event => {
  if (dragged) {
    const by = event.offsetX - dragged.from;
    dragged.far += Math.abs(by); dragged.from = event.offsetX;
    move(-by / canvas.clientWidth * (view[1] - view[0]));
  }
  const p = programAt(event.offsetX), tip = $("tip");
  tip.hidden = !p;
  if (!p) return;
  tip.textContent = `${p.index} ${p.kind.name} (${p.kind.operation})\n${micro(p.us)} modelled, bound by ` +
    `${BOUNDS[p.kind.bound][0]}\n${short(p.line)}`;
  tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - 320)}px`;
  tip.style.top = `${event.clientY + 14}px`;
});

// ---- the table
const COLUMNS = [
  ["#", p => p.index, p => p.index], ["program", p => p.kind.name, p => text(p.kind.name), "text"],
  ["us", p => p.us, p => p.us.toFixed(2)], ["bound by", p => p.kind.bound, p => swatch(p.kind.bound), "text"],
  ["DRAM", p => p.kind.dram_read + p.kind.dram_written, p => bytes(p.kind.dram_read + p.kind.dram_written)],
  ["MFLOP", p => p.kind.flops, p => (p.kind.flops / 1e6).toFixed(1)], ["cores", p => p.kind.cores, p => p.kind.cores || "?"],
  ["L1", p => p.l1 || 0, p => bytes(p.l1)],
  ...(compared ? [["PCC", p => p.pcc === null ? 2 : p.pcc, p => number(p.pcc, 6)],
                  ["error", p => p.error === null ? -1 : p.error, p => p.error === null ? "" : Number(p.error).toPrecision(3)]] : []),
  ["line", p => p.line, p => text(short(p.line)), "text"],
];
const swatch = bound => `<span class="swatch" style="background:${colour(bound)}"></span>${BOUNDS[bound][0]}`;
const GROUP_COLUMNS = [
  ["line", g => g.line, g => text(short(g.line)), "text"], ["programs", g => g.all.length, g => g.all.length],
  ["us", g => g.us, g => g.us.toFixed(2)], ["share", g => g.us, g => `${(100 * g.us / whole).toFixed(1)} %`],
  ["DRAM", g => g.dram, g => bytes(g.dram)], ["mostly bound by", g => g.bound, g => swatch(g.bound), "text"],
  ["programs' names", g => g.names, g => text(g.names), "text"],
];
function groups(found) {
  const by = new Map();
  for (const p of found) by.set(p.line, [...(by.get(p.line) || []), p]);
  return [...by].map(([line, all]) => {
    const of = {};
    all.forEach(p => { of[p.kind.bound] = (of[p.kind.bound] || 0) + p.us; });
    return {line, all, us: all.reduce((sum, p) => sum + p.us, 0), names: [...new Set(all.map(p => p.kind.name))].join(", "),
      dram: all.reduce((sum, p) => sum + p.kind.dram_read + p.kind.dram_written, 0),
      bound: Object.keys(of).sort((a, b) => of[b] - of[a])[0]};
  });
}
let shown = [];
function list() {
  const grouped = $("grouped").checked, columns = grouped ? GROUP_COLUMNS : COLUMNS;
  const found = programs.filter(matches), column = columns.find(c => c[0] === sorting[0]) || columns[2];
  shown = (grouped ? groups(found) : found).sort((a, b) => {
    const [u, v] = [column[1](a), column[1](b)];
    return (u < v ? -1 : u > v ? 1 : 0) * sorting[1];
  });
  document.querySelector("#rows thead").innerHTML = "<tr>" + columns.map(c =>
    `<th class="${c[3] || ""}" data-column="${text(c[0])}">${text(c[0])}${c[0] === column[0] ? (sorting[1] < 0 ? " ▾" : " ▴") : ""}</th>`).join("") + "</tr>";
  document.querySelector("#rows tbody").innerHTML = shown.slice(0, ROWS_SHOWN).map((row, i) =>
    `<tr data-row="${i}" class="${row === chosen ? "chosen" : ""}">` +
    columns.map(c => `<td class="${c[3] || ""}">${c[2](row)}</td>`).join("") + "</tr>").join("");
  $("cut").textContent = shown.length > ROWS_SHOWN ? `the first ${ROWS_SHOWN} of ${shown.length}; filter to see others` : "";
}
document.querySelector("#rows thead").addEventListener("click", event => {
  const name = event.target.dataset.column;
  if (!name) return;
  sorting = [name, sorting[0] === name ? -sorting[1] : -1];
  list();
});
document.querySelector("#rows tbody").addEventListener("click", event => {
  const row = shown[event.target.closest("tr").dataset.row];
  choose(row.all ? row.all.reduce((a, b) => a.us >= b.us ? a : b) : row, true);
});
function choose(p, reveal) {
  if (!p) return;
  chosen = p;
  if (reveal && (p.begin < view[0] || p.begin + p.us > view[1])) move(p.begin + p.us / 2 - (view[0] + view[1]) / 2);
  draw(); list(); detail(p);
}
window.addEventListener("keydown", event => {
  const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!by || event.target.tagName === "INPUT") return;
  for (let i = (chosen ? chosen.index : -1) + by; i >= 0 && i < programs.length; i += by)
    if (matches(programs[i])) { choose(programs[i], true); break; }
});

// ---- one program
function onCore(kind, column, row) {  // what lies in the L1 of a core: [name, bytes, whether it takes bytes of its own]
  const here = ranges => ranges.some(([l, t, r, b]) => column >= l && column <= r && row >= t && row <= b);
  const buffers = kind.circular_buffers.map((b, i) => [b, `circular buffer ${i}${b.on_tensor ? " (on a tensor)" : ""}`])
    .filter(([b]) => here(b.cores)).map(([b, name]) => [name, b.bytes, !b.on_tensor]);
  const seen = new Set();
  const tensors = [...kind.inputs.map((t, i) => [t, `input ${i}`]), ...kind.outputs.map((t, i) => [t, `output ${i}`])]
    .filter(([t]) => t.on_each_core && here(t.cores) && (!t.address || !seen.has(t.address) && seen.add(t.address)))
    .map(([t, name]) => [`${name} ${shape(t)}`, t.on_each_core, true]);
  return [...tensors, ...buffers];
}
function grid(p) {
  const [columns, rows] = DATA.chip.grid, cell = [Math.min(44, 560 / columns), 24], limit = DATA.chip.l1_limit;
  const isProgram = (c, r) => p.kind.circular_buffers.some(b => b.cores.some(([l, t, right, bottom]) => c >= l && c <= right && r >= t && r <= bottom));
  let cells = "";
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    const used = onCore(p.kind, c, r).reduce((sum, [, size, own]) => sum + (own ? size : 0), 0);
    const depth = used ? 0.12 + 0.88 * Math.min(1, Math.sqrt(used / limit)) : 0, runs = isProgram(c, r);
    cells += `<g data-core="${c},${r}"><rect x="${c * cell[0] + 1}" y="${r * cell[1] + 1}" width="${cell[0] - 3}" height="${cell[1] - 3}" rx="2" ` +
      `fill="${used ? `rgba(59,125,216,${depth.toFixed(2)})` : "#f1f3f7"}" stroke="${runs ? "#1d2330" : "#d8dce5"}" stroke-width="${runs ? 1.4 : 1}"/>` +
      `<text x="${(c + 0.5) * cell[0]}" y="${r * cell[1] + 16}" text-anchor="middle" fill="${depth > 0.6 ? "#fff" : "#1d2330"}">${used ? Math.round(used / 1000) : ""}</text></g>`;
  }
  return `<svg id="grid" width="${columns * cell[0]}" height="${rows * cell[1]}">${cells}</svg>`;
}
function banks(kind) {
  const most = Math.max(...kind.banks, 1), wide = Math.min(40, 560 / kind.banks.length), mean = kind.banks.reduce((a, b) => a + b, 0) / kind.banks.length;
  const bars = kind.banks.map((size, i) => `<g><title>bank ${i}: ${bytes(size)}</title>` +
    `<rect x="${i * wide}" y="${60 - 56 * size / most}" width="${wide - 3}" height="${56 * size / most}" fill="${colour("dram")}"/>` +
    `<text x="${i * wide + wide / 2 - 2}" y="71" text-anchor="middle">${i}</text></g>`).join("");
  return `<svg width="${kind.banks.length * wide}" height="74">${bars}</svg><div class="hint">the fullest bank moves ${bytes(most)}, ` +
    `${(most / Math.max(mean, 1)).toFixed(2)} times the mean; hover for each</div>`;
}
function terms(kind) {
  const most = Math.max(...Object.values(kind.us), 0.001);
  return "<table class='terms'>" + Object.entries(kind.us).map(([name, us]) =>
    `<tr><td class="text">${BOUNDS[name][0]}</td><td>${us.toFixed(2)} us</td><td style="width:70%"><div class="meter"><i style="width:${100 * us / most}%;background:${colour(name)}"></i></div></td></tr>`).join("") + "</table>";
}
function tensors(title, all) {
  return all.map((t, i) => `<tr><td class="text">${title} ${i}</td><td class="text">${text(shape(t))}</td><td class="text">${t.layout.toLowerCase()}</td>` +
    `<td class="text">${t.memory.toLowerCase().replace("_", " ")}</td><td>${bytes(t.bytes)}</td><td>${t.on_each_core ? bytes(t.on_each_core) : ""}</td><td>${t.address}</td></tr>`).join("");
}
const area = cores => cores.map(([l, t, r, b]) => l === r && t === b ? `(${l},${t})` : `(${l},${t})–(${r},${b})`).join(" ");
function detail(p) {
  const kind = p.kind, limit = DATA.chip.l1_limit, own = p.l1 === null ? 0 : p.l1 - p.held;
  const pcc = p.pcc === null ? "" : `<h3>Compared with the golden function in float32</h3><div>PCC <b>${number(p.pcc, 6)}</b>, largest error <b>` +
    `${p.error === null ? "unknown" : Number(p.error).toPrecision(4)}</b> (of the operation's results)</div>`;
  const buffers = kind.circular_buffers.map((b, i) => `<tr><td class="text">${i}</td><td>${bytes(b.bytes)}</td><td class="text">${b.on_tensor ? "on a tensor" : ""}</td><td class="text">${area(b.cores)}</td></tr>`).join("");
  $("detail").innerHTML = `<h2>${p.index} ${text(kind.name)}</h2><div>${text(kind.operation)}, called at <b>${text(p.line)}</b></div>` +
    `<div>modelled ${micro(p.us)}, bound by ${swatch(kind.bound)}; ${kind.cores || "unknown"} cores${kind.fidelity ? `, ${kind.fidelity}` : ""}; ` +
    `${bytes(kind.dram_read)} read from DRAM, ${bytes(kind.dram_written)} written; ${(kind.flops / 1e6).toFixed(1)} MFLOP</div>${terms(kind)}${pcc}` +
    `<h3>Cores: kB of L1 on each, of this program's tensors and circular buffers</h3>${grid(p)}` +
    `<div id="core" class="hint">outlined: cores with circular buffers; hover over a core to see what it holds</div>` +
    `<h3>L1 of the fullest core: ${bytes(p.l1)} of ${bytes(limit)}</h3><div class="meter"><i style="width:${100 * p.held / limit}%;background:#6f84b5"></i>` +
    `<i style="width:${100 * own / limit}%;background:#b9c4dd"></i></div><div class="hint">${bytes(p.held)} of all tensors that are alive, ${p.l1 === null ? "unknown" : bytes(own)} of circular buffers</div>` +
    `<h3>DRAM banks</h3>${kind.dram_read + kind.dram_written ? banks(kind) : "<div class='hint'>no bytes</div>"}` +
    `<h3>Tensors</h3><table><tr><th class="text">tensor</th><th class="text">shape</th><th class="text">layout</th><th class="text">memory</th><th>bytes</th><th>a core</th><th>address</th></tr>` +
    `${tensors("input", kind.inputs)}${tensors("output", kind.outputs)}</table>` +
    `<h3>Circular buffers</h3>${buffers ? `<table><tr><th class="text">number</th><th>a core</th><th></th><th class="text">cores</th></tr>${buffers}</table>` : "<div class='hint'>none, or unknown</div>"}` +
    `<h3>Attributes</h3><div class="attributes">${text(kind.attributes)}</div>`;
  $("grid").addEventListener("mousemove", event => {
    const cell = event.target.closest("g");
    if (!cell) return;
    const [c, r] = cell.dataset.core.split(",").map(Number), held = onCore(kind, c, r);
    $("core").innerHTML = `<b>core (${c}, ${r})</b>: ${held.map(([name, size]) => `${text(name)} ${bytes(size)}`).join("; ") || "nothing of this program"}`;
  });
}

// ---- transfers, and the controls
$("transfers").innerHTML = "<tr><th class='text'>direction</th><th>bytes</th><th class='text'>tensor</th><th>before program</th><th class='text'>line</th></tr>" +
  DATA.transfers.slice(0, ROWS_SHOWN).map(t => `<tr><td class="text">${t.direction}</td><td>${bytes(t.bytes)}</td><td class="text">${text(shape(t))}</td><td>${t.programs_before}</td><td class="text">${text(short(t.source))}</td></tr>`).join("");
$("filter").addEventListener("input", event => { words = event.target.value.toLowerCase().trim(); draw(); list(); });
$("grouped").addEventListener("change", list);
$("whole").addEventListener("click", () => { view = [0, whole]; draw(); });
$("show-model").addEventListener("click", () => { $("model").hidden = !$("model").hidden; });
$("legend").addEventListener("click", event => {
  const key = event.target.closest(".key");
  if (!key) return;
  const bound = key.dataset.bound;
  if (!off.delete(bound)) off.add(bound);
  key.classList.toggle("off", off.has(bound));
  draw(); list();
});
window.addEventListener("resize", draw);
function show(chip) {
  load(chip); showHead(); draw(); list();
  $("detail").textContent = "";
  if (programs.length) choose(programs.reduce((a, b) => a.us >= b.us ? a : b), false);
}
$("chip").innerHTML = chips.map(chip => `<option value="${chip}">chip ${chip}</option>`).join("");
$("chip").hidden = chips.length < 2;
$("chip").addEventListener("change", event => show(Number(event.target.value)));
show(chips.length ? chips[0] : 0);
