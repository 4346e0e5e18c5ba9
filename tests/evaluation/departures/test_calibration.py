from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnnspike.evaluation.departures.calibration import (
    KINDS,
    Calibration,
    calibration_fields,
)
from rnnspike.evaluation.goodness_of_fit.rescaling import draw_uniform, rescale
from rnnspike.evaluation.history import history_of
from rnnspike.observation import expected_counts


def calibration_of(cell: object) -> Calibration:
    return Calibration(history_of(cell.trials), cell.trials)  # type: ignore[attr-defined]


def test_kinds_sort_all_spikes_whose_past_is_known(make_cell: Callable) -> None:
    cell = make_cell(burn_in=1000, adaptation=0.2)
    found = calibration_of(cell)
    assert list(found.kinds) == ["lag", "previous_interval", "recent_count", "position", "spike_index"]
    n = cell.trials.counts.sum()
    for name in ("recent_count", "position", "spike_index"):
        assert found.kinds[name].observed.sum() == n
    assert found.kinds["lag"].observed.sum() < n


def test_conditions_are_a_kind_where_there_are_several(make_cell: Callable) -> None:
    cell = make_cell(burn_in=1000, adaptation=0.2)
    sides = replace(cell.trials, condition=np.arange(60) % 3 + 1, conditions=("none", "left", "right", "both"))
    kinds = Calibration(history_of(sides), sides).kinds
    assert list(kinds) == list(KINDS)
    kind = kinds["condition"]
    assert kind.observed.sum() == cell.trials.counts.sum()
    assert kind.labels == ("left", "right", "both")


def test_position_counts_from_time_zero(make_cell: Callable) -> None:
    trials = make_cell().trials
    trials = replace(trials, window_s=(-0.2, -0.2 + trials.n_bins * trials.bin_s))
    kind = Calibration(history_of(trials), trials).kinds["position"]
    np.testing.assert_allclose(kind.lowest, np.linspace(*trials.window_s, len(kind.lowest) + 1)[:-1])


def test_the_truth_is_calibrated_in_every_kind(make_cell: Callable) -> None:
    p = []
    for seed in range(25):
        cell = make_cell(n_trials=40, burn_in=600, adaptation=0.3, seed=seed)
        results = calibration_of(cell).of_model(expected_counts(cell.mu["oracle"], "bernoulli"))
        p += [result.p for result in results.values()]
    assert np.mean(np.array(p) < 0.05) <= 0.09
    assert 0.4 < np.mean(p) < 0.65


def test_a_model_without_history_is_off_by_lag(make_cell: Callable) -> None:
    cell = make_cell(n_trials=100)
    found = calibration_of(cell)
    fields = calibration_fields(found.of_model(cell.mu["psth"]))
    assert fields["calibration_p_lag"] < 1e-10
    assert fields["calibration_worst_lag_z"] < -3
    assert fields["calibration_p_position"] > 0.01
    assert found.expected_within(cell.mu["psth"]) > 10 * max(1.0, found.observed_within)


def test_z_is_uniform_in_every_stratum_under_the_truth_alone(make_cell: Callable) -> None:
    wrong, right = [], []
    for seed in range(20):
        cell = make_cell(n_trials=60, burn_in=600, adaptation=0.5, seed=seed)
        found, history = calibration_of(cell), history_of(cell.trials)
        for model, p in (("oracle", right), ("renewal", wrong)):
            train = rescale(cell.mu[model] * (1.0 if model == "oracle" else 0.6), history.spikes, None, "bernoulli")
            z = train.uniform(draw_uniform(train.n, np.random.default_rng(seed)))
            p.append(found.uniform_within_strata(z))
    assert np.mean(np.array(right) < 0.05) <= 0.15
    assert np.mean(np.array(wrong) < 0.05) >= 0.8


def test_a_handful_of_spikes_is_no_reason_to_fail(make_trials: Callable) -> None:
    counts = np.zeros((3, 50, 1))
    counts[0, [3, 9]] = 1
    trials = make_trials(counts)
    found = Calibration(history_of(trials), trials)
    assert calibration_fields(found.of_model(np.full((3, 50), 0.01))) is not None
    assert found.uniform_within_strata(np.random.default_rng(0).random((5, 2))) == 1.0
