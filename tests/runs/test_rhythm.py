"""Rhythms of known period, from the recording to the verdict on the trained networks (a minute: run with -m slow)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.config import resolve_settings
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.dynamics import DynamicsOptions, analyse_run
from rnnspike.runs.plan import make_job

LENGTH_S = 120.0
PERIODS_S = {"modulated": 0.4, "pacemaker": 0.1}


def spikes_of(name: str, rng: np.random.Generator) -> np.ndarray:
    if name == "pacemaker":
        return np.cumsum(rng.gamma(25, 0.1 / 25, size=int(2 * LENGTH_S / 0.1)))
    even = np.sort(rng.uniform(0, LENGTH_S, int(40 * LENGTH_S)))
    if name == "poisson":
        return even[::4]
    return even[rng.random(len(even)) < 0.5 * (1 + 0.95 * np.cos(2 * np.pi * even / PERIODS_S["modulated"]))]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Two rhythmic units and a Poisson one, in one piece of 120 s; an LSTM each, in bins of 10 ms."""
    rng = np.random.default_rng(5)
    folder: Path = tmp_path_factory.mktemp("rhythm")
    held = np.array([[0.0, LENGTH_S]])
    trains = {name: spikes_of(name, rng) for name in (*PERIODS_S, "poisson")}
    units = tuple(Unit(name, t[t < LENGTH_S], held) for name, t in trains.items())
    write_nwb(folder / "s.nwb", Recording(folder, "", 0, "nwb", units))
    flags = {"models": ["lstm"], "segment": 5.0, "bin": 0.01, "effort": "fast"}
    flags |= {"out": folder / "runs", "replicates": 0, "report": False}
    job, loaded = make_job(folder / "s.nwb", resolve_settings(flags, environment={})[0])
    fit_recording(job, loaded)
    options = DynamicsOptions(models=("lstm",), pictures=False)
    return [row for row in analyse_run(job.folder, options) if row["input"] == "closed-loop"]


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "period_s"), PERIODS_S.items())
def test_a_rhythm_is_learned_within_ten_percent(rows: list[dict], unit: str, period_s: float) -> None:
    own = [row for row in rows if row["unit"] == unit and row["seed"]]
    assert [row["data_period_ms"] for row in own] == pytest.approx([1e3 * period_s] * 2, rel=0.05)
    learned = [row for row in own if row["rhythm_learned"]]
    assert len(learned) == 2
    for row in learned:
        assert row["rhythm_period_ms"] == pytest.approx(1e3 * period_s, rel=0.12)
        assert row["free_run_period_ms"] == pytest.approx(1e3 * period_s, rel=0.12)
    summary = next(row for row in rows if row["unit"] == unit and row["seed"] is None)
    assert f"learned by {len(learned)} of 2 networks" in summary["message"]


@pytest.mark.slow
def test_a_poisson_train_has_no_rhythm_to_learn(rows: list[dict]) -> None:
    own = [row for row in rows if row["unit"] == "poisson"]
    assert len(own) == 3 and all(row["rhythm_learned"] is None and row["data_period_ms"] is None for row in own)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("period_s", "bin_s", "duration_s"), [(0.5, 0.005, 600.0), (2.0, 0.01, 600.0), (10.0, 0.05, 2400.0)]
)
def test_a_rhythm_that_spikes_carry_on_is_learned(
    period_s: float, bin_s: float, duration_s: float, tmp_path: Path
) -> None:
    """Of 60 cycles of 10 s one of five trainings learns the rhythm; of 240, three."""
    layout = SessionOptions(n_trials=1, duration_s=duration_s, inter_trial_s=0.0)
    simulate_cell(f"rhythm-{period_s:g}s", 1, layout).write(tmp_path / "s.nwb")
    flags = {"models": ["lstm"], "segment": max(3 * period_s, 5.0), "bin": bin_s, "burn_in": max(period_s, 2.0)}
    flags |= {"out": tmp_path / "runs", "replicates": 0, "report": False}
    job, loaded = make_job(tmp_path / "s.nwb", resolve_settings(flags, environment={})[0])
    fit_recording(job, loaded)
    rows = analyse_run(job.folder, DynamicsOptions(models=("lstm",), pictures=False))
    own = [row for row in rows if row["seed"] and row["input"] == "closed-loop"]
    assert sum(bool(row["rhythm_learned"]) for row in own) >= 2, [row["message"] for row in own]
    assert own[0]["data_period_ms"] == pytest.approx(1e3 * period_s, rel=0.1)


@pytest.mark.slow
def test_locomotion_of_aplysia_is_learned_or_said_not_to_be(shared_data: Path, tmp_path: Path) -> None:
    """Unit 7 fires every half second, unit 110 in bursts of 18 s, five of them: too few for most networks."""
    flags = {"models": ["lstm"], "segment": 10.0, "bin": 0.05, "burn_in": 5.0, "units": "id in ['7', '110']"}
    flags |= {"out": tmp_path / "runs", "replicates": 0, "report": False}
    job, loaded = make_job(shared_data / "aplysia_Feb1312da06.nwb", resolve_settings(flags, environment={})[0])
    fit_recording(job, loaded)
    found = {row["unit"]: row for row in analyse_run(job.folder, DynamicsOptions(pictures=False)) if not row["seed"]}
    assert found["7"]["data_period_ms"] == pytest.approx(500, rel=0.1)
    assert found["110"]["data_period_ms"] == pytest.approx(18_300, rel=0.1)
    assert "learned by" in found["7"]["message"] or "has not learned the rhythm" in found["7"]["message"]
    assert any(said in found["110"]["message"] for said in ("has not learned the rhythm", "learned by 1 of 3"))
