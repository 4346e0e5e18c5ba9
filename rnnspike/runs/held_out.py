"""A rung's prediction of every held-out trial, kept on disk: of many rungs and long recordings memory holds few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import FloatArray, IntArray


class HeldOut:
    """Held-out mu (trial, bin) of one rung and unit, in single precision; indexed by trials it reads or writes them.

    The file is opened for each access, so that its pages do not stay in the process.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path, self.shape = path, shape
        path.parent.mkdir(parents=True, exist_ok=True)
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)

    def __getitem__(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """Return mu of these trials, (trial, bin)."""
        return np.asarray(self._open("r")[rows])

    def __setitem__(self, rows: IntArray, mu: FloatArray) -> None:
        """Keep mu of these trials."""
        self._open("r+")[rows] = mu

    def log_mean(self, rows: IntArray, others: Sequence[HeldOut], weights: Sequence[float]) -> None:
        """Keep, for these trials, the mean of others' log mu by these weights, read one at a time."""
        self[rows] = np.exp(sum(w * np.log(each[rows]) for w, each in zip(weights, others, strict=True) if w))

    def _open(self, mode: Any) -> npt.NDArray[np.float32]:
        if 0 in self.shape:
            return np.empty(self.shape, np.float32)
        return np.load(self.path, mmap_mode=mode)  # type: ignore[no-any-return]
