// The ladder over all units, and the table of units.
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
const COLUMNS = overview.columns, isNumeric = (column) => !["text", "verdict", "remark"].includes(column.form);
const keyOf = (column) => column.form === "interval" ? column.key + "_low" : column.key;
let sortKey = overview.over ? "recording" : null, sortUp = true, chosen = 0, wanted = 0;
const tableModel = byId("table-model"), filter = byId("filter");
function fill(select, options, value) { if (!select) return; select.replaceChildren(...options.map(([key, label]) => { const o = text("option", label); o.value = key; return o; })); select.value = value; }
const natural = new Intl.Collator("en", { numeric: true });
function compare(a, b) {
  const x = a[sortKey], y = b[sortKey];
  if (!known(x)) return 1;
  if (!known(y)) return -1;
  return (sortUp ? 1 : -1) * (typeof x === "number" ? x - y : natural.compare(x, y));
}
function headRow(table) {
  const head = document.createElement("tr");
  for (const column of COLUMNS) {
    const key = keyOf(column), th = document.createElement("th"), button = text("button", column.label + (key === sortKey ? (sortUp ? " ▲" : " ▼") : ""));
    button.type = "button";
    th.scope = "col";
    if (isNumeric(column)) th.className = "n";
    th.setAttribute("aria-sort", key === sortKey ? (sortUp ? "ascending" : "descending") : "none");
    button.addEventListener("click", () => { sortUp = key === sortKey ? !sortUp : true; sortKey = key; drawTable(); const again = table.tHead.querySelectorAll("button")[COLUMNS.findIndex((c) => keyOf(c) === key)]; if (again) again.focus(); });
    th.append(button); head.append(th);
  }
  return head;
}
function cellText(row, key, form) {
  if (key.endsWith("_capture") && row[key.replace("capture", "verdict")] === "cannot be judged") return "–";
  if (form === "p") return pText(row[key]);
  if (form === "interval") return known(row[key + "_low"]) ? number(row[key + "_low"], 2) + " to " + number(row[key + "_high"], 2) : "–";
  return /^[0-9]$/.test(form) ? number(row[key], Number(form)) : known(row[key]) ? row[key] : "–";
}
function bodyRow(row) {
  const tr = document.createElement("tr"), index = overview.units ? overview.units.indexOf(row.unit) : -1;
  if (index === chosen && unitData.length) tr.className = "chosen";
  for (const { key, form } of COLUMNS) {
    const td = document.createElement("td");
    if (key === "unit" && index >= 0) { const b = text("button", unitLabel(row.unit), "unit"); b.type = "button"; b.addEventListener("click", () => choose(index, true)); td.append(b); }
    else if (key === "unit" && row.link) { const a = text("a", row.unit); a.href = row.link + "#unit=" + encodeURIComponent(row.unit); td.append(a); }
    else td.textContent = cellText(row, key, form);
    td.className = form === "verdict" ? String(known(row[key]) ? row[key] : "").split(" ")[0] : form === "interval" ? "n interval" : form === "remark" ? "remark" : isNumeric({ form: form }) ? "n" : "";
    if (form === "remark" && known(row[key])) td.title = row[key];  // in full on the unit's page
    tr.append(td);
  }
  return tr;
}
function drawTable() {
  const table = byId("units");
  if (!table) return;
  table.tHead.replaceChildren(headRow(table));
  const wanted = (filter ? filter.value : "").toLowerCase();
  let rows = overview.rows.filter((row) => row.model === tableModel.value);
  if (overview.sufficient) rows = rows.map((row) => Object.assign({ sufficient: overview.sufficient[row.unit] }, row));
  if (wanted) rows = rows.filter((row) => COLUMNS.some(({ key }) => String(known(row[key]) ? row[key] : "").toLowerCase().includes(wanted)));
  if (sortKey) rows = rows.slice().sort(compare);
  table.tBodies[0].replaceChildren(...rows.map(bodyRow));
}
