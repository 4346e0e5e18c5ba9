"""What rows say where their figures cannot mean much."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnspike.runs.fitting import training
from rnnspike.runs.fitting.finish import n_beyond_training, trials_to_run, underperformance_warning, with_warnings
from rnnspike.runs.fitting.training import subsample_trials


def test_rows_of_networks_tell_of_trials_beyond_training(make_trials: Callable) -> None:
    """Twelve steps of current, held out one by one: the weakest and the strongest are beyond the others."""
    current = np.repeat(np.arange(12.0)[:, None, None], 100, axis=1)
    trials = make_trials(np.zeros((12, 100, 1)), covariates=current)
    n = n_beyond_training(trials, np.arange(12))
    assert n == 2
    said = {m: with_warnings({"model": m, "message": None}, trials, n)["message"] for m in ("glm", "lstm", "stack")}
    assert said["glm"] is None
    assert "in 2 of 12 trials" in str(said["lstm"])


def test_few_trials_are_told_beside_what_was_said_before(make_trials: Callable) -> None:
    trials = make_trials(np.zeros((4, 100, 1)))
    row = with_warnings({"model": "glm", "message": "one"}, trials, 0)
    assert str(row["message"]).startswith("one; the unit was held in 4 trials only")
    assert with_warnings({"model": "psth", "message": None}, trials, 0)["message"] is None


def test_of_very_many_spikes_a_training_takes_trials_evenly_and_says_so(make_trials: Callable, monkeypatch) -> None:
    trials = make_trials(np.ones((40, 100, 1)))
    assert subsample_trials(trials) is trials
    monkeypatch.setattr(training, "MOST_TRAINING_SPIKES", 1000)
    assert subsample_trials(trials).session_index.tolist() == [0, 4, 9, 13, 17, 22, 26, 30, 35, 39]
    row = with_warnings({"model": "glm", "message": None}, trials, 0, share=10 / 32)
    assert "31% of the training trials" in str(row["message"])


def test_a_raster_of_long_trials_shows_ten_of_them(make_trials: Callable) -> None:
    """Of two folds at the least, so that few models are run."""
    trials, folds = make_trials(np.zeros((60, 20_000, 1), np.uint8)), np.arange(60) % 5
    often, once = trials_to_run(trials, folds, 20, 400_000)
    assert len(often) == 2 and len(once) == 10
    assert set(folds[once]) <= {0, 1}
    assert (
        len(trials_to_run(make_trials(np.zeros((15, 12_000, 1), np.uint8)), np.arange(15) % 5, 20, 400_000)[1]) == 6
    )


def test_a_network_far_behind_a_plainer_model_says_so() -> None:
    bits = {"constant": 0.0, "glm": 0.28, "renewal": 0.25, "coupling": 0.4, "lstm": 0.13, "gru": 0.27, "rnn": None}
    rows = [{"model": name, "bits_per_spike": value} for name, value in bits.items()]

    def warned(model: str, low: float, high: float, effort: str = "fast", *, turned: bool = False) -> str | None:
        names = (model, "glm") if turned else ("glm", model)
        interval = (-high, -low) if turned else (low, high)
        pair = dict(zip(("model_a", "model_b", "gain_low", "gain_high"), (*names, *interval), strict=True))
        row = next(row for row in rows if row["model"] == model)
        return underperformance_warning(row, rows, [pair], effort)

    assert warned("lstm", 0.12, 0.18) == (
        "0.12 to 0.18 bits/spike behind glm: perhaps trained too little, or on too few spikes"
        " (--effort standard trains longer)"
    )
    assert warned("lstm", 0.12, 0.18, turned=True) == warned("lstm", 0.12, 0.18)
    assert "--effort" not in (warned("lstm", 0.12, 0.18, "thorough") or "")
    assert warned("lstm", -0.01, 0.3) is None  # may be chance
    assert warned("gru", 0.005, 0.015) is None  # little
    for other in ("renewal", "constant", "rnn"):
        assert warned(other, 0.1, 0.2) is None
    assert underperformance_warning({"model": "lstm", "bits_per_spike": 0.1}, rows, [], "fast") is None
