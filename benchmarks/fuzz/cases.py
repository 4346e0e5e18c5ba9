"""What a case is: its files, the command line it is tried with, and the values that are known to be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

WINDOW_S = (0.0, 0.3)
#: Options of a psth that answers at once: what is looked at are its counts.
PSTH = ("psth", "--window", "0", "0.3", "--draws", "100", "--step", "50ms", "--min-spikes", "0", "--format", "jsonl")
INSPECT = ("inspect", "--format", "jsonl")


@dataclass(frozen=True)
class Truth:
    """Spike trains and trials as they were written.

    Parameters
    ----------
    trains_s
        Unit id -> spike times (spike,) in seconds.
    starts_s
        Trial starts (trial,), which are also time zero.
    n_rows
        Rows of the trials table, None where the case leaves that open.
    """

    trains_s: Mapping[str, np.ndarray]
    starts_s: np.ndarray
    n_rows: int | None = None

    def counts(self) -> dict[str, int]:
        """Return the spikes of each unit."""
        return {unit: len(times) for unit, times in self.trains_s.items()}

    def counts_in_windows(self) -> dict[str, int]:
        """Return the spikes of each unit within the trials' windows."""
        low, high = (self.starts_s + edge for edge in WINDOW_S)
        return {
            unit: int(np.sum(np.searchsorted(times, high) - np.searchsorted(times, low)))
            for unit, times in self.trains_s.items()
        }


@dataclass(frozen=True)
class Case:
    """One input and how it is tried.

    Parameters
    ----------
    form
        The format or command, as the table of outcomes names it.
    what
        What was done to the input.
    arguments
        The command line after ``rnnspike``; its working directory is the case's folder.
    truth
        What must come out, where the case must not change it.
    units
        Ids that ``psth`` must show, no others, where the case selects units.
    independent
        A recording whose counts are read once more by ``readers.read``.
    is_valid_hdf5
        Whether the file is sound HDF5, so that no message may call it damaged.
    forbidden
        Text of which nothing may come out: what lies outside the recording's folder.
    must_refuse
        Whether reading it at all is wrong, since its data lie outside the recording's folder.
    must_say
        A word that must come out where the case is read all the same.
    good
        Name of a sound recording beside the odd one, and its truth: the batch must go on.
    """

    form: str
    what: str
    arguments: tuple[str, ...]
    truth: Truth | None = None
    units: frozenset[str] | None = None
    independent: str | None = None
    is_valid_hdf5: bool = False
    forbidden: tuple[str, ...] = ()
    must_refuse: bool = False
    must_say: str = ""
    good: tuple[str, Truth] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """The folder of seed files (``corpus.build``) and what its made recordings hold."""

    folder: Path
    truth: Truth
    one_unit: Truth


#: Makes the files of a case in a folder: inputs in ``in``, results only in ``out``.
Maker = Callable[[np.random.Generator, Corpus, Path], Case]
