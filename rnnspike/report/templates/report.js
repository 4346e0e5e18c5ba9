"use strict";
(function () {
  const byId = (id) => document.getElementById(id);
  const overview = JSON.parse(byId("overview").textContent);
  const unitData = Array.from(document.querySelectorAll("script.unit-data"));
  const parsed = new Map();
  const COLOURS = { "constant": "#8a8a8a", "psth": "#56b4e9", "psth-gain": "#2a78c2", "renewal": "#009e73", "glm": "#e69f00",
    "linear-rnn": "#a6761d", "rnn": "#b2837a", "gru": "#9d8df1", "lstm": "#cc79a7", "spike-lstm": "#d55e00",
    "spike-lstm-glm": "#b0408c", "oracle": "#6aa84f" };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (model) => model === "stack" ? style("--fg") : (COLOURS[model] || "#777777");
  const number = (value, digits) => value === null || value === undefined ? "–" : Number(value).toFixed(digits === undefined ? 3 : digits);
  const unit = (index) => { if (!parsed.has(index)) parsed.set(index, JSON.parse(unitData[index].textContent)); return parsed.get(index); };
  const text = (tag, content, className) => { const element = document.createElement(tag); element.textContent = content; if (className) element.className = className; return element; };
  const median = (values) => { const v = values.filter((x) => x !== null && x !== undefined).sort((a, b) => a - b); const n = v.length; return n === 0 ? null : n % 2 ? v[(n - 1) / 2] : (v[n / 2 - 1] + v[n / 2]) / 2; };

  function layout(extra) {
    const axis = { gridcolor: style("--line"), zerolinecolor: style("--line"), linecolor: style("--line"), automargin: true };
    const base = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: style("--fg"), size: 13 },
      margin: { l: 60, r: 12, t: 10, b: 52 }, showlegend: false, hovermode: "closest",
      legend: { orientation: "h", y: 1.14, x: 0 } };
    const merged = Object.assign(base, extra);
    for (const key of Object.keys(merged)) if (/^[xy]axis\d*$/.test(key)) merged[key] = Object.assign({}, axis, merged[key]);
    for (const key of ["xaxis", "yaxis"]) if (!merged[key]) merged[key] = Object.assign({}, axis);
    return merged;
  }
  const titled = (title, more) => Object.assign({ title: { text: title } }, more || {});
  const CONFIG = { displaylogo: false, responsive: true, displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d"] };
  function draw(id, traces, options, description) {
    const element = byId(id);
    if (!element) return;
    const figure = element.closest("figure");
    if (figure && traces.length) figure.hidden = false;
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", description);
    Plotly.react(element, traces, layout(options), CONFIG);
  }
  function nothing(id, why) { const figure = byId(id) && byId(id).closest("figure"); if (figure) figure.hidden = true; draw(id, [], { xaxis: { visible: false }, yaxis: { visible: false }, annotations: [{ text: why, showarrow: false, x: 0.5, y: 0.5, xref: "paper", yref: "paper" }] }, why); }

  function drawLadder() {
    const models = overview.models, groups = new Map();
    for (const row of overview.rows) {
      const key = row.recording + "\u0000" + row.unit;
      if (!groups.has(key)) groups.set(key, { label: (overview.recordings ? row.recording + " " : "") + "unit " + row.unit, rows: {} });
      groups.get(key).rows[row.model] = row;
    }
    const traces = [];
    for (const group of groups.values()) {
      traces.push({ x: models, y: models.map((m) => group.rows[m] ? group.rows[m].bits_per_spike : null), mode: "lines+markers", connectgaps: true,
        line: { color: style("--soft"), width: 1 }, marker: { size: 5, color: models.map(colour) }, opacity: 0.75, hovertemplate: "%{text}<extra></extra>",
        text: models.map((m) => { const r = group.rows[m]; return r ? group.label + "<br>" + m + " " + number(r.bits_per_spike) + " (" + number(r.bits_per_spike_low) + " to " + number(r.bits_per_spike_high) + ")" : ""; }) });
    }
    const middle = models.map((m) => median(overview.rows.filter((r) => r.model === m).map((r) => r.bits_per_spike)));
    traces.push({ x: models, y: middle, mode: "lines", line: { color: style("--fg"), width: 3 }, hovertemplate: "median %{y:.3f}<extra>%{x}</extra>" });
    draw("ladder", traces, { yaxis: titled("bits/spike"), xaxis: { type: "category" } }, "Median bits per spike: " + models.map((m, i) => m + " " + number(middle[i])).join(", "));
  }

  const COLUMNS = [["unit", "unit", 0], ["n_spikes", "spikes", 1], ["rate_hz", "rate, Hz", 1], ["bits_per_spike", "bits/spike", 1], ["bits_per_spike_low", "low", 1], ["bits_per_spike_high", "high", 1], ["ks_d", "KS D", 1], ["ks_p", "KS p", 1], ["refractory_verdict", "refractoriness", 0], ["refractory_capture", "capture", 1], ["adaptation_verdict", "adaptation", 0], ["adaptation_capture", "capture", 1], ["free_run_rate_ratio", "free-run rate ratio", 1], ["free_run_stability", "free run", 0]];
  if (overview.recordings) COLUMNS.unshift(["recording", "recording", 0]);
  let sortKey = overview.recordings ? "recording" : null, sortUp = true, chosen = 0;
  const tableModel = byId("table-model"), figureModel = byId("figure-model"), filter = byId("filter");
  function fill(select, models, value) { if (!select) return; select.replaceChildren(...models.map((m) => { const o = text("option", m); o.value = m; return o; })); select.value = value; }
  const natural = new Intl.Collator("en", { numeric: true });
  function compare(a, b) {
    const x = a[sortKey], y = b[sortKey];
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    return (sortUp ? 1 : -1) * (typeof x === "number" ? x - y : natural.compare(x, y));
  }
  function drawTable() {
    const table = byId("units");
    if (!table) return;
    const head = document.createElement("tr");
    for (const [key, label, numeric] of COLUMNS) {
      const th = document.createElement("th"), button = text("button", label + (key === sortKey ? (sortUp ? " ▲" : " ▼") : ""));
      button.type = "button";
      if (numeric) th.className = "n";
      th.setAttribute("aria-sort", key === sortKey ? (sortUp ? "ascending" : "descending") : "none");
      button.addEventListener("click", () => { sortUp = key === sortKey ? !sortUp : true; sortKey = key; drawTable(); const again = Array.from(table.tHead.querySelectorAll("button"))[COLUMNS.findIndex((c) => c[0] === key)]; if (again) again.focus(); });
      th.append(button); head.append(th);
    }
    table.tHead.replaceChildren(head);
    const wanted = (filter ? filter.value : "").toLowerCase();
    let rows = overview.rows.filter((row) => row.model === tableModel.value);
    if (wanted) rows = rows.filter((row) => COLUMNS.some(([key]) => String(row[key] === null ? "" : row[key]).toLowerCase().includes(wanted)));
    if (sortKey) rows = rows.slice().sort(compare);
    table.tBodies[0].replaceChildren(...rows.map((row) => {
      const tr = document.createElement("tr"), index = overview.units ? overview.units.indexOf(row.unit) : -1;
      if (index === chosen && unitData.length) tr.className = "chosen";
      for (const [key, , numeric] of COLUMNS) {
        const value = row[key], td = document.createElement("td");
        if (key === "unit" && index >= 0) { const b = text("button", value, "unit"); b.type = "button"; b.addEventListener("click", () => choose(index, true)); td.append(b); }
        else if (typeof value === "number") td.textContent = key === "n_spikes" ? value : number(value, key === "rate_hz" ? 2 : 3);
        else { td.textContent = value === null || value === undefined ? "–" : value; if (/verdict|stability/.test(key)) td.className = String(value).split(" ")[0]; }
        if (numeric) td.className = "n";
        tr.append(td);
      }
      return tr;
    }));
  }

  function choose(index, jump) {
    chosen = index;
    const data = unit(index), models = data.rows.filter((r) => r.status === "ok").map((r) => r.model);
    const before = figureModel.value;
    fill(figureModel, models, models.includes(before) ? before : models.includes(overview.headline) ? overview.headline : models[models.length - 1]);
    byId("unit-name").textContent = data.unit;
    drawTable(); drawUnit();
    if (jump) { byId("unit-page").focus({ preventScroll: true }); byId("unit-page").scrollIntoView(); }
  }
  function drawUnit() {
    const data = unit(chosen), c = data.curves, model = figureModel.value, k = c.models.indexOf(model);
    const row = data.rows.find((r) => r.model === model);
    byId("unit-words").textContent = row ? row.n_spikes + " held-out spikes, " + number(row.rate_hz, 2) + " Hz. " + model + ": " + number(row.bits_per_spike) + " bits/spike (" + number(row.bits_per_spike_low) + " to " + number(row.bits_per_spike_high) + "); refractoriness " + (row.refractory_verdict || "–") + ", adaptation " + (row.adaptation_verdict || "–") + ", KS D " + number(row.ks_d) + " (p " + number(row.ks_p, 3) + ")" + (row.message ? ". " + row.message : ".") : "";
    unitLadder(data); raster(c, k, model); trials(c, k, model); hazard(c, k, model); adaptation(c, k, model); ks(c, k, model); independence(c, k, model); free(data, c, k, model); training(data); stack(data); pairs(data);
  }
  function unitLadder(data) {
    const rows = data.rows.filter((r) => r.status === "ok" && r.bits_per_spike !== null);
    draw("f-ladder", [{ y: rows.map((r) => r.model), x: rows.map((r) => r.bits_per_spike), mode: "markers", type: "scatter", marker: { size: 10, color: rows.map((r) => colour(r.model)) },
      error_x: { type: "data", symmetric: false, array: rows.map((r) => r.bits_per_spike_high - r.bits_per_spike), arrayminus: rows.map((r) => r.bits_per_spike - r.bits_per_spike_low), color: style("--soft") }, hovertemplate: "%{y} %{x:.3f}<extra></extra>" }],
      { xaxis: titled("bits/spike"), yaxis: { autorange: "reversed", type: "category" } }, "Bits per spike by rung: " + rows.map((r) => r.model + " " + number(r.bits_per_spike)).join(", "));
  }
  function raster(c, k, model) {
    if (!c["raster.trial"]) return nothing("f-raster", "no spikes");
    const x = c["raster.bin"].map((b) => c.window_s[0] + b * c.bin_s);
    draw("f-raster", [{ x: x, y: c["raster.trial"], mode: "markers", type: "scatter", marker: { symbol: "line-ns-open", size: 4, color: style("--fg") }, hoverinfo: "skip", yaxis: "y2" },
      { x: c["psth.time_s"], y: c["psth.data_hz"], mode: "lines", line: { color: style("--soft"), width: 1.2 }, name: "data" },
      { x: c["psth.time_s"], y: (c["psth.model_hz"] || [])[k], mode: "lines", line: { color: colour(model), width: 2 }, name: model }],
      { yaxis: titled("Hz", { domain: [0, 0.36], rangemode: "tozero" }), yaxis2: titled("trial", { domain: [0.42, 1], autorange: "reversed", anchor: "x" }), xaxis: titled("s") }, "Raster of recorded spikes by trial above the rate of data and model");
  }
  function trials(c, k, model) {
    const rate = c["example.rate_hz"];
    if (!rate) return nothing("f-trials", "no example trials");
    const traces = [], n = c["example.trial"].length, time = c["example.time_s"], options = { xaxis: titled("s", { anchor: n > 1 ? "y" + n : "y" }) };
    let top = 1;
    for (let i = 0; i < n; i++) for (const v of rate[k][i]) if (v > top) top = v;
    for (let i = 0; i < n; i++) {
      const axis = i === 0 ? "y" : "y" + (i + 1), key = i === 0 ? "yaxis" : "yaxis" + (i + 1);
      options[key] = { domain: [1 - (i + 1) / n + 0.015, 1 - i / n], range: [-0.12 * top, top * 1.02], showticklabels: i === 0, nticks: 3, title: { text: String(c["example.trial"][i]), font: { size: 11 } }, anchor: "x" };
      traces.push({ x: time, y: rate[k][i], mode: "lines", line: { color: colour(model), width: 1.2 }, yaxis: axis, hovertemplate: "%{x:.3f} s, %{y:.1f} Hz<extra></extra>" });
      const at = time.filter((_, b) => c["example.spikes"][i][b] > 0);
      traces.push({ x: at, y: at.map(() => -0.06 * top), mode: "markers", marker: { symbol: "line-ns-open", size: 7, color: style("--fg") }, yaxis: axis, hoverinfo: "skip" });
    }
    draw("f-trials", traces, options, "Conditional intensity of " + model + " on " + n + " held-out trials with the recorded spikes");
  }
  function hazard(c, k, model) {
    const lag = c["hazard.lag_ms"];
    if (!lag) return nothing("f-hazard", "too few intervals");
    const scale = (v) => v === null ? null : v / c.bin_s, high = c["hazard.high"].map(scale), low = c["hazard.low"].map(scale);
    draw("f-hazard", [{ x: lag, y: high, mode: "lines", line: { width: 0 }, hoverinfo: "skip" }, { x: lag, y: low, mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: "rgba(128,128,128,.28)", hoverinfo: "skip" },
      { x: lag, y: c["hazard.data"].map(scale), mode: "lines", line: { color: style("--fg"), width: 1.4 }, name: "data" }, { x: lag, y: c["hazard.model"][k].map(scale), mode: "lines", line: { color: colour(model), width: 2.4 }, name: model }],
      { xaxis: titled("ms since the last spike", { type: "log" }), yaxis: titled("spikes/s", { rangemode: "tozero" }), showlegend: false }, "Hazard by lag since the last spike, data with band and " + model);
  }
  function adaptation(c, k, model) {
    const windows = c["adaptation.window_ms"];
    if (!windows || !windows.length) return nothing("f-adaptation", "too few spikes beyond the recovery");
    const traces = [], symbols = ["circle", "square", "diamond"];
    Array.from(new Set(windows)).forEach((w, j) => {
      const at = windows.map((x, i) => x === w ? i : -1).filter((i) => i >= 0);
      const ratio = at.map((i) => c["adaptation.observed"][i] / c["adaptation.expected"][k][i]), error = at.map((i) => 2 * Math.sqrt(Math.max(1, c["adaptation.observed"][i])) / c["adaptation.expected"][k][i]);
      traces.push({ x: at.map((i) => c["adaptation.count_low"][i]), y: ratio, error_y: { type: "data", array: error, color: style("--soft"), thickness: 1 }, mode: "lines+markers", marker: { symbol: symbols[j % 3], size: 8, color: colour(model) }, line: { color: colour(model), dash: ["solid", "dash", "dot"][j % 3] }, name: "last " + w + " ms" });
    });
    draw("f-adaptation", traces, { showlegend: true, xaxis: titled("spikes in the window (lower end)"), yaxis: titled("recorded / expected", { rangemode: "tozero" }), shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: style("--soft"), dash: "dash", width: 1 } }] }, "Recorded over expected spikes by number of recent spikes, " + model);
  }
  function ks(c, k, model) {
    if (!c["ks.pit"]) return nothing("f-ks", "too few intervals");
    const grid = c["ks.grid"], off = c["ks.pit"][k].map((v, i) => v - grid[i]), band = c["ks.band"];
    const line = (y) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: style("--soft"), dash: "dash", width: 1 } });
    draw("f-ks", [{ x: grid, y: off, mode: "lines", line: { color: colour(model), width: 2 } }], { xaxis: titled("rescaled interval (uniform under the model)"), yaxis: titled("data minus model"), shapes: [line(band), line(-band)] }, "KS plot of " + model + ", " + c["ks.n"] + " intervals");
  }
  function independence(c, k, model) {
    if (!c["independence.autocorrelation"]) return nothing("f-independence", "too few intervals");
    const band = c["independence.band"], line = (y) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: style("--soft"), dash: "dash", width: 1 } });
    draw("f-independence", [{ x: c["independence.lag"], y: c["independence.autocorrelation"][k], type: "bar", marker: { color: colour(model) } }], { xaxis: titled("lag, intervals"), yaxis: titled("autocorrelation"), shapes: [line(band), line(-band)] }, "Autocorrelation of rescaled intervals of " + model);
  }
  function free(data, c, k, model) {
    const caption = byId("f-free-caption"), names = c["statistic.names"], z = c["statistic.z"];
    k = (c["free_run.models"] || []).indexOf(model);
    if (!names || !z || k < 0) { caption.textContent = ""; return nothing("f-free", "no free run was made"); }
    const p = c["statistic.p"];
    caption.textContent = "Each statistic of the recorded trials against replicates of " + model + " on the same trials: distance in standard deviations of the replicates. Beyond 2 the model does not reproduce it.";
    draw("f-free", [{ x: z[k], y: names, type: "bar", orientation: "h", marker: { color: colour(model) }, text: p ? p[k].map((v) => "p " + number(v, 3)) : undefined, hovertemplate: "%{y}: z %{x:.2f}<extra></extra>" }], { xaxis: titled("(data - model) / sd of replicates"), yaxis: { type: "category", autorange: "reversed" }, shapes: [-2, 2].map((x) => ({ type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line: { color: style("--soft"), dash: "dash", width: 1 } })) }, "Posterior predictive z of " + model);
  }
  function training(data) {
    const runs = data.training, caption = byId("f-training-caption"), traces = [], notes = [];
    for (const run of runs) {
      for (const [key, dash] of [["train_loss", "dot"], ["validation_loss", "solid"]]) {
        const y = run[key];
        if (Array.isArray(y) && y.length) traces.push({ y: y, x: y.map((_, i) => i + 1), mode: "lines", line: { color: colour(run.model), dash: dash }, name: run.model + (key === "train_loss" ? " train" : " validation") });
      }
      for (const warning of run.warnings || []) notes.push(run.model + ": " + warning);
    }
    caption.textContent = notes.length ? notes.join(" ") : "Loss per bin by epoch, one member of each network; solid: validation trials.";
    if (!traces.length) return nothing("f-training", "no network was trained");
    draw("f-training", traces, { xaxis: titled("epoch"), yaxis: titled("nats/bin"), showlegend: true }, "Training and validation loss by epoch");
  }
  function stack(data) {
    const folds = Object.values(data.stack || {});
    if (!folds.length) return nothing("f-stack", "no stack was fitted");
    const models = Object.keys(folds[0]), mean = models.map((m) => folds.reduce((s, f) => s + (f[m] || 0), 0) / folds.length);
    draw("f-stack", [{ x: models, y: mean, type: "bar", marker: { color: models.map(colour) }, hovertemplate: "%{x} %{y:.2f}<extra></extra>" }], { yaxis: titled("weight", { range: [0, 1] }), xaxis: { type: "category" } }, "Stack weights: " + models.map((m, i) => m + " " + number(mean[i], 2)).join(", "));
  }
  function pairs(data) {
    byId("pairs").tBodies[0].replaceChildren(...data.pairs.map((p) => {
      const tr = document.createElement("tr");
      tr.append(text("td", p.model_a), text("td", p.model_b), text("td", number(p.gain), "n"), text("td", number(p.gain_low) + " to " + number(p.gain_high), "n"), text("td", number(p.p, 4), "n"));
      return tr;
    }));
  }

  function theme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    const button = byId("theme");
    button.textContent = dark ? "Light" : "Dark"; button.setAttribute("aria-pressed", String(dark));
    drawAll();
  }
  function drawAll() { if (byId("ladder")) drawLadder(); if (tableModel) drawTable(); if (unitData.length) drawUnit(); }
  fill(tableModel, overview.models, overview.headline && overview.models.includes(overview.headline) ? overview.headline : overview.models[overview.models.length - 1]);
  if (tableModel) tableModel.addEventListener("change", drawTable);
  if (filter) filter.addEventListener("input", drawTable);
  byId("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme !== "dark"));
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  document.documentElement.dataset.theme = prefersDark.matches ? "dark" : "light";
  byId("theme").textContent = prefersDark.matches ? "Light" : "Dark"; byId("theme").setAttribute("aria-pressed", String(prefersDark.matches));
  if (unitData.length) {
    figureModel.addEventListener("change", drawUnit);
    byId("previous").addEventListener("click", () => choose((chosen + unitData.length - 1) % unitData.length));
    byId("next").addEventListener("click", () => choose((chosen + 1) % unitData.length));
    if (byId("ladder")) drawLadder();
    choose(0, false);
  } else drawAll();
  window.addEventListener("beforeprint", () => document.querySelectorAll(".plot").forEach((p) => Plotly.Plots.resize(p)));
  document.documentElement.dataset.ready = "yes";
})();
