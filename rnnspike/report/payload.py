"""What the page's script draws, as JSON: a run's overview, and one object per unit, four figures a number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.report.load import Run
from rnnspike.runs.store import plain

#: Points of the raster, and of a curve, that a page keeps per unit.
MAX_RASTER, MAX_CURVE = 6000, 400
#: Example trials and bins of each that a page keeps per unit.
MAX_EXAMPLES, MAX_EXAMPLE_BINS = 6, 700

#: Curves that go into the page as they are (thinned); the rest have a function of their own.
KEPT = (
    "models",
    "bin_s",
    "window_s",
    "recovery_ms",
    "ks.n",
    "ks.band",
    "independence.lag",
    "independence.autocorrelation",
    "independence.band",
    "psth.time_s",
    "psth.data_hz",
    "psth.model_hz",
    "adaptation.window_ms",
    "adaptation.count_low",
    "adaptation.count_high",
    "adaptation.observed",
    "adaptation.expected",
    "refractory.lag_low_ms",
    "refractory.lag_high_ms",
    "refractory.observed",
    "refractory.expected",
)


def unit_payload(run: Run, unit: str, share: float = 1.0) -> dict[str, Any]:
    """Return all that a unit's page shows; ``share`` below 1 keeps fewer points (runs of many units)."""
    curves = run.curves(unit)
    kept = {name: curves[name] for name in KEPT if name in curves}
    kept.update(_thinned(curves, "hazard", ("lag_ms", "data", "low", "high", "model", "at_risk"), share))
    kept.update(_thinned(curves, "ks", ("grid", "pit"), share))
    kept.update(
        {name: values for name, values in curves.items() if name.startswith(("free_run.models", "statistic."))}
    )
    kept.update(_raster(curves, share))
    kept.update(_examples(curves, share))
    pairs = run.pairs[run.pairs.unit == unit]
    return {
        "unit": unit,
        "rows": run.unit_rows(unit),
        "pairs": pairs[["model_a", "model_b", "gain", "gain_low", "gain_high", "p"]].to_dict("records"),
        "curves": {name: rounded(values) for name, values in sorted(kept.items())},
        "stack": run.stack_weights(unit),
        "training": _trainings(run, unit),
    }


def rounded(values: Any) -> Any:
    """Return an array as nested lists, numbers to four figures, undefined null."""
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return plain(values.tolist())
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (3 - np.floor(np.log10(np.abs(values))))
        short = np.where(np.isfinite(scale), np.round(values * scale) / scale, values)
    return _shorten(plain(short.astype(np.float64).tolist()))


def _shorten(value: Any) -> Any:
    if isinstance(value, list):
        return [_shorten(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _thinned(
    curves: Mapping[str, npt.NDArray[Any]], group: str, names: tuple[str, ...], share: float
) -> dict[str, npt.NDArray[Any]]:
    """Keep points of a group's curves along their last axis, dense at the start."""
    present = {f"{group}.{name}": curves[f"{group}.{name}"] for name in names if f"{group}.{name}" in curves}
    if not present:
        return {}
    n = next(iter(present.values())).shape[-1]
    target = max(40, int(MAX_CURVE * share))
    keep = np.arange(n) if n <= target else np.unique(np.linspace(0, n - 1, target).round().astype(int))
    return {name: values[..., keep] for name, values in present.items()}


def _raster(curves: Mapping[str, npt.NDArray[Any]], share: float) -> dict[str, npt.NDArray[Any]]:
    if "raster.trial" not in curves:
        return {}
    trial, at = curves["raster.trial"], curves["raster.bin"]
    limit = max(500, int(MAX_RASTER * share))
    if len(trial) > limit:  # whole trials, evenly spaced: thinning spikes would change what is seen
        trials = np.unique(trial)
        wanted = max(1, int(len(trials) * limit / len(trial)))
        shown = trials[np.linspace(0, len(trials) - 1, wanted).round().astype(int)]
        keep = np.isin(trial, shown)
        trial, at = trial[keep], at[keep]
    return {"raster.trial": trial, "raster.bin": at}


def _examples(curves: Mapping[str, npt.NDArray[Any]], share: float) -> dict[str, npt.NDArray[Any]]:
    if "example.rate_hz" not in curves:
        return {}
    n = max(2, round(MAX_EXAMPLES * share))
    bins = slice(0, MAX_EXAMPLE_BINS)
    return {
        "example.trial": curves["example.trial"][:n],
        "example.time_s": curves["example.time_s"][bins],
        "example.spikes": curves["example.spikes"][:n, bins].astype(np.uint8),
        "example.rate_hz": curves["example.rate_hz"][:, :n, bins],
    }


def _trainings(run: Run, unit: str) -> list[dict[str, Any]]:
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


def _by_epoch(losses: Any) -> npt.NDArray[np.float64]:
    """Return losses by epoch; those of several units or validation sets are averaged, missing ones NaN."""
    rows = [each if isinstance(each, list) else [each] for each in losses]
    values = [[np.nan if each is None else float(each) for each in np.ravel(np.array(row, object))] for row in rows]
    return np.array([np.nan if np.all(np.isnan(row)) else np.nanmean(row) for row in values])


def to_script(value: Any) -> str:
    """Return JSON that may stand inside a script element."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")
