"""What a stack does where an input lies beyond training."""

from __future__ import annotations

import numpy as np

from rnnspike.runs.predictions import beyond_training


def test_a_trial_whose_input_training_did_not_show_is_told(make_trials) -> None:
    current = np.repeat(np.arange(5.0)[:, None, None], 100, axis=1)
    current[1, :5] = -3.0
    trials = make_trials(np.zeros((5, 100, 1)), covariates=current)
    told = [beyond_training(trials, np.arange(5) == held).tolist() for held in (4, 0, 2)]
    assert told[0] == [False, False, False, False, True]
    assert told[1] == [False, False, False, False, False]  # the second trial went below it, if not for long
    assert told[2] == [False] * 5
    assert not beyond_training(make_trials(np.zeros((5, 100, 1))), np.arange(5) == 0).any()
