"""The results of a run as NWB: a copy of its recording with columns of units and held-out intensities."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rnnspike._version import __version__
from rnnspike.errors import ConfigError, RunError
from rnnspike.files import replacing
from rnnspike.nwb_export.objects import Writer
from rnnspike.recording.formats.hdf5 import h5
from rnnspike.recording.formats.nwb.tables import walk
from rnnspike.recording.formats.nwb.units import units_table
from rnnspike.recording.memory.keep import small_series
from rnnspike.recording.write import write_nwb
from rnnspike.report.load import Run, load_run
from rnnspike.report.tallies import headline_model
from rnnspike.runs.rows import COLUMNS
from rnnspike.runs.stored.reopen import Reopened, reopen
from rnnspike.runs.stored.store import read_arrays_named, safe_name
from rnnspike.trials.data import FloatArray, IntArray

#: Columns of the rows that the units table gets, each with ``PREFIX``.
EXPORTED = (
    "status",
    "n_trials",
    "n_spikes",
    "bits_per_spike",
    "bits_per_spike_low",
    "bits_per_spike_high",
    "ks_d",
    "ks_p",
    "refractory_kind",
    "refractory_verdict",
    "refractory_capture",
    "adaptation_kind",
    "adaptation_verdict",
    "adaptation_capture",
    "free_run_stability",
)
PREFIX, MODULE = "rnnspike_", "rnnspike"
_DECLARED = {column.name: column for column in COLUMNS}
REWRITTEN = "a new file with the times and trials of the fit, not a copy of the recording"
NO_INTENSITIES = "without intensities: the run holds none (fit with --save-intensities)"


@dataclass(frozen=True)
class Exported:
    """A file that was written, the model whose figures it holds, and what to say about it."""

    path: Path
    model: str
    notes: tuple[str, ...] = ()


def export_nwb(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str],
    models: Sequence[str] = (),
    overwrite: bool = False,
    **granted: bool,
) -> Exported:
    """Write a copy of a run's recording as NWB, with its results.

    The units table gets columns with the figures of the first model; ``/processing/rnnspike`` gets the held-out
    intensity of every model asked for, where the run holds it. A recording in another format is written as NWB; so is
    one whose times the fit changed, or whose trials come from another file, with the times and trials of the fit.

    Parameters
    ----------
    folder
        A finished run directory.
    path
        The file to write; its folder must exist.
    models
        Models; default the one that the report speaks of.
    overwrite
        Replace a file that is there.
    granted
        Settings of ``config.ONLY_FLAGS`` with which the recording is read again.

    Returns
    -------
    Exported
        The file, and what to say about it.

    Raises
    ------
    ConfigError
        Where the file exists, is the recording itself, or has no folder; for a model that was not fitted.
    RunError
        Where there is no such run, or its recording is gone or has changed.
    """
    run, path = load_run(folder), Path(path)
    _refuse_path(path, run, overwrite)
    names = tuple(models) or (headline_model(run),)
    for name in names:
        if name not in run.models:
            raise ConfigError(f"--model {name}: no unit of {run.folder} was scored by it ({', '.join(run.models)})")
    reopened = reopen(run, **granted)
    recording, source = reopened.loaded.recording, reopened.job.path
    changed = _changed(reopened) if recording.format == "NWB" else ()
    is_copy = recording.format == "NWB" and not changed
    with replacing(path, ".nwb") as temporary:
        if is_copy:
            shutil.copyfile(source, temporary)
        else:
            write_nwb(temporary, replace(recording, covariates=small_series(recording)))
        with h5py.File(temporary, "r+") as file:
            units = _units(file, source, reopened) if is_copy else file["units"]
            notes = tuple(_add(file, units, run, reopened, names))
    if changed:
        notes = (f"{REWRITTEN} ({', '.join(changed)})", *notes)
    return Exported(path, names[0], notes)


def _changed(reopened: Reopened) -> tuple[str, ...]:
    """Return the options of a fit after which its times or trials are not those of its recording's file."""
    options = reopened.job.settings.read_options()
    given = {
        "--time-scale": options.time_scale is not None,
        "--event-offset": bool(options.event_offset_s),
        "--events": options.events_file is not None,
    }
    return tuple(option for option, is_given in given.items() if is_given)


def _refuse_path(path: Path, run: Run, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise ConfigError(f"--nwb {path}: there is no folder {path.parent}")
    if path.suffix.lower() != ".nwb":
        raise ConfigError(f"--nwb {path}: the name must end in .nwb")
    source = Path(run.provenance["input"])
    if path.exists() and source.exists() and path.samefile(source):
        raise ConfigError(f"--nwb {path}: is the recording itself, which is never changed (try another name)")
    if path.exists() and not overwrite:
        raise ConfigError(f"--nwb {path}: exists already (try --overwrite)")


def _units(file: h5py.File, source: Path, reopened: Reopened) -> h5py.Group:
    """Return the units table that was read; ConfigError where it is not in the file itself."""
    options = reopened.job.settings.read_options()
    with h5.open_file(source, follow_links=options.follow_links) as read:
        name = str(units_table(source, read, walk(read)[0], options)[0].name)
    here: Any = file
    for part in name.strip("/").split("/"):
        if not isinstance(here.get(part, getlink=True), h5py.HardLink):
            raise ConfigError(f"{source}: {name} is a link, and a copy cannot get columns in another file")
        here = here[part]
    return here


def _add(file: h5py.File, units: h5py.Group, run: Run, reopened: Reopened, names: Sequence[str]) -> Iterator[str]:
    """Add columns and series to a file; yield what to say."""
    writer = Writer(reopened.job.id)
    ids = [unit.id for unit in reopened.loaded.recording.units]
    if len(units["id"]) != len(ids):
        raise RunError(f"{run.folder}: the units table has {len(units['id'])} rows for {len(ids)} units")
    rows = {row["unit"]: row for row in run.rows if row["model"] == names[0]}
    left_out = {row["unit"]: row for row in run.rows if row["status"] == "skipped" and row["unit"] not in rows}
    found = [rows.get(unit) or left_out.get(unit) or {} for unit in ids]
    fitted = [names[0] if unit in rows else "" for unit in ids]
    writer.column(units, f"{PREFIX}model", fitted, "Model whose figures these are, on held-out trials (rnnspike).")
    for name in EXPORTED:
        column = _DECLARED[name]
        about = f"{column.meaning}{f' Unit: {column.unit}.' if column.unit else ''} (rnnspike)"
        writer.column(units, f"{PREFIX}{name}", _values(name, [row.get(name) for row in found]), about)
    stored = [unit for unit in run.units if _intensity_file(run, unit).is_file()]
    if not stored:
        yield NO_INTENSITIES
        return
    module = writer.module(file, MODULE, f"Results of rnnspike {__version__}, content id {reopened.job.id}.")
    columns = writer.table(module, "intensity_units", len(stored), "Units of the columns of the intensities.")
    writer.region(columns, "unit", [ids.index(unit) for unit in stored], units, "Row of the units table.")
    writer.column(columns, "unit_id", stored, "Id of the unit.")
    times_s, at = bin_times(reopened)
    for name in names:
        yield from _add_intensity(writer, module, name, run, reopened, stored, times_s, at)


def _values(name: str, values: Sequence[Any]) -> Any:
    """Return a column with empty text, 0 or NaN where a unit has no value."""
    kind = _DECLARED[name].type
    if kind is float:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    if kind is int:
        return np.array([value or 0 for value in values], np.int64)
    return ["" if value is None else str(value) for value in values]


def _add_intensity(
    writer: Writer,
    module: h5py.Group,
    name: str,
    run: Run,
    reopened: Reopened,
    units: Sequence[str],
    times_s: FloatArray,
    at: IntArray,
) -> Iterator[str]:
    """Add the held-out intensity of a model, unit by unit; yield what to say."""
    bin_s, plan = reopened.loaded.plan.bin_s, reopened.loaded.plan
    about = {
        "description": (
            f"Conditional intensity of {name} given the recorded past, on trials that it was not fitted to: "
            f"mean over bins of {1e3 * bin_s:g} ms, at their centres. Columns are the rows of intensity_units; "
            "NaN where a unit was not observed or not fitted. "
            "Where windows of trials overlap, that of the earlier trial is kept."
        ),
        "comments": f"rnnspike {__version__}",
    }
    data = writer.series(module, f"intensity_{name}", times_s, len(units), "Hz", about)
    lacking = []
    for column, unit in enumerate(units):
        try:
            mu = read_arrays_named(_intensity_file(run, unit), [name])[name]  # (trial, bin)
        except RunError as error:
            if not isinstance(error.__cause__, KeyError):  # the file is damaged; else it has not this model
                raise
            lacking.append(unit)
            continue
        observed = plan.observed(plan.recording.unit(unit))[:, plan.grid.n_before :]
        data[:, column] = np.where(observed, mu / bin_s, np.nan).ravel()[at].astype(np.float32)
    if lacking:
        yield f"intensity_{name}: not stored for unit{'s' * (len(lacking) > 1)} {', '.join(lacking[:20])}"


def bin_times(reopened: Reopened) -> tuple[FloatArray, IntArray]:
    """Return centres (sample,) of the trials' bins, ascending, and their places among all bins, trial by trial.

    Of bins that overlap, those of the earlier trial are kept.
    """
    grid = reopened.loaded.plan.grid
    order = np.argsort(grid.start_s, kind="stable")
    centre = (grid.start_s[:, None] + (np.arange(grid.n_bins) + 0.5) * grid.bin_s)[order]  # (trial, bin)
    stop = np.maximum.accumulate(grid.stop_s[order])
    free = centre - 0.5 * grid.bin_s >= np.concatenate([[-np.inf], stop[:-1]])[:, None] - 1e-9
    place = (order[:, None] * grid.n_bins + np.arange(grid.n_bins))[free]
    return centre[free], place


def _intensity_file(run: Run, unit: str) -> Path:
    return run.folder / "units" / safe_name(unit) / "intensity.npz"
