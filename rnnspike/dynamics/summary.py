"""Rows over seeds: one per unit, model and input, with medians, ranges, and sentences on the medians."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from scipy.stats import t as student

from rnnspike.dynamics.eigenvalues import short
from rnnspike.dynamics.memory.gradient_flow import history_warning
from rnnspike.dynamics.memory.modes import summarise_modes
from rnnspike.dynamics.memory.timescales import reconcile
from rnnspike.dynamics.rows import COLUMNS, FIGURES, Row
from rnnspike.trials.data import FloatArray
from rnnspike.wording import counted

#: Angle (rad) in one time constant from which on a mode oscillates: a damping ratio of .9.
LEAST_TURN = 0.48


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return one row per recording, unit, model and input: medians over seeds, with ``_low`` and ``_high``.

    ``seed`` is null in these rows and ``n_seeds`` says how many networks they stand on; sentences are on the medians.
    Networks that could not be looked at (``status``) have a row of their own, which says why.
    Words are those of most networks that have any; numbers and lists are of the networks that have them.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in ("recording", "unit", "model", "input")), []).append(row)
    summaries = []
    for members in groups.values():
        if members[0].get("status", "ok") != "ok":
            summaries.append(_unread(members))
            continue
        summary: Row = {
            name: _over_members(members, name) for name in dict.fromkeys(key for row in members for key in row)
        }
        summary |= {"seed": None, "n_seeds": len(members), "slowest_tau_note": _note(members)}
        for name in FIGURES:
            values = [row[name] for row in members if row.get(name) is not None]
            summary[name] = float(np.median(values)) if values else None
            summary[f"{name}_low"], summary[f"{name}_high"] = (min(values), max(values)) if values else (None, None)
        summary["frequencies_hz"] = shared_frequencies([row.get("frequencies_hz") or [] for row in members])
        for name, over_networks in OF_LISTS.items():
            if summary.get(name) is not None:
                summary[name] = over_networks([row.get(name) or [] for row in members])
        summary |= summary_sentences(members, summary)
        summaries.append({name: summary[name] for name in COLUMNS if name in summary})
    return summaries


def _unread(members: Sequence[Mapping[str, Any]]) -> Row:
    """Return the row of networks that could not be looked at: how many, and why."""
    whys = Counter(str(row.get("message")) for row in members)
    texts = [why if len(members) == 1 else f"{n} networks: {why}" for why, n in whys.items()]
    return {**members[0], "seed": None, "n_seeds": len(members), "message": "; ".join(texts)}


def _over_members(members: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Return one value for the members that have any: what all agree on, the median, or what most of them have."""
    values = [row[name] for row in members if row.get(name) is not None]
    if not values or isinstance(values[0], list) or len(set(values)) == 1:
        return values[0] if values else None
    if isinstance(values[0], bool):
        return sum(values) > len(values) / 2
    return _commonest(values) if isinstance(values[0], str) else float(np.median(values))


def _commonest(values: Sequence[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]


def _note(members: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the guard of the slowest decay that most of the networks have which have a point, be it none."""
    notes = [(row.get("slowest_tau_ms"), row.get("slowest_tau_note")) for row in members]
    own: str | None = _commonest([note for value, note in notes if value is not None or note] or [None])
    return own


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
    own = [_search_text(summary, len(members)) if summary.get("brief") else None]
    own.append(_share_of(members, "continuum_dimension", "have a continuum of fixed points"))
    own.append(_share_of(members, "cycle_period_ms", "run on a limit cycle"))
    own.append(_agreement_text(summary) or _slowest_of_two(members))
    own += _completion_texts(members, summary)
    none = sum(row.get("n_fixed") == 0 for row in members)
    starts = f" from {short(summary['n_starts'])} starts" if summary.get("brief") else ""
    own.append(f"in {none} of {len(members)} networks no fixed point was found{starts}" if none else None)
    if len(members) < 3:
        about.append(f"{len(members)} network{'s' * (len(members) > 1)} only: a range needs at least three")
    sentences = [text for text in own if text], [text for text in about if text]
    return {
        "reconciled": sentence,
        "message": "; ".join([*sentences[0], *sentences[1]]) or None,
        "about_network": "; ".join(sentences[1]) or None,
    }


def _search_text(summary: Mapping[str, Any], n_networks: int) -> str | None:
    """Say how many fixed points a brief search found, which may have missed some; None where it found none."""
    few, most = (round(summary[f"n_fixed_{end}"]) for end in ("low", "high"))
    if most == 0:
        return None
    found = counted(few, "fixed point{s}") if few == most else f"{few} to {most} fixed points"
    kinds = [
        f"{short(summary[f'n_{kind}'])} {kind}" for kind in ("stable", "saddle", "unstable") if summary[f"n_{kind}"]
    ]
    kinds_text = f" (median: {', '.join(kinds)})" if kinds else ""
    starts = f"{short(summary['n_starts'])} starts"
    return f"at least {found}{kinds_text} in each of {counted(n_networks, 'network{s}')}, from {starts}"


def _agreement_text(summary: Mapping[str, Any]) -> str | None:
    """Say how far the slowest modes of the networks agree."""
    modes, texts = summary.get("leading_modes"), []
    bin_ms, window_ms = summary.get("bin_ms") or 0.0, summary.get("window_ms") or np.inf
    for turns, words in ((False, "slowest mode that does not oscillate"), (True, "slowest oscillation")):
        of_kind = [mode for mode in modes or [] if mode["tau_ms_low"] is not None and _turns(mode) == turns]
        if not of_kind:
            continue
        mode = of_kind[0]
        short_lived, long_lived = mode["tau_ms"] < 2 * bin_ms, mode["tau_ms"] > window_ms
        guard = ", less than two bins" if short_lived else ", longer than the window" if long_lived else ""
        tau, low, high = (short(mode[f"tau_ms{end}"]) for end in ("", "_low", "_high"))
        hz = "" if not turns else f" at {short(mode['frequency_hz_low'])} to {short(mode['frequency_hz_high'])} Hz"
        interval = f"95 % interval over {mode['n']} networks {low} to {high} ms"
        texts.append(f"{words}{hz}: {tau} ms ({interval}{guard})")
    return "; ".join(texts) or None


def _slowest_of_two(members: Sequence[Mapping[str, Any]]) -> str | None:
    """Give both networks' slowest decay, where there are too few for an interval."""
    slowest = [short(row["slowest_tau_ms"]) for row in members if row.get("slowest_tau_ms") is not None]
    return f"slowest decay {' and '.join(slowest)} ms" if len(members) == len(slowest) == 2 else None


def _completion_texts(members: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> list[str | None]:
    if summary.get("n_patterns") is None:
        return []
    texts = [_share_of(members, "completion_share", "have patterns")]
    if texts == [None]:
        texts = ["no network has two states to come to rest in: no pattern to complete"]
    if summary.get("completion_share") is not None:
        texts.append(f"{summary['completion_share']:.0%} are completed after half of the units are silenced (median)")
    if summary.get("phase_correlation") is not None:
        texts.append(f"phases of the units as in the spikes: circular correlation {summary['phase_correlation']:.2f}")
    return texts


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
        lag_ms = summary.get("longest_lag_ms")
        reach = f" ({short(lag_ms)} ms)" if lag_ms else ""
        return f"gradients {' or '.join(kinds)}: above 1 % at all measurable lags{reach}"
    return history_warning(None if history_ms is None else history_ms / 1e3, median / 1e3)


def _rhythm_summary(members: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the verdict over networks, the same whatever the input: that of their own loops."""
    period_ms = _over_members(members, "data_period_ms")
    if period_ms is None:
        return None
    learned = sum(bool(row.get("rhythm_learned")) for row in members)
    sentences = [f"spikes' autocorrelation: period {short(period_ms)} ms"]
    for name, words in (("loop_period_ms", "closed loop"), ("free_run_period_ms", "free run")):
        found = [row[name] for row in members if row.get(name) is not None]
        sentences.append(f"{words} {short(float(np.median(found)))} ms in {len(found)}" if found else f"{words} none")
    verdict = (
        f"learned by {learned} of {len(members)} networks" if learned else "the network has not learned the rhythm"
    )
    return f"{', '.join(sentences)}: {verdict}"


def agreement(by_network: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the leading modes over networks, rank by rank: medians with ``_low`` and ``_high``.

    Modes that oscillate are ranked among themselves, and so are those that do not; ranks that at least half of the
    networks have are kept. Time constants have 95 % intervals of the mean over networks (Student's, of the
    logarithm); null where fewer than three decay.
    """
    found = []
    for turns in (False, True):
        kinds = [[mode for mode in network if _turns(mode) == turns] for network in by_network]
        for rank in range(max(map(len, kinds), default=0)):
            having = [network[rank] for network in kinds if len(network) > rank]
            found += [_over_networks(having)] if 2 * len(having) >= len(kinds) else []
    return sorted(found, key=lambda mode: -np.inf if mode["tau_ms"] is None else -mode["tau_ms"])


def _turns(mode: Row) -> bool:
    """Return whether a mode oscillates before it has decayed."""
    cycles = 2 * np.pi * mode["frequency_hz"] * (mode["tau_ms"] or mode["growth_ms"] or np.inf) / 1e3
    return bool(mode["frequency_hz"] > 0 and cycles > LEAST_TURN)


def _over_networks(modes: Sequence[Row]) -> Row:
    taus = np.array([mode["tau_ms"] for mode in modes if mode["tau_ms"] is not None])
    frequencies = [mode["frequency_hz"] for mode in modes]
    low, high = _log_interval(taus)
    return {
        "n": len(taus),
        "tau_ms": float(np.median(taus)) if len(taus) else None,
        "tau_ms_low": low,
        "tau_ms_high": high,
        "frequency_hz": float(np.median(frequencies)),
        "frequency_hz_low": min(frequencies),
        "frequency_hz_high": max(frequencies),
    }


def _log_interval(values: FloatArray) -> tuple[float | None, float | None]:
    if len(values) < 3:
        return None, None
    logs = np.log(values)
    half = float(student.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)))
    return float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))


def mean_completion(by_network: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the mean over networks that have patterns of the share completed, with the range over them."""
    known = [network for network in by_network if network]
    found = []
    for each in zip(*known, strict=True):
        shares = [one["completed"] for one in each]
        found.append({**each[0], "completed": float(np.mean(shares)), "low": min(shares), "high": max(shares)})
    return found


def shares_by_rank(by_network: Sequence[Sequence[float]]) -> list[float]:
    """Return the median share of orbits at the most visited attractor, the next one, ...; 0 where there is none."""
    ranked = zip_longest(*(sorted(network, reverse=True) for network in by_network), fillvalue=0.0)
    return [float(np.median(shares)) for shares in ranked]


def returns_by_size(by_network: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the medians of what came back after displacements, size by size."""
    rows = [row for network in by_network for row in network]
    sizes = dict.fromkeys(row["size"] for row in rows)
    same = {size: [row for row in rows if row["size"] == size] for size in sizes}
    return [
        {name: _over_members(members, name) for name in ("size", "returned", "return_ms")}
        for members in same.values()
    ]


def shared_frequencies(by_seed: Sequence[Sequence[float]]) -> list[float]:
    """Return medians of the frequencies that at least half of the seeds have, within 10 % of one another."""
    found: list[float] = []
    for frequency in (f for seed in by_seed for f in seed):
        near = [min(seed, key=lambda f: abs(f - frequency)) for seed in by_seed if seed]
        near = [f for f in near if abs(f - frequency) <= 0.1 * frequency]
        if 2 * len(near) >= len(by_seed) and all(abs(f - frequency) > 0.1 * f for f in found):
            found.append(float(f"{np.median(near):.5g}"))
    return found


#: What makes one list of those of the networks, column by column.
OF_LISTS: dict[str, Callable[[Sequence[Any]], list[Any]]] = {
    "modes": summarise_modes,
    "leading_modes": agreement,
    "pattern_completion": mean_completion,
    "basin_shares": shares_by_rank,
    "completion": returns_by_size,
}
