"""Simulated sessions: trials in session time, spikes within and between trials, and the true intensity.

A session consists of blocks, one per trial: ``inter_trial_s`` without stimulus, then the trial. All of it is
recorded, so every trial has a recorded past. Each block starts from rest: its intensity depends on its spikes only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import ConfigError
from rnnspike.neurons.cell import simulate
from rnnspike.neurons.inputs import SPONTANEOUS, frozen_noise, slow_path, stimulus
from rnnspike.neurons.networks import Wiring, network_spec
from rnnspike.neurons.registry import CellSpec, cell_spec
from rnnspike.neurons.truth import truth_name
from rnnspike.recording.data import Covariate, Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.trials.data import CountArray, FloatArray, IntArray

#: Positions of a spike within a bin: never on an edge, so that it is binned where it was drawn.
_PLACES_PER_BIN = 32

Truth = tuple[FloatArray, npt.NDArray[np.float32], str]


@dataclass(frozen=True)
class SessionOptions:
    """Layout of a simulated session; times are rounded to whole bins.

    Attributes
    ----------
    n_trials
        Trials of the session.
    duration_s
        Length of a trial, s.
    inter_trial_s
        Recorded time without stimulus before each trial, s.
    bin_s
        Bin width, s.
    n_conditions
        Number of stimuli.
    seed
        Seed of all random numbers.
    """

    n_trials: int = 200
    duration_s: float = 1.0
    inter_trial_s: float = 2.0
    bin_s: float = 0.001
    n_conditions: int = 1
    seed: int = 0

    @property
    def n_window(self) -> int:
        """Bins of a trial."""
        return round(self.duration_s / self.bin_s)

    @property
    def n_before(self) -> int:
        """Bins between trials, at the start of each block."""
        return round(self.inter_trial_s / self.bin_s)

    @property
    def n_block(self) -> int:
        """Bins of a block."""
        return self.n_before + self.n_window

    @property
    def times_s(self) -> FloatArray:
        """Start of every bin of the session, in seconds."""
        return np.arange(self.n_trials * self.n_block, dtype=np.float64) * self.bin_s

    def check(self) -> None:
        """Check that a session with these options is possible.

        Raises
        ------
        ConfigError
            If it is not.
        """
        if self.n_trials < 1 or self.bin_s <= 0 or self.n_window < 1 or self.n_before < 0:
            raise ConfigError("--trials, --duration and --bin must be above 0, --inter-trial at least 0")
        if not 1 <= self.n_conditions <= self.n_trials:
            raise ConfigError(f"--conditions {self.n_conditions}: must be from 1 to the number of trials")


@dataclass(frozen=True)
class Session:
    """A simulated session.

    ``counts`` uint8 and ``mu`` float64 (trial, bin, unit) are whole blocks: ``n_before`` bins, then the window.
    ``truth`` maps the name of a series to its value for ``extra`` of ``write_nwb``.
    """

    recording: Recording
    counts: CountArray
    mu: FloatArray
    n_before: int
    bin_s: float
    truth: Mapping[str, Truth] = field(default_factory=dict)

    def write(self, path: Path | str) -> None:
        """Write the recording with its true intensity as NWB."""
        write_nwb(path, self.recording, extra=self.truth)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per unit: its cell, trials, and spikes and rate within the trials' windows."""
        window = self.counts[:, self.n_before :]
        return [
            {
                "unit": unit.id,
                "cell": unit.metadata["cell"],
                "n_trials": window.shape[0],
                "n_spikes": int(window[:, :, i].sum()),
                "rate_hz": float(window[:, :, i].mean() / self.bin_s),
            }
            for i, unit in enumerate(self.recording.units)
        ]


def simulate_cell(name: str, n_units: int | None, options: SessionOptions) -> Session:
    """Simulate independent units (or pairs) of one kind of cell (science.md#simulated-cells).

    Parameters
    ----------
    name
        A cell of ``neurons.registry.CELLS``.
    n_units
        Number of units; None: the default of the cell.
    options
        Layout of the session.

    Returns
    -------
    Session
        The recording and the true intensity of each bin.

    Raises
    ------
    ConfigError
        If the cell is unknown, or the number of units is not possible for it.
    """
    spec = cell_spec(name)
    n_units = spec.units if n_units is None else n_units
    if n_units < 1 or n_units % spec.group:
        raise ConfigError(f"--units {n_units}: the number of units of {name} must be a multiple of {spec.group}")
    return simulate_session([spec] * (n_units // spec.group), options, name)


def simulate_session(
    specs: Sequence[CellSpec],
    options: SessionOptions,
    name: str = "simulated",
    truth_in: Literal["session", "trials"] = "session",
) -> Session:
    """Simulate several cells with one stimulus; unit ids count from 0 in the order of ``specs``.

    A unit's spikes depend only on the seed and its position in the list. Slow inputs with equal time constants are
    the same path. ``truth_in`` trials stores NaN between trials, to keep a file small.
    """
    options.check()
    seeds = np.random.SeedSequence(options.seed).spawn(len(specs) + 2)
    condition, signal = _stimuli(options, np.random.default_rng(seeds[0]))
    slow, noise = _slow_inputs(specs, options, seeds[1]), _noise_inputs(specs, options, condition)
    parts = []
    for spec, seed in zip(specs, seeds[2:], strict=True):
        x = signal + spec.slow_sd * slow[spec.slow_tau_s] if spec.slow_sd else signal  # (trial, bin)
        x = x + spec.noise_sd * noise[spec.noise_sigma_s] if spec.noise_sd else x
        x = np.broadcast_to(x[:, :, None], (*x.shape, spec.group))
        parts.append(simulate(spec.cell, x, options.bin_s, np.random.default_rng(seed)))
    counts = np.concatenate([counts for counts, _ in parts], axis=2)
    mu: FloatArray = np.concatenate([mu for _, mu in parts], axis=2)
    kinds = [spec.name for spec in specs for _ in range(spec.group)]
    times_s = options.times_s
    recording = _recording(name, counts, kinds, condition, (times_s, signal), options)
    truth = _truth(mu, times_s, options, truth_in)
    for tau_s, path in slow.items():
        truth[f"slow_input_{tau_s:g}s"] = (times_s, path.reshape(-1).astype(np.float32), "1")
    for sigma_s, values in noise.items():
        truth[f"frozen_noise_{1e3 * sigma_s:g}ms"] = (times_s, values.reshape(-1).astype(np.float32), "1")
    return Session(recording, counts, mu, options.n_before, options.bin_s, truth)


def simulate_network(name: str, n_units: int | None, options: SessionOptions) -> Session:
    """Simulate a network; its units' metadata say which units drive them and which share a hidden drive.

    Parameters
    ----------
    name
        A network of ``neurons.networks.NETWORKS``.
    n_units
        Number of units; None: the default of the network.
    options
        Layout of the session. The seed draws the links too.

    Returns
    -------
    Session
        The recording, and the true intensity given the recorded past of units without a hidden drive; of
        populations on a hidden state or gain, the intensity given that.

    Raises
    ------
    ConfigError
        If the network is unknown, or has too few units.
    """
    options.check()
    spec, n = network_spec(name, n_units)
    wire, inputs, hidden, spikes = map(np.random.default_rng, np.random.SeedSequence(options.seed).spawn(4))
    wiring = spec.wire(n, wire)
    condition, signal = _stimuli(options, inputs)
    cell = wiring.cell(wire)
    x = signal[:, :, None] + wiring.hidden(options.times_s, options.n_trials, hidden) / cell.own.gain
    counts, mu = simulate(cell, x, options.bin_s, spikes)
    recording = _recording(name, counts, [f"network {name}"] * n, condition, (options.times_s, signal), options)
    units = tuple(
        replace(unit, metadata={**unit.metadata, **_wired(wiring, i)}) for i, unit in enumerate(recording.units)
    )
    truth = _truth(mu, options.times_s, options, "session")
    told = [str(i) for i in range(n) if wiring.tells_truth or wiring.drives[i] < 0]
    known = {key: truth[key] for i in told if (key := truth_name(i)) in truth}
    return Session(replace(recording, units=units), counts, mu, options.n_before, options.bin_s, known)


def _wired(wiring: Wiring, unit: int) -> dict[str, str]:
    """Return what drives a unit of a network, as its metadata."""
    sources = [str(source) for source, target in wiring.links if target == unit]
    drive = int(wiring.drives[unit])
    return {"driven_by": " ".join(sources) or "none", "hidden_drive": "none" if drive < 0 else str(drive)}


def _stimuli(options: SessionOptions, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Return each trial's condition, balanced in random order, and the stimulus (trial, bin) over its block."""
    condition = rng.permutation(np.arange(options.n_trials) % options.n_conditions)
    windows = np.stack([stimulus(options.n_window, options.bin_s, rng) for _ in range(options.n_conditions)])
    signal = np.full((options.n_trials, options.n_block), SPONTANEOUS)
    # float32, so that the stimulus in the file is the input of the cells
    signal[:, options.n_before :] = windows[condition].astype(np.float32)
    return condition.astype(np.int64), signal


def _slow_inputs(
    specs: Sequence[CellSpec], options: SessionOptions, seed: np.random.SeedSequence
) -> dict[float, FloatArray]:
    """Return the slow path (trial, bin) of each time constant in use."""
    taus_s = sorted({spec.slow_tau_s for spec in specs if spec.slow_sd})
    rng = np.random.default_rng(seed)
    # in steps of 1/128: a file then stores the input of the cells exactly and compactly
    paths = {tau_s: np.rint(128.0 * slow_path(options.times_s, tau_s, rng)) / 128.0 for tau_s in taus_s}
    return {tau_s: path.reshape(options.n_trials, -1) for tau_s, path in paths.items()}


def _noise_inputs(specs: Sequence[CellSpec], options: SessionOptions, condition: IntArray) -> dict[float, FloatArray]:
    """Return the frozen noise (trial, bin) of each width in use: one for each stimulus, 0 between trials."""
    rng = np.random.default_rng([options.seed, 2])
    inputs = {}
    for sigma_s in sorted({spec.noise_sigma_s for spec in specs if spec.noise_sd}):
        windows = [frozen_noise(options.n_window, options.bin_s, sigma_s, rng) for _ in range(options.n_conditions)]
        inputs[sigma_s] = np.zeros((options.n_trials, options.n_block))
        inputs[sigma_s][:, options.n_before :] = np.stack(windows)[condition].astype(np.float32)
    return inputs


def _recording(
    name: str,
    counts: CountArray,
    kinds: Sequence[str],
    condition: IntArray,
    signal: tuple[FloatArray, FloatArray],
    options: SessionOptions,
) -> Recording:
    span_s = (0.0, counts.shape[0] * counts.shape[1] * options.bin_s)
    spike_times_s = spike_times(counts, options.bin_s, np.random.default_rng([options.seed, 1]))
    units = tuple(
        Unit(str(i), times_s, np.array([span_s]), {"cell": kind})
        for i, (times_s, kind) in enumerate(zip(spike_times_s, kinds, strict=True))
    )
    times_s, values = signal[0], signal[1].reshape(-1, 1)
    stimulus_series = Covariate("stimulus", "1", len(times_s), 1, lambda: (times_s, values.astype(np.float32)))
    cells = ", ".join(dict.fromkeys(kinds))
    return Recording(
        path=Path(f"{name}.nwb"),
        sha256=hashlib.sha256(b"".join(times.tobytes() for times in spike_times_s)).hexdigest(),
        size_bytes=0,
        format="simulated",
        units=units,
        intervals={"trials": _trial_table(condition, options)},
        covariates={"stimulus": stimulus_series},
        span_s=span_s,
        session={
            "session_description": f"Simulated cells with known intensity: {cells}",
            "session_id": name,
            "notes": f"rnnspike simulated cells, seed {options.seed}. Each inter-trial time starts from rest.",
        },
    )


def spike_times(counts: CountArray, bin_s: float, rng: np.random.Generator) -> list[FloatArray]:
    """Return each unit's spike times (s) for counts (trial, bin, unit), at random positions in their bins."""
    trains = []
    for train in counts.reshape(-1, counts.shape[2]).T:
        bins = np.flatnonzero(train)
        place = (rng.integers(_PLACES_PER_BIN, size=len(bins)) + 0.5) / _PLACES_PER_BIN
        trains.append((bins + place) * bin_s)
    return trains


def _trial_table(condition: IntArray, options: SessionOptions) -> pd.DataFrame:
    first = np.arange(options.n_trials) * options.n_block + options.n_before
    table = pd.DataFrame(
        {"start_time": first * options.bin_s, "stop_time": (first + options.n_window) * options.bin_s}
    )
    if options.n_conditions > 1:
        table["condition"] = [f"stimulus {c}" for c in condition]
    return table


def _truth(mu: FloatArray, times_s: FloatArray, options: SessionOptions, truth_in: str) -> dict[str, Truth]:
    """Return each unit's intensity (Hz) on the bin grid; float32 holds it exactly (``cell.round_intensity``)."""
    lambda_hz = (mu / options.bin_s).astype(np.float32)
    if truth_in == "trials":
        lambda_hz[:, : options.n_before] = np.nan
    return {truth_name(str(unit)): (times_s, lambda_hz[:, :, unit].reshape(-1), "Hz") for unit in range(mu.shape[2])}
