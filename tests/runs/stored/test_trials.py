"""The table of a run's trials: written, read, and absent in runs of older versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.errors import RunError
from rnnspike.files import write_file
from rnnspike.recording.data import Recording, Unit
from rnnspike.runs.stored.store import frame_csv
from rnnspike.runs.stored.trials import TRIALS_FILE, read_trials, trials_table
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import plan_trials


def test_times_are_from_time_zero_and_come_back(tmp_path: Path) -> None:
    start = np.arange(12) * 2.0 + 1.0
    go = start + np.linspace(0.1, 0.3, 12)
    go[3] = np.nan
    table = pd.DataFrame(
        {"start_time": start, "stop_time": start + 1.0, "go_time": go, "=x_time": start + 0.7, "side": ["l", "r"] * 6}
    )
    unit = Unit("0", np.arange(0.0, 26.0, 0.05), np.array([[0.0, 26.0]]))
    recording = Recording(tmp_path, "", 0, "nwb", (unit,), {"trials": table})
    plan = plan_trials(recording, TrialOptions(align="go_time", window_s=(-0.05, 0.5), condition=("side",)))
    found = trials_table(plan)
    assert found.columns.tolist() == ["trial", "start_s", "condition", "at_start_time", "at_stop_time", "at_=x_time"]
    assert found.condition.tolist() == [f"side={side}" for side in plan.table.side]  # the row without a go is gone
    np.testing.assert_allclose(found["at_stop_time"], plan.table.stop_time - plan.table.go_time, atol=1e-6)
    write_file(tmp_path / TRIALS_FILE, frame_csv(found))
    back = read_trials(tmp_path)
    assert back is not None and back.columns.tolist() == found.columns.tolist()
    for name in found:
        assert back[name].tolist() == found[name].tolist()


def test_an_older_run_has_none(tmp_path: Path) -> None:
    assert read_trials(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "trial,start_s,condition\n1,0.0,all\n",
        "trial,start_s\n0,0.0\n",
        "trial,start_s,condition,at_go\n0,0.0,all,x\n",
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / TRIALS_FILE).write_text(text)
    with pytest.raises(RunError, match=r"trials\.csv"):
        read_trials(tmp_path)
