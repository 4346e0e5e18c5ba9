"""What ``psth`` returns: the trial average of each unit, with its bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from rnnspike.api.arguments import several
from rnnspike.api.results.tables import frame_of, html_table, unknown
from rnnspike.errors import ConfigError
from rnnspike.models.baselines.psth_bands import PsthResult
from rnnspike.report.figures.drawing import Picture
from rnnspike.report.psth.raster import MOST_UNITS, picture
from rnnspike.report.psth.rows import COLUMNS, points, rows
from rnnspike.trials.plan import TrialPlan
from rnnspike.wording import counted


@dataclass(frozen=True, eq=False, repr=False)
class Psths:
    """The trial averages of a recording's units.

    Attributes
    ----------
    name
        Name of the recording.
    plan
        Its trials.
    results
        One per unit, with arrays (condition, point).
    """

    name: str
    plan: TrialPlan
    results: tuple[PsthResult, ...]

    @property
    def units(self) -> list[str]:
        """Ids of the units."""
        return [result.unit for result in self.results]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[PsthResult]:
        return iter(self.results)

    def __getitem__(self, unit: str | int) -> PsthResult:
        for result in self.results:
            if result.unit == str(unit):
                return result
        raise ConfigError(f"{self.name}: {unknown('unit', str(unit), self.units)}")

    def frame(self) -> pd.DataFrame:
        """Return one row per unit and condition: trials, spikes, rate, peak, bits/spike, bandwidth."""
        found = [row for result in self.results for row in rows(self.name, result)]
        return frame_of([{name: row[name] for name in COLUMNS} for row in found])

    def curves_frame(self) -> pd.DataFrame:
        """Return one row per unit, condition and point: rate, pointwise and simultaneous band, Hz."""
        return frame_of([row for result in self.results for row in points(self.name, result)])

    def figure(self, units: str | int | Sequence[str | int] | None = None) -> Picture:
        """Return rasters and PSTHs, side by side.

        Parameters
        ----------
        units
            Ids of the units, one or several; default the first 24.

        Returns
        -------
        Picture
            A notebook shows it; ``figure`` is that of matplotlib, ``numbers`` the curves.
        """
        chosen = [self[unit] for unit in (self.units[:MOST_UNITS] if units is None else several(units))]
        drawn = picture([(self.plan.trials([result.unit]), result) for result in chosen], self.name)
        return Picture("psth", drawn, frame_of([row for result in chosen for row in points(self.name, result)]))

    def __repr__(self) -> str:
        conditions = counted(len(self.plan.conditions), "condition{s}")
        units = counted(len(self.results), "unit{s}")
        return f"<Psths of {self.name}: {units}, {counted(self.plan.n_trials, 'trial{s}')}, {conditions}>"

    def _repr_html_(self) -> str:
        found = [row for result in self.results for row in rows(self.name, result)]
        shown = [
            [
                *(row["unit"], row["condition"], str(row["n_trials"]), str(row["n_spikes"])),
                *(f"{row['rate_hz']:.1f}", f"{row['peak_hz']:.1f}", f"{row['peak_s']:.3f}"),
                "yes" if row["modulated"] else "no",
                *(f"{row['bits_per_spike']:.3f}", f"{row['bandwidth_ms']:.3g}"),
            ]
            for row in found
        ]
        headings = ("unit", "condition", "trials", "spikes", "mean (Hz)", "peak (Hz)", "at (s)")
        return html_table((*headings, "modulated", "bits/spike", "bandwidth (ms)"), shown, f"{self!r}"[1:-1])
