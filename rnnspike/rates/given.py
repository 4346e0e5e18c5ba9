"""Rates of a model that was fitted elsewhere, on the trials of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from rnnspike.files import replacing
from rnnspike.models.baselines.table import TableStepper
from rnnspike.models.protocol import MU_FLOOR, Stepper, bounded
from rnnspike.models.registry import ADDED_HISTORY
from rnnspike.rates.read import split_key
from rnnspike.trials.data import FloatArray, Trials

#: What the values of a file are: spikes/s, expected counts per bin of the file, or the logarithm of one of them.
Quantity = Literal["hz", "counts", "log-hz", "log-counts"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


@dataclass(frozen=True)
class GivenRates:
    """Rates of one model that was fitted elsewhere.

    Attributes
    ----------
    name
        Name of the model in rows and figures.
    source
        The file, as the user named it.
    quantity
        What the values are (``QUANTITIES``).
    history
        Whether the rates depend on the unit's recorded past. They then cannot be run free.
    n_bins, bin_s
        Bins of a trial in the run, and their width, s.
    unit_ids
        Units that there are rates of.
    digest
        Hash of the values: with name, quantity and history what tells two of them apart.
    values
        (trial, bin of the file, unit), in the order of the run's trials and of ``unit_ids``; or the folder that
        holds them, one file per unit (``kept``).
    add_history
        Whether spike history is fitted on top of them, as a further model.
    """

    name: str
    source: str
    quantity: Quantity
    history: bool
    n_bins: int
    bin_s: float
    unit_ids: tuple[str, ...]
    digest: str
    values: npt.NDArray[Any] | Path = field(compare=False, repr=False)
    add_history: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The models that they become."""
        return (self.name, self.name + ADDED_HISTORY) if self.add_history else (self.name,)

    def kept(self, folder: Path) -> GivenRates:
        """Return the same rates with their values written to a folder: small, however often they are sent.

        Parameters
        ----------
        folder
            Gets one file per unit, (trial, bin of the file), so that each task reads those of its unit alone.
        """
        for k, unit_id in enumerate(self.unit_ids):
            with replacing(_unit_file(folder, k), ".npy") as file:
                np.save(file, self._of_unit(unit_id), allow_pickle=False)
        return replace(self, values=folder)

    def _of_unit(self, unit_id: str) -> npt.NDArray[Any]:
        """Return the values of a unit, (trial, bin of the file)."""
        k = self.unit_ids.index(unit_id)
        return np.load(_unit_file(self.values, k)) if isinstance(self.values, Path) else self.values[:, :, k]

    def in_settings(self) -> dict[str, object]:
        """Return what tells these rates from others, for settings.json and the content id of a run."""
        file, key = split_key(self.source)
        named = file.name if key is None else f"{file.name}:{key}"
        known = {"name": self.name, "file": named, "quantity": self.quantity, "history": self.history}
        known |= {"add_history": self.add_history}
        return known | {"digest": self.digest, "units": list(self.unit_ids)}

    def mu(self, unit_id: str) -> FloatArray:
        """Return the expected count of each bin of the run, (trial, bin)."""
        values = np.asarray(self._of_unit(unit_id), np.float64)
        return counts_in_bins(values, self.quantity, self.n_bins, self.bin_s)

    def scored_mu(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin) of one unit's trials as it is scored.

        Where a spike is, it is at the floor at the least, as that of every model: the loss stays finite and is
        counted (``n_infinite``).
        """
        mu = self.mu(trials.unit_ids[0])
        return np.where(trials.counts[:, :, 0] > 0, np.maximum(mu, MU_FLOOR), mu)


def _unit_file(folder: Path, k: int) -> Path:
    return folder / f"{k}.npy"


def counts_in_bins(values: FloatArray, quantity: Quantity, n_bins: int, bin_s: float) -> FloatArray:
    """Return the expected counts (trial, n_bins) of values (trial, bin of the file) over the same window.

    Wider bins are divided evenly, narrower ones are added up: the expected count of the window is conserved. The
    file's number of bins is a multiple or a divisor of ``n_bins``, whose width is ``bin_s``.

    Examples
    --------
    >>> counts_in_bins(np.array([[100.0, 50.0]]), "hz", 4, 0.001)
    array([[0.1 , 0.1 , 0.05, 0.05]])
    """
    n_given = values.shape[1]
    if quantity.startswith("log-"):
        with np.errstate(over="ignore"):
            values = np.exp(values)
    if quantity.endswith("hz"):
        values = values * (bin_s * (n_bins / n_given))
    if n_given > n_bins:
        return np.asarray(values.reshape(len(values), n_bins, n_given // n_bins).sum(axis=2))
    each = n_bins // n_given
    return np.repeat(values / each, each, axis=1)


@dataclass(frozen=True)
class GivenModel:
    """Rates without history as a model that can be run free: ``mu`` (trial, bin) of every trial of the session."""

    name: str
    mu: FloatArray

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1) of these trials."""
        return bounded(self.mu[trials.session_index][:, :, None])

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials."""
        return TableStepper.of(self.intensity(trials)[:, :, 0])

    def save(self, folder: Path) -> None:
        """Write nothing: the rates lie in the file that they were given in."""
