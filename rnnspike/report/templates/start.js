// Theme, controls, printing; the first drawing.
function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const button = byId("theme");
  button.textContent = dark ? "Light" : "Dark"; button.setAttribute("aria-pressed", String(dark));
  if (unitData.length && unit(chosen)) showUnit();
  refresh("");
}
const fromHash = () => { const found = /^#unit=(.+)$/.exec(location.hash); return found && overview.units ? overview.units.indexOf(decodeURIComponent(found[1])) : -1; };
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.dataset.theme = prefersDark ? "dark" : "light";
if (!overview.over) { figure("ladder", ladder); figure("steps", stepsFigure); }
byId("theme").addEventListener("click", () => theme(!isDark()));
byId("theme").textContent = prefersDark ? "Light" : "Dark";
byId("theme").setAttribute("aria-pressed", String(prefersDark));
let first = Promise.resolve();
if (unitData.length) {
  figureModel.addEventListener("change", showUnit);
  otherModel.addEventListener("change", showUnit);
  byId("previous").addEventListener("click", () => choose((chosen + unitData.length - 1) % unitData.length));
  byId("next").addEventListener("click", () => choose((chosen + 1) % unitData.length));
  window.addEventListener("hashchange", () => { if (fromHash() >= 0) choose(fromHash(), true); });
  first = choose(Math.max(0, fromHash()), fromHash() >= 0);
} else drawTable();
let themeBefore = null, unfolded = [], wide = window.innerWidth, resized = 0;  // folded lists are printed in full
window.addEventListener("resize", () => { if (window.innerWidth === wide) return; wide = window.innerWidth; clearTimeout(resized); resized = setTimeout(() => refresh(""), 200); });  // panels go beside or below each other
window.addEventListener("beforeprint", () => { themeBefore = isDark(); document.documentElement.classList.add("printing"); if (themeBefore) document.documentElement.dataset.theme = "light"; unfolded = Array.from(document.querySelectorAll("details.unfold:not([open])")); for (const each of unfolded) each.open = true; drawTable(); if (furtherRows.length) drawFurtherRows(); for (const state of figures.values()) state.stale = true; drawEverything(); });
window.addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); if (themeBefore) document.documentElement.dataset.theme = "dark"; for (const each of unfolded) each.open = false; drawTable(); refresh(""); });
// Figures of all units are drawn in idle moments, so that a picture of the whole page has them; a unit's when they are reached.
const whenIdle = window.requestIdleCallback || ((task) => setTimeout(task, 50));
function drawRest(ids) {
  if (!ids.length) { document.documentElement.dataset.drawn = "yes"; return; }
  whenIdle(() => { drawFigure(ids[0]); drawRest(ids.slice(1)); });
}
window.addEventListener("DOMContentLoaded", () => { watch(); first.then(() => { drawInView(); document.documentElement.dataset.ready = "yes"; drawRest(Array.from(figures.keys()).filter((id) => !id.startsWith("f-"))); }); });
