"""Modes of a linear recurrence: time constants and frequencies that are its parameters (science.md#lru)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnspike.dynamics.eigenvalues import ComplexArray, Modes, read_modes, short
from rnnspike.dynamics.network import Network
from rnnspike.models.networks.diagonal import eigenvalues, n_modes
from rnnspike.trials.data import FloatArray

#: Figures of a mode in rows; a summary gives median and range of each.
MODE_FIGURES = ("tau_ms", "frequency_hz", "share")
#: Share of the read-out's variance from which tables list a mode.
LEAST_SHARE = 0.01


@dataclass(frozen=True)
class ReadModes:
    """The modes of a linear recurrence and what the read-out makes of them.

    Attributes
    ----------
    eigenvalues
        complex (mode,), in the order of the layer's units: of networks that began alike, the same mode.
    share
        (mode,) of the variance of the log gain on its orbits: the covariance of the mode's own part, at the
        read-out's mean slope, with the whole, over the variance. Below 0 where the mode takes away from the others.
    bend_share
        The rest, which no mode carries at a fixed slope: 0 of a linear read-out. All shares add to 1; where the log
        gain does not vary, they are 0.
    """

    eigenvalues: ComplexArray
    share: FloatArray
    bend_share: float

    def read(self, bin_s: float) -> Modes:
        """Return time constants and frequencies, each (mode, 1)."""
        return read_modes(self.eigenvalues[:, None], bin_s)

    def rows(self, bin_s: float) -> list[dict[str, Any]]:
        """Return one row per mode, the largest share first."""
        read = self.read(bin_s)
        values = zip(1e3 * read.tau_s[:, 0], read.frequency_hz[:, 0], self.share, strict=True)
        rows = [
            {"mode": k, **dict(zip(MODE_FIGURES, map(float, each), strict=True))} for k, each in enumerate(values)
        ]
        return sorted(rows, key=lambda row: -abs(row["share"]))


def measure_modes(network: Network, states: FloatArray) -> ReadModes | None:
    """Return the modes of a network of one linear recurrence; None for any other, or without a read-out.

    Parameters
    ----------
    network
        The network; of several outputs, the first is read.
    states
        (trial, time, state) on its orbits.
    """
    if network.readout is None or network.architecture != "lru" or len(network.layers) > 1:
        return None
    hidden = states.reshape(-1, states.shape[-1])
    gain = network.readout.eta(hidden)[:, 0]
    own = hidden * network.readout.slope(hidden)[:, 0].mean(axis=0)
    gain, own = gain - gain.mean(), own - own.mean(axis=0)
    variance = float((gain**2).mean())
    by_unit = (own * gain[:, None]).mean(axis=0) / variance if variance > 0 else np.zeros(own.shape[1])
    real, oscillating = n_modes(len(by_unit))
    share = by_unit[: real + oscillating].copy()
    share[real:] += by_unit[real + oscillating :]
    rest = 1.0 - float(share.sum()) if variance > 0 and network.readout.bend is not None else 0.0
    return ReadModes(eigenvalues(network.layers[0].weight_hh), share, rest)


def summarise_modes(members: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return one row per mode over networks that began alike: medians, with ``_low`` and ``_high``."""
    summary = []
    for mode in sorted(row["mode"] for row in members[0]):
        same = [row for rows in members for row in rows if row["mode"] == mode]
        found: dict[str, Any] = {"mode": mode}
        for name in MODE_FIGURES:
            values = [row[name] for row in same]
            found |= {name: float(np.median(values)), f"{name}_low": min(values), f"{name}_high": max(values)}
        summary.append(found)
    return sorted(summary, key=lambda row: -abs(row["share"]))


def modes_text(modes: Sequence[Mapping[str, Any]], bend_share: float | None) -> str:
    """Return the modes of a summary row that the read-out uses, as a sentence for tables."""
    used = [row for row in modes if abs(row["share"]) >= LEAST_SHARE]
    parts = [f"{_mode_text(row)} {row['share']:.0%}" for row in used]
    if bend_share:
        parts.append(f"bend {bend_share:.0%}")
    rest = len(modes) - len(used)
    text = f"modes by share of the readout's variance: {', '.join(parts)}" if parts else "modes: none is read"
    return f"{text}; {rest} more under {LEAST_SHARE:.0%}" if rest and parts else text


def _mode_text(row: Mapping[str, Any]) -> str:
    tau = f"{_range_text(row, 'tau_ms')} ms"
    return f"{tau} at {_range_text(row, 'frequency_hz')} Hz" if row["frequency_hz"] else tau


def _range_text(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (short(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return value if low == high else f"{value} ({low}–{high})"
