// Across recordings.
if (overview.over) {
  const names = overview.recordings.map((r) => r.name), PALETTE = () => isDark() ? ["#7cc7f2", "#ff8f4d", "#35c79f", "#f0b429", "#e59ac6", "#b3a6ff", "#d3a397"] : ["#1d5fa6", "#c04f00", "#00805f", "#a66f00", "#b04a87", "#6a55d6", "#8a5a50"];
  const hue = (name) => { const p = PALETTE(); return p[names.indexOf(name) % p.length]; };
  figure("ladder", (id) => {
    const models = overview.models, traces = [];
    for (const group of grouped(overview.rows)) {
      const rows = models.map((m) => group.rows[m] || {});
      traces.push(line(range(models.length), rows.map((r) => known(r.bits_per_spike) ? r.bits_per_spike : null), group.label, { color: faint(hue(group.recording), 0.4), width: 1 }, { connectgaps: true, showlegend: false, text: rows.map((r, i) => group.label + "<br>" + models[i] + " " + number(r.bits_per_spike)), hovertemplate: "%{text}<extra></extra>" }));
    }
    for (const name of names) traces.push(line(range(models.length), models.map((m) => median(overview.rows.filter((r) => r.model === m && r.recording === name).map((r) => r.bits_per_spike))), name, { color: hue(name), width: 3 }, { connectgaps: true, mode: "lines+markers", hovertemplate: name + ", median %{y:.3f}<extra></extra>" }));
    draw(id, traces, { xaxis: rungAxis(models), yaxis: titled("bits/spike"), showlegend: names.length <= 12 }, "Median bits per spike by recording: " + names.map((n) => n + " " + number(median(overview.rows.filter((r) => r.model === overview.headline && r.recording === n).map((r) => r.bits_per_spike)))).join(", "));
  });
  figure("c-forest", (id) => {
    if (!overview.over.length) return nothing(id, "there is no pair of rungs that all recordings have");
    const traces = [], ticks = [], labels = [];
    let at = 0;
    for (const name of names) {
      const units = overview.gains.filter((g) => g.recording === name), whole = overview.over.find((o) => o.recording === name);
      const few = overview.gains.length <= 40, y = units.map((_, k) => at + (few ? k : k / Math.max(units.length, 1) * 4));
      traces.push({ x: units.map((u) => u.gain), y: y, mode: "markers", name: name, marker: { size: few ? 8 : 5, color: hue(name) }, error_x: { type: "data", symmetric: false, array: units.map((u) => u.high - u.gain), arrayminus: units.map((u) => u.gain - u.low), color: faint(hue(name), 0.7), thickness: 1.2, width: 0 }, text: units.map((u) => u.recording + ", unit " + u.unit + " " + signed(u.gain) + " (" + signed(u.low) + " to " + signed(u.high) + ")"), hovertemplate: "%{text}<extra></extra>", customdata: units.map((u) => u.link + "#unit=" + encodeURIComponent(u.unit)) });
      if (few) units.forEach((u, k) => { ticks.push(at + k); labels.push((k === 0 ? name + ", " : "") + "unit " + u.unit); }); else { ticks.push(at + 2); labels.push(name); }
      at += few ? units.length : 4;
      if (whole) { traces.push(diamond(whole, at, hue(name), name + ", mean of " + whole.n_units + " units")); ticks.push(at); labels.push("mean"); at += 1.6; }
    }
    const whole = overview.over.filter((o) => o.recording === null), all = whole.length === 1 ? whole[0] : undefined;
    for (const one of whole) { const name = all ? "all recordings" : one.n_recordings + " scored alike"; traces.push(diamond(one, at, style("--fg"), all ? name : one.protocol)); ticks.push(at); labels.push(name); at += all ? 0 : 1.6; }
    const height = Math.max(300, Math.min(1600, 80 + 21 * (at + 2)));
    byId(id).style.height = height + "px";
    draw(id, traces, { height: height, xaxis: titled(byId(id).clientWidth < 520 ? "gain, bits/spike" : "gain of " + overview.headline + " over " + overview.base + ", bits/spike", { zeroline: true, zerolinecolor: style("--edge") }), yaxis: { tickvals: ticks, ticktext: labels, range: [at + 0.8, -0.8], zeroline: false, showgrid: false } }, "Gain by unit and recording; over all " + (all ? signed(all.gain) + " (" + signed(all.gain_low) + " to " + signed(all.gain_high) + ")" : "undefined"));
    byId(id).removeAllListeners && byId(id).removeAllListeners("plotly_click");
    byId(id).on("plotly_click", (event) => { const link = event.points[0].customdata; if (link) location.href = link; });
    note(id, "Click a unit to open its page.");
  });
  function diamond(row, y, col, name) {
    return { x: [row.gain], y: [y], mode: "markers", name: name, marker: { size: 14, symbol: "diamond", color: col }, error_x: known(row.gain_low) ? { type: "data", symmetric: false, array: [row.gain_high - row.gain], arrayminus: [row.gain - row.gain_low], color: col, thickness: 2.4, width: 5 } : undefined, hovertemplate: name + " %{x:+.3f}, over " + row.level + "s<extra></extra>" };
  }
  const VERDICTS = [["captured", "--good"], ["consistent", "--band"], ["partly", "--warn"], ["missed", "--bad"], ["cannot be judged", "--soft"], ["excess", "--edge"], ["rising", "--edge"], ["mixed", "--edge"], ["none", "--line"]];
  figure("c-verdicts", (id) => {
    const traces = [], isNarrow = byId(id).clientWidth < 620, seen = VERDICTS.filter(([verdict]) => overview.recordings.some((r) => r.verdicts.refractory[verdict] || r.verdicts.adaptation[verdict]));
    ["refractory", "adaptation"].forEach((kind, j) => seen.forEach(([verdict, name]) => traces.push({ x: overview.recordings.map((r) => 100 * (r.verdicts[kind][verdict] || 0) / Math.max(1, Object.values(r.verdicts[kind]).reduce((a, b) => a + b, 0))), y: names, type: "bar", orientation: "h", name: verdict, legendgroup: verdict, showlegend: j === 0, xaxis: j ? "x2" : "x", yaxis: j && isNarrow ? "y2" : "y", marker: { color: style(name), line: { color: style("--bg"), width: 1 } }, text: overview.recordings.map((r) => r.verdicts[kind][verdict] ? r.verdicts[kind][verdict] + (isNarrow ? "" : " " + verdict) : ""), textposition: "inside", textangle: 0, insidetextanchor: "middle", insidetextfont: { color: ["--band", "--line"].includes(name) ? style("--fg") : style("--bg") }, customdata: overview.recordings.map((r) => r.verdicts[kind][verdict] || 0), hovertemplate: "%{customdata} " + verdict + "<extra>%{y}</extra>" })));
    const rows = 34 * names.length, height = 150 + (isNarrow ? 90 + 22 * seen.length + 2 * rows : rows), category = { type: "category", autorange: "reversed" };
    const left = titled("refractory dip, % of units", { range: [0, 100] }), right = titled(isNarrow ? "falling rate, % of units" : "rate falling with recent spikes, % of units", { range: [0, 100] });
    byId(id).style.height = height + "px";
    draw(id, traces, Object.assign({ height: height, barmode: "stack", showlegend: true, uniformtext: { mode: "hide", minsize: 10 } }, isNarrow ? { xaxis: Object.assign(left, { anchor: "y" }), yaxis: Object.assign({ domain: [0.6, 1] }, category), xaxis2: Object.assign(right, { anchor: "y2" }), yaxis2: Object.assign({ domain: [0, 0.4], anchor: "x2" }, category) } : { xaxis: Object.assign(left, { domain: [0, 0.48] }), xaxis2: Object.assign(right, { domain: [0.52, 1] }), yaxis: category }), "Verdicts of " + overview.headline + " by recording: " + overview.recordings.map((r) => r.name + " refractory dip captured on " + (r.verdicts.refractory.captured || 0) + ", adaptation on " + (r.verdicts.adaptation.captured || 0) + " of " + r.n_units).join("; "));
  });
  byId("recordings").tBodies[0].replaceChildren(...overview.recordings.map((r) => {
    const tr = document.createElement("tr"), link = text("a", r.name), first = document.createElement("td"), row = overview.over.find((o) => o.recording === r.name) || {};
    link.href = r.link; first.append(link);
    tr.append(first, text("td", r.n_units, "n"), text("td", r.protocol, "said"), text("td", r.findings, "n"), text("td", signed(row.gain), "n"), text("td", signed(row.gain_low) + " to " + signed(row.gain_high), "n"), text("td", row.level ? row.level + "s" : "–"));
    return tr;
  }));
}
