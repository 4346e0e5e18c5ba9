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
const within = (row, name) => known(row[name]) ? number(row[name], 2) + " (" + number(row[name + "_low"], 2) + " to " + number(row[name + "_high"], 2) + ")" : "–";
function verdict(row, departure, effect, meaning) {
  const kind = row[departure + "_kind"], judged = row[departure + "_verdict"];
  if (!known(kind) || !known(judged)) return "–";
  const size = known(row[effect]) ? ", " + within(row, effect) + meaning : "";
  if (kind === "none" || judged === "nothing to capture") return overview.kinds[departure].none + size;
  return overview.kinds[departure][kind] + size + "; " + judged + (known(row[departure + "_capture"]) && judged !== "cannot be judged" ? ", capture " + within(row, departure + "_capture") : "");
}

figure("f-ladder", (id) => {
  const rows = unit(chosen).rows.filter((r) => r.status === "ok" && known(r.bits_per_spike)), models = rows.map((r) => r.model), steps = overview.steps.filter((s) => s.unit === unit(chosen).unit);
  const bars = (at, low, high) => ({ type: "data", symmetric: false, array: at.map((v, i) => high[i] - v), arrayminus: at.map((v, i) => v - low[i]), color: style("--soft"), thickness: 1.4 });
  const bits = rows.map((r) => r.bits_per_spike), gains = steps.map((s) => s.gain), pairs = steps.map((s) => s.model + " over " + s.over), down = { autorange: "reversed", type: "category" };
  draw(id, [{ y: models, x: bits, name: "bits/spike", mode: "markers", marker: { size: 9, color: models.map(colour) }, error_x: bars(bits, rows.map((r) => r.bits_per_spike_low), rows.map((r) => r.bits_per_spike_high)), hovertemplate: "%{y} %{x:.3f}<extra></extra>" },
    { y: pairs, x: gains, name: "gain over the model extended", xaxis: "x2", yaxis: "y2", mode: "markers", marker: { size: 9, symbol: "diamond", color: steps.map((s) => isSure(s) ? colour(s.model) : style("--bg")), line: { color: steps.map((s) => colour(s.model)), width: 1.5 } }, error_x: bars(gains, steps.map((s) => s.low), steps.map((s) => s.high)), hovertemplate: "%{y} %{x:+.3f}<extra></extra>" }],
    { xaxis: titled("bits/spike", { domain: [0, 0.36] }), xaxis2: titled("gain, bits/spike", { domain: [0.68, 1], anchor: "y2", zeroline: true, zerolinecolor: style("--edge") }), yaxis: down, yaxis2: Object.assign({ anchor: "x2" }, down) },
    "Bits per spike by rung: " + rows.map((r) => r.model + " " + number(r.bits_per_spike)).join(", ") + "; gains: " + pairs.map((p, i) => p + " " + signed(gains[i])).join(", "));
});
figure("f-session", (id) => {
  const c = unit(chosen).curves, gain = c["session.gain_bits"];
  const x = c["session.trial"], traces = [line(x, c["session.spikes"], "spikes in the trial", { color: style("--soft"), width: 1 }, { yaxis: "y2", mode: "markers", marker: { size: 3, color: style("--soft") } })];
  for (const [model, k, col] of shown(c)) traces.push(line(x, gain[k], model, { color: col, width: 2 }, { hovertemplate: "trial %{x}, %{y:.1f} bits<extra>" + model + "</extra>" }));
  draw(id, traces, { xaxis: titled("trial, in order of time", { anchor: "y2" }), yaxis: titled("bits, summed up", { domain: [0.38, 1] }), yaxis2: titled("spikes", { domain: [0, 0.3], rangemode: "tozero" }) }, "Gain over " + c.reference + " summed over the session: " + shown(c).map(([m, k]) => m + " " + number(gain[k][gain[k].length - 1], 0) + " bits").join(", "));
  const trials = unit(chosen).rows.length ? unit(chosen).rows[0].n_trials : x.length;
  note(id, "Reference: " + c.reference + "." + (x.length < trials ? " " + x.length + " of " + trials + " trials are drawn, evenly spaced; bits are summed over all." : ""));
});
const CONDITION_COLOURS = () => isDark() ? ["#f2f5f8", "#7cc7f2", "#ff8f4d", "#35c79f", "#f0b429", "#e59ac6"] : ["#16191d", "#1d5fa6", "#c04f00", "#00805f", "#a66f00", "#b04a87"];
function rasterOf(c, name, x0, axis) {
  const counts = c["raster." + name + ".count"], bins = c["raster." + name + ".bin"], condition = c["raster.condition"], palette = CONDITION_COLOURS(), byColour = palette.map(() => ({ x: [], y: [] }));
  if (!counts) return null;
  const half = Math.max(0.42, counts.length / 130);  // many trials: ticks overlap rather than vanish
  let at = 0;
  counts.forEach((n, row) => { const put = byColour[condition[row] % palette.length]; for (let i = 0; i < n; i++, at++) { const t = x0 + (bins[at] + 0.5) * c.bin_s; put.x.push(t, t, null); put.y.push(row + 0.5 - half, row + 0.5 + half, null); } });
  return byColour.map((p, i) => ({ x: p.x, y: p.y, type: p.x.length > 30000 ? "scattergl" : "scatter", mode: "lines", line: { color: palette[i], width: 1 }, name: name === "data" ? "recorded" : name + ", simulated", hoverinfo: "skip", xaxis: axis[0], yaxis: axis[1] })).filter((t) => t.x.length);
}
// smoothed rate of the rows of one condition, or of all
function rateOf(c, name, axis, only) {
  const counts = c["raster." + name + ".count"], bins = c["raster." + name + ".bin"], n = Math.max(1, Math.round((c.window_s[1] - c.window_s[0]) / c.bin_s)), sum = new Array(n).fill(0);
  let rows = 0, at = 0;
  counts.forEach((m, row) => {
    const own = only === undefined || c["raster.condition"][row] === only;
    rows += own;
    for (let i = 0; i < m; i++, at++) if (own) sum[Math.min(n - 1, Math.round(bins[at]))] += 1;
  });
  const sd = (c["smooth.bandwidth_s"] || (c.window_s[1] - c.window_s[0]) / 60) / c.bin_s, reach = Math.ceil(3 * sd), kernel = range(2 * reach + 1).map((i) => Math.exp(-0.5 * ((i - reach) / sd) ** 2)), step = Math.max(1, Math.floor(n / 200)), x = [], y = [];
  for (let b = 0; b < n; b += step) { let total = 0, weight = 0; for (let i = Math.max(0, b - reach); i <= Math.min(n - 1, b + reach); i++) { const w = kernel[i - b + reach]; total += w * sum[i]; weight += w; } x.push(c.window_s[0] + (b + 0.5) * c.bin_s); y.push(total / weight / Math.max(rows, 1) / c.bin_s); }
  return line(x, y, name, { color: style("--fg"), width: 1.6 }, axis);
}
figure("f-raster", (id) => {
  const data = unit(chosen), c = data.curves, model = figureModel.value;
  const n = c["raster.row"].length, simulated = rasterOf(c, model, c.window_s[0], ["x2", "y"]), palette = CONDITION_COLOURS(), labels = c["smooth.condition"] || [], traces = rasterOf(c, "data", c.window_s[0], ["x", "y"]).concat(simulated || []);
  const several = labels.length > 1, few = labels.length <= palette.length;
  if (c["smooth.time_s"] && few && labels.length) labels.forEach((label, i) => { traces.push(...band(c["smooth.time_s"], c["smooth.low_hz"][i], c["smooth.high_hz"][i], faint(palette[i], 0.22), "95 % band", { yaxis: "y2" })); traces.push(line(c["smooth.time_s"], c["smooth.rate_hz"][i], "PSTH" + (several ? " " + label : ""), { color: palette[i], width: 1.6 }, { yaxis: "y2" })); });
  else traces.push(rateOf(c, "data", { yaxis: "y2" }));
  if (c["psth.model_hz"] && !several) for (const [m, k, col] of shown(c)) traces.push(line(c["psth.time_s"], c["psth.model_hz"][k], m + ", expected given the recorded past", { color: col, width: 1.2 }, { yaxis: "y2" }));
  if (c["psth.model_by_condition_hz"] && several && few && c.models.includes(model)) c["psth.model_by_condition_hz"][c.models.indexOf(model)].forEach((rate, i) => traces.push(line(c["psth.time_s"], rate, model + " " + (labels[i] || "") + ", expected given the recorded past", { color: palette[i], width: 1.4, dash: "dot" }, { yaxis: "y2" })));
  if (simulated) {
    const each = several && few, right = { xaxis: "x2", yaxis: "y2" };
    if (c["smooth.time_s"] && few) labels.forEach((label, i) => traces.push(...band(c["smooth.time_s"], c["smooth.low_hz"][i], c["smooth.high_hz"][i], each ? faint(palette[i], 0.22) : style("--band"), "recorded, 95 % band", right)));
    if (each) labels.forEach((label, i) => traces.push(Object.assign(rateOf(c, model, right, i), { name: model + " " + label, line: { color: palette[i], width: 2 } })));
    else traces.push(Object.assign(rateOf(c, model, right), { line: { color: colour(model), width: 2 } }));
  }
  const x = c.window_s, title = (t, at) => ({ text: t, x: at, y: 1.0, xref: "paper", yref: "paper", yanchor: "bottom", showarrow: false, font: { color: style("--soft") } });
  draw(id, traces, { margin: { l: 58, r: 14, t: 28, b: 46 }, annotations: [title("recorded", 0.24), title(simulated ? model + ", fed its own spikes" : "not simulated", 0.76)],
    xaxis: titled("time, s", { domain: [0, 0.485], range: x, anchor: "y2" }), xaxis2: titled("time, s", { domain: [0.515, 1], range: x, anchor: "y2" }), yaxis: titled("trial", { domain: [0.34, 1], range: [n, 0], showgrid: false, zeroline: false }), yaxis2: titled("Hz", { domain: [0, 0.28], rangemode: "tozero" }) },
    "Recorded raster of " + n + " trials beside the same trials simulated by " + model + ", with their PSTHs");
  const all = data.rows.length ? data.rows[0].n_trials : n;
  note(id, (n < all ? n + " of " + all + " trials are shown, evenly spaced. " : "") + (several ? labels.length + " conditions" + (few ? "" : ", too many to draw a PSTH each: the pooled one is shown") + (few && c["psth.model_by_condition_hz"] ? "; dotted: " + model + ", expected given the recorded past" : "") + ". " : "") + (c["smooth.bandwidth_s"] ? "Kernel: SD " + number(1000 * c["smooth.bandwidth_s"], 1) + " ms." : ""));
});
figure("f-trials", (id) => {
  const c = unit(chosen).curves, rate = c["example.rate_hz"], models = shown(c);
  if (!models.length) return nothing(id, "there are no example trials");
  const traces = [], n = c["example.trial"].length, time = c["example.time_s"], options = { xaxis: titled("time, s", { anchor: n > 1 ? "y" + n : "y" }) };
  const peaks = range(n).map((i) => Math.max(...models.map(([, k]) => Math.max(...rate[k][i].filter(known))))), top = Math.max(1, quantile(peaks, 0.5) * 1.5);
  for (let i = 0; i < n; i++) {
    const axis = i === 0 ? "y" : "y" + (i + 1), high = Math.min(top, Math.max(peaks[i], 0.3 * top));
    options[i === 0 ? "yaxis" : "yaxis" + (i + 1)] = { domain: [1 - (i + 1) / n + 0.015, 1 - i / n], range: [-0.14 * high, high * 1.04], nticks: 3, zeroline: false, title: { text: String(c["example.trial"][i]), font: { size: 11 } }, anchor: "x" };
    for (const [model, k, col] of models) traces.push(line(time, rate[k][i], model, { color: col, width: 1.3 }, { yaxis: axis, hovertemplate: "%{x:.3f} s, %{y:.1f} Hz<extra>" + model + "</extra>" }));
    const at = time.filter((_, b) => c["example.spikes"][i][b] > 0);
    traces.push({ x: at, y: at.map(() => -0.07 * high), mode: "markers", name: "spikes", marker: { symbol: "line-ns-open", size: 7, color: style("--fg"), line: { width: 1.4 } }, yaxis: axis, hoverinfo: "skip" });
  }
  draw(id, traces, options, "Conditional intensity of " + models.map((m) => m[0]).join(" and ") + " on " + n + " held-out trials, with the recorded spikes");
  note(id, peaks.some((p) => p > top) ? "Hz; peaks above " + number(top, 0) + " Hz are cut off." : "Hz.");
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
  const gap = 0.035, width = (1 - gap * (kinds.length - 1)) / kinds.length, traces = [], options = { yaxis: titled("(O - E) / √E", { range: [-reach, reach] }), shapes: [dashed("y", 3), dashed("y", -3)], annotations: [], margin: { l: 58, r: 14, t: 28, b: 56 } };
  kinds.forEach((kind, j) => {
    const lowest = c["calibration." + kind + ".lowest"], labels = c["calibration." + kind + ".label"], axis = j ? "x" + (j + 1) : "x", x = range(lowest.length), step = Math.ceil(lowest.length / (labels ? 6 : 4)) || 1;
    const ticks = lowest.map((v, i) => labels ? shortened(labels[i], 12) : known(v) ? String(Number(v.toPrecision(3))) : "–"), drawn = x.filter((i) => i % step === 0);
    options[j ? "xaxis" + (j + 1) : "xaxis"] = titled(kind === "position" ? "time, s" : c["calibration." + kind + ".unit"], { domain: [j * (width + gap), j * (width + gap) + width], range: [-0.5, lowest.length - 0.5], tickvals: drawn, ticktext: drawn.map((i) => ticks[i]) });
    options.annotations.push({ text: kind.replace(/_/g, " "), x: j * (width + gap) + width / 2, xanchor: "center", y: 1, xref: "paper", yref: "paper", yanchor: "bottom", showarrow: false, font: { color: style("--soft"), size: 12 } });
    for (const [model, k, col] of models) {
      const z = c["calibration." + kind + ".z"][k], words = z.map((v, i) => (labels ? labels[i] + "<br>" : "") + number(c["calibration." + kind + ".observed"][i], 0) + " recorded, " + number(c["calibration." + kind + ".expected"][k][i], 1) + " expected<br>z " + number(v, 1));
      traces.push({ x: x, y: z.map(cut), uncut: z, xaxis: axis, name: model + ", " + kind, mode: labels ? "markers" : "lines+markers", marker: { size: z.map((v) => Math.abs(v) > limit ? 8 : 5), symbol: z.map(mark), color: col, opacity: 1, line: { width: 0 } }, line: { color: col, width: 1.2 }, text: words, hovertemplate: "%{text}<extra>" + model + "</extra>" });
    }
  });
  draw(id, traces, options, "Standardised difference of recorded and expected spikes by " + kinds.join(", "));
  note(id, worst > limit ? "Triangles lie beyond ±" + limit + "." : "");
});
