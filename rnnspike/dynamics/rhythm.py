"""The rhythm of the recorded spikes, and whether the network has learned it (science.md#basins).

The data's period comes from the autocorrelation of their rate; the network's from its limit cycle, from the modes of
its spiking loop (``loop.py``) or from the resonance of its linearisation; the rhythm of its free run is measured as
that of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from rnnspike.dynamics.attractors.cycles import Cycle
from rnnspike.dynamics.eigenvalues import short
from rnnspike.dynamics.network import Network
from rnnspike.rhythm import SpikeRhythm
from rnnspike.trials.data import FloatArray

#: Agreement of two periods that counts as learned.
WITHIN = 0.10


@dataclass(frozen=True)
class NetworkRhythm:
    """A rhythm of the network: its period and where it comes from (limit cycle, spiking loop or resonance)."""

    period_s: float
    source: str


@dataclass(frozen=True)
class Rhythm:
    """Data against network and its free run. ``learned`` is None where the data have no rhythm to learn."""

    data: SpikeRhythm | None
    network: NetworkRhythm | None
    free_run: SpikeRhythm | None
    learned: bool | None
    sentence: str

    @property
    def data_s(self) -> float | None:
        """Period of the data, in seconds."""
        return self.data.period_s if self.data else None

    @property
    def free_run_s(self) -> float | None:
        """Period of the free run, in seconds."""
        return self.free_run.period_s if self.free_run else None


def resonance(
    network: Network,
    state: FloatArray,
    jacobian: FloatArray,
    drive: FloatArray,
    signal: FloatArray | None = None,
) -> tuple[float, float] | None:
    """Return (period s, height over the gain at 0 Hz) of the strongest resonance at a point ``state``, or None.

    The transfer from an input channel to the log-rate, W (zI - J)^-1 B on the unit circle; ``jacobian`` (state,
    state) is that of the map the point belongs to (closed loop or held input), ``drive`` (state,) d next state / d
    input. ``signal`` (output,) are the weights of the outputs; default the first.
    """
    weight, columns = np.zeros((1, network.n_state)), network.hidden_columns
    if network.readout is None:
        weight[:, columns] = 1.0
    else:
        slope = network.readout.slope(state[columns])
        weight[:, columns] = slope[:1] if signal is None else signal @ slope
    values, vectors = np.linalg.eig(jacobian)
    # partial fractions: a sum over modes per frequency instead of a linear solve
    residues = (weight @ vectors)[0] * np.linalg.lstsq(vectors, drive.astype(complex), rcond=None)[0]
    slow = np.geomspace(1e-4, np.pi, 4000)
    angles = np.unique(np.concatenate([slow, np.abs(np.angle(values[values.imag > 0]))]))
    gain = np.abs((residues / (np.exp(1j * angles)[:, None] - values)).sum(axis=1))
    peaks, properties = find_peaks(gain, prominence=0.05 * gain.max())
    if not len(peaks):
        return None
    best = peaks[np.argmax(properties["prominences"])]
    at_zero = abs((residues / (1 - values)).sum())
    return float(2 * np.pi / angles[best] * network.bin_s), float(gain[best] / max(at_zero, 1e-300))


def network_rhythm(
    cycles: Sequence[Cycle], shares: Sequence[float], resonances: Sequence[tuple[float, float] | None], name: str
) -> NetworkRhythm | None:
    """Return the rhythm under one input: its most visited limit cycle, else its strongest resonance."""
    if cycles:
        best = int(np.argmax(shares))
        return NetworkRhythm(cycles[best].period_s, f"limit cycle, {name} input")
    found = [r for r in resonances if r is not None]
    if not found:
        return None
    return NetworkRhythm(max(found, key=lambda r: r[1])[0], f"resonance, {name} input")


def compare_rhythms(
    data: SpikeRhythm | None, candidates: Sequence[NetworkRhythm], free_run: SpikeRhythm | None
) -> Rhythm:
    """Return whether the network has the data's rhythm: a cycle or mode within 10 %, and its free run too.

    ``candidates`` are the network's cycle, mode and resonance, the best evidence first. A network without readout has
    no free run; the candidates alone decide.
    """
    first = candidates[0] if candidates else None
    if data is None or data.period_s is None:
        return Rhythm(data, first, free_run, None, "")
    period = data.period_s
    agree = [own for own in candidates if abs(own.period_s / period - 1) <= WITHIN]
    run_s = free_run.period_s if free_run else None
    run_agrees = run_s is not None and abs(run_s / period - 1) <= WITHIN
    learned = bool(agree) and (run_agrees or free_run is None)
    if learned:
        verdict = "learned"
    elif agree:
        verdict = (
            f"the network has not learned the rhythm: its free run does not show the period of its {agree[0].source}"
        )
    elif run_agrees:
        verdict = "its free run has the rhythm, but none of its cycles and modes does"
    else:
        verdict = "the network has not learned the rhythm"
    sentences = [f"spikes' autocorrelation: period {short(period * 1e3)} ms"]
    sentences += [f"{own.source} {short(own.period_s * 1e3)} ms" for own in candidates] or [
        "no limit cycle, no resonance"
    ]
    if free_run is not None:
        sentences.append("free run " + ("none" if run_s is None else f"{short(run_s * 1e3)} ms"))
    chosen = agree[0] if learned else first
    return Rhythm(data, chosen, free_run, learned, f"{'; '.join(sentences)}: {verdict}")
