"""What ``simulate`` returns: a recording, with the cells or the model that made its spikes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rnnspike.api.results.tables import Rows
from rnnspike.errors import ConfigError
from rnnspike.neurons.session import Session
from rnnspike.recording.data import Recording
from rnnspike.recording.write import write_nwb


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """Simulated trials; ``rnnspike.fit`` takes their ``recording``.

    Attributes
    ----------
    recording
        The spikes, with the true intensity of simulated cells among its covariates.
    rows
        One row per unit: cell or model, trials, spikes, rate.
    path
        The file, where one was written.
    session
        Counts and true intensity of simulated cells as arrays; None for a fitted model.
    """

    recording: Recording
    rows: Rows
    path: Path | None = None
    session: Session | None = None

    def frame(self) -> pd.DataFrame:
        """Return one row per unit."""
        return self.rows.frame()

    def write(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the recording as NWB, the true intensity of simulated cells in ``/processing/ground_truth``.

        Parameters
        ----------
        path
            The file.
        overwrite
            Replace a file that is there.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            Where the file exists, or its folder does not.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise ConfigError(f"{path}: there is no folder {path.parent}")
        if path.exists() and not overwrite:
            raise ConfigError(f"{path}: exists already (try overwrite=True)")
        if self.session is None:
            write_nwb(path, self.recording)
        else:
            self.session.write(path)
        return path

    def __repr__(self) -> str:
        return f"<Simulation {self.recording!r}>".replace("<Recording ", "").replace(">>", ">")

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()
