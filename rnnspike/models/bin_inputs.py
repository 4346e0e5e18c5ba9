"""What a recurrent model clocked by bins sees: its input sequences, in numpy.

A sequence runs over the warm-up, the recorded past just before the window, and the window. Its first bin knows
nothing of what came before and says so in the input ``unknown``; so does every bin after one that was not observed:
history beyond a gap is unknown, never silence (science.md b.8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: Inputs of every network, before the covariates.
OWN_INPUTS = ("spike", "unknown", "drive")


@dataclass(frozen=True)
class Scaling:
    """Mean and sd of each input channel in the training trials; 0 and 1 for ``spike`` and ``unknown``.

    ``low``, ``high`` (covariate,) are the ends of the scaled covariates in training, beyond which none is taken.
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
        sd[0] = max(sd[0], 0.1)  # a drive that hardly moves is not blown up
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


def held_back(values: npt.NDArray[np.floating], warm_up: int) -> npt.NDArray[np.floating]:
    """Return values (trial, bin, ...) with the first repeated over the warm-up before it."""
    return np.concatenate([np.repeat(values[:, :1], warm_up, axis=1), values], axis=1)


def bin_inputs(trials: Trials, log_drive: FloatArray, warm_up: int, scaling: Scaling) -> FloatArray:
    """Return the input sequences, float64 (trial, warm-up + bin, channel).

    Index t holds the spikes of bin t - 1, and drive and covariates of bin t; the drive's first value stands over the
    warm-up, the covariates' recorded ones do.
    """
    spikes, observed = past_and_window(trials, warm_up)
    inputs = np.zeros((*spikes.shape, len(scaling.names)))
    inputs[:, 1:, 0] = spikes[:, :-1]
    inputs[:, 1:, 1] = ~observed[:, :-1]
    inputs[:, 0, 1] = 1.0
    inputs[:, :, 2] = held_back(log_drive, warm_up)
    if trials.covariate_names:
        inputs[:, :, 3:] = _covariates(trials, warm_up)
    inputs[:, :, 2:] = (inputs[:, :, 2:] - scaling.mean[2:]) / scaling.sd[2:]
    if scaling.low:
        np.clip(inputs[:, :, 3:], scaling.low, scaling.high, out=inputs[:, :, 3:])
    return inputs


def _covariates(trials: Trials, warm_up: int) -> npt.NDArray[np.float32]:
    recorded = min(warm_up, trials.n_burn_in)
    joined = np.concatenate([trials.covariates_burn_in[:, trials.n_burn_in - recorded :], trials.covariates], axis=1)
    return held_back(joined, warm_up - recorded).astype(np.float32)


def recorded_past(trials: Trials) -> int:
    """Return the bins just before the window, up to the first that was observed in no trial."""
    known = np.atleast_1d(trials.burn_in_observed.any(axis=(0, 2)))[::-1]
    return int(np.argmin(known)) if not known.all() else trials.n_burn_in
