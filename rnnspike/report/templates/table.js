// The table of units: columns that can be chosen, sorted, and filtered by one of them.
const isPrinting = () => document.documentElement.classList.contains("printing");
const intervalOf = (row, name, digits) => known(row[name + "_low"]) && known(row[name + "_high"]) ? number(row[name + "_low"], digits) + " to " + number(row[name + "_high"], digits) : "";
const isNumeric = (column) => !["text", "verdict", "remark"].includes(column.form);
const inFull = (column) => (column.group ? column.group + ": " : "") + column.label;
const COLUMNS = overview.columns.filter((column) => column.key === "sufficient" || overview.rows.some((row) => known(row[column.key])));
const onShow = new Set(COLUMNS.filter((column) => column.shown).map((column) => column.key));
// those chosen, without remarks where the model has none; a line goes before each that does not continue a group
const columnsShown = () => COLUMNS.filter((column) => onShow.has(column.key) && (column.form !== "remark" || overview.rows.some((row) => row.model === tableModel.value && known(row.message)))).map((column, k, all) => Object.assign({ begins: k > 0 && (column.group !== all[k - 1].group) }, column));
let sortKey = overview.over ? "recording" : null, sortUp = true, chosen = 0, wanted = 0;
const tableModel = byId("table-model"), filter = byId("filter"), filterColumn = byId("filter-column");
function fill(select, options, value) { if (!select) return; select.replaceChildren(...options.map(([key, label]) => { const o = text("option", label); o.value = key; return o; })); select.value = value; }
const natural = new Intl.Collator("en", { numeric: true });
function compare(a, b) {
  const x = a[sortKey], y = b[sortKey];
  if (!known(x)) return 1;
  if (!known(y)) return -1;
  return (sortUp ? 1 : -1) * (typeof x === "number" ? x - y : natural.compare(x, y));
}
function heading(column) {
  const th = document.createElement("th"), sorted = column.key === sortKey, words = column.label + (sorted ? (sortUp ? " ▲" : " ▼") : "");
  th.scope = "col";
  th.className = isNumeric(column) ? "n" : column.form === "remark" ? "remark" : "";
  th.classList.toggle("begins", column.begins);
  if (!column.group) th.rowSpan = 2;
  if (isPrinting()) { th.textContent = words; return th; }  // buttons are not repeated at the head of each sheet
  const button = text("button", words);
  button.type = "button"; button.dataset.key = column.key;
  if (column.group) button.setAttribute("aria-label", inFull(column));
  th.setAttribute("aria-sort", sorted ? (sortUp ? "ascending" : "descending") : "none");
  button.addEventListener("click", () => {
    sortUp = sorted ? !sortUp : true; sortKey = column.key;
    drawTable();
    byId("units").tHead.querySelector('button[data-key="' + column.key + '"]').focus();
  });
  th.append(button);
  return th;
}
// two lines: columns of one kind stand under a heading of theirs
function headRows() {
  const upper = document.createElement("tr"), lower = document.createElement("tr");
  let last = "";
  for (const column of columnsShown()) {
    if (!column.group) upper.append(heading(column));
    else if (column.group === last) upper.lastChild.colSpan += 1;
    else { const th = text("th", column.group, "group begins"); th.scope = "colgroup"; upper.append(th); }
    if (column.group) lower.append(heading(column));
    last = column.group;
  }
  return [upper, lower];
}
function cellText(row, key, form) {
  if (key.endsWith("_capture") && row[key.replace("capture", "verdict")] === "cannot be judged") return "–";
  if (form === "p") return pText(row[key]);
  return /^[0-9]$/.test(form) ? number(row[key], Number(form)) : known(row[key]) ? String(row[key]) : "–";
}
function bodyRow(row) {
  const tr = document.createElement("tr"), index = overview.units ? overview.units.indexOf(row.unit) : -1;
  if (index === chosen && unitData.length) tr.className = "chosen";
  for (const { key, form, interval, begins } of columnsShown()) {
    const td = document.createElement("td");
    if (key === "unit" && index >= 0) { const b = text("button", unitLabel(row.unit), "unit"); b.type = "button"; b.addEventListener("click", () => choose(index, true)); td.append(b); }
    else if (key === "unit" && row.link) { const a = text("a", row.unit); a.href = row.link + "#unit=" + encodeURIComponent(row.unit); td.append(a); }
    else td.textContent = cellText(row, key, form);
    td.className = form === "verdict" ? String(known(row[key]) ? row[key] : "").split(" ")[0] : form === "remark" ? "remark" : isNumeric({ form: form }) ? "n" : "";
    td.classList.toggle("begins", begins);
    if (interval && td.textContent !== "–") td.append(text("span", intervalOf(row, key, Number(form)), "interval"));
    if (form === "remark" && known(row[key])) td.title = row[key];  // in full on the unit's page
    tr.append(td);
  }
  return tr;
}
// What is typed, as a test: "> 5" and "2 to 10" of a column of numbers; else a part of the words, "not" before it for those without
function matcher(typed, columns) {
  const asked = typed.trim().toLowerCase(), one = columns.length === 1 && isNumeric(columns[0]) ? columns[0].key : null;
  const bound = /^(<=|>=|<|>|=|≤|≥)\s*(-?[\d.]+(?:e[-+]?\d+)?)$/.exec(asked), ends = /^(-?[\d.]+)\s*(?:to|–|\.\.)\s*(-?[\d.]+)$/.exec(asked);
  if (one && bound) {
    const than = Number(bound[2]), holds = { "<": (v) => v < than, ">": (v) => v > than, "=": (v) => v === than, "<=": (v) => v <= than, "≤": (v) => v <= than, ">=": (v) => v >= than, "≥": (v) => v >= than }[bound[1]];
    return (row) => known(row[one]) && holds(row[one]);
  }
  if (one && ends) return (row) => known(row[one]) && row[one] >= Number(ends[1]) && row[one] <= Number(ends[2]);
  const without = /^not\s+\S/.test(asked), part = without ? asked.slice(4).trim() : asked;
  return (row) => columns.some(({ key, form }) => cellText(row, key, form).toLowerCase().includes(part)) !== without;
}
// Rows of a long table that wait until the page is there: to lay out 1000 of them takes half a second.
const ROWS_AT_ONCE = 100;
let furtherRows = [];
function drawFurtherRows() {
  byId("units").tBodies[0].append(...furtherRows.map(bodyRow));
  furtherRows = [];
}
function drawTable() {
  const table = byId("units");
  if (!table) return;
  table.tHead.replaceChildren(...headRows());
  let rows = overview.rows.filter((row) => row.model === tableModel.value);
  if (overview.sufficient) rows = rows.map((row) => Object.assign({ sufficient: overview.sufficient[row.unit] }, row));
  const total = rows.length, typed = filter.value.trim(), columns = COLUMNS.filter(({ key }) => !filterColumn.value || key === filterColumn.value);
  if (typed) rows = rows.filter(matcher(typed, columns));
  if (sortKey) rows = rows.slice().sort(compare);
  table.tBodies[0].replaceChildren(...rows.slice(0, ROWS_AT_ONCE).map(bodyRow));
  furtherRows = rows.slice(ROWS_AT_ONCE);
  if (furtherRows.length) setTimeout(drawFurtherRows);
  byId("remarks").replaceChildren(...rows.filter((row) => onShow.has("message") && known(row.message)).map((row) => text("li", (row.recording ? row.recording + ", " : "") + "unit " + row.unit + ": " + row.message)));
  byId("filter-said").textContent = !typed ? "" : rows.length ? rows.length + " of " + total + " units" : "No unit matches “" + typed + "” in " + (filterColumn.value ? inFull(columns[0]) : "any column") + (!filterColumn.value && /^[<>=≤≥]/.test(typed) ? ": choose a column of numbers to compare with" : "") + ".";
  byId("filter-clear").hidden = !typed;
  markUnit();
}
function columnBox(column) {
  const label = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox"; box.checked = onShow.has(column.key);
  box.addEventListener("change", () => { if (box.checked) onShow.add(column.key); else onShow.delete(column.key); drawTable(); });
  label.append(box, " " + inFull(column));
  return label;
}
if (byId("units")) {
  fill(tableModel, overview.models.map((m) => [m, m]), overview.models.includes(overview.headline) ? overview.headline : overview.models[overview.models.length - 1]);
  fill(filterColumn, [["", "any column"]].concat(COLUMNS.map((column) => [column.key, inFull(column)])), "");
  const menu = byId("columns");
  menu.querySelector("fieldset").append(...COLUMNS.filter(({ key }) => key !== "unit").map(columnBox));
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); } });
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  tableModel.addEventListener("change", drawTable);
  filterColumn.addEventListener("change", () => { filter.placeholder = COLUMNS.some((c) => c.key === filterColumn.value && isNumeric(c)) ? "> 5, or 2 to 10" : "missed, or not missed"; drawTable(); });
  filter.addEventListener("input", drawTable);
  byId("filter-clear").addEventListener("click", () => { filter.value = ""; drawTable(); filter.focus(); });
}
