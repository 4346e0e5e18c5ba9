"""A finished run in a notebook: its tables, figures and units."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rnnspike.api.arguments import several
from rnnspike.api.results.pictures import Pictures
from rnnspike.api.results.tables import frame_of, html_table, unknown
from rnnspike.api.terms import in_python, in_python_terms
from rnnspike.errors import ConfigError
from rnnspike.names import visible
from rnnspike.report.cells import HEADINGS, cells
from rnnspike.report.load import Curves, Run
from rnnspike.runs.rows import COLUMNS

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from rnnspike.report.figures.drawing import Picture

_TYPES = {column.name: column.type for column in COLUMNS}


class FittedRun(Run):
    """A finished run directory: what ``rnnspike.fit`` and ``rnnspike.score`` return.

    It stands for the path of its folder wherever a path is taken.

    Attributes
    ----------
    folder
        The run directory.
    rows
        One per unit and model, as dictionaries (docs/rows.md).
    pairs
        One row per unit and pair of models.
    findings
        What was found wrong or odd in the recording.
    settings
        Those of the fit.
    provenance
        Versions, hash of the input, host and times.
    """

    @property
    def report(self) -> Path | None:
        """The report, None where none was written."""
        page = self.folder / "report.html"
        return page if page.is_file() else None

    def rows_frame(self) -> pd.DataFrame:
        """Return one row per unit and model (docs/rows.md)."""
        return frame_of(self.rows, _TYPES)

    def pairs_frame(self) -> pd.DataFrame:
        """Return one row per unit and pair of models: gain of a over b in bits/spike, interval, p."""
        return self.pairs.copy()

    def unit(self, unit: str | int) -> FittedUnit:
        """Return one unit of the run.

        Parameters
        ----------
        unit
            Its id (``units`` has all).

        Raises
        ------
        ConfigError
            Where no such unit was fitted.
        """
        if str(unit) not in self.units:
            raise ConfigError(f"{self.name}: {unknown('fitted unit', str(unit), self.units)}")
        return self._units.setdefault(str(unit), FittedUnit(self, str(unit)))

    @cached_property
    def _units(self) -> dict[str, FittedUnit]:
        return {}

    @property
    def figure_names(self) -> list[str]:
        """Names of the figures of the run; those of a unit are in ``unit(id).figure_names``."""
        return self._pictures.names

    def figure(self, name: str) -> Picture:
        """Return a figure of the report, as it is drawn for papers.

        Parameters
        ----------
        name
            One of ``figure_names``.

        Returns
        -------
        Picture
            A notebook shows it; ``figure`` is that of matplotlib, ``numbers`` the table behind it.

        Raises
        ------
        ConfigError
            Where there is no such figure.
        """
        return self._pictures[name]

    @cached_property
    def _pictures(self) -> Pictures:
        from rnnspike.report.figures.export import run_figures

        return Pictures(run_figures(self), self.name)

    def export_nwb(
        self,
        path: str | os.PathLike[str],
        *,
        model: str | Sequence[str] = (),
        overwrite: bool = False,
        allow_pickle: bool = False,
        follow_links: bool = False,
    ) -> Path:
        """Write a copy of the recording as NWB, with the run's results (``rnnspike.export``).

        Parameters
        ----------
        path
            The file.
        model
            Models: columns of the first, intensities of each; default the one that the report speaks of.
        overwrite
            Replace a file that is there.
        allow_pickle, follow_links
            As of ``fit``: runs do not keep them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            Where the file exists, is the recording itself, or has no folder; for a model that was not fitted.
        RunError
            Where the recording is gone or has changed.
        """
        from rnnspike.nwb_export.nwb import export_nwb

        with in_python_terms():
            granted = {"allow_pickle": allow_pickle, "follow_links": follow_links}
            done = export_nwb(self.folder, path, several(model), overwrite, **granted)
        for note in done.notes:
            log.warning("%s: %s", done.path, in_python(note))
        return done.path

    def _repr_html_(self) -> str:
        rows = [row for row in self.rows if row["status"] == "ok"]
        table = [[row["unit"], row["model"], *(cell.text for cell in cells(row))] for row in rows]
        about = f"{self!r}"[1:-1] + (f"; report {self.report}" if self.report else "")
        return html_table(("unit", "model", *HEADINGS), table, about)


@dataclass(frozen=True, eq=False, repr=False)
class FittedUnit:
    """One unit of a run.

    Attributes
    ----------
    run
        The run.
    id
        Its id.
    """

    run: FittedRun
    id: str

    def __repr__(self) -> str:
        models = ", ".join(row["model"] for row in self.rows if row["status"] == "ok")
        return f"<FittedUnit {visible(self.id)} of {self.run.name}: {models}>"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row per model."""
        return self.run.unit_rows(self.id)

    def rows_frame(self) -> pd.DataFrame:
        """Return one row per model (docs/rows.md)."""
        return frame_of(self.rows, _TYPES)

    def pairs_frame(self) -> pd.DataFrame:
        """Return one row per pair of models: gain of a over b in bits/spike, interval, p."""
        return self.run.unit_pairs(self.id).copy()

    @cached_property
    def curves(self) -> Curves:
        """The arrays behind its figures, by name."""
        return self.run.curves(self.id)

    @cached_property
    def per_trial(self) -> pd.DataFrame:
        """Spikes and log-likelihoods of its trials."""
        return self.run.per_trial(self.id)

    @property
    def figure_names(self) -> list[str]:
        """Names of its figures."""
        return self._pictures.names

    def figure(self, name: str) -> Picture:
        """Return a figure of the unit.

        Parameters
        ----------
        name
            One of ``figure_names``.

        Returns
        -------
        Picture
            As of ``FittedRun.figure``.

        Raises
        ------
        ConfigError
            Where there is no such figure.
        """
        return self._pictures[name]

    @cached_property
    def _pictures(self) -> Pictures:
        from rnnspike.report.figures.export import unit_figures

        return Pictures(unit_figures(self.run, self.id), f"{self.run.name}, unit {self.id}")

    def _repr_html_(self) -> str:
        rows = [row for row in self.rows if row["status"] == "ok"]
        table = [[row["model"], *(cell.text for cell in cells(row))] for row in rows]
        return html_table(("model", *HEADINGS), table, f"unit {self.id} of {self.run.name}")


def open_run(folder: str | os.PathLike[str]) -> FittedRun:
    """Return a finished run.

    Parameters
    ----------
    folder
        The run directory.

    Raises
    ------
    RunError
        Where it is none, or damaged.
    """
    return FittedRun.read(folder)
