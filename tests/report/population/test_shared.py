"""What units share, in words: each number with its interval, and no more than the verdict says."""

from __future__ import annotations

from typing import Any

from rnnspike.report.population.shared import shared_payload, shared_sentences


def check(mean: float) -> dict[str, list[float | None]]:
    return {"mean": [mean], "low": [mean - 0.01], "high": [mean + 0.01], "p": [0.2]}


def model(name: str, mean: float, verdict: str | None = None, **more: Any) -> dict[str, Any]:
    checks = {key: check(mean) for key in ("noise_correlation", "variance_ratio", "correlogram")}
    capture = None if verdict in (None, "nothing to capture") else 0.9
    ends = {"capture_low": capture and 0.4, "capture_high": capture and 1.0}
    fields = {"joint": verdict is not None, "verdict": verdict, "capture": capture, **ends, "p": 0.3}
    return {"model": name, **checks, **fields, "stability": "stable", "marks": None, **more}


def found(p: float, *models: dict[str, Any]) -> dict[str, Any]:
    recorded = {"noise_correlation": [0.05], "variance_ratio": [1.2], "correlogram": [None]}
    numbers = {"n_trials": 80, "n_runs": 8, "window_ms": [50.0], "lag_ms": [0.0], "units": ["a", "b"]}
    tests = {"p": p, "p_side_by_side": min(p, 0.005), "p_shuffled": p}
    whole = {"status": "ok", "message": None, "left_out": {}, **numbers}
    return {**whole, "shared": tests, "recorded": recorded, "models": list(models)}


def test_a_departure_and_its_capture_are_told_with_intervals() -> None:
    told = " ".join(shared_sentences(found(0.005, model("glm", 0.0), model("coupling", 0.04, "partly")), []))
    assert "2 units, 80 held-out trials, 8 runs" in told and "it is +0.050 recorded" in told
    assert "p < 0.005 against glm run unit by unit, < 0.005 against shuffled trials" in told
    assert "unit by unit +0.000 (95 % of replicates -0.010 to +0.010)" in told and "more units" not in told
    assert "captured in part, share 0.90 (0.40 to 1.00)" in told and "does not run away" in told


def test_units_that_were_not_run_and_models_that_could_not_be_are_told() -> None:
    beside = {
        "left_out": {"c": "shared spikes"},
        "message": "population-gru was not run: it was not fitted to unit b",
    }
    no_interval = model("coupling", 0.04, "missed", capture_low=None, capture_high=None)
    told = shared_sentences({**found(0.01, model("glm", 0.0), no_interval), **beside}, [])
    assert "(1 more units were not run; where a model reads one, it is given its recorded spikes)" in told[1]
    assert "share 0.90 (no interval)" in told[1] and told[2].startswith("population-gru was not run")


def test_a_departure_that_shuffled_trials_have_too_is_not_called() -> None:
    (told,) = shared_sentences(found(0.37, model("glm", 0.0), model("coupling", 0.0, "nothing to capture")), [])
    assert (
        "p < 0.005 against glm run unit by unit, 0.37 against shuffled trials; shared activity was not shown" in told
    )


def test_where_nothing_is_shown_nothing_is_said_of_models() -> None:
    (told,) = shared_sentences(found(0.4, model("glm", 0.0), model("coupling", 0.0, "nothing to capture")), [])
    assert "shared activity was not shown" in told and "coupling" not in told


def test_units_are_counted_by_verdict() -> None:
    verdicts = {"a": "captured", "b": "missed", "c": "nothing to capture"}
    rows = [{"unit": unit, "model": "coupling", "shared_verdict": each} for unit, each in verdicts.items()]
    rows.append({"unit": "a", "model": "glm"})
    (told,) = shared_sentences(None, rows)
    assert "on 2 of 3 units (corrected over units) (coupling: captured on 1, missed on 1)" in told


def test_without_joint_runs_the_reason_is_told() -> None:
    assert shared_sentences(None, []) == [] and shared_payload(None) is None
    skipped = {"status": "skipped", "message": "no free run was made (--replicates 0)"}
    assert shared_sentences(skipped, []) == ["Units were not run together: no free run was made (--replicates 0)."]
    assert shared_payload(skipped) == {"missing": skipped["message"]}


def test_the_page_has_what_figures_are_drawn_from() -> None:
    payload = shared_payload(found(0.01, model("glm", 0.0), model("coupling", 0.04, "missed")))
    assert payload is not None and payload["recorded"]["correlogram"] == [None]
    assert payload["models"][1]["noise_correlation"]["high"] == [0.05] and payload["n_units"] == 2
