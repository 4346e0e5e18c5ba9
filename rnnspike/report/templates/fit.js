// Tests of fit, and how the models were fitted.
figure("f-ks", (id) => {
  const c = unit(chosen).curves;
  const grid = c["ks.grid"], limit = c["ks.band"], traces = [];
  for (const [model, k, col] of shown(c)) traces.push(line(grid, zip(c["ks.pit"][k], grid, (a, b) => a - b), model, { color: col, width: 2 }));
  const off = shown(c).map(([, k]) => Math.max(...zip(c["ks.pit"][k], grid, (a, b) => Math.abs(a - b)))), reach = 1.1 * Math.max(limit, ...off);
  draw(id, traces, { xaxis: titled("rescaled interval (uniform under the model)", { range: [0, 1] }), yaxis: titled("data minus model", { range: [-reach, reach] }), shapes: [dashed("y", limit), dashed("y", -limit)] }, "KS plot, " + c["ks.n"] + " intervals, band ±" + number(limit) + "; largest distance of " + figureModel.value + " " + number(off[off.length - 1]));
});
figure("f-pit", (id) => {
  const c = unit(chosen).curves;
  const grid = c["ks.grid"], n = 20, traces = [], at = (values, u) => { let i = 0; while (i < grid.length - 2 && grid[i + 1] < u) i++; return values[i] + (u - grid[i]) / (grid[i + 1] - grid[i]) * (values[i + 1] - values[i]); };
  for (const [model, k, col] of shown(c)) {
    const density = range(n).map((i) => n * (at(c["ks.pit"][k], (i + 1) / n) - at(c["ks.pit"][k], i / n)));
    traces.push(line(range(n + 1).map((i) => i / n), density.concat(density[n - 1]), model, { color: col, width: 2, shape: "hv" }));
  }
  const spread = 1.96 * Math.sqrt((n - 1) / c["ks.n"]);
  draw(id, traces, { xaxis: titled("rescaled interval", { range: [0, 1] }), yaxis: titled("density", { rangemode: "tozero" }), shapes: [dashed("y", 1 + spread), dashed("y", Math.max(0, 1 - spread)), dashed("y", 1)] }, "Histogram of rescaled intervals of " + shown(c).map((m) => m[0]).join(" and ") + "; 1 is calibrated");
});
figure("f-independence", (id) => {
  const c = unit(chosen).curves;
  const limit = c["independence.band"], traces = shown(c).map(([model, k, col]) => ({ x: c["independence.lag"], y: c["independence.autocorrelation"][k], type: "bar", name: model, marker: { color: col } }));
  draw(id, traces, { barmode: "group", xaxis: titled("lag, intervals", { dtick: 1 }), yaxis: titled("autocorrelation"), shapes: [dashed("y", limit), dashed("y", -limit)] }, "Autocorrelation of rescaled intervals of " + shown(c).map((m) => m[0]).join(" and "));
});
figure("f-ogata", (id) => {
  const c = unit(chosen).curves;
  const traces = [], limit = c["ogata.wiener_band"], models = shown(c), top = models[models.length - 1];
  traces.push(line(c["ogata.time"], limit, "95 % boundary", { color: style("--soft"), dash: "dash", width: 1 }), line(c["ogata.time"], limit.map((v) => -v), "95 % boundary", { color: style("--soft"), dash: "dash", width: 1 }));
  const over = (name, k) => c["ogata." + name][k].map((v, i) => v / c["ogata.window"][k][i]);
  if (top) traces.push(...band(c["ogata.window"][top[1]], over("variance_low", top[1]), over("variance_high", top[1]), style("--band"), "95 % band", { xaxis: "x2", yaxis: "y2" }));
  for (const [model, k, col] of models) { traces.push(line(c["ogata.time"], c["ogata.wiener"][k], model, { color: col, width: 1.8 })); traces.push(line(c["ogata.window"][k], over("variance", k), model, { color: col, width: 1.8 }, { xaxis: "x2", yaxis: "y2" })); }
  draw(id, traces, isNarrow(id)  // below each other
    ? { height: 460, xaxis: titled("share of the spikes", { anchor: "y" }), yaxis: titled("Wiener process", { domain: [0.6, 1] }), xaxis2: titled("window, expected spikes", { anchor: "y2", type: "log" }), yaxis2: titled("variance / window", { domain: [0, 0.4], anchor: "x2", rangemode: "tozero" }) }
    : { xaxis: titled("share of the spikes", { domain: [0, 0.45], anchor: "y" }), yaxis: titled("Wiener process"), xaxis2: titled("window, expected spikes", { domain: [0.58, 1], anchor: "y2", type: "log" }), yaxis2: titled("variance / window", { anchor: "x2", rangemode: "tozero" }) }, "Wiener process test and variance against window of the rescaled train, " + models.map((m) => m[0]).join(" and "));
});
figure("f-training", (id) => {
  const runs = unit(chosen).training, traces = [], notes = [];
  for (const run of runs) {
    for (const [key, dash] of [["train_loss", "dot"], ["validation_loss", "solid"]]) {
      const y = run[key];
      if (Array.isArray(y) && y.length) traces.push(line(y.map((_, i) => i), y, run.model + (key === "train_loss" ? ", training" : ", validation"), { color: colour(run.model), dash: dash, width: 1.8 }, { connectgaps: true }));
    }
    for (const warning of run.warnings || []) notes.push(run.model + ": " + warning + ".");
  }
  note(id, notes.join(" "));
  if (!traces.length) return nothing(id, "no network was trained");
  draw(id, traces, { xaxis: titled("epoch"), yaxis: titled("loss, nats"), annotations: runs.filter((r) => Array.isArray(r.validation_loss) && r.validation_loss.length).map((r) => ({ x: r.validation_loss.length - 1, y: r.validation_loss.slice(-1)[0], text: r.model, showarrow: false, xanchor: "right", yanchor: "bottom", font: { color: colour(r.model), size: 11 } })) }, "Training and validation loss by epoch of " + runs.map((r) => r.model).join(", "));
});
figure("f-stack", (id) => {
  const folds = Object.values(unit(chosen).stack || {});
  if (!folds.length) return nothing(id, "no stack was fitted");
  const models = Object.keys(folds[0]), mean = models.map((m) => folds.reduce((s, f) => s + (f[m] || 0), 0) / folds.length);
  const traces = [{ x: models, y: mean, type: "bar", name: "mean", marker: { color: models.map(colour) }, hovertemplate: "%{x} %{y:.2f}<extra></extra>" }];
  folds.forEach((f, i) => traces.push({ x: models, y: models.map((m) => f[m] || 0), mode: "markers", name: "fold " + i, marker: { color: style("--fg"), size: 5, symbol: "line-ew-open" }, hovertemplate: "%{y:.2f}<extra>fold " + i + "</extra>" }));
  draw(id, traces, { yaxis: titled("weight", { range: [0, 1] }), xaxis: { type: "category", tickangle: -35 } }, "Stack weights: " + models.map((m, i) => m + " " + number(mean[i], 2)).join(", "));
});
