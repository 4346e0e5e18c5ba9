"""What a unit's rows say about the units that its population models read."""

from __future__ import annotations

from collections.abc import Callable

from rnnspike.models.population.fitted import FittedCoupling
from rnnspike.models.protocol import FittedModel
from rnnspike.runs.fitting.predictions import ModelPrediction
from rnnspike.runs.job import SHARED_SPIKES
from rnnspike.trials.data import Trials
from rnnspike.trials.others import OtherUnits


def population_remarks(
    trials: Trials,
    free_runner: Callable[[int], FittedModel] | None,
    null: ModelPrediction | None = None,
) -> list[str]:
    """Return which other units a population model did not read and why, or reads although they share spikes.

    Where there is no ``null``, its prediction on shuffled trials, the last remark says why.
    """
    others, model = trials.others, free_runner(0) if free_runner is not None else None
    if others is None or model is None:
        return []
    remarks = _unread(others, model) if isinstance(model, FittedCoupling) else _doubled(others)
    if null is not None and null.mu is None:
        remarks.append(f"not compared with shuffled trials: {null.message}")
    return remarks


def _unread(others: OtherUnits, model: FittedCoupling) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for unit_id, why in others.left_out.items():
        by_reason.setdefault(why, []).append(unit_id)
    remarks = [
        f"does not read unit{'s' * (len(units) > 1)} {', '.join(units)}: {why}" for why, units in by_reason.items()
    ]
    if model.n_left_out:
        n = len(others.unit_ids)
        remarks.append(f"reads the {n - model.n_left_out} of {n} other units that tell most in a first test")
    return remarks


def _doubled(others: OtherUnits) -> list[str]:
    units = [unit_id for unit_id, why in others.left_out.items() if why == SHARED_SPIKES]
    named = f"unit{'s' * (len(units) > 1)} {', '.join(units)}"
    return [f"reads spikes that {named} may share with this one"] if units else []
