"""Rates of a file against the trials: refused where they cannot be rates, and findings where they seem to be off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import RatesError
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.neurons.truth import true_intensity
from rnnspike.rates.given import counts_in_bins
from rnnspike.rates.prepare import prepare
from rnnspike.rates.read import RateSeries, RateTable, table_of
from rnnspike.recording.read import read_recording
from rnnspike.trials.data import Trials
from rnnspike.trials.plan import TrialPlan, plan_trials

Session = tuple[TrialPlan, Trials, np.ndarray]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A refractory cell: its plan, its trials, and its true mu (trial, bin, 1)."""
    return simulated("refractory", tmp_path_factory.mktemp("data"))


def simulated(cell: str, folder: Path) -> Session:
    simulate_cell(cell, 1, SessionOptions(n_trials=60, seed=3)).write(folder / "cell.nwb")
    recording = read_recording(folder / "cell.nwb")
    plan = plan_trials(recording)
    trials = plan.trials()
    mu = true_intensity(recording, trials)
    assert mu is not None
    return plan, trials, mu


def found(session: Session, values: np.ndarray, quantity: str = "counts", history: bool = True) -> dict[str, str]:
    """The findings on these values, by id."""
    plan, _, _ = session
    _, findings = prepare("mine", RateTable("mine.npy", values), plan, quantity, history)
    return {each.id: each.message for each in findings}


def test_true_rates_are_found_nothing_wrong_with(session: Session) -> None:
    assert found(session, session[2]) == {}


@pytest.mark.parametrize("cell", ["bursting", "adapting", "poisson"])
def test_nor_are_those_of_other_cells(cell: str, tmp_path: Path) -> None:
    other = simulated(cell, tmp_path)
    assert found(other, other[2]) == {}


@pytest.mark.parametrize(("quantity", "scale"), [("hz", 1000.0), ("counts", 1.0)])
def test_what_the_values_are_is_inferred_from_the_spikes(session: Session, quantity: str, scale: float) -> None:
    plan, _, mu = session
    table = RateTable("mine.npy", mu * scale)
    rates, (finding,) = prepare("mine", table, plan)
    assert (rates.quantity, finding.id) == (quantity, "rates-read-as")
    np.testing.assert_allclose(rates.mu(plan.unit_ids[0]), mu[:, :, 0], rtol=1e-12)


@pytest.mark.parametrize(("quantity", "scale"), [("log-hz", 1000.0), ("log-counts", 1.0)])
def test_logarithms_are_recognised(session: Session, quantity: str, scale: float) -> None:
    plan, _, mu = session
    with np.errstate(divide="ignore"):
        table = RateTable("mine.npy", np.log(mu * scale))
    rates, _ = prepare("mine", table, plan)
    assert rates.quantity == quantity


def test_logarithms_without_a_negative_value_are_recognised(session: Session) -> None:
    plan, _, mu = session
    above_1_hz = np.log(np.maximum(1000 * mu, 2.0))
    rates, (finding,) = prepare("mine", RateTable("mine.npy", above_1_hz), plan)
    assert rates.quantity == "log-hz" and "read as the log of spikes/s" in finding.message


@pytest.mark.parametrize("n_given", [200, 1000, 4000])
def test_bins_of_another_width_keep_the_expected_count(session: Session, n_given: int) -> None:
    plan, trials, _ = session
    values = np.random.default_rng(0).uniform(5, 60, (60, n_given))
    mu = counts_in_bins(values, "hz", plan.grid.n_bins, plan.bin_s)
    assert mu.shape == trials.counts.shape[:2]
    np.testing.assert_allclose(mu.sum(axis=1), values.mean(axis=1) * 1.0, rtol=1e-12)


def test_resampling_is_reported(session: Session) -> None:
    mu = session[2].reshape(60, 200, 5, 1).sum(axis=2)
    assert "from bins of 5 ms to 1 ms" in found(session, mu)["rates-resampled"]


def test_counts_said_to_be_hz_are_off_in_level(session: Session) -> None:
    plan, _, mu = session
    _, findings = prepare("mine", RateTable("m", mu), plan, "hz")
    too_low = next(each for each in findings if each.id == "rates-level")
    assert too_low.option == "--rates counts" and "as expected counts per bin they would be" in too_low.message
    _, findings = prepare("mine", RateTable("m", 1000 * mu), plan, "counts")
    too_high = next(each for each in findings if each.id == "rates-level")
    assert too_high.option == "--rates hz" and "as spikes/s they would be" in too_high.message


@pytest.mark.parametrize("shift", [-2, -1, 1, 2])
def test_shifted_rates_are_reported(session: Session, shift: int) -> None:
    late = "late" if shift > 0 else "early"
    message = found(session, np.roll(session[2], shift, axis=1))["rates-shifted"]
    assert f"shifted by {abs(shift)} bin" in message
    assert late in message


def test_a_shift_is_counted_in_bins_of_the_file(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, trials, _ = session
    rng = np.random.default_rng(1)
    wave = rng.choice([0.05, 0.6], 100)
    spikes = rng.random((60, 1000)) < np.repeat(wave, 10) / 10
    drawn = replace(trials, counts=spikes.astype(np.uint8)[:, :, None])
    values = np.broadcast_to(np.roll(wave, 1), (60, 100))[:, :, None]
    monkeypatch.setattr(TrialPlan, "trials", lambda plan, unit_ids: drawn)
    _, findings = prepare("mine", RateTable("m", values), plan, "counts", False)
    assert any("shifted by 1 bin (late)" in each.message for each in findings)


@pytest.mark.parametrize("width", [5, 20])
def test_rates_smoothed_from_the_scored_spikes_are_reported(session: Session, width: int) -> None:
    kernel = np.exp(-0.5 * (np.arange(-100, 101) / width) ** 2)
    smooth = [np.convolve(trial, kernel / kernel.sum(), "same") for trial in session[1].counts[:, :, 0]]
    assert "rates-in-sample" in found(session, np.array(smooth)[:, :, None] + 1e-4)


def test_rates_that_know_the_spikes_are_reported(session: Session) -> None:
    known = np.where(session[1].counts > 0, 0.9, 1e-3)
    assert "of what a model that knows every spike" in found(session, known)["rates-in-sample"]


def test_the_trial_average_is_not_in_sample(session: Session) -> None:
    mean = np.convolve(session[1].counts[:, :, 0].mean(axis=0), np.ones(20) / 20, "same") + 1e-4
    assert found(session, np.broadcast_to(mean[:, None], (60, 1000, 1)), history=False) == {}


def test_a_zero_where_a_spike_is_is_counted(session: Session) -> None:
    values = session[2].copy()
    trial, at, _ = (each[0] for each in np.nonzero(session[1].counts))
    values[trial, at] = 0.0
    assert "are 0 in 1 bin of 1 unit" in found(session, values)["rates-zero"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda mu: mu.transpose(1, 0, 2), r"axes are in another order \(try array.transpose\(1, 0, 2\)\)"),
        (lambda mu: mu[:, :-1], r"has shape \(60, 999, 1\); the run has \(60, 1000, 1\)"),
        (lambda mu: mu[1:], r"the run has \(60, 1000, 1\)"),
        (lambda mu: np.where(mu == mu[3, 4], -0.2, mu), "negative rates"),
        (lambda mu: np.where(np.arange(1000)[:, None] == 7, np.nan, mu), "60 scored bins without a number"),
        (lambda mu: np.where(np.arange(1000)[:, None] == 7, np.inf, mu), "infinite values"),
        (lambda mu: mu * np.nan, "no number but NaN"),
        (lambda mu: mu * 0, "only zeros"),
    ],
)
def test_what_cannot_be_rates_is_refused(session: Session, change: object, why: str) -> None:
    with pytest.raises(RatesError, match=why):
        found(session, change(session[2]))  # type: ignore[operator]


def test_a_level_that_no_reading_explains_is_refused(session: Session) -> None:
    with pytest.raises(RatesError, match="not clear"):
        found(session, 30 * session[2], "auto")


def test_trials_go_by_number_or_start(session: Session) -> None:
    plan, _, mu = session
    order = np.random.default_rng(2).permutation(60)
    for key, values in (("trial", np.arange(60)), ("start_s", plan.start_s)):
        table = table_of({"rates": mu[order], key: values[order]}, "mine")
        rates, _ = prepare("mine", table, plan)
        np.testing.assert_array_equal(rates.mu(plan.unit_ids[0]), mu[:, :, 0])
        fewer = table_of({"rates": mu[order[:-2]], key: values[order[:-2]]}, "mine")
        with pytest.raises(RatesError, match="lacks 2 of 60 trials"):
            prepare("mine", fewer, plan)
    with pytest.raises(RatesError, match="1 trial twice"):
        twice = np.maximum(np.arange(60), 1)
        prepare("mine", table_of({"rates": mu, "trial": twice}, "m"), plan)


@pytest.mark.parametrize("gaps", [False, True])
def test_a_time_series_is_cut_at_the_trials(session: Session, gaps: bool) -> None:
    plan, _, mu = session
    first, n_bins = np.rint(plan.start_s / plan.bin_s).astype(int), plan.grid.n_bins
    whole = np.full(first[-1] + n_bins + 50, np.nan)
    inside = first[:, None] + np.arange(n_bins)
    whole[inside] = mu[:, :, 0] / plan.bin_s
    kept = np.flatnonzero(np.isfinite(whole)) if gaps else np.arange(len(whole))
    series = RateSeries("a.nwb", kept * plan.bin_s, whole[kept][:, None])
    rates, findings = prepare("mine", series, plan, "hz")
    np.testing.assert_allclose(rates.mu(plan.unit_ids[0]), mu[:, :, 0], rtol=1e-12)
    assert findings == []


def test_a_time_series_that_does_not_hold_the_trials_is_refused(session: Session) -> None:
    plan, ones = session[0], np.ones((200_000, 1))
    times_s = np.arange(len(ones)) * plan.bin_s
    late = RateSeries("a.nwb", times_s + plan.start_s[3], ones)
    with pytest.raises(RatesError, match="has no samples in 3 of 60 trials"):
        prepare("mine", late, plan, "hz")
    inside = RateSeries("a.nwb", times_s + plan.start_s[0] + 0.5, ones)
    with pytest.raises(RatesError, match="holds 500 scored bins without a number"):
        prepare("mine", inside, plan, "hz")


@pytest.mark.parametrize(
    ("step_s", "why"),
    [(0.03, "samples of 30 ms do not fill the window of 1000 ms"), (0.0010002, "of 1.0002 ms do not fill")],
)
def test_samples_that_do_not_fill_the_window_are_refused(session: Session, step_s: float, why: str) -> None:
    series = RateSeries("a.nwb", np.arange(200_000) * step_s, np.ones((200_000, 1)))
    with pytest.raises(RatesError, match=why):
        prepare("mine", series, session[0], "hz")


def test_units_go_by_id(session: Session) -> None:
    plan, _, mu = session
    named = table_of({"rates": np.concatenate([mu * np.nan, mu], axis=2), "unit_ids": ["x", plan.unit_ids[0]]}, "m")
    rates, _ = prepare("mine", named, plan, "counts")
    assert rates.unit_ids == plan.unit_ids
    with pytest.raises(RatesError, match="has units x, none of those of the run"):
        prepare("mine", table_of({"rates": mu, "unit_ids": ["x"]}, "m"), plan, "counts")


@pytest.mark.parametrize(
    ("times", "why"),
    [
        (lambda t: t + 0.5, "bins of 1 ms from 0.5 to 1.5 s; the window of the run is from 0 to 1 s"),
        (lambda t: t + 0.0005, r"from 0.0005 to 1.0005 s; .* and a time is where a bin begins"),
        (lambda t: t * 1.01, "bins of 1.01 ms from 0 to 1.01 s"),
        (lambda t: np.where(t == t[7], t + 4e-6, t), "not evenly spaced: see the time 0.007004 s"),
    ],
)
def test_bins_that_are_not_those_of_the_window_are_refused(session: Session, times: object, why: str) -> None:
    plan, _, mu = session
    times_s = np.arange(1000) * plan.bin_s
    named = RateTable("a.csv", mu, times_s=times_s)
    rates, _ = prepare("mine", named, plan, "counts")
    np.testing.assert_array_equal(rates.mu(plan.unit_ids[0]), mu[:, :, 0])
    with pytest.raises(RatesError, match=why):
        prepare("mine", replace(named, times_s=times(times_s)), plan, "counts")  # type: ignore[operator]


def test_a_longer_window_is_not_taken_for_narrower_bins(session: Session) -> None:
    plan, _, mu = session
    longer = RateTable("a.csv", np.concatenate([mu, mu], axis=1), times_s=np.arange(2000) * plan.bin_s)
    with pytest.raises(RatesError, match=r"from 0 to 2 s; the window of the run is from 0 to 1 s"):
        prepare("mine", longer, plan, "counts")
