"""What a unit's page is drawn from, as plain data; the arrays and their meaning: ``rnnspike.evaluation.curves``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.observation import garwood
from rnnspike.report.catalogue import UNIT_GROUPS
from rnnspike.report.colours import CONDITION_COLOURS
from rnnspike.report.load import Curves, Run
from rnnspike.report.packing import UNDEFINED, columnar, packed, rounded, spread
from rnnspike.report.tallies import gain_unit, steps
from rnnspike.report.trials.rasters import rasters
from rnnspike.report.words import short_labels
from rnnspike.trials.data import FloatArray, IntArray
from rnnspike.wording import counted

#: Example trials and bins of each, and trials of the session that a page keeps per unit; spikes of a raster.
MAX_EXAMPLES, MAX_EXAMPLE_BINS, MAX_SESSION, MAX_RASTER = 6, 700, 150, 6000
#: Units of the matrix of links.
MAX_LINKED = 100
#: Steps in the range of a packed array where a page has many units: a picture has no more.
COARSE_STEPS = 1000
PAIRS = ["model_a", "model_b", "gain", "gain_low", "gain_high", "p"]
#: Pieces of the lags of the hazard, about even on a log scale.
HAZARD_PIECES = 48
#: Expected spikes that a piece has at least, by the model that expects most.
LEAST_EXPECTED = 3.0

#: Arrays that go into the page as they are.
KEPT = (
    "models",
    "reference",
    "bin_s",
    "window_s",
    "recovery_ms",
    "ks.n",
    "ks.band",
    "independence.lag",
    "independence.autocorrelation",
    "independence.band",
    "smooth.bandwidth_s",
)
#: Groups of arrays that go into the page whole.
GROUPS = ("adaptation.", "shared.", "calibration.", "statistic.", "free_run.", "isi.", "serial.", "fano.")
#: Arrays with a long last axis: group -> (names, most points).
THINNED = {
    "ks": (("grid", "pit"), 201),
    "autocorrelation": (("lag_ms", "data", "mean", "low", "high"), 100),
    "ogata": (("time", "wiener", "wiener_band"), 101),
    "psth": (("time_s", "model_hz", "model_by_condition_hz"), 200),
    "smooth": (("time_s", "rate_hz", "low_hz", "high_hz"), 1000),
}
#: Those of these groups that have a curve per condition: the more conditions, the fewer points of each.
BY_CONDITION = ("psth", "smooth")
#: Never packed into 16 bits, whose steps are too wide for what is drawn on a log scale.
AS_NUMBERS = ("isi.edge_ms",)
OGATA_VARIANCE = ("ogata.window", "ogata.variance", "ogata.variance_low", "ogata.variance_high")


def unit_payload(run: Run, unit: str, share: float = 1.0) -> dict[str, Any]:
    """Return all that a unit's page shows; ``share`` below 1 keeps fewer points (runs of many units)."""
    curves, trials = run.curves(unit), run.per_trial(unit)
    kept = {name: values for name, values in curves.items() if name in KEPT or name.startswith(GROUPS)}
    kept |= {name: curves[name] for name in OGATA_VARIANCE if name in curves}
    crowd = max(1.0, len(curves.get("smooth.condition", ())) / len(CONDITION_COLOURS))
    for group, (names, most) in THINNED.items():
        fewer = crowd if group in BY_CONDITION else 1.0
        kept |= _thinned(curves, group, names, max(30, round(most * share / fewer)))
    for departure in ("adaptation", "shared"):
        if f"{departure}.observed" in curves:
            kept[f"{departure}.low"], kept[f"{departure}.high"] = garwood(curves[f"{departure}.observed"])
    kept |= (
        pooled_hazard(curves)
        | _examples(curves, trials, share)
        | session(trials, curves, max(30, int(MAX_SESSION * share)))
    )
    kept |= rasters(curves, trials, max(200, int(MAX_RASTER * share)))
    if "calibration.condition.label" in kept:
        kept["calibration.condition.label"] = np.array(short_labels(kept["calibration.condition.label"].tolist()))
    pairs = run.unit_pairs(unit)
    return {
        "unit": unit,
        "rows": columnar([row for row in run.unit_rows(unit) if row["status"] == "ok"]),
        "gain_unit": gain_unit(steps(run, [unit])),
        "pairs": columnar(pairs[PAIRS].to_dict("records")),  # type: ignore[arg-type]  # names are texts
        "curves": {
            name: rounded(each) if name in AS_NUMBERS else packed(each, UNDEFINED - 1 if share == 1 else COARSE_STEPS)
            for name, each in sorted(kept.items())
        },
        "lacking": {
            figure.id: figure.lacking for _, figures in UNIT_GROUPS for figure in figures if figure.lacks(curves)
        },
        "stack": {test: {m: round(w, 4) for m, w in each.items()} for test, each in run.stack_weights(unit).items()},
        "training": trainings(run, unit),
        "dropped": dropped(run, unit, trials),
    }


def links_payload(run: Run) -> dict[str, Any] | None:
    """Return the matrix of links (target, source): peaks of all tested directions, their lags, q and verdicts.

    Of many units it has those of the links with the lowest q; ``n_units`` is how many there are, ``tallies`` counts
    the verdicts over all pairs that were tested.
    """
    if run.links is None or not run.links["p"].notna().any():
        return None
    tested = run.links[run.links["p"].notna()]
    every = list(dict.fromkeys(run.links["target"]))
    strongest = tested.sort_values("q", kind="stable")[["target", "source"]].to_numpy().ravel()
    chosen = set(list(dict.fromkeys(strongest))[:MAX_LINKED])
    units = [unit for unit in every if unit in chosen or len(every) <= MAX_LINKED]
    place = {unit: k for k, unit in enumerate(units)}
    found: dict[str, Any] = {
        name: [[None] * len(units) for _ in units] for name in ("peak", "peak_lag_ms", "q", "verdict")
    }
    shown = run.links["target"].isin(units) & run.links["source"].isin(units)
    for row in run.links[shown].to_dict("records"):
        at = place[row["target"]], place[row["source"]]
        for name, matrix in found.items():
            matrix[at[0]][at[1]] = None if isinstance(row[name], float) and np.isnan(row[name]) else row[name]
    tallies = tested["verdict"].value_counts().to_dict()
    return {"units": units, "n_units": len(every), "tallies": tallies, **found}


def _thinned(curves: Curves, group: str, names: tuple[str, ...], most: int) -> Curves:
    """Keep evenly spaced points of a group's curves along their last axis."""
    present = {f"{group}.{name}": curves[f"{group}.{name}"] for name in names if f"{group}.{name}" in curves}
    if not present:
        return {}
    keep = spread(next(iter(present.values())).shape[-1], most)
    return {name: values[..., keep] for name, values in present.items()}


def pooled_hazard(curves: Curves) -> Curves:
    """Return the hazard in pieces of lags, bin by bin at first, with Garwood's interval of each (science.md#hazard).

    Pieces with fewer than 3 expected spikes are joined with the next.

    ``hazard.lag_ms`` is the middle of a piece, ``lag_low_ms`` and ``lag_high_ms`` its first and last lag; pieces at
    which fewer than 10 bins were at risk are left out.
    """
    if "hazard.at_risk" not in curves or not len(curves["hazard.at_risk"]):
        return {}
    lag, at_risk = curves["hazard.lag_ms"], curves["hazard.at_risk"].astype(np.float64)
    edges = np.unique(np.geomspace(1, len(lag) + 1, HAZARD_PIECES).round().astype(np.int64)) - 1  # first bin of each
    expected = np.nan_to_num(curves["hazard.model"]) * at_risk  # (model, lag)
    edges = merged(edges, expected.max(axis=0), LEAST_EXPECTED)
    starts = edges[:-1]
    risk = np.add.reduceat(at_risk, starts)
    spikes = np.add.reduceat(curves["hazard.spikes"].astype(np.float64), starts)
    good = risk >= 10
    with np.errstate(divide="ignore", invalid="ignore"):
        model = np.add.reduceat(expected, starts, axis=1) / risk
        low, high = (each / risk for each in garwood(spikes))
    return {
        "hazard.lag_ms": ((lag[starts] + lag[edges[1:] - 1]) / 2)[good],
        "hazard.lag_low_ms": lag[starts][good],
        "hazard.lag_high_ms": lag[edges[1:] - 1][good],
        "hazard.at_risk": risk[good],
        "hazard.data": (spikes / np.maximum(risk, 1))[good],
        "hazard.low": low[good],
        "hazard.high": high[good],
        "hazard.model": model[:, good],
    }


def merged(edges: IntArray, values: FloatArray, least: float) -> IntArray:
    """Return edges without those that cut off pieces in which ``values`` sum to less than ``least``."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    kept = [int(edges[0])]
    for edge in edges[1:-1]:
        if total[edge] - total[kept[-1]] >= least and total[edges[-1]] - total[edge] >= least:
            kept.append(int(edge))
    return np.array([*kept, int(edges[-1])])


def session(trials: pd.DataFrame, curves: Curves, most: int) -> Curves:
    """Return spikes by trial, and the gain of each model over the reference summed up to each trial."""
    if "reference" not in curves or f"ll_{curves['reference']}" not in trials:
        return {}
    keep = spread(len(trials), most)
    models = [str(model) for model in curves["models"]]
    likelihood = np.array([trials[f"ll_{model}"].to_numpy() for model in models])
    with np.errstate(invalid="ignore"):  # of two models that give a spike probability 0
        gain = np.cumsum(likelihood - trials[f"ll_{curves['reference']}"].to_numpy(), axis=1) / np.log(2)
    return {
        "session.start_s": trials["start_s"].to_numpy()[keep],
        "session.trial": trials["trial"].to_numpy()[keep],
        "session.spikes": trials["n_spikes"].to_numpy()[keep],
        "session.gain_bits": gain[:, keep],
    }


def _examples(curves: Curves, trials: pd.DataFrame, share: float) -> Curves:
    if "example.rate_hz" not in curves:
        return {}
    n = max(1, round(MAX_EXAMPLES * share))
    chosen = spread(len(curves["example.trial"]), n)
    n_bins = MAX_EXAMPLE_BINS if share == 1 else max(200, int(MAX_EXAMPLE_BINS * share))
    total = np.concatenate([[0], np.cumsum(curves["example.spikes"][chosen].sum(axis=0))])
    inside = total[n_bins:] - total[:-n_bins] if len(total) > n_bins else np.zeros(1)
    bins = slice(int(np.argmax(inside)), int(np.argmax(inside)) + n_bins)  # the piece with most spikes
    return {
        "example.trial": curves["example.trial"][chosen],
        "example.condition": trials.set_index("trial")["condition"].loc[curves["example.trial"][chosen]].to_numpy(),
        "example.time_s": curves["example.time_s"][bins],
        "example.spikes": curves["example.spikes"][chosen, bins].astype(np.uint8),
        "example.rate_hz": curves["example.rate_hz"][:, chosen, bins],
    }


def dropped(run: Run, unit: str, trials: pd.DataFrame) -> list[str]:
    """Return, in sentences, what of a unit was not scored and why, and what was odd about it."""
    said = []
    rows = run.unit_rows(unit)
    ok = next((row for row in rows if row["status"] == "ok"), None)
    n_trials = int(run.settings["resolved"]["n_trials"])
    if unseen := n_trials - len(trials):
        said.append(f"Not scored: {unseen} of {n_trials} trials; the unit was not observed in them.")
    most = int(trials["exposure_bins"].max()) if len(trials) else 0
    partly = int((trials["exposure_bins"] < most).sum())
    if partly:
        said.append(counted(partly, "trial{s} {are} scored in part: the rest was not observed."))
    if ok and ok.get("n_merged"):
        said.append(counted(ok["n_merged"], "spike{s} share{v} a bin with another and {are} not scored."))
    if ok and ok.get("contamination_gate") not in (None, "clean"):
        share = f"{ok['contamination']:.0%} foreign spikes in the windows that are scored"
        said.append(f"Refractory violations: {ok['contamination_gate']}, {share}.")
    for finding in run.findings:
        if finding.get("unit") == unit:
            option = f" ({finding['option']})" if finding.get("option") else ""
            said.append(f"{finding['level']}, {finding['id']}: {finding['message']}{option}")
    said += [f"{row['model']} was {row['status']}: {row['message']}" for row in rows if row["status"] != "ok"]
    return said


def trainings(run: Run, unit: str) -> list[dict[str, Any]]:
    """Return the loss curves of one member of each network."""
    seen: dict[str, dict[str, Any]] = {}
    for model, member, training in run.trainings(unit):
        if model not in seen:
            seen[model] = {"model": model, "member": member, **_small(training)}
    return list(seen.values())


def _small(training: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in training.items():
        if key in ("train_loss", "validation_loss"):
            kept[key] = rounded(_by_epoch(value)[:200])
        elif isinstance(value, (str, int, float, bool)) or key == "warnings":
            kept[key] = value
    return kept


def _by_epoch(losses: Any) -> FloatArray:
    """Return losses by epoch; those of several units or validation sets are averaged, missing ones NaN."""
    rows = [each if isinstance(each, list) else [each] for each in losses]
    values = [[np.nan if each is None else float(each) for each in np.ravel(np.array(row, object))] for row in rows]
    return np.array([np.nan if np.all(np.isnan(row)) else np.nanmean(row) for row in values])
