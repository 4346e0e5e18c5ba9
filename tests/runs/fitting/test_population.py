"""Population models in a run: rows with their null, units left out as sources, and runs without other units."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings
from rnnspike.errors import RunError
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.data import Recording
from rnnspike.recording.write import write_nwb
from rnnspike.report.build import build_report
from rnnspike.report.catalogue import POPULATION, SINGLE_TRIALS
from rnnspike.report.figures.export import drawn, unit_figures
from rnnspike.report.load import load_run
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.job import Job, load_job
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.claim import remove_run
from rnnspike.runs.stored.population import TRIALS_FILE, read_population, read_single_trials
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.store import read_arrays, write_arrays
from rnnspike.runs.tasks import ladder


def settings(out: Path, **more: Any) -> FitSettings:
    return FitSettings(
        **{
            "out": out,
            "models": ("coupling", "population-gru", "stack"),
            "replicates": 8,
            "effort": "fast",
            "save_intensities": True,
            **more,
        }
    )


@pytest.fixture(scope="module")
def recording() -> Recording:
    cells = [cell_spec("coupled-pair"), cell_spec("refractory")]
    return simulate_session(cells, SessionOptions(60, inter_trial_s=0.5, seed=5)).recording


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, recording: Recording) -> Path:
    """The pair and the unit alone, and a fourth unit that shares a third of the first one's spikes."""
    first = recording.units[0]
    own = recording.units[2].spike_times_s + 0.2
    shared = np.sort(np.concatenate([first.spike_times_s[::3], own[::2]]))
    path = tmp_path_factory.mktemp("population") / "four.nwb"
    write_nwb(path, replace(recording, units=(*recording.units, replace(first, id="3", spike_times_s=shared))))
    return path


@pytest.fixture(scope="module")
def run(session: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, list[dict[str, Any]]]:
    job, loaded = make_job(session, settings(tmp_path_factory.mktemp("out")))
    return job, list(fit_recording(job, loaded))


@pytest.fixture(scope="module")
def links(run: tuple[Job, list[dict[str, Any]]]) -> pd.DataFrame:
    found = load_run(run[0].folder).links
    assert found is not None
    return found


@pytest.fixture(scope="module")
def rows(run: tuple[Job, list[dict[str, Any]]]) -> dict[tuple[str, str], dict[str, Any]]:
    job, fitted = run
    table = pd.read_csv(job.folder / "units" / "1" / "per_trial.csv")
    gain = (table["ll_coupling"] - table["ll_glm"]).sum() / table["n_spikes"].sum() / np.log(2)
    null = (table["shuffled_ll_coupling"] - table["ll_glm"]).sum() / table["n_spikes"].sum() / np.log(2)
    found = {(row["unit"], row["model"]): row for row in fitted}
    assert found["1", "coupling"]["population_gain"] == pytest.approx(gain, abs=1e-9)
    assert found["1", "coupling"]["population_null"] == pytest.approx(null, abs=1e-9)
    model = reopen(job.folder).held_out_model("coupling", "1", 0)
    trials = reopen(job.folder).trials("1")
    assert np.isfinite(model.intensity(trials.take([0, 1]))).all()
    return found


def test_a_driven_unit_gains_and_its_null_does_not(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows["1", "coupling"]
    assert row["population_base"] == "glm"
    assert row["population_difference_low"] > 0.02
    assert abs(row["population_null"]) < 0.01
    assert row["population_verdict"] == "coupling or shared state"
    assert "with the other units' trials shuffled" in row["message"]
    assert row["free_run_stability"] == "stable"


def test_all_pairs_of_units_are_tested(links: pd.DataFrame) -> None:
    table = links.set_index(["target", "source"])
    assert len(table) == 12
    assert table.loc[("1", "0"), "p"] < 1e-10 and table.loc[("1", "0"), "sign"] == "more"
    assert table.loc[("1", "0"), "peak_lag_ms"] < 10
    assert table.loc[("0", "1"), "sign"] == "fewer"
    assert table.loc[("1", "0"), "verdict"] == table.loc[("0", "1"), "verdict"] == "shared or reciprocal"
    assert set(table.loc["2", "verdict"]) == {"none"}
    assert table.loc[("0", "3"), "verdict"] == "not tested" and table.loc[("0", "3"), "shared_spikes"] > 0.2


def test_the_shared_state_has_its_null_too(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows["1", "population-gru"]
    assert row["status"] == "ok" and row["population_base"] == "glm"
    assert row["population_difference_low"] > 0
    assert row["free_run_stability"] == "stable"
    assert "does not read" not in row["message"]


def test_a_unit_on_its_own_has_no_evidence(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows["2", "coupling"]
    assert row["population_verdict"] == "no evidence of coupling or shared state"
    assert row["population_verdict"] in row["message"]


def test_units_that_share_spikes_are_not_read_and_told(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert "does not read unit 3: shared spikes" in rows["0", "coupling"]["message"]
    assert "does not read unit 0: shared spikes" in rows["3", "coupling"]["message"]
    assert "shared spikes" not in (rows["1", "coupling"]["message"] or "")


def test_the_report_draws_gains_and_links(run: tuple[Job, list[dict[str, Any]]]) -> None:
    page = build_report(run[0].folder).read_text()
    assert 'id="p-gains"' in page and 'id="p-links"' in page and "shared or reciprocal" in page
    assert 'id="p-shared"' in page and "each other&#39;s simulated spikes" in page
    loaded = load_run(run[0].folder)
    names = {picture.name for picture in drawn((*POPULATION, *SINGLE_TRIALS), loaded)}
    wanted = ("gains", "links", "noise_correlations", "correlogram", "trial", "states")
    assert {f"population_{name}" for name in wanted} <= names
    assert any(picture.name.endswith("others") for picture in unit_figures(loaded, "1"))


def test_the_null_has_no_row_and_the_stack_takes_the_model(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert {model for _, model in rows} == {*("constant", "psth-gain", "glm"), "coupling", "population-gru", "stack"}
    assert rows["1", "stack"]["bits_per_spike"] > rows["1", "psth-gain"]["bits_per_spike"]


def test_of_units_that_share_spikes_one_is_run_together_with_the_others(
    run: tuple[Job, list[dict[str, Any]]],
) -> None:
    found = read_population(run[0].folder)
    assert found is not None and found["status"] == "ok" and found["message"] is None
    assert found["units"] == ["1", "2", "3"] and found["left_out"] == {"0": "shared spikes"}
    assert [model["model"] for model in found["models"]] == ["glm", "coupling", "population-gru"]
    assert all(model["stability"] == "stable" for model in found["models"])


def test_without_population_and_for_one_unit_there_is_none(session: Path, tmp_path: Path) -> None:
    default = FitSettings(out=tmp_path)
    assert "coupling" in ladder(make_job(session, default)[0].settings.models)
    for without in ({"population": False}, {"units": "id == 1"}):
        job, _ = make_job(session, default.model_copy(update=without))
        assert not {"coupling", "coupling-shuffled"} & set(ladder(job.settings.models))


def test_units_observed_at_other_times_are_not_put_together(recording: Recording, tmp_path: Path) -> None:
    last = recording.units[2]
    assert last.observed_s is not None
    later = replace(last, observed_s=np.array([[10.0, last.observed_s[0, 1]]]))
    path = tmp_path / "three.nwb"
    write_nwb(path, replace(recording, units=(*recording.units[:2], later)))
    _, loaded = make_job(path, settings(tmp_path))
    assert loaded.trials(["0"]).others.unit_ids == ("1",)
    assert loaded.trials(["2"]).others.unit_ids == ()
    assert loaded.trials(["0"]).others.left_out == {"2": "another observed time"}


def test_single_trials_are_held_out_and_as_recorded(run: tuple[Job, list[dict[str, Any]]]) -> None:
    job = run[0]
    found, reopened, folds = read_single_trials(job.folder), reopen(job.folder), load_job(job).folds
    assert found is not None and found["unit"].tolist() == ["1", "2", "3"]
    assert set(folds[found["trial"]]) == {0} and len(found["trial"]) == (folds == 0).sum()
    for k, unit in enumerate(found["unit"]):
        recorded = reopened.trials(unit).spikes[found["trial"], :, 0]
        mine = found["spike.unit"] == k
        counts = np.zeros_like(recorded)
        counts[found["spike.trial"][mine], found["spike.bin"][mine]] = 1
        np.testing.assert_array_equal(counts, recorded)


def test_gains_of_single_trials_are_ratios_of_expected_spikes(run: tuple[Job, list[dict[str, Any]]]) -> None:
    found = read_single_trials(run[0].folder)
    assert found is not None and found["model"].tolist() == ["coupling", "population-gru"]
    start = np.rint((found["piece_s"] - found["window_s"][0]) / found["bin_s"]).astype(int)
    for k, unit in enumerate(found["unit"]):
        mu = read_arrays(run[0].folder / "units" / unit / "intensity.npz")
        expected = {
            name: [-np.expm1(-piece.astype(np.float64)).sum(axis=1) for piece in np.split(each, start[1:], axis=1)]
            for name in ("glm", *found["model"])
            for each in [mu[name][found["trial"]]]
        }
        for m, name in enumerate(found["model"]):
            ratio = np.log2(np.array(expected[name]) / np.array(expected["glm"])).T
            np.testing.assert_allclose(found["gain"][m, :, :, k], ratio, atol=1e-4)
    assert np.abs(found["gain"][0, :, :, 0]).max() > 0.3  # unit 1 is driven by unit 0, or by what shares its spikes


def test_states_of_single_trials_are_those_of_a_network_that_has_not_seen_them(
    run: tuple[Job, list[dict[str, Any]]],
) -> None:
    found, reopened = read_single_trials(run[0].folder), reopen(run[0].folder)
    assert found is not None and str(found["state.model"]) == "population-gru"
    model = reopened.held_out_model("population-gru", "1", 0)
    trials = reopened.trials("1").take(found["state.trial"])
    hidden = model.cell.hidden(model.states(model.residuals(trials)))[:, model.clock.warm_up :]
    centred = hidden - hidden.mean(axis=(0, 1))
    shares = np.linalg.svd(centred.reshape(-1, hidden.shape[-1]), compute_uv=False) ** 2
    np.testing.assert_allclose(found["state.explained"], shares[:3] / shares.sum(), rtol=1e-3)
    components = found["state.component"]
    np.testing.assert_allclose(components.var(axis=(0, 1)), shares[:3] / hidden[..., 0].size, rtol=1e-3)
    assert found["state.time_s"].shape == components.shape[1:2]


def test_a_damaged_file_of_single_trials_is_reported(run: tuple[Job, list[dict[str, Any]]], tmp_path: Path) -> None:
    found = read_single_trials(run[0].folder)
    assert found is not None
    for wrong in ({**found, "gain": found["gain"][0]}, {n: v for n, v in found.items() if n != "state.component"}):
        write_arrays(tmp_path / TRIALS_FILE, wrong)
        with pytest.raises(RunError, match=TRIALS_FILE):
            read_single_trials(tmp_path)
    assert read_single_trials(tmp_path / "elsewhere") is None


def test_a_run_is_removed_with_all_that_is_in_it(run: tuple[Job, list[dict[str, Any]]], tmp_path: Path) -> None:
    folder = shutil.copytree(run[0].folder, tmp_path / "run")
    remove_run(folder)
    assert list(folder.iterdir()) == []
