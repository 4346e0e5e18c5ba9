"""The main job as one call, for notebooks and scripts: what ``rnnspike fit`` does with one recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnnspike.config import FitSettings
from rnnspike.device import check_device
from rnnspike.runs.engine import Progress, fit_recording, make_job
from rnnspike.runs.pool import workers


def fit(path: str | Path, *, overwrite: bool = False, progress: Progress | None = None, **settings: Any) -> Path:
    """Fit the ladder to a recording and return its run directory; a fit that is there already is not done again.

    Parameters
    ----------
    path
        A recording that ``read_recording`` takes.
    overwrite
        Replace another fit that lies in the run directory.
    progress
        Called with (tasks done, tasks in all, what was done last).
    settings
        Fields of ``FitSettings``: ``window=(-0.2, 1.0)``, ``units="n_spikes > 500"``, ``models=("glm", "stack")``,
        ``effort="fast"``, ``out=Path("runs")``, ``workers=2``, ...

    Raises
    ------
    RecordingError
        Where the recording cannot be read or has no trials to fit; it names the option that mends it.
    RunError
        Where the run directory holds another fit and ``overwrite`` is not asked for.
    """
    chosen = FitSettings(**settings)
    check_device(chosen.device)
    job, loaded = make_job(Path(path), chosen)
    with workers(chosen.workers) as executor:
        fit_recording(job, loaded, executor, progress, overwrite)
    from rnnspike.report.build import write_report

    write_report(job.folder, chosen.report)
    return job.folder
