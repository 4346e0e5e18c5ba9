"""Models compared over units and recordings (science.md#across-recordings).

Trials of a unit, units of a recording and recordings are nested: a test that takes every trial for a witness of
its own calls null data significant far too often (Saravanan, Berman & Sober 2020). Here the members of the
highest level with at least two of them are the witnesses: recordings, or units. Their differences hold all that
varies within them; resampling the levels below once more would count that twice. The interval is Student's,
with the jackknife's error and one degree of freedom less than there are members. Units of one recording share
its trials: where the error over trials is the larger one, it counts.

Draws follow from the seed and the content of the tables: a pair comes out the same in whatever order runs are given,
and whatever else is compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from rnnspike.evaluation.scores.comparison import TrialBootstrap, nadeau_bengio
from rnnspike.evaluation.scores.likelihood import MIN_SPIKES
from rnnspike.evaluation.scores.resampling import benjamini_hochberg, holm, long_run_share
from rnnspike.models.registry import MODELS
from rnnspike.trials.data import FloatArray, IntArray

Correction = Literal["holm", "bh", "none"]
Level = Literal["recording", "unit", "trial", "fold"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class UnitTable:
    """Held-out log-likelihoods of one unit, nats, each (trial,), beside the spikes of each trial.

    ``trial`` numbers the trials of the recording, so that units recorded together are resampled together;
    ``fold`` (trial,) is the fold that held it out, where known.
    """

    recording: str
    unit: str
    trial: IntArray
    n_spikes: IntArray
    log_likelihoods: Mapping[str, FloatArray]
    fold: IntArray | None = None


@dataclass(frozen=True)
class Comparison:
    """Model a minus model b over all units that have both, in bits/spike; NaN where undefined.

    ``gain`` is the mean over units, ``gain_pooled`` the ratio of sums over all spikes (the two may rank models
    differently). ``level`` is the level whose members are the witnesses: the highest with at least two.
    ``n_above`` and ``n_below`` count units whose own 95 % interval (bootstrap over trials) lies above or below 0.
    """

    model_a: str
    model_b: str
    n_recordings: int
    n_units: int
    n_trials: int
    n_spikes: int
    gain: float
    gain_low: float
    gain_high: float
    p: float
    p_adjusted: float
    correction: str
    level: Level
    gain_pooled: float
    gain_pooled_low: float
    gain_pooled_high: float
    gain_median: float
    gain_worst: float
    worst_unit: str
    n_above: int
    n_below: int


COLUMNS = tuple(Comparison.__dataclass_fields__)


def compare_runs(
    tables: Iterable[UnitTable],
    rng: np.random.Generator,
    *,
    pairs: Sequence[Pair] | None = None,
    n_draws: int = 2000,
    correction: Correction = "holm",
    folds: bool = False,
) -> list[Comparison]:
    """Compare models over units and recordings.

    Parameters
    ----------
    tables
        One per unit; units with fewer than 10 spikes are left out.
    rng
        Source of the bootstrap's draws; its state and the content of the tables decide them.
    pairs
        (a, b): gain of a over b. All pairs in the ladder's order where None, later minus earlier.
    n_draws
        Bootstrap draws of trials, where there is one unit.
    correction
        Of p over the pairs asked for: Holm's, Benjamini and Hochberg's, or none.
    folds
        Take folds for the witnesses instead, with Nadeau and Bengio's variance: for one recording, where
        what is asked is whether another split would say the same.

    Returns
    -------
    list of Comparison
        One per pair, in the order of ``pairs``; gains and intervals in bits/spike.

    Raises
    ------
    ValueError
        Where no unit has two models in common, or folds are asked for and not known.
    """
    usable = [table for table in tables if table.n_spikes.sum() >= MIN_SPIKES]
    chosen = list(pairs) if pairs is not None else pairs_of(usable)
    seed, results = _seed(rng), []
    for a, b in chosen:
        both = [table for table in usable if a in table.log_likelihoods and b in table.log_likelihoods]
        if not both:
            raise ValueError(f"no unit with {MIN_SPIKES} spikes has both {a} and {b}")
        results.append(_compare(both, a, b, np.random.default_rng(seed), n_draws, folds))
    return corrected(results, correction)


def _seed(rng: np.random.Generator) -> int:
    """Return a seed that several may draw from, the same draws each."""
    return int(rng.integers(2**63))


def pairs_of(tables: Sequence[UnitTable]) -> list[Pair]:
    """Return all pairs of models, the later of the ladder first, that at least one unit has both of."""
    order = in_ladder_order(name for table in tables for name in table.log_likelihoods)
    pairs = [(later, earlier) for earlier, later in combinations(order, 2)]
    together = [set(table.log_likelihoods) for table in tables]
    return [pair for pair in pairs if any(set(pair) <= names for names in together)]


def in_ladder_order(names: Iterable[str]) -> list[str]:
    """Return the models named, each once, up the ladder: what is no rung of it (stack, oracle) at the end."""
    ladder = list(MODELS)
    return sorted(dict.fromkeys(names), key=lambda name: ladder.index(name) if name in ladder else len(ladder))


def corrected(results: Sequence[Comparison], correction: Correction) -> list[Comparison]:
    """Return comparisons with p corrected over them; those without a p have no corrected one and count for none."""
    p = np.array([result.p for result in results])
    adjusted = p if correction == "none" else (holm(p) if correction == "holm" else benjamini_hochberg(p))
    return [
        Comparison(**{**asdict(result), "p_adjusted": float(each), "correction": correction})
        for result, each in zip(results, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class _Group:
    """Units of one recording: differences in bits (trial, unit) and spikes (trial, unit), 0 in trials not held."""

    differences: FloatArray
    spikes: FloatArray

    @property
    def gains(self) -> FloatArray:
        """Gain of each unit in bits/spike, (unit,)."""
        return np.asarray(self.differences.sum(axis=0) / self.spikes.sum(axis=0))


def _by_recording(tables: Sequence[UnitTable]) -> list[list[UnitTable]]:
    """Return the tables of each recording, in an order that their content gives."""
    groups: dict[str, list[UnitTable]] = {}
    for table in tables:
        groups.setdefault(table.recording, []).append(table)
    members = [sorted(group, key=lambda table: table.unit) for group in groups.values()]
    return sorted(members, key=lambda group: [_content(table) for table in group])


def _content(table: UnitTable) -> list[bytes]:
    likelihoods = [table.log_likelihoods[name].tobytes() for name in sorted(table.log_likelihoods)]
    return [table.unit.encode(), table.n_spikes.tobytes(), *likelihoods]


def _bits(table: UnitTable, a: str, b: str) -> FloatArray:
    return np.asarray((table.log_likelihoods[a] - table.log_likelihoods[b]) / math.log(2))


def _group(members: Sequence[UnitTable], a: str, b: str) -> _Group:
    trials = np.unique(np.concatenate([table.trial for table in members]))
    differences, spikes = np.zeros((2, len(trials), len(members)))
    for column, table in enumerate(members):
        row = np.searchsorted(trials, table.trial)
        differences[row, column] = _bits(table, a, b)
        spikes[row, column] = table.n_spikes
    return _Group(differences, spikes)


def _compare(
    tables: Sequence[UnitTable], a: str, b: str, rng: np.random.Generator, n_draws: int, folds: bool
) -> Comparison:
    recordings = _by_recording(tables)
    groups = [_group(members, a, b) for members in recordings]
    levels, own = rng.spawn(2)
    richer = 1 if in_ladder_order((a, b))[0] == b else -1
    estimate = _over_folds(tables, a, b) if folds else _over_levels(groups, levels, n_draws, richer)
    gains = np.concatenate([group.gains for group in groups])
    worst = int(np.argmin(gains))
    worst_unit = [table for members in recordings for table in members][worst]
    above, below = _units_apart(tables, a, b, own, richer)
    return Comparison(
        model_a=a,
        model_b=b,
        n_recordings=len(groups),
        n_units=len(gains),
        n_trials=sum(len(group.spikes) for group in groups),
        n_spikes=int(sum(group.spikes.sum() for group in groups)),
        p_adjusted=math.nan,
        correction="none",
        gain_median=float(np.median(gains)),
        gain_worst=float(gains[worst]),
        worst_unit=f"{worst_unit.recording} {worst_unit.unit}",
        n_above=above,
        n_below=below,
        **estimate,
    )


def _over_levels(groups: Sequence[_Group], rng: np.random.Generator, n_draws: int, richer: int) -> dict[str, Any]:
    """Return the estimates with intervals over the highest level that has at least two members."""
    gains = np.concatenate([group.gains for group in groups])
    gain = float(gains.mean())
    pooled = float(sum(g.differences.sum() for g in groups) / sum(g.spikes.sum() for g in groups))
    if len(gains) == 1:
        return _over_trials(groups[0], rng, n_draws, richer)
    error, freedom = _over_members(groups)
    if len(groups) == 1:  # units share its trials
        error = np.maximum(error, _error_over_trials(groups[0]))
    low, high, p = student_interval(gain, float(error[0]), float(freedom[0]))
    pooled_low, pooled_high, _ = student_interval(pooled, float(error[1]), float(freedom[1]))
    return {
        "gain": gain,
        "gain_low": low,
        "gain_high": high,
        "p": p,
        "level": "recording" if len(groups) > 1 else "unit",
        "gain_pooled": pooled,
        "gain_pooled_low": pooled_low,
        "gain_pooled_high": pooled_high,
    }


def _over_trials(group: _Group, rng: np.random.Generator, n_draws: int, richer: int) -> dict[str, Any]:
    """Return the gain of one unit with interval and p over its trials; ``richer`` is 1, or -1 where b is above a.

    A run's own (``pairs.csv``) also knows the spikes one by one, and may be a little wider (``comparison.AtSpikes``).
    """
    bootstrap = TrialBootstrap(len(group.spikes), rng, n_draws)
    bits, spikes = richer * group.differences, group.spikes[:, 0]
    found, p = bootstrap.gains(bits, spikes), bootstrap.p(bits, spikes)
    ends = (found.low, found.high) if richer > 0 else (found.high, found.low)
    values = {
        end: richer * float(value[0]) for end, value in zip(("", "_low", "_high"), (found.value, *ends), strict=True)
    }
    gains = {f"{kind}{end}": value for kind in ("gain", "gain_pooled") for end, value in values.items()}
    return {**gains, "p": float(p[0]), "level": "trial"}


def student_interval(estimate: float, error: float, freedom: float) -> tuple[float, float, float]:
    """Return 95 % interval and two-sided p of an estimate with this standard error; NaN without freedom."""
    if freedom < 1 or not math.isfinite(error):
        return math.nan, math.nan, math.nan
    if error == 0:
        return estimate, estimate, 1.0 if estimate == 0 else 0.0
    reach = float(stdtrit(freedom, 0.975)) * error
    return estimate - reach, estimate + reach, float(2 * stdtr(freedom, -abs(estimate) / error))


def _over_members(groups: Sequence[_Group]) -> tuple[FloatArray, FloatArray]:
    """Return jackknife errors of the mean gain over units and of the pooled gain, and their degrees of freedom, (2,).

    Members are recordings, or the units of a single one. Members of weights w are worth ``(sum w)^2 / sum w^2`` equal
    ones.
    """
    columns = [(group.gains, np.ones(len(group.gains)), group.differences.sum(axis=0), group.spikes.sum(axis=0))
               for group in groups]  # fmt: skip
    members = np.array([np.sum(each, axis=1) for each in columns]) if len(groups) > 1 else np.array(columns[0]).T
    left_out = members.sum(axis=0) - members  # (member, 4)
    values = left_out[:, [0, 2]] / left_out[:, [1, 3]]
    weight = members[:, [1, 3]]
    worth = weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0)
    return np.sqrt((len(values) - 1) * values.var(axis=0)), np.maximum(worth - 1, 1.0)


def _error_over_trials(group: _Group) -> FloatArray:
    """Return errors of both gains over trials of one recording, common to its units, (2,)."""
    n, ratio = len(group.spikes), group.differences.sum() / group.spikes.sum()
    of_mean = ((group.differences - group.gains * group.spikes) / group.spikes.sum(axis=0)).mean(axis=1)
    of_pooled = (group.differences - ratio * group.spikes).sum(axis=1) / group.spikes.sum()
    influence = np.stack([of_mean, of_pooled], axis=1)  # (trial, 2)
    variance = (influence**2).sum(axis=0) * long_run_share(influence)
    return np.asarray(np.sqrt(variance * n / max(n - 1, 1)))


def _over_folds(tables: Sequence[UnitTable], a: str, b: str) -> dict[str, Any]:
    """Return the pooled gain of each fold, averaged, with the interval of Nadeau and Bengio."""
    sums: dict[int, list[float]] = {}
    for table in tables:
        if table.fold is None:
            raise ValueError(f"{table.recording} {table.unit}: it is not stored which fold held a trial out")
        for fold in np.unique(table.fold):
            held = table.fold == fold
            entry = sums.setdefault(int(fold), [0.0, 0.0])
            entry[0] += float(_bits(table, a, b)[held].sum())
            entry[1] += float(table.n_spikes[held].sum())
    per_fold = [difference / spikes for difference, spikes in sums.values() if spikes > 0]
    mean, low, high, p = nadeau_bengio(per_fold, 1, max(len(sums) - 1, 1))
    keys = ("gain", "gain_low", "gain_high", "p", "level", "gain_pooled", "gain_pooled_low", "gain_pooled_high")
    return dict(zip(keys, (mean, low, high, p, "fold", mean, low, high), strict=True))


def _units_apart(
    tables: Sequence[UnitTable], a: str, b: str, rng: np.random.Generator, richer: int
) -> tuple[int, int]:
    """Return how many units have an interval of their own above 0, and below."""
    seed, above, below = _seed(rng), 0, 0
    for table in tables:
        bootstrap = TrialBootstrap(len(table.trial), np.random.default_rng(seed), n_draws=1000)
        found = bootstrap.gains(richer * _bits(table, a, b)[:, None], table.n_spikes.astype(np.float64))
        over, under = bool(found.low[0] > 0), bool(found.high[0] < 0)
        above += over if richer > 0 else under
        below += under if richer > 0 else over
    return above, below
