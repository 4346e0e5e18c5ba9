"""The simulated cells by name (``rnnspike simulate --neuron``); one entry per cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from rnnspike.errors import ConfigError
from rnnspike.neurons.cell import Cell
from rnnspike.neurons.loglinear import CoupledPair, Kernel, LogLinear, power_law
from rnnspike.neurons.membrane import IntegrateAndFire, Izhikevich, ThresholdAdapting
from rnnspike.neurons.rhythms import Relaxation, Rhythmic
from rnnspike.neurons.states import Bistable, BurstCounter

Kind = Literal["log-linear", "membrane", "state-dependent"]

_RECOVERY = Kernel(-3.0, 0.008)


@dataclass(frozen=True)
class CellSpec:
    """A simulated cell: its parameters, kind of memory, and numbers of units.

    The number of units is a multiple of ``group`` (2 for pairs); ``units`` is its default.
    ``slow_sd`` and ``slow_tau_s`` give a slow input shared by all units of the cell (0: none), ``noise_sd`` and
    ``noise_sigma_s`` noise that is the same in every trial of a stimulus.
    """

    name: str
    cell: Cell
    kind: Kind
    description: str
    group: int = 1
    units: int = 1
    slow_sd: float = 0.0
    slow_tau_s: float = 20.0
    noise_sd: float = 0.0
    noise_sigma_s: float = 0.001


def _izhikevich(name: str, description: str, **parameters: float) -> CellSpec:
    return CellSpec(f"izhikevich-{name}", Izhikevich(**parameters), "membrane", f"Izhikevich's {description}")


CELLS: dict[str, CellSpec] = {
    spec.name: spec
    for spec in (
        CellSpec("poisson", LogLinear(20.0), "log-linear", "no memory: the input alone"),
        CellSpec(
            "refractory",
            LogLinear(40.0, absolute_s=0.002, kernels=(_RECOVERY,)),
            "log-linear",
            "absolute refractory time of 2 ms, relative one of 8 ms",
        ),
        CellSpec(
            "adapting",
            LogLinear(60.0, absolute_s=0.002, kernels=(Kernel(-3.0, 0.006), Kernel(-0.4, 0.15))),
            "log-linear",
            "spike-frequency adaptation of 150 ms",
        ),
        CellSpec(
            "adapting2",
            LogLinear(70.0, absolute_s=0.002, kernels=(Kernel(-3.0, 0.006), Kernel(-0.5, 0.06), Kernel(-0.12, 0.8))),
            "log-linear",
            "adaptation with two time constants, 60 and 800 ms",
        ),
        CellSpec(
            "power-law",
            LogLinear(80.0, absolute_s=0.002, kernels=(Kernel(-3.0, 0.006), *power_law(-0.8, 0.7))),
            "log-linear",
            "adaptation that falls with the lag to the power -.7, 10 ms to 10 s",
        ),
        CellSpec(
            "bursting",
            LogLinear(12.0, absolute_s=0.002, kernels=(Kernel(7.0, 0.006), Kernel(-2.2, 0.03))),
            "log-linear",
            "bursts of intervals of 3-6 ms, then suppression of 30 ms",
        ),
        CellSpec(
            "resonant",
            LogLinear(22.0, gain=0.4, absolute_s=0.002, kernels=(Kernel(-4.3, 0.008), Kernel(1.6, 0.04, 20.0))),
            "log-linear",
            "a damped rhythm of 20 Hz after every spike",
        ),
        CellSpec(
            "coupled-pair",
            CoupledPair(
                LogLinear(25.0, absolute_s=0.002, kernels=(_RECOVERY,)),
                onto_first=Kernel(-1.0, 0.02),
                onto_second=Kernel(1.2, 0.01),
            ),
            "log-linear",
            "two refractory cells: the first excites the second (10 ms), which inhibits the first (20 ms)",
            group=2,
            units=2,
        ),
        CellSpec(
            "shared-gain",
            LogLinear(30.0, gain=0.5, absolute_s=0.002, kernels=(_RECOVERY,)),
            "log-linear",
            "refractory cells with one slow gain (20 s, log-rate sd .5); the intensity is conditional on the gain",
            units=3,
            slow_sd=1.0,
        ),
        CellSpec(
            "precise",
            LogLinear(0.1, absolute_s=0.002),
            "log-linear",
            "frozen noise drives spikes that come at the same millisecond in many trials",
            noise_sd=7.0,
        ),
        CellSpec(
            "integrate-and-fire",
            IntegrateAndFire(),
            "membrane",
            "escape noise, reset, and a threshold raised by spikes for 100 ms",
        ),
        _izhikevich("rs", "regular spiking cell: adapts"),
        _izhikevich("ib", "intrinsically bursting cell", c=-55.0, d=4.0),
        _izhikevich("ch", "chattering cell: bursts of 3 ms intervals", c=-50.0, d=2.0, current=6.0),
        _izhikevich("fs", "fast spiking cell", a=0.1, d=2.0, current=5.0, gain=1.0),
        _izhikevich("lts", "low-threshold spiking cell", b=0.25, d=2.0, current=1.0, gain=1.0),
        _izhikevich("rz", "resonator", a=0.1, b=0.26, d=2.0, current=0.0, gain=0.5),
        CellSpec(
            "threshold-adapting",
            ThresholdAdapting(),
            "state-dependent",
            "a moving threshold that saturates, and recovers faster the higher it is",
        ),
        CellSpec(
            "burst-counter",
            BurstCounter(),
            "state-dependent",
            "bursts of at most 4 spikes: a pause of 120 ms follows a full burst, of 20 ms a shorter one",
        ),
        CellSpec(
            "bistable",
            Bistable(),
            "state-dependent",
            "an up and a down state, switched by doublets of at most 6 ms",
        ),
        CellSpec(
            "relaxation",
            Relaxation(),
            "state-dependent",
            "a relaxation oscillator: active and quiet phases in turn, with a period of 2 s",
        ),
        *(
            CellSpec(
                f"rhythm-{period_s:g}s",
                Rhythmic(period_s),
                "state-dependent",
                f"a rhythm of {period_s:g} s that its own spikes carry on",
            )
            for period_s in (0.5, 2.0, 10.0)
        ),
    )
}  # fmt: skip


def cell_spec(name: str) -> CellSpec:
    """Return a cell by its name; ConfigError with the available names if it is unknown."""
    if name not in CELLS:
        raise ConfigError(f"--neuron {name}: no such cell (there are {', '.join(CELLS)})")
    return CELLS[name]


def population() -> tuple[CellSpec, ...]:
    """Return the cells of ``sample_data/simulated_population``, eight units.

    0 refractory, 1 adapting, 2 bursting, 3 Poisson, 4 and 5 a coupled pair, 6 refractory and 7 adapting with two time
    constants; the last two share one slow gain.
    """
    quieter = {"poisson": 12.0, "shared-gain": 20.0, "adapting2": 35.0}
    names = ("refractory", "adapting", "bursting", "poisson", "coupled-pair", "shared-gain", "adapting2")
    specs = {name: cell_spec(name) for name in names}
    for name, rate_hz in quieter.items():
        specs[name] = replace(specs[name], cell=replace(specs[name].cell, rate_hz=rate_hz))  # type: ignore[type-var]
    specs["adapting2"] = replace(specs["adapting2"], slow_sd=specs["shared-gain"].slow_sd)
    return tuple(specs.values())
