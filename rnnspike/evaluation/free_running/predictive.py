"""Free runs of all models of a unit set beside its data: what rows and curves tell of them.

See science.md#free-run, #spike-statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.free_running.free_run import RUNAWAY_WINDOW_S, Predictive, check_all, free_run
from rnnspike.evaluation.free_running.spike_statistics import (
    N_SERIAL,
    SCALARS,
    SpikeSets,
    autocorrelation_lags,
    describe,
    fano_windows,
    interval_edges,
    recombined,
    spike_sets,
    tile_counts,
)
from rnnspike.evaluation.history import Scored
from rnnspike.trials.data import CountArray, IntArray, Trials

#: Statistic of ``describe`` -> prefix of its curves.
CURVES = {"isi": "isi", "autocorrelation": "autocorrelation", "serial": "serial", "fano_by_window": "fano"}


def raster_arrays(number: IntArray, simulated: Mapping[str, CountArray]) -> dict[str, npt.NDArray[Any]]:
    """Return the rasters of free runs (1, trial, bin) of the trials of these numbers in the session.

    Under the names of ``evaluation.curves``.
    """
    arrays: dict[str, npt.NDArray[Any]] = {"free_raster.trials": number} if simulated else {}
    for model, counts in simulated.items():
        trial, position = np.nonzero(counts[0])
        arrays[f"free_raster.{model}.trial"] = number[trial].astype(np.int32)
        arrays[f"free_raster.{model}.bin"] = position.astype(np.int32)
    return arrays


class FreeRunChecks:
    """The data of the simulated trials, and each model's free runs beside them as they come.

    Each trial is run several times, and a replicate takes one of the runs of each, drawn at random, the same for
    every model. With m runs the spread of a statistic over replicates is too small by 1 / 2m, and their mean is off
    by 1 / sqrt(m) of it: for 20 runs neither is felt, and many trials can be covered for the cost of few.
    ``n_replicates`` None, or no more than there are runs: the runs are the replicates. ``index`` is into ``trials``.
    """

    def __init__(self, scored: Scored, trials: Trials, index: IntArray, n_replicates: int | None = None) -> None:
        self.index, self.n_replicates = np.asarray(index, dtype=np.int64), n_replicates
        self.number = trials.session_index[self.index]
        condition = trials.condition
        self._observed, self._condition = scored.observed[self.index], condition[self.index]
        self.bin_s = scored.bin_s
        whole = spike_sets(scored.spikes[None], scored.observed, condition, scored.bin_s)
        self.design = spike_sets(scored.spikes[None, self.index], self._observed, self._condition, self.bin_s)
        self.data = describe(self.design)
        window = max(1, min(round(RUNAWAY_WINDOW_S / self.bin_s), whole.n_bins))
        self._n_trials, self._n_runs = whole.n_trials, 0
        self._most = int(tile_counts(whole, window).max(initial=0))
        self._models: list[str] = []
        self._stacks: dict[str, list[npt.NDArray[Any]]] = {}
        self._rasters: dict[str, npt.NDArray[Any]] = {}

    def add(self, model: str, counts: CountArray) -> dict[str, Any]:
        """Take one model's free runs (run, trial, bin) and return what its row tells of them.

        Raises
        ------
        ValueError
            Where the runs are not of the trials simulated.
        """
        if counts.shape[1:] != self._observed.shape:
            raise ValueError(f"{model}: free runs have shape {counts.shape}, the trials {self._observed.shape}")
        runs = spike_sets(counts, self._observed, self._condition, self.bin_s)
        run = free_run(runs, self.design, self._most)
        checks = check_all(self.data, describe(self._replicates(runs)))
        self._n_runs = runs.n_runs
        self._models.append(model)
        self._keep(checks)
        self._stack("divergence.surviving", run.surviving)
        self._rasters.setdefault("divergence.time_s", run.time_s)
        first = runs.row < runs.n_trials
        self._rasters.setdefault("free_raster.trials", self.number)
        self._rasters[f"free_raster.{model}.trial"] = self.number[runs.trial[first]].astype(np.int32)
        self._rasters[f"free_raster.{model}.bin"] = runs.bin[first].astype(np.int32)
        cv, serial = checks["cv"], checks["serial_1"]
        fields = {
            "free_run_rate_ratio": run.rate_ratio,
            "free_run_trials": len(self.index),
            "free_run_runs": runs.n_runs,
            "free_run_stability": run.stability,
            "free_run_runaway": run.runaway,
            "free_run_median_escape_s": run.median_escape_s,
            "free_run_cv_ratio": float(cv.mean[0] / cv.data[0]) if cv.data[0] > 0 else None,
            "free_run_serial_1_gap": float(serial.mean[0] - serial.data[0]),
        }
        return fields | {f"predictive_p_{name}": float(checks[name].p[0]) for name in SCALARS}

    def _replicates(self, runs: SpikeSets) -> SpikeSets:
        wanted = runs.n_runs if self.n_replicates is None else self.n_replicates
        if wanted <= runs.n_runs:
            return runs
        rng = np.random.default_rng(0)
        return recombined(runs, rng.integers(0, runs.n_runs, (wanted, runs.n_trials)))

    def _stack(self, name: str, values: npt.NDArray[Any]) -> None:
        self._stacks.setdefault(name, []).append(values)

    def _keep(self, checks: dict[str, Predictive]) -> None:
        for part in ("mean", "low", "high", "p", "z"):
            scalars = np.array([getattr(checks[name], part)[0] for name in SCALARS])
            self._stack(f"statistic.{part}", scalars)
            for name, prefix in CURVES.items():
                if part in ("mean", "low", "high"):
                    self._stack(f"{prefix}.{part}", getattr(checks[name], part))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all arrays, under the names of ``evaluation.curves``."""
        design, ms = self.design, 1000 * self.bin_s
        arrays: dict[str, npt.NDArray[Any]] = {
            "free_run.models": np.array(self._models, dtype=np.str_),
            "free_run.trials": self.number,
            "free_run.n_trials": np.array(self._n_trials),
            "free_run.n_runs": np.array(self._n_runs),
            "free_run.n_replicates": np.array(max(self._n_runs, self.n_replicates or 0)),
            "statistic.names": np.array(SCALARS, dtype=np.str_),
            "statistic.data": np.array([self.data[name][0] for name in SCALARS]),
            "isi.edge_ms": ms * interval_edges(design),
            "autocorrelation.lag_ms": ms * np.arange(1, autocorrelation_lags(design) + 1),
            "serial.lag": np.arange(1, N_SERIAL + 1),
            "fano.window_ms": ms * fano_windows(design),
        }
        arrays |= {f"{prefix}.data": self.data[name][0] for name, prefix in CURVES.items()}
        return arrays | self._rasters | {name: np.stack(values) for name, values in self._stacks.items()}
