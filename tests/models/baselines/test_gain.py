"""The slow gain: finds drift, leaves a steady unit alone, looks at earlier trials only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.models.baselines.gain import PsthGain
from rnnspike.models.simulate import simulate


def drifting(rng: np.random.Generator, n_trials: int = 120, depth: float = 0.8) -> np.ndarray:
    gain = np.exp(depth * np.sin(np.arange(n_trials) / 12))
    return (rng.random((n_trials, 400, 1)) < 0.03 * gain[:, None, None]).astype(np.uint8)


def test_drift_is_followed(make_trials, rng) -> None:
    trials = make_trials(drifting(rng))
    (model,) = PsthGain().fit(trials, [trials], rng)
    truth = np.exp(0.8 * np.sin(np.arange(120) / 12))
    assert model.beta > 0.5
    assert np.corrcoef(np.log(model.gain(trials))[3:], np.log(truth)[3:])[0, 1] > 0.8


def test_steady_unit_has_no_gain(make_trials, rng) -> None:
    trials = make_trials(drifting(rng, depth=0.0))
    (model,) = PsthGain().fit(trials, [trials], rng)
    assert np.abs(np.log(model.gain(trials))).max() < 0.2


def test_only_earlier_trials_count(make_trials, rng) -> None:
    trials = make_trials(drifting(rng))
    (model,) = PsthGain().fit(trials, [trials], rng)
    counts = trials.session.counts.copy()
    counts[60:] += 50
    changed = replace(trials, session=replace(trials.session, counts=counts))
    before, after = model.gain(trials), model.gain(changed)
    np.testing.assert_array_equal(before[:61], after[:61])
    assert not np.allclose(before[61:], after[61:])


def test_free_run_has_the_rate_and_survives_saving(make_trials, rng, tmp_path: Path) -> None:
    trials = make_trials(drifting(rng))
    (model,) = PsthGain().fit(trials, [trials], rng)
    model.save(tmp_path / "m")
    loaded = PsthGain.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.intensity(trials), model.intensity(trials))
    assert int(simulate(loaded, trials, rng).sum()) == pytest.approx(int(trials.counts.sum()), rel=0.1)
