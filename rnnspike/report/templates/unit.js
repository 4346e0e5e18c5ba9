// One unit: how well, what it looks like, memory. Figures are of the chosen model and of one beside it.
const figureModel = byId("figure-model"), otherModel = byId("other-model");
const NONE = "";
async function choose(index, jump) {
  wanted = index;
  await loadUnit(index);
  if (wanted !== index) return;
  chosen = index;
  const data = unit(index), models = data.rows.filter((r) => r.status === "ok").map((r) => r.model), pick = (select, want, otherwise) => models.includes(want) || want === NONE ? want : otherwise;
  const before = figureModel.value, beside = otherModel.value, first = !otherModel.options.length;
  fill(figureModel, models.map((m) => [m, m]), pick(figureModel, before || overview.headline, models.includes(overview.headline) ? overview.headline : models[models.length - 1]));
  fill(otherModel, [[NONE, "nothing"]].concat(models.map((m) => [m, m])), first ? (models.includes("psth-gain") && figureModel.value !== "psth-gain" ? "psth-gain" : NONE) : pick(otherModel, beside, NONE));
  byId("unit-name").textContent = data.unit;
  byId("unit-alias").textContent = unitLabel(data.unit).slice(data.unit.length);
  byId("unit-place").textContent = (index + 1) + " of " + unitData.length;
  drawTable(); showUnit();
  if (jump) { history.replaceState(null, "", "#unit=" + encodeURIComponent(data.unit)); byId("unit-page").focus({ preventScroll: true }); byId("unit-page").scrollIntoView(); }
}
// [model, index in the arrays of models, colour], the one beside first so that the chosen one lies on top
function shown(c, names) {
  const all = names || c.models, found = [];
  for (const model of [otherModel.value, figureModel.value]) if (model && all.includes(model) && !found.some((f) => f[0] === model)) found.push([model, all.indexOf(model), colour(model)]);
  return found;
}
const line = (x, y, name, look, more) => Object.assign({ x: x, y: y, mode: "lines", name: name, line: look }, more || {});
function band(x, low, high, fill, name, more) {
  return [line(x, high, name + ", upper", { width: 0 }, Object.assign({ hoverinfo: "skip" }, more || {})), line(x, low, name + ", lower", { width: 0 }, Object.assign({ fill: "tonexty", fillcolor: fill, hoverinfo: "skip" }, more || {}))];
}
function showUnit() {
  const data = unit(chosen), model = figureModel.value, row = data.rows.find((r) => r.model === model);
  byId("key-data").style.color = style("--fg");
  for (const [id, m] of [["key-model", model], ["key-other", otherModel.value === model ? NONE : otherModel.value]]) { byId(id).textContent = m; if (m) byId(id).style.color = colour(m); }
  byId("unit-words").textContent = row ? sentence(row) : "";
  byId("dropped").replaceChildren(...(data.dropped.length ? data.dropped : ["Nothing was dropped from this unit."]).map((t) => text("li", t)));
  byId("pairs").tBodies[0].replaceChildren(...data.pairs.map((p) => {
    const tr = document.createElement("tr");
    tr.append(text("td", p.model_a), text("td", p.model_b), text("td", signed(p.gain), "n"), text("td", signed(p.gain_low) + " to " + signed(p.gain_high), "n"), text("td", pText(p.p), "n"));
    return tr;
  }));
  freeWords(data, row);
  refresh("f-");
}
function sentence(row) {
  return row.n_spikes + " held-out spikes in " + row.n_trials + " trials, " + number(row.rate_hz, 2) + " Hz. " + row.model + ": " + number(row.bits_per_spike) + " bits/spike (95 % " + number(row.bits_per_spike_low) + " to " + number(row.bits_per_spike_high)
    + "). Soon after a spike: " + verdict(row, "refractory", "refractory_ratio", " of the expected spikes within 2 ms") + ". Recent spikes: " + verdict(row, "adaptation", "adaptation_slope_500ms", " in log rate per spike in the last 500 ms") + ". KS D " + number(row.ks_d) + " (p " + pText(row.ks_p) + ", " + row.ks_n + " intervals; smallest D that would show " + number(row.ks_d_detectable) + "). Calibration rejected by strata of: " + (row.calibration_rejected || "–") + "."
    + (row.message ? " " + row.message + "." : "");
}
const isNarrow = (id) => byId(id).clientWidth < 520;
const within = (row, name) => known(row[name]) ? number(row[name], 2) + " (" + number(row[name + "_low"], 2) + " to " + number(row[name + "_high"], 2) + ")" : "–";
function verdict(row, departure, effect, meaning) {
  const kind = row[departure + "_kind"], judged = row[departure + "_verdict"];
  if (!known(kind) || !known(judged)) return "–";
  const size = known(row[effect]) ? ", " + within(row, effect) + meaning : "";
  if (kind === "none" || judged === "nothing to capture") return overview.kinds[departure].none + size;
  return overview.kinds[departure][kind] + size + "; " + judged + (known(row[departure + "_capture"]) && judged !== "cannot be judged" ? ", capture " + within(row, departure + "_capture") : "");
}

figure("f-session", (id) => {
  const c = unit(chosen).curves, gain = c["session.gain_bits"];
  const x = c["session.trial"], traces = [line(x, c["session.spikes"], "spikes in the trial", { color: style("--soft"), width: 1 }, { yaxis: "y2", mode: "markers", marker: { size: 3, color: style("--soft") } })];
  for (const [model, k, col] of shown(c)) traces.push(line(x, gain[k], model, { color: col, width: 2 }, { hovertemplate: "trial %{x}, %{y:.1f} bits<extra>" + model + "</extra>" }));
  draw(id, traces, { xaxis: titled("trial, in order of time", { anchor: "y2" }), yaxis: titled("bits, summed up", { domain: [0.38, 1] }), yaxis2: titled("spikes", { domain: [0, 0.3], rangemode: "tozero" }) }, "Gain over " + c.reference + " summed over the session: " + shown(c).map(([m, k]) => m + " " + number(gain[k][gain[k].length - 1], 0) + " bits").join(", "));
  const trials = unit(chosen).rows.length ? unit(chosen).rows[0].n_trials : x.length;
  note(id, "Reference: " + c.reference + "." + (x.length < trials ? " " + x.length + " of " + trials + " trials are drawn, evenly spaced; bits are summed over all." : ""));
});
figure("f-hazard", (id) => {
  const c = unit(chosen).curves, lag = c["hazard.lag_ms"];
  if (!lag || !lag.length) return nothing(id, "there are too few intervals");
  const hz = (v) => v.map((x) => known(x) ? x / c.bin_s : null), data = hz(c["hazard.data"]);
  const traces = [{ x: lag, y: data, name: "data", mode: "markers", marker: { color: style("--fg"), size: 5 }, error_y: errors(data, hz(c["hazard.low"]), hz(c["hazard.high"])), text: lag.map((_, i) => c["hazard.lag_low_ms"][i] + " to " + c["hazard.lag_high_ms"][i] + " ms, " + Math.round(c["hazard.at_risk"][i]) + " bins at risk"), hovertemplate: "%{text}<br>%{y:.1f} spikes/s<extra>data</extra>" }];
  const models = shown(c);
  for (const [model, k, col] of models) traces.push(line(lag, hz(c["hazard.model"][k]), model, { color: col, width: 2.2 }));
  const highest = Math.max(...data.filter(known), ...models.flatMap(([, k]) => hz(c["hazard.model"][k]).filter(known)));
  draw(id, traces, { xaxis: titled("ms since the last spike", { type: "log" }), yaxis: titled("spikes/s", { range: [0, 1.25 * highest] }) }, "Hazard by time since the last spike, data and " + models.map((m) => m[0]).join(", "));
  const row = unit(chosen).rows.find((r) => known(r.refractory_kind)) || {};
  note(id, (known(row.refractory_ratio) ? "Within 2 ms of a spike " + within(row, "refractory_ratio") + " of the spikes that " + row.capture_reference + " expects are recorded. " : "") + (known(row.refractory_recovery_ms) ? "Half of the later level is reached at " + number(row.refractory_recovery_ms, 1) + " ms in the data. " : "") + "Recovery horizon " + number(c.recovery_ms, 0) + " ms.");
});
// recorded over expected spikes in strata of each window; ``labels`` names the strata of a window
function byWindow(id, departure, axisTitle, labels, description) {
  const c = unit(chosen).curves, windows = c[departure + ".window_ms"];
  const kinds = Array.from(new Set(windows)), traces = [], gap = 0.06, width = (1 - gap * (kinds.length - 1)) / kinds.length, options = { yaxis: titled("recorded / expected", { rangemode: "tozero" }), shapes: [dashed("y", 1), { type: "rect", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 1, fillcolor: style("--band"), opacity: 0.5, line: { width: 0 }, layer: "below" }], annotations: [], margin: { l: 58, r: 14, t: 28, b: 46 } };
  kinds.forEach((w, j) => {
    const at = range(windows.length).filter((i) => windows[i] === w), x = labels(c, at), axis = j ? "x" + (j + 1) : "x";
    options[j ? "xaxis" + (j + 1) : "xaxis"] = titled(j === 0 ? axisTitle : "", { type: "category", domain: [j * (width + gap), j * (width + gap) + width] });
    options.annotations.push({ text: "last " + w + " ms", x: j * (width + gap) + width / 2, xanchor: "center", y: 1, xref: "paper", yref: "paper", yanchor: "bottom", showarrow: false, font: { color: style("--soft") } });
    for (const [model, k, col] of shown(c)) {
      const o = at.map((i) => c[departure + ".observed"][i]), e = at.map((i) => c[departure + ".expected"][k][i]), ratio = o.map((v, i) => v / e[i]);
      traces.push({ x: x, y: ratio, xaxis: axis, name: model + ", last " + w + " ms", error_y: errors(ratio, at.map((a, i) => c[departure + ".low"][a] / e[i]), at.map((a, i) => c[departure + ".high"][a] / e[i])), mode: "lines+markers", marker: { size: 7, color: col }, line: { color: col, width: 1.5 }, text: o.map((v, i) => v + " recorded, " + number(e[i], 1) + " expected"), hovertemplate: "%{text}<extra>" + model + "</extra>" });
    }
  });
  draw(id, traces, options, description + ", " + shown(c).map((m) => m[0]).join(" and "));
}
figure("f-adaptation", (id) => {
  const counts = (c, at) => at.map((i) => c["adaptation.count_low"][i] + (c["adaptation.count_high"][i] === c["adaptation.count_low"][i] ? "" : c["adaptation.count_high"][i] < 0 ? "+" : "–" + c["adaptation.count_high"][i]));
  const row = unit(chosen).rows.find((r) => known(r.adaptation_kind)) || {};
  note(id, "Shaded: fewer spikes than expected. Data against " + row.capture_reference + ": " + ((overview.kinds.adaptation || {})[row.adaptation_kind] || "–") + "; slope of the log ratio per spike " + [100, 500, 1000].filter((w) => known(row["adaptation_slope_" + w + "ms"])).map((w) => within(row, "adaptation_slope_" + w + "ms") + " over " + w + " ms").join(", ") + ".");
  byWindow(id, "adaptation", "spikes in the window", counts, "Recorded over expected spikes by number of recent spikes");
});
figure("f-others", (id) => {
  const ranks = (c, at) => at.map((i, k) => String(k + 1));
  const rows = unit(chosen).rows.filter((r) => known(r.shared_verdict)), row = rows[0] || {}, mine = rows.filter((r) => known(r.population_gain));
  note(id, "The GLM against the data: p " + pText(row.shared_reference_p) + " (this unit alone), " + (row.shared_kind === "none" ? "no rise or fall shown" : row.shared_kind === "mixed" ? "rising in one window, falling in the other" : row.shared_kind + " with the others' activity") + ". Verdicts are corrected over units: " + mine.map((r) => r.model + ": " + r.shared_verdict + (known(r.shared_capture) ? ", " + within(r, "shared_capture") : "")).join("; ") + ".");
  byWindow(id, "shared", "others' activity, stratum", ranks, "Recorded over expected spikes by the other units' activity");
});
figure("f-calibration", (id) => {
  const c = unit(chosen).curves, kinds = c["calibration.kinds"];
  const models = shown(c), worst = Math.max(4, ...models.flatMap(([, k]) => kinds.flatMap((kind) => c["calibration." + kind + ".z"][k].filter(known).map(Math.abs))));
  const limit = 12, reach = 1.08 * Math.min(limit, worst);  // points beyond the limit are marked at the edge
  const mark = (v) => v > limit ? "triangle-up" : v < -limit ? "triangle-down" : "circle", cut = (v) => known(v) ? Math.max(-limit, Math.min(limit, v)) : null;
  const narrow = isNarrow(id), columns = narrow ? 2 : kinds.length, lines = Math.ceil(kinds.length / columns), gap = narrow ? 0.12 : 0.035, width = (1 - gap * (columns - 1)) / columns, traces = [], options = { shapes: [], annotations: [], margin: { l: 58, r: 14, t: 28, b: 56 } };
  if (narrow) options.height = 84 + 190 * lines;  // panels in lines of two
  const low = (l) => 1 - (l + 1) / lines + (l + 1 < lines ? 0.4 / lines : 0);
  for (const l of range(lines)) {
    const y = l ? "y" + (l + 1) : "y";
    options[y.replace("y", "yaxis")] = titled("(O - E) / √E", { range: [-reach, reach], domain: [low(l), 1 - l / lines], anchor: l ? "x" + (l * columns + 1) : "x" });
    for (const limit of [3, -3]) options.shapes.push(Object.assign(dashed("y", limit), { yref: y }));
  }
  kinds.forEach((kind, j) => {
    const lowest = c["calibration." + kind + ".lowest"], labels = c["calibration." + kind + ".label"], axis = j ? "x" + (j + 1) : "x", x = range(lowest.length), step = Math.ceil(lowest.length / (labels ? 6 : 4)) || 1;
    const ticks = lowest.map((v, i) => labels ? shortened(labels[i], 12) : known(v) ? String(Number(v.toPrecision(3))) : "–"), drawn = x.filter((i) => i % step === 0);
    const start = (j % columns) * (width + gap), l = Math.floor(j / columns), y = l ? "y" + (l + 1) : "y";
    options[j ? "xaxis" + (j + 1) : "xaxis"] = titled(kind === "position" ? "time, s" : c["calibration." + kind + ".unit"], { domain: [start, start + width], anchor: y, range: [-0.5, lowest.length - 0.5], tickvals: drawn, ticktext: drawn.map((i) => ticks[i]) });
    options.annotations.push({ text: kind.replace(/_/g, " "), x: start + width / 2, xanchor: "center", y: 1 - l / lines, xref: "paper", yref: "paper", yanchor: "bottom", showarrow: false, font: { color: style("--soft"), size: 12 } });
    for (const [model, k, col] of models) {
      const z = c["calibration." + kind + ".z"][k], words = z.map((v, i) => (labels ? labels[i] + "<br>" : "") + number(c["calibration." + kind + ".observed"][i], 0) + " recorded, " + number(c["calibration." + kind + ".expected"][k][i], 1) + " expected<br>z " + number(v, 1));
      traces.push({ x: x, y: z.map(cut), uncut: z, xaxis: axis, yaxis: y, name: model + ", " + kind, mode: labels ? "markers" : "lines+markers", marker: { size: z.map((v) => Math.abs(v) > limit ? 8 : 5), symbol: z.map(mark), color: col, opacity: 1, line: { width: 0 } }, line: { color: col, width: 1.2 }, text: words, hovertemplate: "%{text}<extra>" + model + "</extra>" });
    }
  });
  draw(id, traces, options, "Standardised difference of recorded and expected spikes by " + kinds.join(", "));
  note(id, worst > limit ? "Triangles lie beyond ±" + limit + "." : "");
});
