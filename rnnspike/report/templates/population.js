// What units tell about each other: gains beside their nulls, the matrix of links, and what joint runs share.
figure("p-gains", (id) => {
  const rows = overview.rows.filter((r) => known(r.population_gain)), models = Array.from(new Set(rows.map((r) => r.model))), gains = new Map(rows.map((r) => [r.unit, r.population_gain])), units = overview.units.filter((u) => gains.has(u)), traces = [];
  if (!rows.length) return nothing(id, "no model that reads the other units was scored");
  const many = units.length > 40;
  if (many) units.sort((a, b) => gains.get(b) - gains.get(a));
  const at = (row, shift) => units.indexOf(row.unit) + shift + (models.indexOf(row.model) - (models.length - 1) / 2) * 0.28;
  for (const model of models) {
    const mine = rows.filter((r) => r.model === model);
    for (const [name, key, shift, fill] of [["", "population_gain", -0.05, colour(model)], [", trials shuffled", "population_null", 0.05, style("--bg")]]) {
      const y = mine.map((r) => r[key]);
      traces.push({ x: mine.map((r) => at(r, shift)), y: y, mode: "markers", name: model + name, marker: { size: many ? 4 : 8, color: fill, line: { color: colour(model), width: 1.5 } }, error_y: Object.assign(errors(y, mine.map((r) => r[key + "_low"]), mine.map((r) => r[key + "_high"])), many ? { thickness: 0.4, color: faint(colour(model), 0.5) } : {}),
        text: mine.map((r) => "unit " + r.unit + ", " + model + name + ": " + signed(r[key], 4) + " (" + signed(r[key + "_low"], 4) + " to " + signed(r[key + "_high"], 4) + ")"), hovertemplate: "%{text}<extra></extra>" });
    }
  }
  const step = Math.max(1, Math.ceil(units.length / 20)), ticks = range(units.length).filter((i) => i % step === 0);
  draw(id, traces, { xaxis: titled(many ? "unit, by gain" : "unit", { tickvals: ticks, ticktext: ticks.map((i) => shortened(units[i], 10)), zeroline: false }), yaxis: titled("gain, bits/spike", { zeroline: true, zerolinecolor: style("--edge") }) }, "Gain by unit over " + rows[0].population_base + ", beside the gain on shuffled trials");
  note(id, models.map((m) => { const mine = rows.filter((r) => r.model === m); return m + " over " + mine[0].population_base + ": difference to shuffled trials above 0 on " + mine.filter((r) => r.population_difference_low > 0).length + " of " + mine.length + " units"; }).join("; ") + ".");
});
figure("p-links", (id) => {
  const links = overview.links;
  if (!links) return nothing(id, "no pair of units was tested");
  const n = links.units.length, shown = (i, j) => known(links.peak[i][j]) && links.verdict[i][j] !== "none" && links.verdict[i][j] !== "not tested", pairs = range(n).flatMap((i) => range(n).filter((j) => shown(i, j)).map((j) => [i, j]));
  const z = range(n).map((i) => range(n).map((j) => shown(i, j) ? links.peak[i][j] : null)), most = Math.max(0.5, quantile(pairs.map(([i, j]) => Math.abs(links.peak[i][j])), 0.95) || 0);
  const say = (i, j) => "source " + links.units[j] + ", target " + links.units[i] + "<br>" + links.verdict[i][j] + ", q " + pText(links.q[i][j]) + "<br>log rate " + signed(links.peak[i][j], 2) + " at " + number(links.peak_lag_ms[i][j], 0) + " ms";
  const directed = pairs.filter(([i, j]) => links.verdict[i][j] === "directed"), middle = isDark() ? "#2b3036" : "#f2f2f2";
  const traces = [{ z: z, x: range(n), y: range(n), type: "heatmap", zmin: -most, zmax: most, colorscale: [[0, "#1d5fa6"], [0.5, middle], [1, "#c04f00"]], xgap: 1, ygap: 1, text: range(n).map((i) => range(n).map((j) => shown(i, j) ? say(i, j) : "")), hovertemplate: "%{text}<extra></extra>", colorbar: { title: { text: "log rate", side: "right" }, thickness: 12 } },
    { x: directed.map((p) => p[1]), y: directed.map((p) => p[0]), mode: "markers", name: "directed", marker: { size: Math.max(3, Math.min(8, 160 / n)), color: style("--fg") }, hoverinfo: "skip" }];
  const step = Math.max(1, Math.ceil(n / 24)), ticks = range(n).filter((i) => i % step === 0), names = ticks.map((i) => shortened(links.units[i], 10)), axis = { tickvals: ticks, ticktext: names, showgrid: false, zeroline: false };
  draw(id, traces, { xaxis: titled("source", Object.assign({ range: [-0.5, n - 0.5] }, axis)), yaxis: titled("target", Object.assign({ range: [n - 0.5, -0.5] }, axis)) }, pairs.length + " significant directions (source to target), " + directed.length + " of them directed");
  const count = (verdict) => links.tallies[verdict] || 0, tested = Object.values(links.tallies).reduce((a, b) => a + b, 0);
  note(id, tested + " directions (source to target) tested: " + count("directed") + " directed, " + count("shared or reciprocal") + " shared or reciprocal." + (n < links.n_units ? " Shown are the " + n + " of " + links.n_units + " units, those of the links with the lowest q." : ""));
});
const interval = (low, high, digits) => number(low, digits) + " to " + number(high, digits);
figure("p-shared", (id) => {
  const shared = overview.shared;
  if (!shared || shared.missing) return nothing(id, shared ? "the units were not run together: " + shared.missing : "no model that reads the other units was fitted");
  const all = [{ model: "recorded", col: style("--fg"), y: shared.recorded.noise_correlation }].concat(shared.models.map((m) => ({ model: m.model + (m.joint ? ", all units together" : ", unit by unit"), col: colour(m.model), check: m.noise_correlation, y: m.noise_correlation.mean })));
  const x = range(shared.window_ms.length), names = shared.window_ms.map((w, i) => i === x.length - 1 ? "trial (" + number(w, 0) + ")" : number(w, 0));
  const traces = all.map((each, k) => Object.assign({ x: x.map((i) => i + 0.14 * (k - (all.length - 1) / 2)), y: each.y, mode: "markers", name: each.model, marker: { size: 9, color: each.col, symbol: each.check ? "circle" : "diamond" },
    text: x.map((i) => each.model + ", " + names[i] + " ms: " + signed(each.y[i], 3) + (each.check ? " (" + interval(each.check.low[i], each.check.high[i], 3) + "), p " + pText(each.check.p[i], 2 * overview.least_p.shared) : "")), hovertemplate: "%{text}<extra></extra>" }, each.check ? { error_y: errors(each.y, each.check.low, each.check.high) } : {}));
  draw(id, traces, { showlegend: true, xaxis: titled("window, ms", { tickvals: x, ticktext: names, zeroline: false }), yaxis: titled("mean correlation of counts", { zeroline: true, zerolinecolor: style("--edge") }) }, "Noise correlations by window, recorded and by models run free");
  const joint = shared.models.filter((m) => m.joint);
  note(id, shared.n_units + " units, " + shared.n_trials + " trials, " + shared.n_runs + " runs. All pairs: p " + pText(shared.shared.p_side_by_side, overview.least_p.shared) + " against units run one by one, " + pText(shared.shared.p_shuffled, overview.least_p.shuffled) + " against shuffled trials. " + (shared.n_left_out ? shared.n_left_out + " more units were not run; where a model reads one, it is given its recorded spikes. " : "") + joint.map((m) => m.model + ": shared activity " + (m.verdict === "partly" ? "captured in part" : m.verdict === "nothing to capture" ? "too small beside chance to say what share is captured" : m.verdict) + (known(m.capture) ? ", share captured " + number(m.capture, 2) + " (" + interval(m.capture_low, m.capture_high, 2) + ")" : "")).join("; ") + (joint.length ? ". " : "") + shared.models.filter((m) => m.marks).map((m) => m.model + ": marked time rescaling, chi-squared " + number(m.marks.chi2, 0) + " with " + m.marks.df + " df, p " + pText(m.marks.p)).join("; ") + ".");
});
figure("p-correlogram", (id) => {
  const shared = overview.shared;
  if (!shared || shared.missing) return nothing(id, shared ? "the units were not run together: " + shared.missing : "no model that reads the other units was fitted");
  const lags = shared.lag_ms, traces = [];
  for (const m of shared.models) {
    const c = m.correlogram, name = m.model + (m.joint ? ", all units together" : ", unit by unit");
    traces.push({ x: lags.concat(lags.slice().reverse()), y: c.high.concat(c.low.slice().reverse()), fill: "toself", fillcolor: faint(colour(m.model), 0.18), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false, name: name + ", 95 %" });
    traces.push({ x: lags, y: c.mean, mode: "lines", name: name, line: { color: colour(m.model), width: 1.8 } });
  }
  traces.push({ x: lags, y: shared.recorded.correlogram, mode: "lines+markers", name: "recorded", marker: { size: 4 }, line: { color: style("--fg"), width: 1.2 } });
  draw(id, traces, { showlegend: true, xaxis: titled("lag, ms"), yaxis: titled("coincidences / shift predictor"), shapes: [dashed("y", 1)] }, "Cross-correlogram over all pairs, recorded and by models run free");
});
