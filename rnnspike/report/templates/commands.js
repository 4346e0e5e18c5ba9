// What is there to copy; the run's own folder in commands, where the page lies in it.
const quoted = (words) => /^[\w@%+=:,.\/-]+$/.test(words) ? words : "'" + words.replace(/'/g, "'\"'\"'") + "'";
function ownFolder(usual) {
  if (location.protocol !== "file:") return usual;
  try {
    const folder = decodeURIComponent(location.pathname).replace(/^\/(?=[A-Za-z]:)/, "").replace(/\/report\.html$/, "");
    return folder.endsWith(usual.slice(usual.lastIndexOf("/"))) ? folder : usual;
  } catch (error) { return usual; }  // a name that is not UTF-8
}
for (const place of document.querySelectorAll(".command")) {
  const code = place.querySelector("code"), said = place.querySelector("[role=status]");
  if (overview.run_folder) code.textContent = code.textContent.split(quoted(overview.run_folder)).join(quoted(ownFolder(overview.run_folder)));
  const select = () => { getSelection().selectAllChildren(code); said.textContent = "Selected: copy it with Ctrl+C or ⌘C."; };
  place.querySelector("button").addEventListener("click", () => {
    if (!navigator.clipboard) return select();
    navigator.clipboard.writeText(code.textContent).then(() => { said.textContent = "Copied."; }, select);
  });
}
