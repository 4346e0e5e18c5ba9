// Gain of each model over the one that it extends: of all units, and of one with its ladder; each with its number.
// gains over the model that each extends, in the order in which they come: [{model, over, mine}]
function pairsOf(steps) {
  const pairs = new Map();
  for (const s of steps) { const key = s.model + "\u0000" + s.over; if (!pairs.has(key)) pairs.set(key, { model: s.model, over: s.over, mine: [] }); pairs.get(key).mine.push(s); }
  return Array.from(pairs.values());
}
const isSure = (s) => s.low > 0 || s.high < 0;
// Where one gain is many times the others the axis is linear around 0 and logarithmic beyond, so that all can be seen.
// ``width`` is that of the axis in pixels: ticks stand apart
function gainScale(pairs, unit, width) {
  if (!known(unit)) return { at: (v) => v, axis: { zeroline: true, zerolinecolor: style("--edge"), nticks: 5 }, words: "" };
  const values = pairs.flatMap((p) => p.mine.flatMap((s) => [s.gain, s.low, s.high])).filter(known), largest = Math.max(0, ...values.map(Math.abs)), at = (v) => known(v) ? Math.sign(v) * Math.log10(1 + Math.abs(v) / unit) : null;
  const ends = [Math.min(0, ...values), largest].map(at), apart = 38 * (ends[1] - ends[0]) / width, decades = range(12).map((k) => unit * 10 ** k).filter((v) => v <= 1.2 * largest).reverse(), ticks = [0];
  for (const v of decades.concat(decades.map((d) => -d))) if (at(v) >= 1.1 * ends[0] && ticks.every((other) => Math.abs(at(other) - at(v)) >= apart)) ticks.push(v);
  ticks.sort((a, b) => a - b);
  return { at: at, axis: { zeroline: true, zerolinecolor: style("--edge"), tickvals: ticks.map(at), ticktext: ticks.map((v) => String(Number(v.toPrecision(1)))), tickangle: 0 }, words: "The axis is linear up to " + Number(unit.toPrecision(1)) + " and logarithmic beyond, so that small gains are seen beside large ones." };
}
const ROW = 30;
// Rows of values with intervals, named at the left, each with its number in words at the right, on a narrow page above it.
// rows: [{label, words, points: [{value, low, high, text}], colour}]; ``at`` places a value on the axis
function valueRows(rows, at, narrow, axes) {
  const traces = rows.map((row, i) => {
    const spread = (k, n) => n > 1 ? (k / (n - 1) - 0.5) * 0.5 : 0, few = row.points.length <= 20, value = row.points.map((p) => at(p.value)), down = narrow ? 0.15 : 0;
    return { x: value, y: row.points.map((_, k) => i + down + spread(k, row.points.length) * (narrow ? 0.6 : 1)), uncutX: row.points.map((p) => p.value), mode: "markers", name: row.name || row.label.replace("<br>", " "), marker: { size: row.points.length > 20 ? 5 : 8, symbol: row.symbol || "circle", color: row.points.map((p) => p.hollow ? style("--bg") : row.colour), line: { color: row.colour, width: 1.5 } },
      error_x: few ? Object.assign(errors(value, row.points.map((p) => at(p.low)), row.points.map((p) => at(p.high))), { thickness: 1.3, width: 2 }) : undefined, text: row.points.map((p) => p.text), hovertemplate: "%{text}<extra></extra>", xaxis: axes.x, yaxis: axes.y };
  });
  const annotations = rows.map((row, i) => ({ text: row.words, showarrow: false, font: { size: 11, color: style("--fg") }, xref: "paper", yref: axes.y, x: 1, xanchor: narrow ? "right" : "left", xshift: narrow ? 0 : 8, y: narrow ? i - 0.32 : i, yanchor: "middle" }));
  return { traces: traces, annotations: annotations, axis: { tickvals: range(rows.length), ticktext: rows.map((row) => row.label), range: [rows.length - 0.5, -0.5], zeroline: false, showgrid: false, anchor: axes.x, tickfont: { size: 12 } } };
}
const endsOf = (low, high, digits) => "(" + signed(low, digits) + " to " + signed(high, digits) + ")";
function gainRows(pairs, narrow) {
  return pairs.map(({ model, over, mine }) => {
    const gains = mine.map((s) => s.gain), one = mine.length === 1;
    return { label: model + (narrow ? "<br>" : " ") + "over " + over, name: model + " over " + over, symbol: "diamond", colour: colour(model),
      words: one ? signed(gains[0]) + " " + endsOf(mine[0].low, mine[0].high) : signed(median(gains)) + ", units " + signed(Math.min(...gains)) + " to " + signed(Math.max(...gains)),
      points: mine.map((s) => ({ value: s.gain, low: s.low, high: s.high, hollow: !isSure(s), text: "unit " + s.unit + ": " + s.model + " minus " + s.over + " " + signed(s.gain) + " " + endsOf(s.low, s.high) })) };
  });
}
const longest = (words, size) => Math.max(0, ...words.map((w) => Math.max(...w.split("<br>").map((part) => widthOf(part, size)))));
const marginsOf = (rows, narrow) => ({ l: 14 + longest(rows.map((r) => r.label), 12), r: narrow ? 14 : 20 + longest(rows.map((r) => r.words), 11), t: 12, b: 46, autoexpand: false });
function stepsFigure(id) {
  const pairs = pairsOf(overview.steps);
  if (!pairs.length) return nothing(id, "no model was fitted beside the one that it extends");
  const narrow = isNarrow(id), rows = gainRows(pairs, narrow), high = narrow ? 46 : ROW, margin = marginsOf(rows, narrow), scale = gainScale(pairs, overview.gain_unit, byId(id).clientWidth - margin.l - margin.r);
  const found = valueRows(rows, scale.at, narrow, { x: "x", y: "y" });
  const several = pairs.some((p) => p.mine.length > 1);
  note(id, (several ? "Numbers: median over units, lowest and highest. " : "Numbers: gain and 95 % interval. ") + scale.words);
  draw(id, found.traces, { height: Math.max(160, 58 + high * rows.length), margin: margin, annotations: found.annotations, yaxis: Object.assign(found.axis, { automargin: false }), xaxis: titled("gain, bits/spike", scale.axis) },
    "Median gain of each model over the one that it extends: " + pairs.map((p) => p.model + " over " + p.over + " " + signed(median(p.mine.map((s) => s.gain)))).join(", "));
}
figure("f-ladder", (id) => {
  const scored = unit(chosen).rows.filter((r) => r.status === "ok" && known(r.bits_per_spike)), pairs = pairsOf(overview.steps.filter((s) => s.unit === unit(chosen).unit));
  const narrow = isNarrow(id), high = narrow ? 42 : 26;
  const bits = scored.map((r) => ({ label: r.model, colour: colour(r.model), words: number(r.bits_per_spike) + " (" + number(r.bits_per_spike_low) + " to " + number(r.bits_per_spike_high) + ")", points: [{ value: r.bits_per_spike, low: r.bits_per_spike_low, high: r.bits_per_spike_high, text: r.model + " " + number(r.bits_per_spike) }] })), gains = gainRows(pairs, narrow);
  const inner = high * (bits.length + gains.length) + (gains.length ? 56 : 0), margin = marginsOf(bits.concat(gains), narrow), scale = gainScale(pairs, unit(chosen).gain_unit, byId(id).clientWidth - margin.l - margin.r);
  const upper = valueRows(bits, (v) => v, narrow, { x: "x", y: "y" }), lower = valueRows(gains, scale.at, narrow, { x: "x2", y: "y2" }), cut = 1 - high * bits.length / inner;
  const options = { height: inner + margin.t + margin.b, margin: margin, annotations: upper.annotations.concat(lower.annotations), xaxis: titled("bits/spike", { anchor: "y", nticks: 5 }), yaxis: Object.assign(upper.axis, { domain: [cut, 1], automargin: false }) };
  if (gains.length) Object.assign(options, { xaxis2: titled("gain, bits/spike", Object.assign({ anchor: "y2" }, scale.axis)), yaxis2: Object.assign(lower.axis, { domain: [0, cut - 56 / inner], automargin: false }) });
  note(id, scale.words);
  draw(id, upper.traces.concat(lower.traces), options, "Bits per spike by rung: " + scored.map((r) => r.model + " " + number(r.bits_per_spike)).join(", ") + "; gains: " + pairs.map((p) => p.model + " over " + p.over + " " + signed(p.mine[0].gain)).join(", "));
});
