"""The head of the spike-clocked LSTM, with tables of all that does not depend on the state of the interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.models.networks.spike_clock import hazard_loops
from rnnspike.models.networks.spike_clock.design import lag_functions, lags_in_bins
from rnnspike.models.networks.spike_clock.net import IntervalState, UnitNet
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeadTables:
    """What the head needs beside the state of an interval, in single precision as it was trained.

    ``by_lag`` (2, lag, column) are the head's inputs that depend on the lag (``lag_functions``), ``by_bin`` (trial,
    bin, column) the others. ``hidden_by_lag`` (2, lag, hidden) and ``hidden_by_bin`` (trial, bin, hidden) are what
    they add to the hidden layer, and ``out`` (hidden,) are that layer's output weights.
    """

    by_lag: Array
    hidden_by_lag: Array
    by_bin: Array
    hidden_by_bin: Array
    out: Array

    @classmethod
    def of(
        cls,
        net: UnitNet,
        log_drive: FloatArray,
        covariates: FloatArray,
        *,
        longest: int,
        bin_s: float,
    ) -> HeadTables:
        """Return the tables of a network, good for lags of up to ``longest`` bins.

        ``log_drive`` (trial, bin) is relative to the mean, ``covariates`` (trial, bin, filter).
        """
        by_lag = lag_functions(longest, bin_s)
        own = by_lag.shape[2]
        by_bin = np.empty((*log_drive.shape, len(net.w_point) - own), np.float32)
        hazard_loops.others_by_bin(_single(log_drive), lags_in_bins(bin_s), _single(covariates), by_bin)
        hidden_by_bin = by_bin.reshape(-1, by_bin.shape[2]) @ net.w_point[own:]
        return cls(
            by_lag=_single(by_lag),
            hidden_by_lag=_single(by_lag @ net.w_point[:own]),
            by_bin=by_bin,
            hidden_by_bin=hidden_by_bin.reshape(*log_drive.shape, -1),
            out=net.out,
        )

    def add_log_gain(
        self,
        interval_state: IntervalState,
        lag: IntArray,
        after_start: BoolArray,
        trial: IntArray,
        first: IntArray,
        to: Place,
    ) -> None:
        """Add log mu minus log base at all bins of some intervals to ``to``.

        ``lag`` (interval,) is the lag in bins of each interval's bin ``first``; ``to.n_bins`` bins are filled.
        """
        slope, bias, hidden = (
            _single(part) for part in (interval_state.slope, interval_state.bias, interval_state.hidden)
        )
        hazard_loops.hazard_run(
            first,
            to.n_bins,
            lag,
            (~after_start).astype(np.int64),
            trial,
            slope,
            bias,
            hidden,
            self.by_lag,
            self.hidden_by_lag,
            self.by_bin,
            self.hidden_by_bin,
            self.out,
            to.row,
            to.first,
            to.log_mu,
        )


@dataclass(frozen=True)
class Place:
    """Where intervals lie in ``log_mu`` (row, bin), float32: ``row``, ``first`` bin and ``n_bins``, (interval,)."""

    log_mu: Array
    row: IntArray
    first: IntArray
    n_bins: IntArray


def _single(array: npt.NDArray[np.floating]) -> Array:
    return np.ascontiguousarray(array, dtype=np.float32)
