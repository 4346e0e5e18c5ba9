"""``trials.csv``: the trials of a run, the condition of each, and when in it the times of the trials' table lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnspike.errors import damage_errors
from rnnspike.recording.checks.clean import time_columns
from rnnspike.runs.stored.store import read_csv
from rnnspike.trials.plan import TrialPlan

if TYPE_CHECKING:
    import pandas as pd

TRIALS_FILE = "trials.csv"
#: Begins the columns of times, before the name that the trials' table has for each.
EVENT = "at_"
#: Figures after the point of times in seconds: a microsecond.
DECIMALS = 6


def trials_table(plan: TrialPlan) -> pd.DataFrame:
    """Return the trials in order of time.

    Columns are ``trial`` (from 0, as in ``per_trial.csv``), ``start_s`` (of its window, session time), ``condition``
    (its label), and ``at_NAME`` for each time column of the table but time zero itself: seconds from time zero, empty
    where the row has none.
    """
    import pandas as pd

    zero = plan.options.align or "start_time"
    table: dict[str, object] = {
        "trial": np.arange(plan.n_trials),
        "start_s": np.round(plan.start_s, DECIMALS),
        "condition": [plan.conditions[c] for c in plan.condition],
    }
    for name in time_columns(plan.table):
        if name != zero:
            times_s = plan.table[name].to_numpy(np.float64)
            table[f"{EVENT}{name}"] = np.round(times_s - plan.zero_s, DECIMALS) + 0.0
    return pd.DataFrame(table)


def read_trials(folder: Path) -> pd.DataFrame | None:
    """Return the trials of a run as ``trials_table`` made them; None for a run of an older version.

    Raises
    ------
    RunError
        Where the file is damaged.
    """
    file = folder / TRIALS_FILE
    if not file.is_file():
        return None
    types = {"trial": int, "start_s": float, "condition": str}
    table = read_csv(file, types, {EVENT.removesuffix("_"): float | None})
    with damage_errors(file):
        if table["trial"].tolist() != list(range(len(table))):
            raise ValueError("trials are missing")
    return table
