"""Rows over seeds: one a unit, model and input, with medians, ranges, and sentences on the medians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnspike.dynamics.eigenvalues import short
from rnnspike.dynamics.gradient_flow import history_warning
from rnnspike.dynamics.rows import COLUMNS, FIGURES, Row
from rnnspike.dynamics.timescales import reconcile


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return one row per recording, unit, model and input: medians over seeds, with ``_low`` and ``_high``.

    ``seed`` is null in these rows and ``n_seeds`` says how many networks they stand on; sentences are on the medians.
    Lists and words that are not made from all are those of the first network.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in ("recording", "unit", "model", "input")), []).append(row)
    summaries = []
    for members in groups.values():
        summary: Row = {**members[0], **_medians(members), "seed": None, "n_seeds": len(members)}
        for name in FIGURES:
            values = [row[name] for row in members if row.get(name) is not None]
            summary[name] = float(np.median(values)) if values else None
            summary[f"{name}_low"], summary[f"{name}_high"] = (min(values), max(values)) if values else (None, None)
        summary["frequencies_hz"] = shared_frequencies([row.get("frequencies_hz") or [] for row in members])
        summary |= summary_sentences(members, summary)
        summaries.append({name: summary[name] for name in COLUMNS if name in summary})
    return summaries


def _medians(members: Sequence[Mapping[str, Any]]) -> Row:
    """Return the medians of what is a number in every member that has it; what all agree on stays as it is."""
    medians: Row = {}
    for name in members[0]:
        values = [row[name] for row in members if row.get(name) is not None]
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        if values and numbers and len(set(values)) > 1:
            medians[name] = float(np.median(values))
    return medians


def summary_sentences(members: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> Row:
    """Return ``reconciled``, ``message`` and ``about_network`` of a summary row."""

    def seconds(name: str, missing: float = float("nan")) -> float:
        return summary[name] / 1e3 if summary.get(name) is not None else missing

    sentence = summary.get("reconciled")
    if sentence and len(members) > 1:
        sentence = reconcile(
            seconds("gate_tau_ms"),
            seconds("eigenvalue_tau_ms", float("inf")),
            seconds("measured_tau_ms", float("inf")),
            seconds("bin_ms"),
            seconds("window_ms"),
            float(np.median([row["growing_share"] for row in members])),
        )
    about = [_gradient_summary(members, summary), _rhythm_summary(members)]
    own = [_share_of(members, "continuum_dimension", "have a continuum of fixed points")]
    own.append(_share_of(members, "cycle_period_ms", "run on a limit cycle"))
    none = sum(row.get("n_fixed") == 0 for row in members)
    own.append(f"{none} of {len(members)} networks have no fixed point" if none else None)
    if len(members) < 3:
        about.append(f"{len(members)} network{'s' * (len(members) > 1)} only: a range needs three")
    said = [text for text in own if text], [text for text in about if text]
    return {
        "reconciled": sentence,
        "message": "; ".join([*said[0], *said[1]]) or None,
        "about_network": "; ".join(said[1]) or None,
    }


def _share_of(members: Sequence[Mapping[str, Any]], name: str, what: str) -> str | None:
    have = sum(row.get(name) is not None for row in members)
    return f"{have} of {len(members)} networks {what}" if have else None


def _gradient_summary(members: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str | None:
    """Return the warning on the median horizon; unseen horizons count as beyond the window."""
    history_ms = summary.get("history_ms")
    horizons = [row.get("memory_horizon_ms") for row in members]
    median = float(np.median([np.inf if h is None else h for h in horizons]))
    if np.isinf(median):
        kinds = sorted({str(row.get("gradient_flow")) for row in members if row.get("memory_horizon_ms") is None})
        return f"gradients {' or '.join(kinds)}: above 1 % as far as the data let one see"
    return history_warning(None if history_ms is None else history_ms / 1e3, median / 1e3)


def _rhythm_summary(members: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the verdict over networks, the same whatever the input: that of their own loops."""
    period_ms = members[0].get("data_period_ms")
    if period_ms is None:
        return None
    learned = sum(bool(row.get("rhythm_learned")) for row in members)
    said = [f"spikes' autocorrelation: period {short(period_ms)} ms"]
    for name, words in (("loop_period_ms", "closed loop"), ("free_run_period_ms", "free run")):
        found = [row[name] for row in members if row.get(name) is not None]
        said.append(f"{words} {short(float(np.median(found)))} ms in {len(found)}" if found else f"{words} none")
    verdict = (
        f"learned by {learned} of {len(members)} networks" if learned else "the network has not learned the rhythm"
    )
    return f"{', '.join(said)}: {verdict}"


def shared_frequencies(by_seed: Sequence[Sequence[float]]) -> list[float]:
    """Return medians of the frequencies that at least half of the seeds have, within 10 % of one another."""
    found: list[float] = []
    for frequency in (f for seed in by_seed for f in seed):
        near = [min(seed, key=lambda f: abs(f - frequency)) for seed in by_seed if seed]
        near = [f for f in near if abs(f - frequency) <= 0.1 * frequency]
        if 2 * len(near) >= len(by_seed) and all(abs(f - frequency) > 0.1 * f for f in found):
            found.append(float(f"{np.median(near):.5g}"))
    return found
