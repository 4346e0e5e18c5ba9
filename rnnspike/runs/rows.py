"""The rows of a run: one per (unit, model), schema 1; pairs of models; their columns in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA = 1

Status = Literal["ok", "skipped", "failed"]
Verdict = Literal["captured", "partly", "missed", "nothing to capture"]


class Row(BaseModel):
    """One unit and model, scored on held-out trials; null where undefined.

    The fields from ``schema`` to ``message`` are schema 1 and stay; the fields after ``message`` are additions
    that later versions of schema 1 may extend.
    """

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    recording: str
    unit: str
    model: str
    status: Status
    n_trials: int | None = None
    n_spikes: int | None = None
    rate_hz: float | None = None
    log_likelihood: float | None = None
    bits_per_spike: float | None = None
    bits_per_spike_low: float | None = None
    bits_per_spike_high: float | None = None
    ks_d: float | None = None
    ks_p: float | None = None
    ks_n: int | None = None
    refractory_capture: float | None = None
    refractory_capture_low: float | None = None
    refractory_capture_high: float | None = None
    refractory_verdict: str | None = None
    adaptation_capture: float | None = None
    adaptation_capture_low: float | None = None
    adaptation_capture_high: float | None = None
    adaptation_verdict: str | None = None
    free_run_rate_ratio: float | None = None
    free_run_stability: str | None = None
    seconds: float | None = None
    message: str | None = None


#: Columns of schema 1 in order.
ROW_COLUMNS = ("schema", *Row.model_fields)

PAIR_COLUMNS = ("schema", "recording", "unit", "model_a", "model_b", "gain", "gain_low", "gain_high", "p")


def row(**values: Any) -> dict[str, Any]:
    """Return a validated row with the schema's columns first, in order, and additions after them."""
    from rnnspike.runs.store import plain

    checked = Row.model_validate(plain(values)).model_dump()
    return {"schema": SCHEMA, **checked}


def pair(recording: str, unit: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pair of models in the schema's columns."""
    from rnnspike.runs.store import plain

    whole = {"schema": SCHEMA, "recording": recording, "unit": unit, **plain(values)}
    return {key: whole.get(key) for key in PAIR_COLUMNS}
