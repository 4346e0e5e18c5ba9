// The trained networks as dynamical systems, as `rnnspike dynamics` or the brief reading of a fit found them.
const network = byId("network-data") ? JSON.parse(byId("network-data").textContent) : null;
const networkSelect = byId("network"), inputSelect = byId("network-input");
const KINDS = { stable: ["circle", "#1d5fa6", "#7cc7f2"], neutral: ["square", "#00805f", "#35c79f"], saddle: ["x", "#a66f00", "#f0b429"], unstable: ["triangle-up", "#c04f00", "#ff8f4d"], slow: ["diamond", "#767676", "#a8a8a8"] };
const kindColour = (kind) => KINDS[kind][isDark() ? 2 : 1];
const theNetwork = () => network.networks[networkSelect.selectedIndex];
const theInput = () => theNetwork().inputs[Math.max(0, inputSelect.selectedIndex)];
const memoryOf = () => { const n = theNetwork(); if (!n.lazy) n.lazy = lazy(n.memory); return n.lazy; };
const inputOf = () => { const i = theInput(); if (!i.lazy) i.lazy = lazy(i); return i.lazy; };
const ms = (seconds) => known(seconds) ? number(1000 * seconds, 1000 * seconds < 10 ? 1 : 0) + " ms" : "undefined";
const MISSING = "not in this reading: rnnspike dynamics RUN, then rnnspike report RUN";
function showNetworks() {
  fill(networkSelect, network.networks.map((n, i) => [String(i), "unit " + n.unit + ", " + n.model + ", " + n.seed]), "0");
  networkSelect.addEventListener("change", () => { showInputs(); showNetwork(); });
  inputSelect.addEventListener("change", showNetwork);
  const head = document.createElement("tr"), table = byId("networks");
  head.append(...network.columns.map((c) => { const th = text("th", c); th.scope = "col"; return th; }));
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...network.table.map((row) => { const tr = document.createElement("tr"); tr.append(...row.map((v) => text("td", known(v) && v !== "" ? v : "–", typeof v === "number" ? "n" : ""))); return tr; }));
  byId("network-said").replaceChildren(...network.said.map((t) => text("li", t)));
  byId("network-brief").textContent = network.brief || "";
  byId("network-care").replaceChildren(...network.care.map((t) => text("li", t)));
  byId("network-figures").hidden = !network.networks.length;
  if (network.networks.length) { showInputs(); showNetwork(); }
}
function showInputs() { const before = inputSelect.value, names = theNetwork().inputs.map((i) => i.name); fill(inputSelect, names.map((n) => [n, n]), names.includes(before) ? before : names[0]); }
function showNetwork() {
  const i = theInput(), m = memoryOf(), count = {};
  for (const kind of i.kind) count[kind] = (count[kind] || 0) + 1;
  const shares = inputOf().basin_shares || [], points = Object.keys(count).map((k) => count[k] + " " + k + (k === "slow" || k === "saddle" ? " point" + (count[k] === 1 ? "" : "s") : " fixed point" + (count[k] === 1 ? "" : "s"))).join(", ") || "no points";
  byId("network-words").textContent = points + " under the input " + i.name + (i.n > 200 ? " (first 200)" : "") + "." + (shares.length ? " Orbits end at the stable ones: " + shares.map((s) => number(100 * s, 0) + " %").join(", ") + "." : "")
    + " Gates: median " + ms(median((m.gate_tau_s || []).filter(known))) + "; slowest mode over visited states " + ms(m.eigenvalue_tau_s) + "; a push in the read-out " + ms(m.measured_tau_s) + ". Gradient horizon " + (known(m.horizon_s) ? ms(m.horizon_s) : "beyond the lags looked at") + "." + (network.left_out ? " " + network.left_out + " more networks lie in the run's dynamics folder." : "");
  refresh("n-");
}
if (network) {
  figure("n-state", (id) => {
    const i = inputOf(), m = memoryOf();
    if (!i.plane_points || !m.trajectories) return nothing(id, MISSING);
    const traces = [], axis = (k) => "principal component " + (k + 1) + (m.plane_explained ? " (" + number(100 * m.plane_explained[k], 0) + " %)" : "");
    if (i.plane_grid) {
      const step = 0.85 * Math.sqrt(i.plane_grid.reduce((best, p) => { const d = (p[0] - i.plane_grid[0][0]) ** 2 + (p[1] - i.plane_grid[0][1]) ** 2; return d > 0 && d < best ? d : best; }, Infinity)), x = [], y = [];
      i.plane_grid.forEach((p, k) => { const f = i.plane_flow[k], n = Math.hypot(f[0], f[1]) || 1; x.push(p[0], p[0] + step * 0.6 * f[0] / n, null); y.push(p[1], p[1] + step * 0.6 * f[1] / n, null); });
      traces.push(line(x, y, "flow, direction", { color: style("--edge"), width: 0.8 }, { hoverinfo: "skip", opacity: 0.7 }), { x: i.plane_grid.map((p) => p[0]), y: i.plane_grid.map((p) => p[1]), mode: "markers", name: "flow, starts", marker: { size: 2.5, color: style("--edge") }, hoverinfo: "skip" });
    }
    m.trajectories.forEach((t, k) => traces.push(line(t.map((p) => p[0]), t.map((p) => p[1]), "trial " + (k + 1), { color: faint(isDark() ? "#7cc7f2" : "#2f8fc4", 0.65), width: 1 }, { hoverinfo: "skip" })));
    (i.cycles || []).map(unpacked).forEach((t, k) => traces.push(line(t.concat([t[0]]).map((p) => p[0]), t.concat([t[0]]).map((p) => p[1]), "limit cycle " + ms((i.cycle_period_s || [])[k]), { color: kindColour("unstable"), width: 2.5 })));
    for (const kind of Object.keys(KINDS)) {
      const at = range(i.plane_points.length).filter((k) => i.kind[k] === kind);
      if (at.length) traces.push({ x: at.map((k) => i.plane_points[k][0]), y: at.map((k) => i.plane_points[k][1]), mode: "markers", name: kind + " (" + at.length + ")", showlegend: true, marker: { symbol: KINDS[kind][0], size: 11, color: kindColour(kind), line: { color: style("--bg"), width: 1 } },
        text: at.map((k) => kind + "<br>speed " + number(i.speed_per_s[k], 3) + "/s" + (kind === "slow" ? ", dwell " + ms(i.dwell_s[k]) : "") + "<br>" + i.n_starts[k] + " starts end here"), hovertemplate: "%{text}<extra></extra>" });
    }
    for (const t of traces) if (t.showlegend === undefined) t.showlegend = false;
    draw(id, traces, { xaxis: titled(axis(0), { zeroline: false }), yaxis: titled(axis(1), { zeroline: false }), showlegend: true }, "State space of the network under the input " + theInput().name + ": " + byId("network-words").textContent.split(".")[0]);
  });
  figure("n-eigen", (id) => {
    const i = inputOf(), m = memoryOf(), bin = m.bin_s || null, traces = [], turn = range(181).map((k) => k * Math.PI / 90), ring = (r) => [turn.map((a) => r * Math.cos(a)), turn.map((a) => r * Math.sin(a))];
    const [cx, cy] = ring(1);
    traces.push(line(cx, cy, "unit circle", { color: style("--fg"), width: 1.3 }, { hoverinfo: "skip" }));
    const notes = [];
    for (const bins of [2, 5, 20]) { const r = Math.exp(-1 / bins), [x, y] = ring(r); traces.push(line(x, y, "τ " + bins + " bins", { color: style("--line"), width: 1 }, { hoverinfo: "skip" })); notes.push({ x: r * Math.cos(-1.9), y: r * Math.sin(-1.9), text: bin ? "τ " + ms(bins * bin) : "τ " + bins + " bins", showarrow: false, font: { size: 10, color: style("--soft") }, bgcolor: style("--bg") }); }
    for (const share of [0.05, 0.125, 0.25, 0.375]) { const a = 2 * Math.PI * share; traces.push(line([0, Math.cos(a), null, 0, Math.cos(a)], [0, Math.sin(a), null, 0, -Math.sin(a)], "f", { color: style("--line"), width: 1, dash: "dot" }, { hoverinfo: "skip" })); notes.push({ x: 1.1 * Math.cos(a), y: 1.1 * Math.sin(a), text: bin ? number(share / bin, 0) + " Hz" : share + "/bin", showarrow: false, font: { size: 10, color: style("--soft") } }); }
    if (m.visited_eigenvalues) { const v = m.visited_eigenvalues; traces.push({ x: unpacked(v.re), y: unpacked(v.im), mode: "markers", name: "visited states", marker: { size: 3, color: style("--edge"), opacity: 0.6 }, hoverinfo: "skip" }); }
    const re = unpacked(i.eigenvalues.re), im = unpacked(i.eigenvalues.im), of = (k) => i.kind[Math.floor(k / i.n_modes)];
    const say = (k) => { const r = Math.hypot(re[k], im[k]), f = bin ? Math.abs(Math.atan2(im[k], re[k])) / (2 * Math.PI * bin) : null, tau = bin && r > 0 && r !== 1 ? bin / Math.abs(Math.log(r)) : null; return of(k) + ", |λ| " + number(r, 4) + "<br>" + (r < 1 ? "τ " : "grows e-fold in ") + ms(tau) + ", f " + number(f, 1) + " Hz" + (i.note[k] ? "<br>" + i.note[k] : ""); };
    for (const kind of Object.keys(KINDS)) { const at = range(re.length).filter((k) => of(k) === kind); if (at.length) traces.push({ x: at.map((k) => re[k]), y: at.map((k) => im[k]), mode: "markers", name: kind, showlegend: true, marker: { size: 6, symbol: KINDS[kind][0], color: kindColour(kind) }, text: at.map(say), hovertemplate: "%{text}<extra></extra>" }); }
    for (const t of traces) if (t.showlegend === undefined) t.showlegend = false;
    const reach = Math.max(1.2, 1.08 * Math.max(0, ...re.map((v, k) => Math.hypot(v, im[k]))));
    draw(id, traces, { xaxis: titled("real", { range: [-reach, reach], zeroline: false, showgrid: false, constrain: "domain" }), yaxis: titled("imaginary", { range: [-reach, reach], zeroline: false, showgrid: false, scaleanchor: "x", constrain: "domain" }), annotations: notes, showlegend: true }, "Eigenvalues of the Jacobian in the unit circle; largest modulus " + number(Math.max(0, ...re.map((v, k) => Math.hypot(v, im[k]))), 4));
    note(id, i.n > 12 ? "Of the 12 leading points of " + i.n + "." : "");
  });
  figure("n-tau", (id) => {
    const m = memoryOf(), gates = (m.gate_tau_s || []).filter(known).map((v) => 1000 * v), rows = [["gates", gates], ["slowest mode", known(m.eigenvalue_tau_s) ? [1000 * m.eigenvalue_tau_s] : []], ["measured", known(m.measured_tau_s) ? [1000 * m.measured_tau_s] : []]];
    if (!rows.some((r) => r[1].length)) return nothing(id, MISSING);
    const traces = rows.map(([name, v], j) => ({ x: v, y: v.map((_, k) => j + (v.length > 1 ? 0.5 * (k / (v.length - 1) - 0.5) : 0)), mode: "markers", name: name, marker: { size: v.length > 1 ? 6 : 13, symbol: v.length > 1 ? "circle" : "diamond", color: [kindColour("neutral"), kindColour("saddle"), kindColour("stable")][j] }, hovertemplate: "%{x:.1f} ms<extra>" + name + "</extra>" })), shapes = [];
    if (known(m.history_s)) shapes.push(Object.assign(dashed("x", 1000 * m.history_s), { line: { color: style("--soft"), width: 2 } }));
    if (gates.length) traces.push({ x: [median(gates)], y: [0], mode: "markers", name: "median of the gates", marker: { size: 15, symbol: "line-ns-open", color: style("--fg"), line: { width: 3 } }, hovertemplate: "median %{x:.1f} ms<extra></extra>" });
    draw(id, traces, { xaxis: titled("time constant, ms", { type: "log" }), yaxis: { tickvals: [0, 1, 2], ticktext: rows.map((r) => r[0]), range: [2.6, -0.6], zeroline: false }, shapes: shapes }, "Time constants: gates median " + number(median(gates), 1) + " ms, slowest mode " + ms(m.eigenvalue_tau_s) + ", measured " + ms(m.measured_tau_s));
    note(id, known(m.history_s) ? "Grey line: the spikes' own history matters up to " + ms(m.history_s) + "." : "");
  });
  const powers = (v) => v.map((x) => known(x) ? Math.pow(10, x) : null), logAxis = (low) => ({ type: "log", exponentformat: "power", range: [low, 0.6] });
  figure("n-decay", (id) => {
    const m = memoryOf();
    if (!m.decay) return nothing(id, MISSING);
    const x = m.decay_lag_s.map((s) => 1000 * s), traces = [line(x, powers(m.decay), "read-out, measured", { color: kindColour("stable"), width: 2.2 })];
    for (const [name, tau, kind] of [["slowest mode", m.eigenvalue_tau_s, "saddle"], ["fitted to the push", m.measured_tau_s, "neutral"]]) if (known(tau) && tau > 0) traces.push(line(x, x.map((t) => Math.exp(-t / 1000 / tau)), name, { color: kindColour(kind), width: 1.4, dash: "dash" }));
    draw(id, traces, { xaxis: titled("lag, ms"), yaxis: titled("change of the log-rate", logAxis(-5)), showlegend: true }, "Decay of a push of the state in the read-out, time constant " + ms(m.measured_tau_s));
  });
  figure("n-gradient", (id) => {
    const m = memoryOf();
    if (!m.gradient) return nothing(id, MISSING);
    const traces = [line(m.gradient_lag_s.map((s) => 1000 * s), powers(m.gradient), "trained", { color: kindColour("stable"), width: 2.2 })], shapes = [dashed("y", 0.01)];
    if (m.untrained_gradient) traces.push(line(m.untrained_gradient_lag_s.map((s) => 1000 * s), powers(m.untrained_gradient), "before training", { color: style("--soft"), width: 2 }));
    if (m.product) traces.push(line(m.product_lag_s.map((s) => 1000 * s), powers(m.product), "product of Jacobians", { color: kindColour("saddle"), width: 1.4, dash: "dash" }));
    if (known(m.horizon_s)) shapes.push(dashed("x", 1000 * m.horizon_s));
    draw(id, traces, { xaxis: titled("lag back in time, ms"), yaxis: titled("norm over lag 0", logAxis(-7)), shapes: shapes, showlegend: true }, "Gradient by lag; horizon after training " + ms(m.horizon_s) + (m.untrained_gradient ? ", before " + ms(m.untrained_horizon_s) : ""));
    const reach = (s) => known(s) ? ms(s) : "beyond the lags looked at";
    note(id, "Horizon after training: " + reach(m.horizon_s) + (m.untrained_gradient ? ", before: " + reach(m.untrained_horizon_s) : "") + ".");
  });
  figure("n-bend", (id) => {
    const m = memoryOf();
    if (!m.bend_sum) return nothing(id, MISSING);
    const all = m.bend_sum.concat(m.bend_both).filter(known), low = Math.min(...all), high = Math.max(...all);
    draw(id, [line([low, high], [low, high], "linear", { color: style("--soft"), dash: "dash", width: 1 }, { hoverinfo: "skip" }), { x: m.bend_sum, y: m.bend_both, mode: "markers", name: "network", marker: { size: 4, color: kindColour("stable") }, hovertemplate: "%{x:.3f}, %{y:.3f}<extra></extra>" }],
      { xaxis: titled("R(A) + R(B)"), yaxis: titled("R(A + B)") }, "Response to two inputs against the sum of single responses; departure " + number(m.superposition, 3));
    note(id, "Departure from superposition: " + number(m.superposition, 3) + " (0: linear).");
  });
  figure("n-patterns", (id) => {
    const m = memoryOf();
    if (!m.pattern_hz) return nothing(id, "only of a network of all units that rnnspike dynamics RUN has looked into");
    const n = m.pattern_units.length, step = Math.max(1, Math.ceil(n / 24)), ticks = range(n).filter((i) => i % step === 0), of = m.n_patterns === 1 ? "1 pattern" : m.n_patterns + " patterns";
    const traces = [{ z: m.pattern_hz, x: range(m.pattern_numbers.length), y: range(n), type: "heatmap", zmin: 0, colorscale: "Viridis", text: m.pattern_units.map((u) => m.pattern_numbers.map((k) => "unit " + u + ", pattern " + k)), hovertemplate: "%{text}<br>%{z:.2f} Hz<extra></extra>", colorbar: { title: { text: "expected rate, Hz", side: "right" }, thickness: 12 } }];
    draw(id, traces, { xaxis: titled("pattern", { tickvals: range(m.pattern_numbers.length), ticktext: m.pattern_numbers.map(String), showgrid: false, zeroline: false }), yaxis: titled("unit", { range: [n - 0.5, -0.5], tickvals: ticks, ticktext: ticks.map((i) => shortened(m.pattern_units[i], 10)), showgrid: false, zeroline: false }) }, "Expected rates of " + n + " units in " + of + " of the closed loop");
    note(id, of + (m.n_patterns > m.pattern_numbers.length ? ", of which " + m.pattern_numbers.length + " are shown" : "") + ". How many come back after a disturbance is said under “In words”.");
  });
  showNetworks();
}
