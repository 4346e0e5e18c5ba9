"""The head of the spike-clocked LSTM, what hangs on the lag alone worked out beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.models.spike_design import DRIVE_LAGS_S, compose_head, lag_table, lagged_bins
from rnnspike.models.spike_net import HazardWeights, Opened
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class HeadTables:
    """Everything that the head needs but the opened interval.

    ``by_lag`` (2, lag, own column) are the head's inputs that hang on the lag, its last spike known (1) or not (0),
    ``hidden_by_lag`` (2, lag, hidden) what they add to the hidden layer; ``log_drive`` (trial, bin) is relative to
    the mean, ``covariates`` (trial, bin, filter); ``weight`` (other column, hidden) is of the other inputs.
    """

    by_lag: Array
    hidden_by_lag: Array
    weight: Array
    out: Array
    log_drive: Array
    covariates: Array
    bin_s: float

    @classmethod
    def of(
        cls,
        weights: HazardWeights,
        log_drive: FloatArray,
        covariates: FloatArray,
        *,
        longest: int,
        bin_s: float,
        dtype: Any = np.float64,
    ) -> HeadTables:
        """Return the tables of a network, good for lags of up to ``longest`` bins, in a precision."""
        lags, lag = lag_table(bin_s), np.arange(longest + 1)
        zero = np.zeros(len(lag))
        own = lags.shape[1] + 2
        by_lag = [
            compose_head(
                lag=np.maximum(lag, 1),
                known=np.full(len(lag), known),
                log_drive=zero,
                lagged=[zero] * len(DRIVE_LAGS_S),
                position=zero,
                covariates=np.zeros((len(lag), 0)),
                lags=lags,
                bin_s=bin_s,
            )[:, :own]
            for known in (False, True)
        ]
        weight = weights.head["w_x.weight"].T
        stacked = np.stack(by_lag)

        def cast(array: FloatArray) -> Array:
            return np.ascontiguousarray(array, dtype=dtype)

        return cls(
            by_lag=cast(stacked),
            hidden_by_lag=cast(stacked @ weight[:own]),
            weight=cast(weight[own:]),
            out=cast(weights.head["v.weight"][0]),
            log_drive=cast(log_drive),
            covariates=cast(covariates),
            bin_s=bin_s,
        )

    def log_gain(
        self, opened: Opened, lag: IntArray, after_start: BoolArray, trial: IntArray, bins: IntArray
    ) -> Array:
        """Return log mu minus log base (row, n) at these lags and bins (row, n), an opened interval a row."""
        known = (~after_start).astype(np.int64)[:, None]
        others = self._others(trial, bins)
        hidden = self.hidden_by_lag[known, lag]
        hidden += others @ self.weight
        hidden += opened.hidden.astype(hidden.dtype, copy=False)[:, None, :]
        gate = np.tanh(0.5 * hidden)  # silu(x) = x (1 + tanh(x / 2)) / 2
        gate += 1.0
        gate *= hidden
        slope, own = opened.slope.astype(hidden.dtype, copy=False)[:, :, None], self.by_lag.shape[2]
        gain = gate @ (0.5 * self.out)
        gain += (self.by_lag[known, lag] @ slope[:, :own])[:, :, 0]
        gain += (others @ slope[:, own:])[:, :, 0]
        gain += opened.bias.astype(hidden.dtype, copy=False)[:, None]
        return np.asarray(gain)

    def _others(self, trial: IntArray, bins: IntArray) -> Array:
        """Return the inputs that do not hang on the lag (row, n, other column), in ``compose_head``'s order."""
        trial = trial[:, None]
        now = self.log_drive[trial, bins]
        columns = [now, (2.0 * (bins + 0.5) / self.log_drive.shape[1] - 1.0).astype(now.dtype)]
        columns += [now - self.log_drive[trial, before] for before in lagged_bins(bins, self.bin_s)]
        others = np.stack(columns, axis=2)
        return np.concatenate([others, self.covariates[trial, bins]], axis=2) if self.covariates.shape[2] else others
