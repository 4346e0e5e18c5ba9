"""The head of the spike-clocked LSTM, what hangs on the lag alone worked out beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.models.compiled import hazard
from rnnspike.models.spike_design import lag_functions, lags_in_bins
from rnnspike.models.spike_net import Opened, UnitNet
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeadTables:
    """Everything that the head needs but the opened interval, in single precision as it was trained.

    ``by_lag`` (2, lag, own column) are the head's inputs that hang on the lag (``lag_functions``), ``hidden_by_lag``
    (2, lag, hidden) what they add to the hidden layer; ``log_drive`` (trial, bin) is relative to the mean,
    ``covariates`` (trial, bin, filter); ``weight`` (other column, hidden) is of the other inputs, ``out`` (hidden,)
    of the hidden layer; ``drive_lags`` are in bins.
    """

    by_lag: Array
    hidden_by_lag: Array
    weight: Array
    out: Array
    log_drive: Array
    covariates: Array
    drive_lags: IntArray

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
        """Return the tables of a network, good for lags of up to ``longest`` bins."""
        by_lag = lag_functions(longest, bin_s)
        own = by_lag.shape[2]

        def cast(array: FloatArray) -> Array:
            return np.ascontiguousarray(array, dtype=np.float32)

        return cls(
            by_lag=cast(by_lag),
            hidden_by_lag=cast(by_lag @ net.w_point[:own]),
            weight=net.w_point[own:],
            out=net.out,
            log_drive=cast(log_drive),
            covariates=cast(covariates),
            drive_lags=lags_in_bins(bin_s),
        )

    def add_log_gain(
        self, opened: Opened, lag: IntArray, after_start: BoolArray, trial: IntArray, first: IntArray, to: Place
    ) -> None:
        """Add log mu minus log base at all bins of some intervals to ``to``, compiled.

        ``lag`` (interval,) is that of an interval's bin ``first``, from which on it runs over ``to.n_bins`` bins.
        """
        slope, bias, hidden = (
            np.ascontiguousarray(part, np.float32) for part in (opened.slope, opened.bias, opened.hidden)
        )
        hazard.hazard_run(
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
            self.weight,
            self.out,
            self.log_drive,
            self.covariates,
            self.drive_lags,
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
