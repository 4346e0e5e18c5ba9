// Single trials of a unit: rasters and PSTHs by condition, with the events of the trials' table; recorded and simulated.
const session = overview.session || { time: "time", columns: [], conditions: [], events: [] };
for (const event of session.events) if (event.time_s) event.time_s = unpacked(event.time_s);
const ofTheme = (pair) => pair[isDark() ? 1 : 0];
const CONDITION_COLOURS = () => overview.condition_colours.map(ofTheme);
const MOST_CURVES = (overview.condition_colours || []).length;
const conditionName = (code) => session.conditions[code] || "condition " + code;
const timeTitle = session.time + ", s";
// of many conditions those shown as curves, each with its place among the colours
const curveOf = new Map();
const areMany = () => session.conditions.length > MOST_CURVES;
function conditionColour(code) {
  if (session.conditions.length < 2) return style("--fg");
  if (!areMany()) return CONDITION_COLOURS()[code];
  return curveOf.has(code) ? CONDITION_COLOURS()[curveOf.get(code)] : style(code % 2 ? "--soft" : "--fg");
}
function showCurve(code) {
  if (curveOf.has(code)) return;
  if (curveOf.size >= MOST_CURVES) curveOf.delete(curveOf.keys().next().value);  // the one chosen first gives way
  const taken = new Set(curveOf.values());
  curveOf.set(code, range(MOST_CURVES).find((slot) => !taken.has(slot)));
}
const curveCodes = () => areMany() ? Array.from(curveOf.keys()).sort((a, b) => a - b) : range(session.conditions.length);
function drawChoice(id) {
  let place = byId(id + "-choice");
  if (!areMany()) return;
  if (!place) { place = text("div", "", "bar noprint"); place.id = id + "-choice"; byId(id).before(place); }
  const select = document.createElement("select"), label = text("label", "Show the curves of "), again = () => refresh(id);
  fill(select, [["", "a condition"]].concat(session.conditions.map((name, code) => [String(code), name]).filter(([code]) => !curveOf.has(Number(code)))), "");
  select.id = id + "-add";
  select.addEventListener("change", () => { showCurve(Number(select.value)); again(); byId(id + "-add").focus(); });
  label.append(select);
  const chips = text("span", "");
  for (const code of curveCodes()) {
    const chip = text("button", "× " + conditionName(code));
    chip.type = "button"; chip.style.color = conditionColour(code); chip.setAttribute("aria-label", "Leave out the curve of " + conditionName(code));
    chip.addEventListener("click", () => { curveOf.delete(code); again(); });
    chips.append(chip, " ");
  }
  place.replaceChildren(label, chips);
}

// Marks of events: a line where the time is the same in all trials, else a symbol in each trial.
const DASHES = ["6px,3px", "2px,3px", "8px,3px,2px,3px", "12px,4px", "4px,6px", "12px,3px,2px,3px,2px,3px"], SYMBOLS = ["triangle-down", "diamond", "square", "circle", "x", "star"];
const eventColour = () => ofTheme(overview.event_colours);
const eventLine = (at, dash, y0, y1, xref, width) => ({ type: "line", xref: xref, yref: "paper", x0: at, x1: at, y0: y0, y1: y1, line: { color: eventColour(), width: width || 1.4, dash: dash } });
const zeroLine = (window, y0, y1, xref) => window[0] < 0 && window[1] > 0 ? [eventLine(0, "solid", y0, y1, xref)] : [];
const keyed = (name, look) => Object.assign({ x: [null], y: [null], name: name, mode: "lines", showlegend: true, hoverinfo: "skip", isKey: true }, look);
const liesIn = (t, window) => known(t) && t >= window[0] && t <= window[1];
// entries of the legend for time zero and the events that lie in this piece of any of these trials
function eventKeys(window, trials) {
  const zero = window[0] < 0 && window[1] > 0 ? [keyed(session.zero + " (time zero)", { line: { color: eventColour(), width: 1.4 } })] : [];
  return zero.concat(session.events.flatMap((event, k) => !trials.some((trial) => liesIn(event.time_s ? event.time_s[trial] : event.at_s, window)) ? []
    : [keyed(event.name, event.time_s ? { mode: "markers", marker: { symbol: SYMBOLS[k], size: 8, color: eventColour() } } : { line: { color: eventColour(), width: 1.4, dash: DASHES[k] } })]));
}
const constantLines = (y0, y1, xref) => session.events.flatMap((event, k) => event.time_s ? [] : [eventLine(event.at_s, DASHES[k], y0, y1, xref)]);
function eventTraces(rows, axes) {
  return session.events.flatMap((event, k) => {
    if (!event.time_s) return [];
    const x = rows.map((trial) => event.time_s[trial]);
    return [{ x: x, y: rows.map((_, row) => row + 0.5), mode: "markers", name: event.name, marker: { symbol: SYMBOLS[k], size: rows.length > 60 ? 4 : 6, color: eventColour() }, text: rows.map((trial, row) => "trial " + trial + ": " + event.name + " " + number(x[row], 3) + " s"), hovertemplate: "%{text}<extra></extra>", ...axes }];
  });
}

// pixels that a legend takes below a figure, entries in as many rows as they need
const ruler = document.createElement("canvas").getContext("2d");
function widthOf(words, size) { ruler.font = size + "px sans-serif"; return ruler.measureText(words).width; }
// a text cut to so many pixels
function fitted(words, room, size) {
  if (widthOf(words, size) <= room) return words;
  let n = words.length;
  while (n > 1 && widthOf(words.slice(0, n) + "…", size) > room) n--;
  return words.slice(0, n) + "…";
}
function legendHeight(names, width) {
  const each = names.map((name) => widthOf(name, 13) + 48), widest = Math.max(0, ...each);
  const rows = each.reduce((a, b) => a + b, 0) <= width ? 1 : Math.ceil(names.length / Math.max(1, Math.floor(width / widest)));
  return names.length ? 12 + 20 * rows : 0;
}
const BELOW = { orientation: "h", traceorder: "normal", xref: "paper", x: 0, yref: "container", y: 0, yanchor: "bottom", itemclick: false, itemdoubleclick: false };

// blocks of rows of one condition each: [code, first row, number of rows]
function blocksOf(condition) {
  const blocks = [];
  condition.forEach((code, row) => { const last = blocks[blocks.length - 1]; if (last && last[0] === code) last[2] += 1; else blocks.push([code, row, 1]); });
  return blocks;
}
// rows that are numbered: the first of each block, then others at even steps, none closer than some pixels
function numberedRows(n, blocks, height) {
  const apart = 15 * n / height, step = Math.max(1, Math.ceil(n / 6)), kept = [];
  for (const row of blocks.map((b) => b[1]).concat(range(n).filter((i) => i % step === 0), [n - 1])) if (kept.every((other) => Math.abs(other - row) >= apart)) kept.push(row);
  return kept.sort((a, b) => a - b);
}
function rasterOf(c, name, axes) {
  const counts = c["raster." + name + ".count"], bins = c["raster." + name + ".bin"], condition = c["raster.condition"], byColour = new Map();
  const half = Math.max(0.42, counts.length / 130);  // many trials: ticks overlap rather than vanish
  let at = 0;
  counts.forEach((n, row) => {
    const own = conditionColour(condition[row]);
    if (!byColour.has(own)) byColour.set(own, { x: [], y: [] });
    const put = byColour.get(own);
    for (let i = 0; i < n; i++, at++) { const t = c.window_s[0] + (bins[at] + 0.5) * c.bin_s; put.x.push(t, t, null); put.y.push(row + 0.5 - half, row + 0.5 + half, null); }
  });
  return Array.from(byColour).filter(([, p]) => p.x.length).map(([own, p]) => ({ x: p.x, y: p.y, type: p.x.length > 30000 ? "scattergl" : "scatter", mode: "lines", line: { color: own, width: 1 }, name: name === "data" ? "recorded" : name + ", simulated", hoverinfo: "skip", ...axes }));
}
// smoothed rate of the rows of one condition, or of all: [times, rates], no more than 200
function rateOf(c, name, only) {
  const counts = c["raster." + name + ".count"], bins = c["raster." + name + ".bin"], n = Math.max(1, Math.round((c.window_s[1] - c.window_s[0]) / c.bin_s)), sum = new Array(n).fill(0);
  let rows = 0, at = 0;
  counts.forEach((m, row) => {
    const own = only === undefined || c["raster.condition"][row] === only;
    rows += own;
    for (let i = 0; i < m; i++, at++) if (own) sum[Math.min(n - 1, Math.round(bins[at]))] += 1;
  });
  const sd = (c["smooth.bandwidth_s"] || (c.window_s[1] - c.window_s[0]) / 60) / c.bin_s, reach = Math.ceil(3 * sd), kernel = range(2 * reach + 1).map((i) => Math.exp(-0.5 * ((i - reach) / sd) ** 2)), step = Math.max(1, Math.floor(n / 200)), x = [], y = [];
  for (let b = 0; b < n; b += step) { let total = 0, weight = 0; for (let i = Math.max(0, b - reach); i <= Math.min(n - 1, b + reach); i++) { const w = kernel[i - b + reach]; total += w * sum[i]; weight += w; } x.push(c.window_s[0] + (b + 0.5) * c.bin_s); y.push(rows ? total / weight / rows / c.bin_s : null); }
  return [x, y];
}

// One column of panels: a raster, of many conditions a map of their rates, and rates as curves.
function rasterGroup(c, model, g, at) {
  const suffix = (k) => g || k ? String(3 * g + k + 1) : "", x = "x" + (g ? "2" : ""), axes = (k) => ({ xaxis: x, yaxis: "y" + suffix(k) });
  const codes = curveCodes(), several = session.conditions.length > 1, recorded = !g, source = recorded ? "data" : model, traces = rasterOf(c, source, axes(0)).concat(eventTraces(c["raster.row"], axes(0)));
  const smooth = c["smooth.time_s"], one = recorded ? style("--fg") : colour(model);
  if (areMany()) {
    const all = range(session.conditions.length), rates = all.map((code) => recorded && smooth ? [smooth, c["smooth.rate_hz"][code]] : rateOf(c, source, code));
    traces.push({ type: "heatmap", x: rates[0][0], y: all, z: rates.map((r) => r[1]), rowNames: session.conditions, text: all.map((code) => rates[0][0].map(() => conditionName(code))), hovertemplate: "%{text}<br>%{x:.3f} s, %{z:.1f} Hz<extra></extra>", name: recorded ? "recorded" : model + ", simulated", coloraxis: "coloraxis", ...axes(2) });
  }
  if (smooth) for (const code of codes) traces.push(...band(smooth, c["smooth.low_hz"][code], c["smooth.high_hz"][code], several ? faint(conditionColour(code), codes.length > 3 ? 0.1 : 0.2) : style("--band"), "recorded, 95 % band", axes(1)));
  if (recorded) {
    if (smooth) for (const code of codes) traces.push(line(smooth, c["smooth.rate_hz"][code], "PSTH" + (several ? " " + conditionName(code) : ""), { color: conditionColour(code), width: 1.8 }, axes(1)));
    if (!smooth || !codes.length) traces.push(line(...rateOf(c, "data"), "all trials", { color: style("--fg"), width: 1.8 }, axes(1)));
    const expected = c["psth.model_by_condition_hz"], k = c.models.indexOf(model);
    if (several && expected && k >= 0) for (const code of codes) traces.push(line(c["psth.time_s"], expected[k][code], model + " " + conditionName(code) + ", expected given the recorded past", { color: conditionColour(code), width: 1.4, dash: "dot" }, axes(1)));
    if (!several && c["psth.model_hz"]) for (const [m, i, col] of shown(c)) traces.push(line(c["psth.time_s"], c["psth.model_hz"][i], m + ", expected given the recorded past", { color: col, width: 1.4, dash: "dot" }, axes(1)));
  } else {
    for (const code of several ? codes : []) traces.push(line(...rateOf(c, model, code), model + " " + conditionName(code), { color: conditionColour(code), width: 1.8 }, axes(1)));
    if (!several || !codes.length) traces.push(line(...rateOf(c, model), model, { color: one, width: 2 }, axes(1)));
  }
  const n = c["raster.row"].length, blocks = blocksOf(c["raster.condition"]), ticks = numberedRows(n, blocks, at.px.raster), hide = { showticklabels: at.labelled };
  const top = (k) => at.domain[k][1], bottom = (k) => at.domain[k][0], options = { ["xaxis" + (g ? "2" : "")]: titled(timeTitle, { domain: at.x, range: c.window_s, anchor: "y" + suffix(1), zeroline: false }) };
  options["yaxis" + suffix(0)] = Object.assign(at.labelled ? titled("trial") : {}, { domain: at.domain.raster, anchor: x, range: [n, 0], showgrid: false, zeroline: false, tickvals: ticks.map((row) => row + 0.5), ticktext: ticks.map((row) => String(c["raster.row"][row])), ticks: "outside", ticklen: 3 }, hide);
  options["yaxis" + suffix(1)] = Object.assign(at.labelled ? titled("Hz") : {}, { domain: at.domain.rate, anchor: x, rangemode: "tozero", nticks: 5 }, g ? { matches: "y2" } : {}, hide);
  if (areMany()) options["yaxis" + suffix(2)] = { domain: at.domain.map, anchor: x, range: [session.conditions.length - 0.5, -0.5], showgrid: false, zeroline: false, tickvals: [] };
  const shapes = blocks.slice(1).map((b) => ({ type: "line", xref: x + " domain", x0: 0, x1: 1, yref: "y" + suffix(0), y0: b[1], y1: b[1], line: { color: style("--edge"), width: 0.7 }, layer: "below" }));
  shapes.push(...zeroLine(c.window_s, bottom("rate"), top("raster"), x), ...constantLines(bottom("rate"), top("raster"), x));
  const annotations = [{ text: recorded ? "recorded" : model + ", fed its own spikes", x: at.x[0], xanchor: "left", y: top("raster"), xref: "paper", yref: "paper", yanchor: "bottom", showarrow: false, font: { color: style("--soft"), size: 13 } }];
  return { traces: traces, options: options, shapes: shapes, annotations: annotations, blocks: blocks, unnamed: 0 };
}
// names of conditions beside their blocks or rows, as many as there is room for; each [code, middle]
function besideNames(named, n, px, yref, x, room) {
  const kept = [];
  for (const [code, middle] of named) if (!kept.length || (middle - kept[kept.length - 1][1]) * px / n >= 11.5) kept.push([code, middle]);
  return kept.map(([code, middle]) => ({ text: fitted(conditionName(code), room - 6, 11), x: x, xref: "paper", xanchor: "left", xshift: 4, y: middle, yref: yref, yanchor: "middle", showarrow: false, font: { color: conditionColour(code), size: 11 } }));
}
figure("f-raster", (id) => {
  const data = unit(chosen), c = data.curves, model = figureModel.value, simulated = !!c["raster." + model + ".count"], n = c["raster.row"].length;
  const nConditions = session.conditions.length, several = nConditions > 1, many = areMany(), width = byId(id).clientWidth, narrow = width < 640;
  if (many && !curveOf.size && !curveOf.seen) {  // those with the highest peaks at first
    curveOf.seen = true;
    const peaks = range(nConditions).map((code) => [code, c["smooth.rate_hz"] ? Math.max(...c["smooth.rate_hz"][code].filter(known)) : 0]);
    peaks.sort((a, b) => b[1] - a[1]).slice(0, 3).forEach(([code]) => showCurve(code));
  }
  drawChoice(id);
  const groups = simulated ? 2 : 1, stacked = narrow || groups === 1, room = several ? Math.min(narrow ? 84 : 150, 14 + Math.max(...session.conditions.map((name) => widthOf(name, 11)))) : stacked ? 0 : 24;
  const px = { raster: Math.min(420, Math.max(narrow ? 150 : 210, 12 * nConditions)), map: many ? Math.min(420, 12 * nConditions) : 0, rate: narrow ? 100 : 130 }, gap = 10, bar = many ? 46 : 0, foot = 46, head = 24;
  const group = px.raster + gap + (many ? px.map + bar : 0) + px.rate, keys = eventKeys(c.window_s, c["raster.row"]);
  for (const code of several ? curveCodes() : []) keys.push(keyed(conditionName(code), { line: { color: conditionColour(code), width: 2 } }));
  if (several && c["psth.model_by_condition_hz"]) keys.push(keyed(model + " expects", { line: { color: style("--fg"), width: 1.4, dash: "dot" } }));
  if (!several) for (const [m, , col] of shown(c)) keys.push(keyed(m + " expects", { line: { color: col, width: 1.4, dash: "dot" } }));
  const margin = { l: 58, r: stacked ? Math.max(14, room) : 14, t: head, b: foot + legendHeight(keys.map((k) => k.name), width - 72), autoexpand: false };
  const inner = stacked && groups === 2 ? 2 * group + foot + head : group, height = inner + margin.t + margin.b, across = width - margin.l - margin.r, part = (room + 8) / across / 2;
  const panels = range(groups).map((g) => {
    const start = stacked ? g * (group + foot + head) : 0, span = (from, to) => [1 - (start + to) / inner, 1 - (start + from) / inner];
    return rasterGroup(c, model, g, { px: px, labelled: stacked || !g, x: stacked ? [0, 1] : g ? [0.5 + part, 1] : [0, 0.5 - part],
      domain: { raster: span(0, px.raster), map: span(px.raster + gap, px.raster + gap + px.map), rate: span(group - px.rate, group) } });
  });
  const options = { height: height, margin: margin, showlegend: true, legend: BELOW, shapes: panels.flatMap((p) => p.shapes), annotations: panels.flatMap((p) => p.annotations) };
  for (const p of panels) Object.assign(options, p.options);
  if (several) panels.slice(0, stacked ? groups : 1).forEach((p, g) => {
    const x = stacked ? 1 : 0.5 - part, first = g ? 4 : 1, y = (k) => "y" + (first + k > 1 ? first + k : "");
    options.annotations.push(...besideNames(p.blocks.map(([code, row, m]) => [code, row + m / 2]), n, px.raster, y(0), x, room));
    if (many) options.annotations.push(...besideNames(range(nConditions).map((code) => [code, code]), nConditions, px.map, y(2), x, room));
  });
  const maps = panels.flatMap((p) => p.traces.filter((t) => t.z)), highest = Math.max(1, ...maps.map((map, g) => g ? quantile(map.z.flat(), 0.98) : Math.max(...map.z.flat().filter(known))));
  if (many) options.coloraxis = { colorscale: "Viridis", cmin: 0, cmax: highest, colorbar: { orientation: "h", thickness: 8, len: stacked ? 0.6 : 0.3, x: 0, xanchor: "left", y: panels[0].options.yaxis3.domain[0], yanchor: "top", ypad: 4, ticksuffix: " Hz", showticksuffix: "last", tickfont: { size: 10 }, nticks: 5 } };
  const traces = panels.flatMap((p) => p.traces);
  for (const trace of traces) if (!("showlegend" in trace)) trace.showlegend = false;
  draw(id, traces.concat(keys), options, "Recorded raster of " + n + " trials" + (panels.length > 1 ? " beside the same trials simulated by " + model : "") + ", with " + (panels.length > 1 ? "their PSTHs" : "its PSTH") + (several ? ", by condition: " + session.conditions.join(", ") : ""));
  const all = data.rows.length ? data.rows[0].n_trials : n, by = session.columns.filter((column) => column !== "condition").join(", ");
  note(id, [n < all ? n + " of " + all + " trials are shown, evenly spaced." : "", "Trials are numbered from 0 in order of time, as in per_trial.csv.", several ? nConditions + " conditions" + (by ? " by " + by : "") + "." : "",
    many ? "In the maps a row is a condition, and colours end at " + number(highest, 0) + " Hz; below, curves of the conditions chosen." : "",
    simulated ? (stacked ? "Below" : "Right") + ": one run of each trial shown" + (n < all ? "; recorded rates are of all trials" : "") + "." : model + " was not simulated on these trials.",
    c["smooth.bandwidth_s"] ? "Kernel: SD " + number(1000 * c["smooth.bandwidth_s"], 1) + " ms." : ""].filter(Boolean).join(" "));
});
figure("f-trials", (id) => {
  const c = unit(chosen).curves, rate = c["example.rate_hz"], models = shown(c);
  if (!models.length) return nothing(id, "there are no example trials");
  const traces = [], n = c["example.trial"].length, time = c["example.time_s"], low = time[0], high = time[time.length - 1], options = { xaxis: titled(timeTitle, { anchor: n > 1 ? "y" + n : "y", zeroline: false }), shapes: [], annotations: [] };
  const condition = c["example.condition"], several = session.conditions.length > 1;
  const peaks = range(n).map((i) => Math.max(...models.map(([, k]) => Math.max(...rate[k][i].filter(known))))), top = Math.max(1, quantile(peaks, 0.5) * 1.5), gap = 0.05;
  for (let i = 0; i < n; i++) {
    const axis = i === 0 ? "y" : "y" + (i + 1), peak = Math.min(top, Math.max(peaks[i], 0.3 * top)), trial = c["example.trial"][i], domain = [1 - (i + 1) / n + 0.01, 1 - i / n - gap];
    options[i === 0 ? "yaxis" : "yaxis" + (i + 1)] = titled(i === 0 ? "Hz" : "", { domain: domain, range: [-0.14 * peak, peak * 1.04], nticks: isNarrow(id) ? 2 : 3, zeroline: false, anchor: "x" });
    options.annotations.push({ text: "trial " + trial + (several && condition ? ", " + shortened(conditionName(condition[i]), 40) : ""), x: 0, xref: "paper", xanchor: "left", y: domain[1], yref: "paper", yanchor: "bottom", showarrow: false, font: { size: 11, color: several && condition && !areMany() ? conditionColour(condition[i]) : style("--soft") } });
    for (const [model, k, col] of models) traces.push(line(time, rate[k][i], model, { color: col, width: 1.3 }, { yaxis: axis, showlegend: i === 0, hovertemplate: "%{x:.3f} s, %{y:.1f} Hz<extra>" + model + "</extra>" }));
    const at = time.filter((_, b) => c["example.spikes"][i][b] > 0);
    traces.push({ x: at, y: at.map(() => -0.07 * peak), mode: "markers", name: "spikes", showlegend: i === 0, marker: { symbol: "line-ns-open", size: 7, color: style("--fg"), line: { width: 1.4 } }, yaxis: axis, hoverinfo: "skip" });
    options.shapes.push(...zeroLine([low, high], ...domain, "x"));
    session.events.forEach((event, k) => {
      const t = event.time_s ? event.time_s[trial] : event.at_s;
      if (!liesIn(t, [low, high])) return;
      options.shapes.push(event.time_s ? eventLine(t, "solid", ...domain, "x", 0.8) : eventLine(t, DASHES[k], ...domain, "x"));
      if (event.time_s) traces.push({ x: [t], y: [0.9 * peak], mode: "markers", name: event.name + ", trial " + trial, showlegend: false, marker: { symbol: SYMBOLS[k], size: 8, color: eventColour() }, yaxis: axis, hovertemplate: "%{x:.3f} s<extra>" + event.name + "</extra>" });
    });
  }
  const keys = eventKeys([low, high], c["example.trial"]);
  const names = models.map((m) => m[0]).concat("spikes", keys.map((k) => k.name)), below = legendHeight(names, byId(id).clientWidth - 72);
  draw(id, traces.concat(keys), Object.assign(options, { height: 356 + below, margin: { l: 58, r: 14, t: 12, b: 46 + below, autoexpand: false }, showlegend: true, legend: BELOW }), "Conditional intensity of " + models.map((m) => m[0]).join(" and ") + " on " + n + " held-out trials, with the recorded spikes");
  note(id, peaks.some((p) => p > top) ? "Peaks above " + number(top, 0) + " Hz are cut off." : "");
});
