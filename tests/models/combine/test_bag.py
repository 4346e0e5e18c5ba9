"""Models made of fitted models: bag and one model of many units."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from rnnspike.errors import ModelError
from rnnspike.models.baselines.constant import Constant
from rnnspike.models.baselines.psth import Psth
from rnnspike.models.baselines.table import IntensityTable, TableStepper
from rnnspike.models.combine.bag import Bag, LogMeanStepper, PerUnit


@pytest.fixture
def trials(make_trials, rng):
    return make_trials(rng.random((8, 60, 2)) < [0.05, 0.2])


def table(trials, mu) -> IntensityTable:
    mu_table = np.broadcast_to(mu, (1, trials.n_bins, trials.n_units)).astype(float)
    return IntensityTable("psth", mu_table, trials.unit_ids, {})


def per_unit(trials, model) -> PerUnit:
    members = [model.fit(trials.unit(u), [trials.unit(u)], None)[0] for u in range(trials.n_units)]
    return PerUnit(trials.unit_ids, tuple(members), model.name)


def test_a_bag_is_the_geometric_mean(trials):
    bag = Bag((table(trials, 0.01), table(trials, 0.09)))
    np.testing.assert_allclose(bag.intensity(trials), 0.03)


def test_a_bag_steps_as_its_intensity(trials, rng, walk):
    bag = Bag((table(trials, rng.uniform(0.1, 1, (60, 2))), table(trials, 0.09)))
    np.testing.assert_allclose(walk(bag.stepper(trials, 1), trials, 1), bag.intensity(trials)[:, :, 1])


def test_weights_of_the_stepper_are_exponents(trials):
    steppers = tuple(TableStepper.of(np.full((3, 1), mu)) for mu in (0.1, 0.001))
    mean, row = LogMeanStepper(steppers, np.array([0.75, 0.25])), np.arange(3)
    np.testing.assert_allclose(mean.predict_until_spike(row, 0 * row, 1), 10**-1.5)


def test_many_units_are_each_as_its_own_model(trials, walk):
    model = per_unit(trials, Constant())
    mu = model.intensity(trials)
    for u in range(2):
        np.testing.assert_array_equal(mu[:, :, [u]], model.members[u].intensity(trials.unit(u)))
    np.testing.assert_array_equal(model.intensity(trials.unit(1)), mu[:, :, 1:])
    np.testing.assert_array_equal(walk(model.stepper(trials, 1), trials, 1), mu[:, :, 1])


def test_of_many_units_on_disk_those_asked_for_are_read(trials, tmp_path):
    model = per_unit(trials, Constant())
    model.save(tmp_path)
    loaded = PerUnit.load(tmp_path)
    np.testing.assert_array_equal(loaded.intensity(trials), model.intensity(trials))
    shutil.rmtree(tmp_path / "0")
    only = PerUnit.load(tmp_path).intensity(trials.unit(1))
    np.testing.assert_array_equal(only, model.intensity(trials)[:, :, 1:])


def test_a_unit_that_was_not_fitted_is_said(trials):
    model = PerUnit(("0",), (table(trials.unit(0), 0.1),))
    with pytest.raises(ModelError, match="not fitted to unit 1"):
        model.intensity(trials)


def test_compositions_come_back_from_disk(trials, tmp_path):
    bag = Bag((per_unit(trials, Constant()), per_unit(trials, Psth())), "mixed")
    bag.save(tmp_path)
    loaded = Bag.load(tmp_path)
    assert loaded.name == "mixed"
    np.testing.assert_array_equal(loaded.intensity(trials), bag.intensity(trials))
