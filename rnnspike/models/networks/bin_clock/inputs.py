"""Input sequences of recurrent models clocked by bins.

A sequence runs over the warm-up, the recorded past just before the window, and the window. The input
``unknown`` is 1 in the first bin and in every bin after one that was not observed: history beyond a gap is unknown,
not silence (science.md#bin-clock).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: Inputs of every network, before the covariates: own spike of the bin before, whether it is unknown, log mu of the
#: base.
OWN_INPUTS = ("spike", "unknown", "drive")
#: Their channels, and the first that is scaled and the first of the covariates.
SPIKE, UNKNOWN, BASE = range(len(OWN_INPUTS))
SCALED, COVARIATES = BASE, len(OWN_INPUTS)


@dataclass(frozen=True)
class Scaling:
    """Mean and sd of each input channel in the training trials; 0 and 1 for ``spike`` and ``unknown``.

    ``low``, ``high`` (covariate,) are the range of the scaled covariates in training, to which covariates are
    clipped.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @classmethod
    def of(cls, trials: Trials, log_drive: FloatArray) -> Scaling:
        """Return the scaling of these trials and the log mu of their base (trial, bin)."""
        observed = trials.observed[:, :, 0]
        channels = [log_drive[observed], *np.moveaxis(trials.covariates[observed].astype(np.float64), 1, 0)]
        mean = [float(channel.mean()) for channel in channels]
        sd = [float(channel.std()) for channel in channels]
        sd[0] = max(sd[0], 0.1)  # a nearly constant drive is not scaled up
        sd[1:] = [spread if spread > 1e-8 else 1.0 for spread in sd[1:]]
        scaled = [(channel - m) / s for channel, m, s in zip(channels[1:], mean[1:], sd[1:], strict=True)]
        low, high = (tuple(float(end(channel)) for channel in scaled) for end in (np.min, np.max))
        return cls(OWN_INPUTS + trials.covariate_names, (0.0, 0.0, *mean), (1.0, 1.0, *sd), low, high)


def past_and_window(trials: Trials, warm_up: int) -> tuple[npt.NDArray[np.uint8], BoolArray]:
    """Return spikes and observed mask (trial, warm-up + bin) of one unit; bins before the burn-in are unknown."""
    spikes, observed = trials.past_and_window()
    spikes, observed = (spikes * observed)[:, :, 0], observed[:, :, 0]
    missing = warm_up - trials.n_burn_in
    if missing > 0:
        pad = ((0, 0), (missing, 0))
        return np.pad(spikes, pad), np.pad(observed, pad)
    return spikes[:, -missing:], observed[:, -missing:]


def pad_warm_up(values: npt.NDArray[np.floating], warm_up: int) -> npt.NDArray[np.floating]:
    """Return values (trial, bin, ...) with the first one repeated over the warm-up that precedes it."""
    return np.concatenate([np.repeat(values[:, :1], warm_up, axis=1), values], axis=1)


def bin_inputs(trials: Trials, log_drive: FloatArray, warm_up: int, scaling: Scaling) -> FloatArray:
    """Return the input sequences, float64 (trial, warm-up + bin, channel).

    Index t holds the spikes of bin t - 1, and drive and covariates of bin t; over the warm-up, the
    drive has its first value and covariates have their recorded values.
    """
    spikes, observed = past_and_window(trials, warm_up)
    inputs = np.zeros((*spikes.shape, len(scaling.names)))
    inputs[:, 1:, SPIKE] = spikes[:, :-1]
    inputs[:, 1:, UNKNOWN] = ~observed[:, :-1]
    inputs[:, 0, UNKNOWN] = 1.0
    inputs[:, :, BASE] = pad_warm_up(log_drive, warm_up)
    if trials.covariate_names:
        inputs[:, :, COVARIATES:] = _covariates(trials, warm_up)
    inputs[:, :, SCALED:] = (inputs[:, :, SCALED:] - scaling.mean[SCALED:]) / scaling.sd[SCALED:]
    if scaling.low:
        np.clip(inputs[:, :, COVARIATES:], scaling.low, scaling.high, out=inputs[:, :, COVARIATES:])
    return inputs


def _covariates(trials: Trials, warm_up: int) -> npt.NDArray[np.float32]:
    recorded = min(warm_up, trials.n_burn_in)
    joined = np.concatenate([trials.covariates_burn_in[:, trials.n_burn_in - recorded :], trials.covariates], axis=1)
    return pad_warm_up(joined, warm_up - recorded).astype(np.float32)


def recorded_past(trials: Trials) -> int:
    """Return the bins just before the window, up to the first that was observed in no trial."""
    known = np.atleast_1d(trials.burn_in_observed.any(axis=(0, 2)))[::-1]
    return int(np.argmin(known)) if not known.all() else trials.n_burn_in
