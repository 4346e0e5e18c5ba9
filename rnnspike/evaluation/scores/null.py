"""What a population model gains, and what of it is left when trials are shuffled (science.md#population-null)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnspike.evaluation.scores.comparison import AtSpikes, TrialBootstrap, gains_of
from rnnspike.models.registry import nearest_extended
from rnnspike.trials.data import FloatArray, IntArray

#: Name under which a model's log-likelihood on shuffled trials stands beside the model's own.
SHUFFLED = "{} shuffled"
EVIDENCE, NO_EVIDENCE = "coupling or shared state", "no evidence of coupling or shared state"


def null_fields(
    model: str,
    log_likelihoods: Mapping[str, FloatArray],
    n_spikes: IntArray,
    bootstrap: TrialBootstrap,
    at_spikes: AtSpikes | None = None,
) -> dict[str, Any]:
    """Return a population model's gain over its base, that with trials shuffled, and their difference; or nothing.

    Parameters
    ----------
    model
        The model; its log-likelihood on shuffled trials goes by ``SHUFFLED``.
    log_likelihoods
        Per model, (trial,).
    n_spikes, bootstrap, at_spikes
        As for ``score_models``.
    """
    null = SHUFFLED.format(model)
    base = nearest_extended(model, log_likelihoods.keys())
    if base is None or not {model, null} <= set(log_likelihoods):
        return {}
    pairs = {"gain": (model, base), "null": (null, base), "difference": (model, null)}
    found = gains_of(list(pairs.values()), log_likelihoods, n_spikes, bootstrap, at_spikes)
    fields: dict[str, Any] = {"population_base": base}
    for name, ends in zip(pairs, found, strict=True):
        keys = (f"population_{name}", f"population_{name}_low", f"population_{name}_high")
        fields |= dict(zip(keys, ends, strict=True))
    low = fields["population_difference_low"]
    told = None if not np.isfinite(low) else EVIDENCE if low > 0 else NO_EVIDENCE  # none of few trials
    return fields | {"population_verdict": told}


def null_remark(row: Mapping[str, Any]) -> str | None:
    """Return a population model's gain beside its null in words; None for a row without."""
    if row.get("population_gain") is None:
        return None
    gain, null, difference, low, high = (
        row[f"population_{name}"] for name in ("gain", "null", "difference", "difference_low", "difference_high")
    )
    said = (
        f"{gain:+.4f} bits/spike over {row['population_base']}, {null:+.4f} with the other units' trials shuffled: "
        f"difference {difference:.4f}"
    )
    if row["population_verdict"] is None:
        return f"{said}; too few trials for an interval"
    said = f"{said} ({low:.4f} to {high:.4f})"
    return said if row["population_verdict"] == EVIDENCE else f"{said}; {NO_EVIDENCE}"
