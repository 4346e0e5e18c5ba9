"""What is asked of every outcome: a documented end, clean messages, nothing written or run, and the right counts."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from benchmarks.fuzz import readers
from benchmarks.fuzz.cases import Case, Truth
from benchmarks.fuzz.server import Outcome

#: Growth of a process that reads a file of some kB; the limit of the case itself is higher.
GROWTH_BYTES = 400 << 20
LINES, LINE_CHARACTERS = 120, 2500
_TRACE = re.compile(r'File "[^"]*?((?:rnnspike|neo|h5py|pandas|rich|click)/[^"]*)", line (\d+), in (\S+)')
_GUARDED = re.compile(r"(?:could not be \w+|failed) \((.*)\); .*rnnspike --debug")
_WARNING = re.compile(r"^\S+:\d+: \w*Warning: .*", re.M)
#: What a spreadsheet takes for a formula; an option of rnnspike (``--segment 2s``) is none that does anything.
_FORMULA = re.compile(r"^(?!--[a-z])[=+\-@]")
#: Characters of category Cc that text may hold.
_PLAIN = {"\n", "\t"}


def unforeseen(outcome: Outcome) -> str:
    """Return the error within a line that the package's guard wrote, which is no message of its own."""
    found = _GUARDED.search(outcome.stderr.decode("utf-8", "backslashreplace"))
    return found.group(1) if found else ""


def faults(case: Case, outcome: Outcome, folder: Path) -> tuple[list[str], str]:
    """Return what is wrong, each as ``id: detail``, and the place in the code where a traceback ends."""
    out, err = (stream.decode("utf-8", "backslashreplace") for stream in (outcome.stdout, outcome.stderr))
    found = [
        *_end(outcome, err),
        *_streams(case, outcome, out, err),
        *_reach(case, outcome, out, err),
        *_pages(folder),
    ]
    if outcome.code in (0, 1, 3):
        found += _values(case, outcome, out, folder)
    places = _TRACE.findall(err)
    ours = [place for place in places if place[0].startswith("rnnspike/")] or places
    return found, ":".join(ours[-1]) if ours else ""


def _end(outcome: Outcome, err: str) -> Iterator[str]:
    from rnnspike.errors import ExitCode

    if outcome.code is None:
        yield "time: not done within the limit"
    elif outcome.code < 0:
        yield f"signal: died of signal {-outcome.code}"
    elif outcome.code not in {code.value for code in ExitCode} - {130, 141, 143}:
        yield f"exit: code {outcome.code} is not documented"
    if outcome.grown_bytes > GROWTH_BYTES or "Unable to allocate" in err or "MemoryError" in err:
        yield f"memory: grew by {outcome.grown_bytes >> 20} MiB"
    if outcome.left_behind:
        yield f"processes: {outcome.left_behind} left behind"
    if "Traceback (most recent call last)" in err:
        yield f"traceback: {err.strip().splitlines()[-1][:160]}"
    elif outcome.code and outcome.code > 0 and not err.strip():
        yield f"silent: exit code {outcome.code} without a word"


def _streams(case: Case, outcome: Outcome, out: str, err: str) -> Iterator[str]:
    lines = err.split("\n")
    echoed = sum(map(len, (*case.arguments, *case.environment.values())))
    if len(lines) > LINES or max(map(len, lines)) > LINE_CHARACTERS + echoed:
        yield f"stderr: {len(lines)} lines, the longest of {max(map(len, lines))} characters"
    if warned := _WARNING.search(err):
        yield f"warning: {warned.group()[-160:]}"
    for name, raw in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            yield f"encoding: {name} is no UTF-8 ({error})"
            continue
        odd = sorted({char for char in text if unicodedata.category(char) == "Cc"} - _PLAIN)
        if odd and not (name == "stdout" and _output_format(case) == "csv"):  # CSV holds names as they are
            yield f"control: {name} holds {odd!r}"
    form = _output_format(case)
    if form == "jsonl":
        for line in filter(None, out.split("\n")):
            try:
                json.loads(line)
            except ValueError:
                yield f"jsonl: no JSON: {line[:100]!r}"
                break
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(out, newline="")) for cell in row]
        formula = [cell for cell in cells if _FORMULA.match(cell) and not _is_number(cell)]
        if formula:
            yield f"formula: csv holds {formula[0][:60]!r}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _output_format(case: Case) -> str:
    arguments = list(case.arguments)
    return arguments[arguments.index("--format") + 1] if "--format" in arguments[:-1] else ""


def _reach(case: Case, outcome: Outcome, out: str, err: str) -> Iterator[str]:
    """Yield what was written outside ``out``, read from outside, or called damaged though it is sound."""
    changed = [name for name in outcome.changed if not name.startswith("home/")]
    if changed:
        yield f"written: {', '.join(changed[:4])}"
    for text in case.forbidden:
        if text in out or text in err:
            yield f"outside: shows {text!r}, which lies outside the recording's folder"
    if case.must_refuse and outcome.code == 0:
        yield "outside: what lies outside the recording's folder was read"
    if case.must_say and outcome.code == 0 and case.must_say not in out + err:
        yield f"unsaid: nothing is said of a {case.must_say}"
    if case.is_valid_hdf5 and re.search(r"copy or download|is truncated|is damaged", err):
        yield f"blamed: sound HDF5 is called damaged: {err.strip().splitlines()[0][-160:]}"


class _Page(HTMLParser):
    """A report: its JSON, and elements that only a name can have brought in."""

    def __init__(self) -> None:
        super().__init__()
        self.json: list[str] = []
        self.alien: list[str] = []
        self._in_json = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note elements that would run something."""
        self._in_json = tag == "script" and ("type", "application/json") in attrs
        if any(name.startswith("on") for name, _ in attrs):
            self.alien.append(tag)

    def handle_data(self, data: str) -> None:
        """Collect the JSON of script elements."""
        if self._in_json:
            self.json.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Leave the script."""
        self._in_json = False


def _pages(folder: Path) -> Iterator[str]:
    """Yield what breaks the scripts or the markup of reports in ``out``."""
    for path in (folder / "out").rglob("*.html"):
        if path.is_symlink() or not path.is_file():
            continue
        page = _Page()
        page.feed(path.read_text("utf-8", errors="replace"))
        if page.alien:
            yield f"page: {path.name} holds an alien {page.alien[0]}"
        for text in page.json:
            try:
                json.loads(text)
            except ValueError as error:
                yield f"page: {path.name} holds broken JSON ({error})"
            if "<!--" in text:
                yield f"page: {path.name} holds a comment's start in its JSON"


def _values(case: Case, outcome: Outcome, out: str, folder: Path) -> Iterator[str]:
    rows = list(_rows(out)) if _output_format(case) == "jsonl" else []
    if case.truth is not None:
        yield from _against_truth(case, outcome, rows, case.truth)
    if case.units is not None and outcome.code == 0:
        shown = {row.get("unit") for row in rows}
        if shown != case.units:
            yield f"values: units {sorted(map(str, shown))}, not {sorted(case.units)}"
    if case.good is not None:
        name, truth = case.good
        own = [row for row in rows if str(row.get("recording")).endswith(name)]
        if outcome.code == 3:
            yield "batch: a sound recording was not read"
        else:
            yield from _counts("batch", own, truth)
    if case.independent is not None and outcome.code == 0 and case.arguments[0] == "inspect":
        yield from _against_reader(rows, readers.read(folder / case.independent))


def _rows(out: str) -> Iterator[dict[str, Any]]:
    for line in filter(None, out.split("\n")):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _against_truth(case: Case, outcome: Outcome, rows: list[dict[str, Any]], truth: Truth) -> Iterator[str]:
    if outcome.code != 0:
        yield f"values: refused, though nothing that counts was changed (exit code {outcome.code})"
    elif case.arguments[0] == "psth":
        found = {row["unit"]: row["n_spikes"] for row in rows if "n_spikes" in row}
        if found != truth.counts_in_windows():
            yield f"values: spikes in windows {found}, not {truth.counts_in_windows()}"
        n_trials = {row["n_trials"] for row in rows if "n_trials" in row}
        if n_trials != {len(truth.starts_s)}:
            yield f"values: {n_trials} trials, not {len(truth.starts_s)}"
    elif case.arguments[0] == "inspect":
        yield from _counts("values", rows, truth)


def _counts(fault: str, rows: list[dict[str, Any]], truth: Truth) -> Iterator[str]:
    found = {row["name"]: row["n_spikes"] for row in rows if row.get("row") == "unit"}
    if found != truth.counts():
        yield f"{fault}: spikes {found}, not {truth.counts()}"
    tables = {row["name"]: row["n_rows"] for row in rows if row.get("row") == "table"}
    if truth.n_rows is not None and tables.get("trials") != truth.n_rows:
        yield f"{fault}: {tables.get('trials')} trials, not {truth.n_rows}"


def _against_reader(rows: list[dict[str, Any]], read: readers.Read) -> Iterator[str]:
    units = [row for row in rows if row.get("row") == "unit"]
    for i, count in read.counts.items():
        if i >= len(units):
            yield f"values: {len(units)} units, though the file holds {read.n_units}"
            break
        if units[i]["n_spikes"] != count:
            yield f"values: unit {units[i]['name']} has {units[i]['n_spikes']} spikes, the file {count}"
            break
    named = {unit["name"]: unit["n_spikes"] for unit in units}
    wrong = [(unit, count) for unit, count in read.by_id.items() if named.get(unit) != count]
    if wrong:
        yield f"values: unit {wrong[0][0]} has {named.get(wrong[0][0])} spikes, the file {wrong[0][1]}"
    if read.ids is not None and [unit["name"] for unit in units] != read.ids:
        yield f"values: units {[unit['name'] for unit in units][:6]}, the file's ids are {read.ids[:6]}"
    tables = {row["name"]: row["n_rows"] for row in rows if row.get("row") == "table"}
    if read.n_trials is not None and tables.get("trials") != read.n_trials:
        yield f"values: {tables.get('trials')} trials, the file has {read.n_trials}"
