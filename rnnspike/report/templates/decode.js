// What can be decoded, where `rnnspike decode` has been run.
const decoding = overview.decoding ? lazy(overview.decoding) : null, decodeSelect = byId("decode-model");
if (decoding && decodeSelect) {
  fill(decodeSelect, decoding.model.map((m) => [m, m]), decoding.model[decoding.model.length - 1]);
  decodeSelect.addEventListener("change", () => refresh("d-confusion"));
}
figure("d-confusion", (id) => {
  const k = Math.max(0, decodeSelect.selectedIndex), table = decoding.confusion[k], n = table.length, total = table.map((row) => row.reduce((a, b) => a + b, 0));
  const z = table.map((row, i) => row.map((count) => total[i] ? count / total[i] : null)), names = decoding.conditions, step = Math.max(1, Math.ceil(n / 25)), ticks = range(n).filter((i) => i % step === 0);
  const words = table.map((row, i) => row.map((count, j) => names[i] + ", taken for " + names[j] + ": " + count + " of " + total[i] + " trials"));
  const axis = { tickvals: ticks, ticktext: ticks.map((i) => shortened(names[i], 14)), showgrid: false, zeroline: false };
  draw(id, [{ z: z, x: range(n), y: range(n), type: "heatmap", zmin: 0, zmax: 1, colorscale: [[0, isDark() ? "#2b3036" : "#f2f2f2"], [1, isDark() ? "#7cc7f2" : "#1d5fa6"]], xgap: 1, ygap: 1, text: words, hovertemplate: "%{text}<extra></extra>", colorbar: { title: { text: "share of trials", side: "right" }, thickness: 12 } }],
    { xaxis: titled("decoded", Object.assign({ range: [-0.5, n - 0.5], tickangle: -35 }, axis)), yaxis: titled("condition", Object.assign({ range: [n - 0.5, -0.5] }, axis)) }, "Confusion matrix of " + decodeSelect.value);
  note(id, decodeSelect.value + ": " + range(n).reduce((sum, i) => sum + table[i][i], 0) + " of " + total.reduce((a, b) => a + b, 0) + " trials are right.");
});
figure("d-time", (id) => {
  const traces = [], time = decoding.time_s;
  decoding.model.forEach((m, k) => {
    const low = decoding["time.information_low"][k], high = decoding["time.information_high"][k];
    traces.push({ x: time.concat(time.slice().reverse()), y: high.concat(low.slice().reverse()), fill: "toself", fillcolor: faint(colour(m), 0.12), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false, name: m + ", 95 %" });
    traces.push({ x: time, y: decoding["time.information"][k], mode: "lines", name: m, line: { color: colour(m), width: 2 } });
  });
  draw(id, traces, { showlegend: true, xaxis: titled("time, s"), yaxis: titled("information, bits", { zeroline: true, zerolinecolor: style("--edge") }) }, "Information on the condition by time in the trial");
  note(id, "With " + decoding.conditions.length + " conditions as likely, " + number(decoding.bits, 2) + " bits would be all.");
});
figure("d-units", (id) => {
  const traces = decoding.model.map((m, k) => ({ x: decoding["units.n"][k], y: decoding["units.information_mean"][k], mode: "lines+markers", name: m, line: { color: colour(m), width: 1.8 }, marker: { size: 7 }, error_y: errors(decoding["units.information_mean"][k], decoding["units.information_lowest"][k], decoding["units.information_highest"][k]) }));
  draw(id, traces, { showlegend: true, xaxis: titled("units", { type: "log", tickvals: decoding["units.n"][0], ticktext: decoding["units.n"][0].map(String) }), yaxis: titled("information, bits", { zeroline: true, zerolinecolor: style("--edge") }) }, "Information on the condition by number of units");
});
const tracked = overview.covariate ? lazy(overview.covariate) : null;
figure("d-covariate", (id) => {
  const traces = [], axes = {}, n = tracked.channel.length, last = tracked.model.length - 1;
  tracked.channel.forEach((name, c) => {
    const y = "y" + (c ? c + 1 : ""), top = 1 - c / n;
    tracked.model.forEach((m, k) => traces.push({ x: tracked.time_s, y: tracked.decoded[k][c], yaxis: y, mode: "lines", name: m, legendgroup: m, showlegend: c === 0, visible: k === last ? true : "legendonly", line: { color: colour(m), width: 1.2 } }));
    traces.push({ x: tracked.time_s, y: tracked.recorded[c], yaxis: y, mode: "lines", name: "recorded", legendgroup: "recorded", showlegend: c === 0, line: { color: style("--fg"), width: 1.4 } });
    axes[c ? "yaxis" + (c + 1) : "yaxis"] = titled(name, { domain: [top - 1 / n + (n > 1 ? 0.04 : 0), top], zeroline: false });
  });
  draw(id, traces, Object.assign({ showlegend: true, xaxis: titled("time in the session, s", { anchor: n > 1 ? "y" + n : "y" }) }, axes), "Recorded and decoded covariate over time");
  note(id, (tracked.n_windows > tracked.time_s.length ? "The first " + tracked.time_s.length + " of " + tracked.n_windows + " windows are drawn. " : "") + "Drag to look at a part; click a name to show or hide it.");
});
