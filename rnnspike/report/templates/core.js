// Helpers of all figures: data, colours, drawing when seen, export.
const byId = (id) => document.getElementById(id);
const overview = JSON.parse(byId("overview").textContent);
const records = (table) => table.values.map((row) => Object.fromEntries(table.names.map((name, k) => [name, row[k]])));
overview.rows = records(overview.rows);
const unitData = Array.from(document.querySelectorAll("script.unit-data"));
const parsed = new Map();
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isDark = () => document.documentElement.dataset.theme === "dark";
const colour = (model) => (overview.colours[model] || overview.colours[""])[isDark() ? 1 : 0];
const faint = (hex, alpha) => "rgba(" + rgbOf(hex).join(",") + "," + alpha + ")";
const known = (value) => value !== null && value !== undefined;
const number = (value, digits) => known(value) ? Number(value).toFixed(digits === undefined ? 3 : digits).replace(/^-(?=[0.]+$)/, "") : "–";  // no -0.000
const roundedUp = (value) => { const step = 10 ** (Math.floor(Math.log10(value)) - 1); return String(Number((Math.ceil(value / step - 1e-6) * step).toPrecision(2))); };
// a p below what is told, or the least that its test can give (as wording.p_text)
const pText = (p, least) => !known(p) ? "–" : p < 0.001 ? "< 0.001" : known(least) && p < Math.min(1, 1.3 * least) ? "< " + roundedUp(p) : number(p, 3);
const signed = (value, digits) => known(value) ? (value > 0 ? "+" : "") + number(value, digits) : "–";
const text = (tag, content, className) => { const element = document.createElement(tag); element.textContent = content; if (className) element.className = className; return element; };
// a unit by its id, and the file's own name where it has one
const unitLabel = (id) => (overview.unit_names || {})[id] ? id + " (" + overview.unit_names[id] + ")" : id;
const shortened = (words, most) => words.length > most ? words.slice(0, most - 1) + "…" : words;
const range = (n) => Array.from({ length: n }, (_, i) => i);
const zip = (a, b, f) => a.map((x, i) => known(x) && known(b[i]) ? f(x, b[i]) : null);
const errors = (y, low, high) => ({ type: "data", symmetric: false, array: zip(high, y, (a, b) => a - b), arrayminus: zip(y, low, (a, b) => a - b), color: style("--soft"), thickness: 1.2, width: 0 });
function quantile(values, q) {
  const v = values.filter(known).sort((a, b) => a - b);
  if (!v.length) return null;
  const at = (v.length - 1) * q, low = Math.floor(at);
  return v[low] + (at - low) * ((v[low + 1] === undefined ? v[low] : v[low + 1]) - v[low]);
}
// limits that leave out single outliers of many values, and how many those are
function fences(values) {
  const v = values.filter(known), q = [quantile(v, 0.25), quantile(v, 0.75)], reach = v.length >= 30 ? 4 * (q[1] - q[0]) : Infinity;
  const low = Math.max(Math.min(...v), q[0] - reach), high = Math.min(Math.max(...v), q[1] + reach), pad = 0.06 * (high - low) || 0.1;
  return { range: [low - pad, high + pad], outside: v.filter((x) => x < low || x > high).length };
}
const outsideWords = (n) => n ? n + " value" + (n > 1 ? "s lie" : " lies") + " outside the axis (double-click to see all)." : "";
const median = (values) => quantile(values, 0.5);

// Long arrays come as 16-bit numbers in base64, all low bytes first; 65535 stands for undefined.
function unpacked(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value) || value.b === undefined) return value;
  const bytes = atob(value.b), n = bytes.length / 2, flat = new Array(n);
  for (let i = 0; i < n; i++) {
    const q = bytes.charCodeAt(i) + 256 * bytes.charCodeAt(n + i);
    flat[i] = q === 65535 ? null : value.lo + value.step * q;
  }
  return folded(flat, value.shape);
}
function folded(flat, shape) {
  if (shape.length < 2) return flat;
  const size = flat.length / shape[0];
  return range(shape[0]).map((i) => folded(flat.slice(i * size, (i + 1) * size), shape.slice(1)));
}
function lazy(source) {
  const cache = {};
  return new Proxy(source, { get: (all, name) => { if (!(name in cache)) cache[name] = unpacked(all[name]); return cache[name]; } });
}
// Of many units each part is compressed: it is loaded before it is looked at.
async function loadUnit(index) {
  if (parsed.has(index)) return;
  const element = unitData[index];
  let json = element.textContent;
  if (element.dataset.deflated) {
    const bytes = Uint8Array.from(atob(json), (c) => c.charCodeAt(0));
    json = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
  }
  const data = JSON.parse(json);
  data.curves = lazy(data.curves); data.pairs = records(data.pairs); data.rows = records(data.rows);
  parsed.set(index, data);
}
const unit = (index) => parsed.get(index);

// A figure is drawn when it comes near the window, and again when what it shows has changed.
const figures = new Map();
function figure(id, make) { if (byId(id)) figures.set(id, { make: make, stale: true, near: false }); }
function refresh(prefix) { for (const [id, state] of figures) if (id.startsWith(prefix)) { state.stale = true; if (state.near) drawFigure(id); } }
function drawFigure(id) {
  const state = figures.get(id);
  if (!state || !state.stale || (unitData.length && !unit(chosen))) return;
  state.stale = false;
  const why = unitData.length ? unit(chosen).lacking[id] : undefined;
  if (why) nothing(id, why); else state.make(id);
}
function drawEverything() { for (const id of figures.keys()) drawFigure(id); }
window.drawEverything = drawEverything;
// what is in view at first, all of it in a window as high as the page, is drawn without waiting for a frame
function drawInView() {
  for (const id of figures.keys()) {
    const place = byId(id + "-figure").getBoundingClientRect();
    if (place.top < window.innerHeight && place.bottom > 0) drawFigure(id);
  }
}
function watch() {
  const seen = new IntersectionObserver((entries) => { for (const entry of entries) {
    const id = entry.target.id.replace(/-figure$/, ""), state = figures.get(id);
    if (state) { state.near = entry.isIntersecting; if (state.near) drawFigure(id); }
  } }, { rootMargin: "300px" });
  for (const id of figures.keys()) { addButtons(id); seen.observe(byId(id + "-figure")); }
}
const CONFIG = { displaylogo: false, responsive: true, displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d"] };
function layout(extra, printing) {
  const axis = { gridcolor: style("--line"), zerolinecolor: style("--line"), linecolor: style("--edge"), automargin: true };
  const base = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: style("--fg"), size: printing ? 10 : 13 },
    margin: { l: 58, r: 14, t: 12, b: 46 }, showlegend: false, hovermode: "closest", hoverlabel: { bgcolor: style("--panel"), font: { color: style("--fg") }, bordercolor: style("--edge") },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 } };
  const merged = Object.assign(base, extra);
  for (const key of ["xaxis", "yaxis"]) if (!merged[key]) merged[key] = {};
  for (const key of Object.keys(merged)) if (/^[xy]axis\d*$/.test(key)) merged[key] = Object.assign({}, axis, merged[key]);
  return merged;
}
// black or white, whichever reads better on this colour
function inkOn(rgb) {
  const light = rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4)), l = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
  return l > 0.179 ? "#000000" : "#ffffff";
}
const rgbOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mixed = (a, b, t) => rgbOf(a).map((v, i) => v + (rgbOf(b)[i] - v) * t);
const titled = (title, more) => Object.assign({ title: { text: title, standoff: 6 } }, more || {});
const dashed = (axis, value) => Object.assign({ type: "line", line: { color: style("--soft"), dash: "dash", width: 1 } },
  axis === "y" ? { xref: "paper", x0: 0, x1: 1, y0: value, y1: value } : { yref: "paper", y0: 0, y1: 1, x0: value, x1: value });
// names are no markup: of what plotly takes for tags, only our own are left
const SHOWN = new Set(["name", "text", "hovertext", "hovertemplate", "ticktext", "title", "annotations"]);
const escaped = (value) => typeof value === "string" ? value.replace(/&/g, "&amp;").replace(/<(?!br>|\/?extra>)/g, "&lt;") : Array.isArray(value) ? value.map(escaped) : value && typeof value === "object" ? asData(value) : value;
const unescaped = (value) => value.replace(/&lt;/g, "<").replace(/&amp;/g, "&");
function asData(part) {
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, SHOWN.has(key) || /^[xy]axis/.test(key) ? escaped(value) : value]));
}
function draw(id, traces, options, description) {
  const element = byId(id), printing = document.documentElement.classList.contains("printing");
  element.classList.remove("empty");
  const why = element.parentNode.querySelector(".why");
  if (why) why.remove();
  element.setAttribute("aria-label", description);
  const wanted = layout(asData(options), printing);
  element.style.height = options.height ? options.height + "px" : "";
  if (printing) { wanted.autosize = false; wanted.width = element.clientWidth; wanted.height = element.clientHeight; }
  Plotly.react(element, traces.map(asData), wanted, CONFIG);
}
function nothing(id, why) {
  const element = byId(id);
  if (element.data) Plotly.purge(element);
  element.classList.add("empty");
  element.setAttribute("aria-label", why);
  if (!element.parentNode.querySelector(".why")) element.after(text("p", "", "why"));
  element.parentNode.querySelector(".why").textContent = "Not shown: " + why + ".";
}
const note = (id, words) => { byId(id + "-note").textContent = words || ""; };

function addButtons(id) {
  const place = document.querySelector('.export[data-for="' + id + '"]');
  if (!place) return;
  const title = byId(id + "-figure").querySelector(".title").textContent;
  for (const [label, save] of [["SVG", "svg"], ["PNG", "png"], ["CSV", "csv"]]) {
    const button = text("button", label);
    button.type = "button";
    button.setAttribute("aria-label", "Save " + title + " as " + label);
    button.addEventListener("click", () => save === "csv" ? saveCsv(id) : savePicture(id, save));
    place.append(button);
  }
}
const fileName = (id) => id.replace(/^f-/, "unit_" + (byId("unit-name") ? byId("unit-name").textContent : "") + "_").replace(/[^\w.-]+/g, "_");
function savePicture(id, format) { drawFigure(id); const e = byId(id); if (e.data) Plotly.downloadImage(e, { format: format, filename: fileName(id), width: e.clientWidth, height: e.clientHeight, scale: format === "png" ? 3 : 1 }); }
function csvOf(id) {
  const lines = ["trace,x,y"], cell = (v) => { const s = known(v) ? typeof v === "string" && /^'*[=+\-@]/.test(v) && isNaN(v) ? "'" + v : String(v) : ""; return /[",\n]/.test(s) ? '"' + s.replace(/"/g, '""') + '"' : s; };
  for (const trace of byId(id).data || []) {
    if (trace.isKey) continue;  // an entry of the legend
    if (trace.z) { const rows = trace.rowNames || trace.y, columns = trace.columnNames || trace.x; trace.z.forEach((row, i) => row.forEach((z, j) => lines.push([cell(rows[i]), cell(columns[j]), cell(z)].join(",")))); continue; }
    const x = trace.uncutX || trace.x || [], y = trace.uncut || trace.y || [];  // numbers are saved as they are, also where drawn at the edge
    for (let i = 0; i < Math.max(x.length, y.length); i++) lines.push([cell(unescaped(trace.name || "")), cell(x[i]), cell(y[i])].join(","));
  }
  return lines.join("\n") + "\n";
}
function saveCsv(id) {
  drawFigure(id);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csvOf(id)], { type: "text/csv" }));
  link.download = fileName(id) + ".csv";
  link.click();
  URL.revokeObjectURL(link.href);
}
