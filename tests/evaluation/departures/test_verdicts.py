from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.departures.verdicts import finalise_verdicts


def scored(unit: str, p: float, **fields: object) -> dict:
    row = {"unit": unit, "model": "glm", "refractory_capture": 0.8, "refractory_capture_low": 0.5,
           "refractory_capture_high": 1.0, "refractory_p": p, "refractory_kind": "dip", "contamination_high": 0.01,
           "adaptation_capture": None}  # fmt: skip
    return row | fields


def test_verdicts_are_corrected_over_units() -> None:
    alone = finalise_verdicts([scored("a", 0.03)])
    together = finalise_verdicts([scored("a", 0.03), *(scored(str(i), 0.6) for i in range(9))])
    assert alone[0]["refractory_verdict"] == "partly"
    assert together[0]["refractory_verdict"] == "consistent"


@pytest.mark.parametrize("share", [0.3, None])
def test_a_dip_that_foreign_spikes_may_fill_cannot_be_judged(share: float | None) -> None:
    dip, excess = (scored("a", 0.5, refractory_kind=kind, contamination_high=share) for kind in ("dip", "excess"))
    assert finalise_verdicts([dip])[0]["refractory_verdict"] == "cannot be judged"
    assert finalise_verdicts([excess])[0]["refractory_verdict"] == "consistent"


def test_a_departure_without_a_direction_is_none_to_capture() -> None:
    row = finalise_verdicts([scored("a", 0.5, refractory_kind="none")])[0]
    assert row["refractory_verdict"] == "nothing to capture"
    assert row["refractory_capture"] is None


def test_rows_without_scores_pass_unchanged() -> None:
    row = {"unit": "a", "model": "glm", "status": "failed", "message": "no"}
    assert finalise_verdicts([row]) == [row]


def test_calibration_is_corrected_over_units() -> None:
    off, fine = {"calibration_p_lag": 1e-6, "calibration_p_position": 0.04}, {"calibration_p_lag": 0.5}
    rows = [scored("a", 0.5, **off), scored("b", 0.5, **fine, calibration_p_position=0.9)]
    assert [row["calibration_rejected"] for row in finalise_verdicts(rows)] == ["lag", "none"]


def test_of_many_poisson_units_those_off_by_chance_have_nothing_to_capture() -> None:
    """One p in twenty is below .05: corrected over units, none is left, and a unit that is off stays."""
    p = [0.03, 0.04, *np.linspace(0.1, 0.9, 38), 1e-9]
    rows = [
        {
            "unit": str(k), "model": "glm", "refractory_capture": 0.9, "refractory_capture_low": 0.85,
            "refractory_kind": "dip", "contamination_high": 0.0,
            "refractory_capture_high": 1.0, "refractory_p": 0.5, "refractory_reference_p": each,
        }
        for k, each in enumerate(p)
    ]  # fmt: skip
    found = finalise_verdicts(rows)
    assert [row["refractory_verdict"] for row in found] == ["nothing to capture"] * 40 + ["captured"]
    assert found[0]["refractory_capture"] is None
    assert found[-1]["refractory_capture"] == 0.9
