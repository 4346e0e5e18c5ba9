// The ladder over all units.
function grouped(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = (row.recording || "") + "\u0000" + row.unit;
    if (!groups.has(key)) groups.set(key, { label: (overview.recordings ? row.recording + ", " : "") + "unit " + row.unit, recording: row.recording, rows: {} });
    groups.get(key).rows[row.model] = row;
  }
  return Array.from(groups.values());
}
const rungAxis = (models, more) => Object.assign({ tickmode: "array", tickvals: range(models.length), ticktext: models, tickangle: -35, range: [-0.4, models.length - 0.6], zeroline: false }, more || {});
function ladder(id) {
  const models = overview.models, groups = grouped(overview.rows), few = groups.length <= 12, traces = [];
  const of = (m) => overview.rows.filter((r) => r.model === m).map((r) => r.bits_per_spike);
  if (groups.length >= 4) {
    traces.push({ x: range(models.length), y: models.map((m) => quantile(of(m), 0.75)), mode: "lines", line: { width: 0 }, hoverinfo: "skip", name: "upper quartile" });
    traces.push({ x: range(models.length), y: models.map((m) => quantile(of(m), 0.25)), mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: style("--band"), hoverinfo: "skip", name: "lower quartile" });
  }
  const say = (group, m) => { const r = group.rows[m] || {}; return group.label + "<br>" + m + " " + number(r.bits_per_spike) + " (" + number(r.bits_per_spike_low) + " to " + number(r.bits_per_spike_high) + ")"; };
  const value = (group, m, key) => group.rows[m] && known(group.rows[m][key]) ? group.rows[m][key] : null;
  if (few) groups.forEach((group, k) => {
    const shift = (k - (groups.length - 1) / 2) * 0.4 / Math.max(groups.length, 2), y = models.map((m) => value(group, m, "bits_per_spike"));
    traces.push({ x: range(models.length).map((x) => x + shift), y: y, mode: "lines+markers", connectgaps: true, name: group.label, line: { color: style("--soft"), width: 1 }, marker: { size: 6, color: models.map(colour) },
      error_y: Object.assign(errors(y, models.map((m) => value(group, m, "bits_per_spike_low")), models.map((m) => value(group, m, "bits_per_spike_high"))), { thickness: 1, width: 2 }), text: models.map((m) => say(group, m)), hovertemplate: "%{text}<extra></extra>" });
  }); else {  // one trace for all units: a hundred of them would take a second to draw
    const x = [], y = [], words = [];
    for (const group of groups) { models.forEach((m, i) => { x.push(i); y.push(value(group, m, "bits_per_spike")); words.push(say(group, m)); }); x.push(null); y.push(null); words.push(""); }
    traces.push({ x: x, y: y, mode: "lines+markers", name: "units", line: { color: style("--soft"), width: 0.6 }, marker: { size: 4, color: x.map((i) => i === null ? style("--soft") : colour(models[i])) }, opacity: 0.6, text: words, hovertemplate: "%{text}<extra></extra>" });
  }
  const middle = models.map((m) => median(of(m)));
  if (groups.length > 1) traces.push({ x: range(models.length), y: middle, mode: "lines", name: "median", line: { color: style("--fg"), width: 3 }, hovertemplate: "median %{y:.3f}<extra></extra>" });
  const scored = overview.rows.map((r) => r.bits_per_spike), ends = few ? overview.rows.flatMap((r) => [r.bits_per_spike_low, r.bits_per_spike_high]) : [], limits = fences(scored.concat(ends));
  note(id, outsideWords(limits.outside));
  draw(id, traces, { yaxis: titled("bits/spike", { range: limits.range }), xaxis: rungAxis(models) }, "Median bits per spike: " + models.map((m, i) => m + " " + number(middle[i])).join(", "));
}
