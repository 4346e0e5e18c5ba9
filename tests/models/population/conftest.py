"""A simulated pair, the first unit exciting the second, beside a unit on its own."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import build
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import Session, SessionOptions, simulate_session
from rnnspike.runs.job import PlannedRecording
from rnnspike.trials.data import TrialOptions, Trials
from rnnspike.trials.plan import plan_trials
from rnnspike.trials.split import assign_folds

Fitted = dict[str, tuple[FittedModel, ...]]


@pytest.fixture(scope="package")
def session() -> Session:
    cells = [cell_spec("coupled-pair"), cell_spec("refractory")]
    return simulate_session(cells, SessionOptions(n_trials=80, duration_s=1.0, inter_trial_s=0.5, seed=5))


@pytest.fixture(scope="package")
def planned(session: Session) -> PlannedRecording:
    plan = plan_trials(session.recording, TrialOptions(burn_in_s=0.5))
    return PlannedRecording(session.recording, plan, assign_folds(plan.condition, plan.group, 4), 4)


@pytest.fixture(scope="package")
def trials(planned: PlannedRecording) -> Trials:
    """The excited unit; it knows the two others."""
    return planned.trials(["1"])


@pytest.fixture(scope="package")
def fitted(trials: Trials, planned: PlannedRecording) -> Fitted:
    train, validation = trials.take(planned.rows_of(0, 1)), [trials.take(planned.folds == fold) for fold in (0, 1)]
    found: Fitted = {}
    for name in ("glm", "coupling", "coupling-shuffled"):
        found[name] = build(name).fit(train, validation, np.random.default_rng(0), found)
    return found
