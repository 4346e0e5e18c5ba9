// The model fed its own spikes, against the data of the same trials.
function simulatedWords(c) {
  if (!known(c["free_run.n_runs"])) return "";
  const runs = c["free_run.n_runs"], replicates = c["free_run.n_replicates"];
  return c["free_run.trials"].length + " of " + c["free_run.n_trials"] + " trials, each run free " + (runs === 1 ? "once" : runs + " times") + (replicates > runs ? ", put together into " + replicates + " replicates" : "") + "; recorded values are of the same trials.";
}
function freeFigure(id, x, group, options, more) {
  const c = unit(chosen).curves, models = shown(c, c["free_run.models"]);
  if (!models.length) return nothing(id, "this model was not run free");
  note(id, simulatedWords(c));
  if (!c[group + ".data"].some(known)) return nothing(id, "it is undefined with the " + c["free_run.trials"].length + " trials that were simulated");
  const at = x(c), traces = [], scaled = more && more.scale ? more.scale(c) : (v) => v, y = scaled(c[group + ".data"]);
  const bars = more && more.bars ? more.bars : null;
  if (bars) traces.push(Object.assign({ x: at, y: y, name: "data", type: "bar", marker: { color: style("--soft") }, hovertemplate: "%{y:.3g}<extra>data</extra>" }, bars(c)));
  for (const [model, k, col] of models) { traces.push(...band(at, scaled(c[group + ".low"][k]), scaled(c[group + ".high"][k]), faint(col, 0.25), model), line(at, scaled(c[group + ".mean"][k]), model, { color: col, width: 1.8 })); }
  if (!bars) traces.push({ x: at, y: y, name: "data", mode: more && more.dots ? "markers+lines" : "lines", marker: { color: style("--fg"), size: 7 }, line: { color: style("--fg"), width: 1.2, dash: more && more.dots ? "dot" : "solid" } });
  draw(id, traces, options, byId(id + "-figure").querySelector(".title").textContent + ", data and " + models.map((m) => m[0]).join(" and ") + " run free");
}
figure("f-isi", (id) => freeFigure(id, (c) => range(c["isi.data"].length).map((i) => Math.sqrt(c["isi.edge_ms"][i] * c["isi.edge_ms"][i + 1])), "isi", { xaxis: titled("interval, ms", { type: "log" }), yaxis: titled("share a log unit", { rangemode: "tozero" }), bargap: 0 },
  { scale: (c) => (v) => v.map((s, i) => known(s) ? s / Math.log(c["isi.edge_ms"][i + 1] / c["isi.edge_ms"][i]) : null),
    bars: (c) => { const low = c["isi.edge_ms"].slice(0, -1), high = c["isi.edge_ms"].slice(1); return { x: zip(low, high, (a, b) => (a + b) / 2), width: zip(low, high, (a, b) => b - a) }; } }));
figure("f-acf", (id) => freeFigure(id, (c) => c["autocorrelation.lag_ms"], "autocorrelation", { xaxis: titled("lag, ms"), yaxis: titled("spikes/s", { rangemode: "tozero" }) }));
figure("f-serial", (id) => freeFigure(id, (c) => c["serial.lag"], "serial", { xaxis: titled("lag, intervals", { dtick: 1 }), yaxis: titled("correlation", { zeroline: true, zerolinecolor: style("--edge") }) }, { dots: true }));
figure("f-fano", (id) => freeFigure(id, (c) => c["fano.window_ms"], "fano", { xaxis: titled("window, ms", { type: "log" }), yaxis: titled("variance / mean", { rangemode: "tozero" }), shapes: [dashed("y", 1)] }, { dots: true }));
const STATISTICS = { rate_hz: "rate", cv: "CV", cv2: "CV2", lv: "LV", lvr: "LvR", serial_1: "serial corr. 1", short_isi: "ISI ≤ 3 ms", isi_slope: "ISI slope", fano: "Fano" };
figure("f-predictive", (id) => {
  const c = unit(chosen).curves, models = c["free_run.models"], z = c["statistic.z"], p = c["statistic.p"];
  note(id, simulatedWords(c));
  const names = c["statistic.names"].map((s) => STATISTICS[s] || s), cut = z.map((row) => row.map((v) => known(v) ? Math.max(-6, Math.min(6, v)) : null));
  const hover = models.map((m, i) => names.map((s, j) => m + ", " + s + "<br>data " + Number(c["statistic.data"][j]).toPrecision(3) + ", replicates " + (known(c["statistic.mean"][i][j]) ? Number(c["statistic.mean"][i][j]).toPrecision(3) + " (" + Number(c["statistic.low"][i][j]).toPrecision(3) + " to " + Number(c["statistic.high"][i][j]).toPrecision(3) + ")" : "undefined") + "<br>z " + number(z[i][j], 1) + ", p " + pText(p[i][j], overview.least_p.predictive)));
  const middle = isDark() ? "#232a34" : "#f3f4f6", scale = isDark() ? [[0, "#5b9fe6"], [0.5, middle], [1, "#ff8f4d"]] : [[0, "#1d5fa6"], [0.5, middle], [1, "#c04f00"]];
  const labels = [], narrow = isNarrow(id), short = (words) => narrow ? words.replace(/0\./, ".").replace(" ", "") : words;
  models.forEach((m, i) => names.forEach((s, j) => labels.push({ x: s, y: m, text: short(known(p[i][j]) && p[i][j] >= 0.1 ? number(p[i][j], 2) : pText(p[i][j], overview.least_p.predictive)), showarrow: false, font: { size: narrow ? 8.5 : 11, color: known(z[i][j]) ? inkOn(mixed(middle, scale[cut[i][j] < 0 ? 0 : 2][1], Math.abs(cut[i][j]) / 6)) : style("--fg") } })));
  draw(id, [{ type: "heatmap", x: names, y: models, z: cut, zmin: -6, zmax: 6, colorscale: scale, text: hover, hovertemplate: "%{text}<extra></extra>", xgap: 2, ygap: 2, colorbar: Object.assign({ title: { text: "z", side: narrow ? "top" : "right" }, thickness: narrow ? 8 : 12, tickvals: [-6, -2, 0, 2, 6] }, narrow ? { orientation: "h", y: 0, yanchor: "top" } : {}) }],
    { annotations: labels, xaxis: { type: "category", side: "top", showgrid: false, tickangle: narrow ? -90 : -30 }, yaxis: { type: "category", autorange: "reversed", showgrid: false }, margin: { l: 58, r: 14, t: 36, b: narrow ? 70 : 12 } },
    "Posterior predictive p of " + figureModel.value + ": " + names.map((s, j) => s + " " + pText((p[models.indexOf(figureModel.value)] || [])[j], overview.least_p.predictive)).join(", "));
});
function freeWords(data, row) {
  const c = data.curves, place = byId("free-words"), n = (c["free_run.trials"] || []).length;
  if (!row || !row.free_run_stability) { place.textContent = ""; return; }
  const kept = known(row.free_run_rate_ratio_low) ? " (95 % " + number(row.free_run_rate_ratio_low, 2) + " to " + number(row.free_run_rate_ratio_high, 2) + ")" : "";
  place.textContent = row.model + ": " + row.free_run_stability + "; rate " + number(row.free_run_rate_ratio, 2) + kept + " of the recorded one, " + number(100 * (row.free_run_runaway || 0), 1) + " % of simulated trials run away" + (row.quasi_renewal ? "; quasi-renewal analysis says " + row.quasi_renewal : "") + ". " + simulatedWords(c) + (n && n < 20 && n < row.n_trials ? " These are few, so only large differences can be seen (--effort thorough simulates more)." : "");
}
