"""Which trials a raster shows, and in which order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.report.trials.rasters import rasters


def test_rasters_show_whole_trials_by_condition() -> None:
    trials = pd.DataFrame({"trial": np.arange(40), "condition": np.arange(40) % 2, "exposure_bins": 10})
    curves = {
        "raster.trial": np.repeat(np.arange(40), 10),
        "raster.bin": np.tile(np.arange(10), 40),
        "free_run.models": np.array(["glm"]),
        "free_raster.trials": np.arange(40),
        "free_raster.glm.trial": np.array([3, 3, 38]),
        "free_raster.glm.bin": np.array([7, 2, 5]),
    }
    found = rasters(curves, trials, 100)
    assert len(found["raster.row"]) == 10 and found["raster.data.count"].tolist() == [10] * 10
    assert (np.diff(found["raster.condition"]) >= 0).all()
    whole = rasters(curves, trials, 10_000)
    row = whole["raster.row"].tolist()
    assert whole["raster.glm.count"][row.index(3)] == 2 and whole["raster.glm.count"].sum() == 3
    assert whole["raster.glm.bin"].tolist() == [5, 2, 7]  # even trials first


def test_a_free_run_of_other_trials_is_not_put_beside_the_data() -> None:
    trials = pd.DataFrame({"trial": np.arange(40), "condition": 0, "exposure_bins": 40})
    curves = {
        "raster.trial": np.arange(40),
        "raster.bin": np.arange(40),
        "free_run.models": np.array(["glm"]),
        "free_run.trials": np.array([4]),
        "free_raster.glm.trial": np.array([4]),
        "free_raster.glm.bin": np.array([1]),
    }
    found = rasters(curves, trials, 10_000)
    assert len(found["raster.row"]) == 40 and "raster.glm.count" not in found
    assert rasters(curves, trials.iloc[5:30], 10_000)["raster.row"].tolist() == list(range(5, 30))


def test_rows_have_the_numbers_of_the_session_where_the_unit_was_held_in_some_trials() -> None:
    held = np.array([3, 4, 7, 11, 12])
    trials = pd.DataFrame({"trial": held, "condition": [1, 0, 1, 0, 1]})
    found = rasters({"raster.trial": held, "raster.bin": np.zeros(5, int)}, trials, 100)
    assert found["raster.row"].tolist() == [4, 11, 3, 7, 12]
    assert found["raster.condition"].tolist() == [0, 0, 1, 1, 1]
