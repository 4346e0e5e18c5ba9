// One trial of all units, with what a model adds to their rates, and the states of a network in single trials.
const trials = overview.trials ? lazy(overview.trials) : null;
const trialSelect = byId("one-trial"), trialModel = byId("one-trial-model");
const chosenTrial = () => Math.max(0, trialSelect.selectedIndex);
const conditionOf = (code) => trials.conditions.length > 1 ? " (condition " + trials.conditions[code] + ")" : "";
const COMPONENTS = () => isDark() ? ["#f2f5f8", "#7cc7f2", "#ff8f4d"] : ["#16191d", "#1d5fa6", "#c04f00"];
if (trials && trialSelect) {
  const again = () => { refresh("p-trial"); refresh("p-states"); };
  fill(trialSelect, trials.trial.map((t, k) => [String(k), t + conditionOf(trials.condition[k])]), "0");
  if (trialModel) fill(trialModel, trials.model.map((m) => [m, m]), trials.model[trials.model.length - 1]);
  trialSelect.addEventListener("change", again);
  if (trialModel) trialModel.addEventListener("change", () => refresh("p-trial"));
  for (const [id, step] of [["trial-previous", -1], ["trial-next", 1]]) byId(id).addEventListener("click", () => { const n = trials.trial.length; trialSelect.selectedIndex = (chosenTrial() + n + step) % n; again(); });
}
figure("p-trial", (id) => {
  if (!trials) return nothing(id, "fewer than two units were recorded together and fitted");
  const k = chosenTrial(), m = trialModel ? Math.max(0, trialModel.selectedIndex) : -1, n = trials.unit.length, x = [], y = [];
  trials["spike.trial"].forEach((trial, i) => { if (trial !== k) return; const at = trials.window_s[0] + (trials["spike.bin"][i] + 0.5) * trials.bin_s, row = trials["spike.unit"][i]; x.push(at, at, null); y.push(row - 0.42, row + 0.42, null); });
  const at = trials["state.trial"] ? trials["state.trial"].indexOf(trials.trial[k]) : -1, lower = at >= 0 ? 0.26 : 0, traces = [];
  let most = 0;
  if (m >= 0) {
    const gain = trials.gain[m][k], piece = trials.piece_s[1] - trials.piece_s[0] || trials.window_s[1] - trials.window_s[0], middle = isDark() ? "#2b3036" : "#f2f2f2";
    most = Math.max(0.5, quantile(trials.gain[m].flat(2).map((g) => known(g) ? Math.abs(g) : null), 0.99) || 0);
    traces.push({ z: range(n).map((u) => gain.map((row) => row[u])), x: trials.piece_s.map((t) => t + piece / 2), y: range(n), type: "heatmap", zmin: -most, zmax: most, colorscale: [[0, "#1d5fa6"], [0.5, middle], [1, "#c04f00"]], hovertemplate: "%{x:.3f} s: log2 %{z:.2f}<extra></extra>", colorbar: { title: { text: "log2 over the GLM", side: "right" }, thickness: 12, y: (1 + lower) / 2, len: 1 - lower } });
  }
  traces.push({ x: x, y: y, mode: "lines", name: "recorded spikes", line: { color: style("--fg"), width: 1.3 }, hoverinfo: "skip" });
  if (at >= 0) range(trials["state.explained"].length).forEach((c) => traces.push({ x: trials["state.time_s"], y: trials["state.component"][at].map((s) => s[c]), yaxis: "y2", mode: "lines", name: "component " + (c + 1), line: { color: COMPONENTS()[c], width: 1.5 } }));
  const step = Math.max(1, Math.ceil(n / 24)), ticks = range(n).filter((i) => i % step === 0);
  const axes = { xaxis: titled("time, s", { range: trials.window_s, anchor: at >= 0 ? "y2" : "y" }), yaxis: titled("unit", { domain: [lower, 1], range: [n - 0.5, -0.5], tickvals: ticks, ticktext: ticks.map((i) => shortened(trials.unit[i], 10)), showgrid: false, zeroline: false }) };
  if (at >= 0) axes.yaxis2 = titled("state", { domain: [0, lower - 0.06], showgrid: false });
  draw(id, traces, axes, "Spikes of " + n + " units in trial " + trials.trial[k] + conditionOf(trials.condition[k]) + (m >= 0 ? ", over what " + trialModel.value + " adds to their rates" : ""));
  note(id, "Trial " + trials.trial[k] + conditionOf(trials.condition[k]) + ": " + x.length / 3 + " spikes of " + n + " units." + (m >= 0 ? " Colours end at " + number(most, 1) + "." : "") + (at >= 0 ? " Below: principal components of the hidden units of " + trials["state.model"] + "." : ""));
});
figure("p-states", (id) => {
  if (!trials || !trials["state.model"]) return nothing(id, "no network of all units was fitted");
  const palette = CONDITION_COLOURS(), few = trials.conditions.length <= palette.length, states = trials["state.component"], conditions = trials["state.condition"], traces = [];
  const mine = trials.condition[chosenTrial()], k = trials["state.trial"].indexOf(trials.trial[chosenTrial()]);
  const joined = (rows, c) => rows.flatMap((row) => states[row].map((s) => s[c]).concat([null]));
  const means = (rows, c) => trials["state.time_s"].map((_, t) => rows.reduce((sum, row) => sum + states[row][t][c], 0) / rows.length);
  range(trials.conditions.length).sort((a, b) => (a === mine) - (b === mine)).forEach((code) => {  // that of the trial on top
    const rows = range(conditions.length).filter((row) => conditions[row] === code);
    if (!rows.length) return;
    const own = few ? palette[code] : palette[1], name = few || code === mine ? trials.conditions[code] || "trials" : "other conditions";
    traces.push({ x: joined(rows, 0), y: joined(rows, 1), mode: "lines", name: name, line: { color: faint(few || code === mine ? own : "#808080", few || code === mine ? 0.4 : 0.06), width: 0.8 }, showlegend: false, hoverinfo: "skip" });
    if (few || code === mine) traces.push({ x: means(rows, 0), y: means(rows, 1), mode: "lines", name: (trials.conditions.length > 1 ? name + ", " : "") + "mean of " + rows.length + (rows.length > 1 ? " trials" : " trial"), line: { color: own, width: 2.4 } });
  });
  if (k >= 0) traces.push({ x: joined([k], 0), y: joined([k], 1), mode: "lines", name: "trial " + trials["state.trial"][k], line: { color: style("--fg"), width: 1.6, dash: "dot" } });
  const every = range(states.length), at = every.flatMap(() => trials["state.time_s"]);
  traces.push({ x: every.flatMap((row) => states[row].map((s) => s[0])), y: every.flatMap((row) => states[row].map((s) => s[1])), xaxis: "x2", yaxis: "y2", mode: "markers", name: "all trials by time", showlegend: false, marker: { size: 2.5, color: at, colorscale: "Viridis", colorbar: { title: { text: "time, s", side: "right" }, thickness: 12 } }, text: at.map((t) => number(t, 3) + " s"), hovertemplate: "%{text}<extra></extra>" });
  const name = (c) => "component " + (c + 1) + " (" + number(100 * trials["state.explained"][c], 0) + " %)";
  draw(id, traces, { showlegend: true, xaxis: titled(name(0), { domain: [0, 0.46], zeroline: false }), yaxis: titled(name(1), { zeroline: false }), xaxis2: titled(name(0), { domain: [0.54, 1], anchor: "y2", zeroline: false }), yaxis2: { anchor: "x2", zeroline: false } }, "States of " + trials["state.model"] + " in " + states.length + " held-out trials, by condition and by time");
  note(id, trials["state.model"] + ", one of its networks, " + states.length + " trials that it was not trained on." + (few ? "" : " " + trials.conditions.length + " conditions: that of the trial chosen above is in colour."));
});
