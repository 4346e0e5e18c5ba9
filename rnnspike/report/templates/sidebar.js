// The list of sections beside the page: its units, and which section is being read.
const sidebar = byId("sidebar"), sideUnits = byId("side-units");
if (sideUnits) sideUnits.replaceChildren(...overview.units.map((name, index) => {
  const item = document.createElement("li"), link = text("a", unitLabel(name));
  link.href = "#unit=" + encodeURIComponent(name);
  link.addEventListener("click", (event) => { event.preventDefault(); choose(index, true); });
  item.append(link);
  return item;
}));
function markUnit() {
  if (!sideUnits) return;
  Array.from(sideUnits.children).forEach((item, index) => { if (index === chosen) item.firstChild.setAttribute("aria-current", "true"); else item.firstChild.removeAttribute("aria-current"); });
  requestAnimationFrame(() => {  // when the page is laid out anyway: of 1000 units that takes half a second
    const item = sideUnits.children[chosen];
    if (item) sideUnits.scrollTop = item.offsetTop - sideUnits.offsetTop - sideUnits.clientHeight / 2;
  });
}
const sideLinks = Array.from(sidebar.querySelectorAll('a[href^="#"]:not([href^="#unit="])')).filter((link) => byId(link.getAttribute("href").slice(1)));
// the last section that begins near the top of the window, and the one that it is part of
function markSection() {
  const begun = sideLinks.filter((link) => byId(link.getAttribute("href").slice(1)).getBoundingClientRect().top < Math.min(300, window.innerHeight / 3));
  const atEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2, current = atEnd && window.scrollY > 0 ? sideLinks[sideLinks.length - 1] : begun[begun.length - 1] || sideLinks[0];
  for (const link of sideLinks) {
    const isPart = link !== current && current !== undefined && link.parentNode.contains(current);
    link.classList.toggle("within", isPart);
    if (link === current) link.setAttribute("aria-current", "location"); else link.removeAttribute("aria-current");
  }
}
// Figures that are drawn on the way change the height of the page: the section is gone to again until it stands still,
// unless the reader moves.
let goal = null;
function settleAt(place, tries) {
  if (place !== goal) return;
  const off = place.getBoundingClientRect().top, atEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2;
  if (!tries || Math.abs(off) <= 60 || (off > 0 && atEnd)) { goal = null; return; }
  place.scrollIntoView({ behavior: "instant" });
  setTimeout(() => settleAt(place, tries - 1), 150);
}
for (const moved of ["wheel", "touchstart", "pointerdown", "keydown"]) window.addEventListener(moved, () => { goal = null; }, { passive: true });
for (const link of sideLinks) link.addEventListener("click", () => { const place = byId(link.getAttribute("href").slice(1)); goal = place; setTimeout(() => settleAt(place, 8), 700); });
let marking = false;
window.addEventListener("scroll", () => { if (!marking) { marking = true; requestAnimationFrame(() => { marking = false; markSection(); }); } }, { passive: true });
markSection();
