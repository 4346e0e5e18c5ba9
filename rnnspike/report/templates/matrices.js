// Across units: what each model captures of each unit, and noise correlations of all pairs.
const MARKS = { captured: "circle", consistent: "circle-open", partly: "diamond-tall-open", missed: "x-thin-open", "cannot be judged": "triangle-down-open" };
const DEPARTURES = { refractory: "after a spike", adaptation: "recent spikes", shared: "others' activity" };
// columns of the matrix, with a gap between departures: [{departure, model, at}]
function captureColumns() {
  const found = [];
  let at = 0;
  for (const departure of Object.keys(DEPARTURES)) {
    for (const model of overview.captured[departure]) found.push({ departure: departure, model: model, at: at++ });
    if (overview.captured[departure].length) at += 0.4;
  }
  return found;
}
const captureWords = (row, departure) => {
  const verdict = row && row[departure + "_verdict"];
  if (!known(verdict)) return "–";
  if (verdict === "nothing to capture" || verdict === "cannot be judged" || !known(row[departure + "_capture"])) return verdict;
  const interval = intervalOf(row, departure + "_capture", 2);
  return verdict + ", " + number(row[departure + "_capture"], 2) + (interval ? " (" + interval + ")" : "");
};
figure("captured", (id) => {
  const columns = captureColumns(), units = overview.units, rows = new Map(overview.rows.map((r) => [r.unit + "\u0000" + r.model, r])), of = (unit, column) => rows.get(unit + "\u0000" + column.model);
  const n = units.length, traces = [], annotations = [], low = isDark() ? "#8a4a12" : "#f5b183", middle = isDark() ? "#2b3036" : "#f2f2f2", high = isDark() ? "#1d5fa6" : "#8fbfe8";
  const share = (row, departure) => row && known(row[departure + "_capture"]) && !["nothing to capture", "cannot be judged"].includes(row[departure + "_verdict"]) ? Math.max(0, Math.min(1, row[departure + "_capture"])) : null;
  for (const departure of Object.keys(DEPARTURES)) {
    const mine = columns.filter((c) => c.departure === departure);
    if (!mine.length) continue;
    annotations.push({ x: (mine[0].at + mine[mine.length - 1].at) / 2, y: 1, yref: "paper", yanchor: "bottom", text: DEPARTURES[departure], showarrow: false, font: { color: style("--soft") } });
    traces.push({ type: "heatmap", x: mine.map((c) => c.at), y: range(n), z: units.map((u) => mine.map((c) => share(of(u, c), departure))), zmin: 0, zmax: 1, colorscale: [[0, low], [0.5, middle], [1, high]], xgap: 1, ygap: 1, name: DEPARTURES[departure], rowNames: units, columnNames: mine.map((c) => DEPARTURES[departure] + ", " + c.model), showscale: departure === columns[0].departure,
      text: units.map((u) => mine.map((c) => "unit " + u + ", " + c.model + "<br>" + DEPARTURES[departure] + ": " + captureWords(of(u, c), departure))), hovertemplate: "%{text}<extra></extra>", colorbar: { title: { text: "share captured", side: "right" }, thickness: 12 } });
  }
  for (const [verdict, symbol] of Object.entries(MARKS)) {
    const at = units.flatMap((u, i) => columns.filter((c) => (of(u, c) || {})[c.departure + "_verdict"] === verdict).map((c) => [c.at, i]));
    if (at.length) traces.push({ x: at.map((p) => p[0]), y: at.map((p) => p[1]), mode: "markers", name: verdict, marker: { symbol: symbol, size: Math.max(2, Math.min(9, 300 / n)), color: style("--fg"), line: { width: n > 60 ? 0.8 : 1.6, color: style("--fg") } }, hoverinfo: "skip" });
  }
  const step = Math.max(1, Math.ceil(n / 45)), ticks = range(n).filter((i) => i % step === 0), top = byId(id).clientWidth < 520 ? 30 + 20 * (traces.length - annotations.length) : 64, height = Math.max(300, Math.min(900, 110 + top + 22 * n));
  byId(id).style.height = height + "px";
  draw(id, traces, { height: height, showlegend: true, legend: { orientation: "h", y: 1, yanchor: "top", yref: "container", x: 0 }, margin: { l: 58, r: 14, t: top, b: 46 }, annotations: annotations, xaxis: { tickvals: columns.map((c) => c.at), ticktext: columns.map((c) => c.model), tickangle: -35, showgrid: false, zeroline: false }, yaxis: titled("unit", { tickvals: ticks, ticktext: ticks.map((i) => shortened(units[i], 10)), range: [n - 0.5, -0.5], showgrid: false, zeroline: false }) },
    columns.map((c) => c.model + ", " + DEPARTURES[c.departure] + ": captured on " + units.filter((u) => (of(u, c) || {})[c.departure + "_verdict"] === "captured").length + " of " + n).join("; "));
});
// the same in numbers, for those who print it or cannot see it
function captureTable() {
  const table = byId("captured-table");
  if (!table) return;
  const columns = captureColumns(), head = document.createElement("tr"), rows = new Map(overview.rows.map((r) => [r.unit + "\u0000" + r.model, r]));
  head.append(text("th", "unit"), ...columns.map((c) => text("th", DEPARTURES[c.departure] + ", " + c.model)));
  table.tHead.append(head);
  table.tBodies[0].append(...overview.units.map((u) => { const tr = document.createElement("tr"); tr.append(text("td", u), ...columns.map((c) => text("td", captureWords(rows.get(u + "\u0000" + c.model), c.departure)))); return tr; }));
}
captureTable();
const pairs = overview.correlations, pairWindow = byId("pair-window"), pairModel = byId("pair-model");
if (pairs && pairWindow) {
  fill(pairWindow, pairs.window_ms.map((w, i) => [String(i), (i === pairs.window_ms.length - 1 ? "whole trial, " : "") + number(w, 0) + " ms"]), String(pairs.told));
  fill(pairModel, pairs.models.map((m, i) => [String(i), m.model + (m.joint ? ", all units together" : ", unit by unit")]), String(pairs.models.length - 1));
  for (const select of [pairWindow, pairModel]) select.addEventListener("change", () => refresh("p-pairs"));
}
figure("p-pairs", (id) => {
  const w = pairWindow.selectedIndex, model = pairs.models[pairModel.selectedIndex], names = pairs.units, n = names.length, recorded = unpacked(pairs.recorded)[w], simulated = unpacked(model.pairs)[w];
  const z = range(n).map(() => new Array(n).fill(null)), words = range(n).map(() => new Array(n).fill(""));
  pairs.index.forEach(([i, j], k) => {  // i < j: recorded below the diagonal, the model above
    z[j][i] = recorded[k]; z[i][j] = simulated[k];
    words[j][i] = words[i][j] = "units " + names[i] + " and " + names[j] + "<br>recorded " + signed(recorded[k], 3) + "<br>" + model.model + " " + signed(simulated[k], 3);
  });
  const all = recorded.concat(simulated), most = Math.max(0.02, quantile(all.filter(known).map(Math.abs), 0.98) || 0), middle = isDark() ? "#2b3036" : "#f2f2f2";
  const step = Math.max(1, Math.ceil(n / 24)), ticks = range(n).filter((i) => i % step === 0), axis = { tickvals: ticks, ticktext: ticks.map((i) => shortened(names[i], 10)), showgrid: false, zeroline: false };
  const says = (t, x, y, anchor) => ({ text: t, x: x, y: y, xref: "paper", yref: "paper", xanchor: anchor, yanchor: y > 0.5 ? "bottom" : "top", showarrow: false, font: { color: style("--soft") } });
  draw(id, [{ z: z, x: range(n), y: range(n), type: "heatmap", rowNames: names, columnNames: names, zmin: -most, zmax: most, colorscale: [[0, "#1d5fa6"], [0.5, middle], [1, "#c04f00"]], xgap: 1, ygap: 1, text: words, hovertemplate: "%{text}<extra></extra>", colorbar: { title: { text: "correlation of counts", side: "right" }, thickness: 12 } }],
    { margin: { l: 58, r: 14, t: 28, b: 46 }, annotations: [says("above: " + model.model, 1, 1, "right"), says("below: recorded", 0, 1, "left")], shapes: [{ type: "line", x0: -0.5, y0: -0.5, x1: n - 0.5, y1: n - 0.5, line: { color: style("--soft"), width: 1 } }], xaxis: titled("unit", Object.assign({ range: [-0.5, n - 0.5] }, axis)), yaxis: titled("unit", Object.assign({ range: [n - 0.5, -0.5] }, axis)) },
    "Noise correlations of " + pairs.index.length + " pairs in " + number(pairs.window_ms[w], 0) + " ms: median recorded " + signed(median(recorded), 3) + ", by " + model.model + " " + signed(median(simulated), 3));
  const both = pairs.index.map((_, k) => [recorded[k], simulated[k]]).filter(([a, b]) => known(a) && known(b)), mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
  const mx = mean(both.map((p) => p[0])), my = mean(both.map((p) => p[1])), cov = mean(both.map(([a, b]) => (a - mx) * (b - my))), sd = (k, m) => Math.sqrt(mean(both.map((p) => (p[k] - m) ** 2)));
  note(id, pairs.index.length + " pairs of " + n + " units, " + pairs.n_trials + " trials. Colours end at " + number(most, 2) + "." + (both.length > 3 && sd(0, mx) * sd(1, my) > 0 ? " Over pairs, recorded and " + model.model + " correlate by " + signed(cov / (sd(0, mx) * sd(1, my)), 2) + "; single pairs are noisy with few trials." : ""));
});
