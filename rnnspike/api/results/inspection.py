"""What ``inspect`` returns: contents of a recording, what is wrong or odd in it, and how to fit it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from rnnspike.api.results.tables import frame_of, html_table
from rnnspike.api.terms import in_python
from rnnspike.config import FitSettings
from rnnspike.names import visible
from rnnspike.recording.data import Finding, ReadOptions, Recording
from rnnspike.recording.findings import group_findings
from rnnspike.recording.overview.suggest import Suggestion, suggested_fit
from rnnspike.recording.overview.summary import covariate_rows, metadata_text, table_rows, unit_rows
from rnnspike.wording import counted

#: Numbers of a unit that a notebook shows.
_NUMBERS = ("n_spikes", "rate_hz", "observed_s", "contamination")


@dataclass(frozen=True, eq=False, repr=False)
class Inspection:
    """A recording that was looked at.

    Attributes
    ----------
    recording
        The recording, with findings of every level.
    options
        How it was read.
    """

    recording: Recording
    options: ReadOptions

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row per unit: spikes, rate, observed time, short intervals, estimated foreign spikes, metadata.

        Metadata that are called as one of the numbers are in ``recording.units`` alone.
        """
        rows = list(unit_rows(self.recording))
        metadata = [row.pop("metadata") for row in rows]
        numbers = dict.fromkeys(("rate_hz", "observed_s", "short_isi_share", "contamination"), float)
        return frame_of([{**row, **own, **row} for own, row in zip(metadata, rows, strict=True)], numbers)

    @cached_property
    def tables(self) -> pd.DataFrame:
        """One row per column of a table: its kind, rows, role (time, condition, ...) and number of values."""
        rows = [
            {"table": table["table"], "kind": table["kind"], "n_rows": table["n_rows"]}
            | {"column": column.name, "role": column.role, "n_levels": column.n_levels}
            for table in table_rows(self.recording)
            for column in table["columns"]
        ]
        return frame_of(rows)

    @cached_property
    def covariates(self) -> pd.DataFrame:
        """One row per time series."""
        return frame_of(list(covariate_rows(self.recording)))

    @cached_property
    def findings(self) -> pd.DataFrame:
        """One row per finding: id, level (error, warning, info), message, count, unit, option."""
        return frame_of([asdict(finding) for finding in map(_in_python, self.recording.findings)])

    @cached_property
    def suggestion(self) -> Suggestion | None:
        """The suggested fit and its alternatives; None where a finding of level error prevents one."""
        return suggested_fit(self.recording, self.options)

    @property
    def command(self) -> str | None:
        """The suggested fit on the command line."""
        return self.suggestion.line if self.suggestion else None

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the suggested fit: ``rnnspike.fit(recording, **inspection.arguments)``."""
        return arguments_of(self.suggestion.options) if self.suggestion else {}

    @property
    def call(self) -> str | None:
        """The suggested fit in Python."""
        if self.suggestion is None:
            return None
        source = repr(str(self.recording.path)) if isinstance(self.recording.origin, tuple) else "recording"
        return (
            f"rnnspike.fit({', '.join([source, *(f'{name}={value!r}' for name, value in self.arguments.items())])})"
        )

    def __repr__(self) -> str:
        spikes = sum(len(unit.spike_times_s) for unit in self.recording.units)
        parts = [counted(len(self.recording.units), "unit{s}"), counted(spikes, "spike{s}")]
        parts += [f"table {name}" for name in (*self.recording.intervals, *self.recording.events)][:4]
        found = counted(len(group_findings(self.recording.findings)), "kind{s} of finding")
        name = visible(self.recording.path.name)
        return f"<Inspection {name}: {', '.join(parts)}; {found}; {self.call or 'cannot be fitted as it is'}>"

    def _repr_html_(self) -> str:
        units = [
            [row["unit"], *(_number(row[key]) for key in _NUMBERS), metadata_text(row["metadata"])]
            for row in unit_rows(self.recording)
        ]
        tables = [
            [table["table"], table["kind"], str(table["n_rows"]), _named(table["columns"])]
            for table in table_rows(self.recording)
        ]
        found = [
            [each.level, each.id, each.message, each.option or ""]
            for each in map(_in_python, group_findings(self.recording.findings))
        ]
        headings = ("unit", "spikes", "rate (Hz)", "observed (s)", "foreign", "metadata")
        name = f"{self.recording.path.name} ({self.recording.format})"
        html = html_table(headings, units, name)
        html += html_table(("table", "kind", "rows", "columns"), tables) if tables else ""
        html += html_table(("level", "finding", "what", "option"), found) if found else ""
        return html + (f"<pre>{escape(visible(self.call))}</pre>" if self.call else "")


def arguments_of(options: Iterable[str]) -> dict[str, Any]:
    """Return options of the command line as arguments.

    Examples
    --------
    >>> arguments_of(["--window", "-0.2", "1.0", "--condition", "side", "--drop-duplicates"])
    {'window': (-0.2, 1.0), 'condition': 'side', 'drop_duplicates': True}
    """
    words: dict[str, list[str]] = {}
    name = ""
    for word in options:
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            words.setdefault(name, [])
        else:
            words[name].append(word)
    many = ("condition", "covariate", "window")
    texts: dict[str, Any] = {
        name: each if name in many else each[0] if each else True for name, each in words.items()
    }
    settings = FitSettings(**texts)
    return {name: _plain(getattr(settings, name), name) for name in texts}


def _in_python(finding: Finding) -> Finding:
    """Return a finding that names arguments in place of options."""
    option = None if finding.option is None else in_python(finding.option)
    return replace(finding, message=in_python(finding.message), option=option)


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, Path):
        return str(value)
    return value[0] if isinstance(value, tuple) and name != "window" and len(value) == 1 else value


def _number(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _named(columns: Any) -> str:
    return ", ".join(
        f"{column.name} ({column.role})" if column.role in ("time", "condition") else column.name
        for column in columns
    )
