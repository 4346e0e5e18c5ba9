"""A rung's prediction of every held-out trial, kept on disk: of many rungs and long recordings memory holds few."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.evaluate import Intensity
from rnnspike.trials.data import FloatArray, IntArray


class HeldOut:
    """Held-out mu (trial, bin) of one rung and unit, in single precision; indexed by trials it reads or writes them.

    The file is opened for each access, so that its pages do not stay in the process.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path, self.shape = path, shape
        path.parent.mkdir(parents=True, exist_ok=True)
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        _take_room(path)

    def __getitem__(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """Return mu of these trials, (trial, bin)."""
        return np.asarray(self._open("r")[rows])

    def __setitem__(self, rows: IntArray, mu: FloatArray) -> None:
        """Keep mu of these trials."""
        self._open("r+")[rows] = mu

    def log_mean(self, rows: IntArray, others: Sequence[Intensity], weights: Sequence[float], scale: float) -> None:
        """Keep, for these trials, the mean of others' log mu by these weights, scaled, read one at a time."""
        self[rows] = scale * np.exp(sum(w * np.log(each[rows]) for w, each in zip(weights, others, strict=True) if w))

    def _open(self, mode: Any) -> npt.NDArray[np.float32]:
        if 0 in self.shape:
            return np.empty(self.shape, np.float32)
        return np.load(self.path, mmap_mode=mode)  # type: ignore[no-any-return]


class Stored:
    """Held-out mu (trial, bin) that a rung left on disk, mapped for each access: it does not stay in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return all of it."""
        return np.asarray(np.load(self.path, mmap_mode="r"), dtype)

    def __getitem__(self, where: Any) -> npt.NDArray[np.float32]:
        """Return what numpy indexing of it gives."""
        return np.asarray(np.load(self.path, mmap_mode="r")[where])


def _take_room(path: Path) -> None:
    """Have the system set the room aside: where a disk is full, writing to a mapped file would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
