"""The figures of one unit, drawn from its stored curves (``rnnspike.evaluation.curves``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.report import words
from rnnspike.report.colours import on_paper
from rnnspike.report.drawing import WIDE, Picture, axes, levels, row_of_axes
from rnnspike.report.load import Curves, Run
from rnnspike.report.payload import garwood, pooled_hazard, trainings
from rnnspike.report.payload import session as session_curves

#: Pieces of the PIT histogram.
PIT_PIECES = 20
#: Calibration beyond this many standard errors is marked at the edge.
MOST_Z = 12.0


@dataclass(frozen=True)
class Shown:
    """The curves of a unit, its models in their order, and the one or two that are drawn."""

    curves: Curves
    models: list[str]
    model: str
    base: str | None

    @property
    def drawn(self) -> list[tuple[str, int]]:
        """Models drawn, the chosen one last, each with its row in the arrays of all models."""
        return [(name, self.models.index(name)) for name in (self.base, self.model) if name]

    @property
    def drawn_free(self) -> list[tuple[str, int]]:
        """The same among the models that were run free."""
        free = [str(name) for name in self.curves.get("free_run.models", ())]
        return [(name, free.index(name)) for name in (self.base, self.model) if name in free]

    def by_model(self, name: str, suffix: str = "") -> dict[str, Any]:
        """Return the rows of an array of all models, as columns of a table."""
        return {f"{model}{suffix}": self.curves[name][k] for k, model in enumerate(self.models)}


def hazard(shown: Shown) -> Picture | None:
    """Return the hazard by lag of data (95 % interval) and models."""
    found = pooled_hazard(shown.curves)
    if not found:
        return None
    lag, scale = found["hazard.lag_ms"], 1.0 / float(shown.curves["bin_s"])
    data, low, high = (found[f"hazard.{name}"] * scale for name in ("data", "low", "high"))
    figure, on = axes("time since the last spike (ms)", "hazard (spikes/s)")
    on.errorbar(lag, data, [data - low, high - data], fmt="o", ms=2.2, color="black", elinewidth=0.6, label="data")
    for name, k in shown.drawn:
        on.plot(lag, found["hazard.model"][k] * scale, color=on_paper(name), label=name, zorder=3)
    on.set(
        xscale="log", ylim=(0, 1.25 * max(float(np.nanmax(data)), scale * float(np.nanmax(found["hazard.model"]))))
    )
    on.legend()
    every = {f"{name}_hz": found["hazard.model"][k] * scale for k, name in enumerate(shown.models)}
    table = {"lag_ms": lag, "data_hz": data, "data_low_hz": low, "data_high_hz": high, **every}
    return Picture("hazard", figure, pd.DataFrame(table))


def ks_plot(shown: Shown) -> Picture | None:
    """Return the KS plot: distribution of rescaled intervals minus the uniform."""
    if "ks.pit" not in shown.curves:
        return None
    grid, band = shown.curves["ks.grid"], float(shown.curves["ks.band"])
    figure, on = axes("rescaled interval", "data minus model")
    for name, k in shown.drawn:
        on.plot(grid, shown.curves["ks.pit"][k] - grid, color=on_paper(name), label=name)
    levels(on, -band, band)
    on.legend()
    return Picture("ks", figure, pd.DataFrame({"u": grid, **shown.by_model("ks.pit")}))


def pit(shown: Shown) -> Picture | None:
    """Return the histogram of rescaled intervals; 1 is calibrated."""
    if "ks.pit" not in shown.curves:
        return None
    edges = np.linspace(0, 1, PIT_PIECES + 1)
    grid = shown.curves["ks.grid"]
    every = {n: PIT_PIECES * np.diff(np.interp(edges, grid, cdf)) for n, cdf in shown.by_model("ks.pit").items()}
    figure, on = axes("rescaled interval", "density")
    for name, _ in shown.drawn:
        on.stairs(every[name], edges, color=on_paper(name), label=name)
    spread = 1.96 * np.sqrt((PIT_PIECES - 1) / float(shown.curves["ks.n"]))
    levels(on, 1 - spread, 1.0, 1 + spread)
    on.legend()
    return Picture("pit", figure, pd.DataFrame({"u_low": edges[:-1], "u_high": edges[1:], **every}))


def independence(shown: Shown) -> Picture | None:
    """Return the autocorrelation of the rescaled intervals' normal scores."""
    if "independence.autocorrelation" not in shown.curves:
        return None
    lag, band = shown.curves["independence.lag"], float(shown.curves["independence.band"])
    figure, on = axes("lag (intervals)", "autocorrelation")
    width = 0.8 / len(shown.drawn)
    for place, (name, k) in enumerate(shown.drawn):
        values = shown.curves["independence.autocorrelation"][k]
        on.bar(lag + (place - (len(shown.drawn) - 1) / 2) * width, values, width, color=on_paper(name), label=name)
    levels(on, -band, band)
    on.legend()
    table = {"lag": lag, **shown.by_model("independence.autocorrelation")}
    return Picture("independence", figure, pd.DataFrame(table))


def ogata(shown: Shown) -> Picture | None:
    """Return the Wiener process test and the variance-time curve of the rescaled train."""
    c = shown.curves
    if "ogata.wiener" not in c:
        return None
    figure, (wiener, variance) = row_of_axes(2)
    for sign in (-1, 1):
        wiener.plot(c["ogata.time"], sign * c["ogata.wiener_band"], color="0.5", ls="--", lw=0.7)
    for name, k in shown.drawn:
        wiener.plot(c["ogata.time"], c["ogata.wiener"][k], color=on_paper(name), label=name)
        variance.plot(c["ogata.window"][k], c["ogata.variance"][k] / c["ogata.window"][k], color=on_paper(name))
    window = c["ogata.window"][shown.models.index(shown.model)]
    low, high = (c[f"ogata.variance_{end}"][shown.models.index(shown.model)] / window for end in ("low", "high"))
    variance.fill_between(window, low, high, color="0.85", lw=0)
    wiener.set(xlabel="share of the spikes", ylabel="Wiener process")
    variance.set(xlabel="window (expected spikes)", ylabel="variance / window", xscale="log")
    wiener.legend()
    k = shown.models.index(shown.model)
    boundary, y = c["ogata.wiener_band"], c["ogata.wiener"][k]
    of_wiener = pd.DataFrame({"test": "wiener", "x": c["ogata.time"], "y": y, "low": -boundary, "high": boundary})
    of_variance = pd.DataFrame(
        {"test": "variance / window", "x": window, "y": c["ogata.variance"][k] / window, "low": low, "high": high}
    )
    return Picture("ogata", figure, pd.concat([of_wiener, of_variance], ignore_index=True))


def psth(shown: Shown) -> Picture | None:
    """Return the PSTH of the data, with its band where it was stored, and what the models expect."""
    c = shown.curves
    if "psth.time_s" not in c:
        return None
    figure, on = axes("time (s)", "rate (Hz)")
    if "smooth.time_s" in c and len(c["smooth.condition"]) == 1:
        on.fill_between(c["smooth.time_s"], c["smooth.low_hz"][0], c["smooth.high_hz"][0], color="0.85", lw=0)
        on.plot(c["smooth.time_s"], c["smooth.rate_hz"][0], color="black", lw=0.9, label="data")
    else:
        on.plot(c["psth.time_s"], c["psth.data_hz"], color="0.4", lw=0.8, label="data")
    for name, k in shown.drawn:
        on.plot(c["psth.time_s"], c["psth.model_hz"][k], color=on_paper(name), label=name)
    on.set_ylim(bottom=0)
    on.legend()
    table = {"time_s": c["psth.time_s"], "data_hz": c["psth.data_hz"], **shown.by_model("psth.model_hz", "_hz")}
    return Picture("psth", figure, pd.DataFrame(table))


def raster(shown: Shown) -> Picture | None:
    """Return the recorded raster beside one of the model fed its own spikes."""
    c = shown.curves
    if "raster.trial" not in c:
        return None
    parts = {"recorded": (c["raster.trial"], c["raster.bin"])}
    if f"free_raster.{shown.model}.trial" in c:
        free = f"free_raster.{shown.model}"
        parts[f"{shown.model}, simulated"] = (c[f"{free}.trial"], c[f"{free}.bin"])
    figure, on = row_of_axes(len(parts), sharex=True, sharey=True)
    tables = []
    for each, (title, (trial, at)) in zip(on, parts.items(), strict=True):
        time = float(c["window_s"][0]) + (at + 0.5) * float(c["bin_s"])
        look: dict[str, Any] = {"ls": "", "marker": "|", "ms": 2, "mew": 0.4, "color": "black"}
        each.plot(time, trial, rasterized=len(time) > 500, **look)
        each.set(xlabel="time (s)", title=title)
        tables.append(pd.DataFrame({"raster": title, "trial": trial, "time_s": time}))
    on[0].set_ylabel("trial")
    on[0].invert_yaxis()
    return Picture("raster", figure, pd.concat(tables, ignore_index=True))


def single_trials(shown: Shown, n_most: int = 4) -> Picture | None:
    """Return the conditional intensity on some held-out trials, over their spikes."""
    c = shown.curves
    if "example.rate_hz" not in c or not len(c["example.trial"]):
        return None
    n, time = min(n_most, len(c["example.trial"])), c["example.time_s"]
    figure = axes("", "", (WIDE[0], 0.8 + 0.7 * n))[0]
    figure.clear()
    rows = np.atleast_1d(figure.subplots(n, 1, sharex=True))
    for i, on in enumerate(rows):
        for name, k in shown.drawn:
            on.plot(time, c["example.rate_hz"][k, i], color=on_paper(name), lw=0.9, label=name if i == 0 else None)
        on.plot(
            time[c["example.spikes"][i] > 0], np.zeros(int((c["example.spikes"][i] > 0).sum())), "|", color="black"
        )
        on.set_ylabel(f"trial {c['example.trial'][i]}\n(Hz)")
    rows[0].legend()
    rows[-1].set_xlabel("time (s)")
    table = {"trial": np.repeat(c["example.trial"][:n], len(time)), "time_s": np.tile(time, n)}
    table["spikes"] = c["example.spikes"][:n].ravel()
    table |= {f"{name}_hz": c["example.rate_hz"][k, :n].ravel() for k, name in enumerate(shown.models)}
    return Picture("single_trials", figure, pd.DataFrame(table))


def adaptation(shown: Shown) -> Picture | None:
    """Return recorded over expected spikes by number of recent spikes."""
    c = shown.curves
    if "adaptation.observed" not in c or not len(c["adaptation.observed"]):
        return None
    windows, observed, expected = c["adaptation.window_ms"], c["adaptation.observed"], c["adaptation.expected"]
    low, high = garwood(observed)
    figure, on = row_of_axes(len(np.unique(windows)), sharey=True)
    for each, window in zip(on, np.unique(windows), strict=True):
        here = windows == window
        for name, k in shown.drawn:
            e = np.maximum(expected[k][here], 1e-12)
            ratio, error = observed[here] / e, [(observed - low)[here] / e, (high - observed)[here] / e]
            each.errorbar(
                c["adaptation.count_low"][here], ratio, error, marker="o", ms=3, color=on_paper(name), label=name
            )
        each.set(xlabel="spikes in the window", title=f"last {window:g} ms")
        levels(each, 1.0)
    on[0].set_ylabel("recorded / expected")
    on[0].legend()
    strata = {
        "window_ms": windows,
        **{end: c[f"adaptation.{end}"] for end in ("count_low", "count_high", "observed")},
    }
    table = strata | {f"expected_{name}": values for name, values in shown.by_model("adaptation.expected").items()}
    return Picture("adaptation", figure, pd.DataFrame(table))


def calibration(shown: Shown) -> Picture | None:
    """Return (O - E)/sqrt(E) by strata of what came before."""
    c = shown.curves
    kinds = [str(kind) for kind in c.get("calibration.kinds", ())]
    if not kinds:
        return None
    figure, on = row_of_axes(len(kinds), sharey=True)
    z = {kind: c[f"calibration.{kind}.z"] for kind in kinds}  # (model, stratum)
    worst = max(float(np.nanmax(np.abs(values[k]))) for values in z.values() for _, k in shown.drawn)
    reach = 1.08 * np.clip(worst, 4.0, MOST_Z)
    tables = []
    for each, kind in zip(on, kinds, strict=True):
        names, labels = stratum_names(c, kind), f"calibration.{kind}.label" in c
        for name, k in shown.drawn:
            look: dict[str, Any] = {"color": on_paper(name), "lw": 0 if labels else 0.8}
            each.plot(np.clip(z[kind][k], -MOST_Z, MOST_Z), marker=".", ms=3, **look)
            for marker, sign in (("^", 1), ("v", -1)):
                beyond = np.flatnonzero(sign * z[kind][k] > MOST_Z)
                each.plot(beyond, np.full(len(beyond), sign * MOST_Z), marker, ms=3.5, **look)
        ticks = np.arange(0, len(names), -(-len(names) // (6 if labels else 3)))
        each.set_xticks(ticks, [names[i] for i in ticks], rotation=35 if labels else 0)
        x = "time (s)" if kind == "position" else str(c[f"calibration.{kind}.unit"])
        each.set(xlabel=x, ylim=(-reach, reach), xlim=(-0.5, len(names) - 0.5))
        each.set_title(kind.replace("_", " "), fontsize=7)
        levels(each, -3.0, 3.0)
        part = {"kind": kind, "stratum": names, "lowest": c[f"calibration.{kind}.lowest"]}
        part |= {"observed": c[f"calibration.{kind}.observed"]}
        part |= {f"z_{model}": z[kind][k] for k, model in enumerate(shown.models)}
        tables.append(pd.DataFrame(part))
    on[0].set_ylabel(r"(O - E) / $\sqrt{E}$")
    return Picture("calibration", figure, pd.concat(tables, ignore_index=True))


def stratum_names(curves: Curves, kind: str) -> list[str]:
    """Return the labels of a kind's strata, or their lower edges."""
    if f"calibration.{kind}.label" in curves:
        return words.short_labels(curves[f"calibration.{kind}.label"].tolist())
    return [f"{edge:.3g}" for edge in curves[f"calibration.{kind}.lowest"]]


def free_curve(
    name: str,
    group: str,
    x: Callable[[Curves], Any],
    label: str,
    ylabel: str,
    log: bool = False,
    per: Callable[[Curves], Any] = lambda _: 1.0,
) -> Callable[[Shown], Picture | None]:
    """Return what draws a statistic of the data, per piece's width, against the free runs, by name of its arrays."""

    def make(shown: Shown) -> Picture | None:
        c = shown.curves
        if f"{group}.mean" not in c or not shown.drawn_free or np.isnan(c[f"{group}.data"]).all():
            return None
        at = np.asarray(x(c), dtype=np.float64)
        y = {part: c[f"{group}.{part}"] / per(c) for part in ("data", "mean", "low", "high")}
        figure, on = axes(label, ylabel)
        table = {label: at, "data": y["data"]}
        for model, k in shown.drawn_free:
            on.fill_between(at, y["low"][k], y["high"][k], color=on_paper(model), alpha=0.2, lw=0)
            on.plot(at, y["mean"][k], color=on_paper(model), label=model)
            table |= {f"{model}_{part}": y[part][k] for part in ("mean", "low", "high")}
        on.plot(at, y["data"], color="black", lw=0.9, marker="o", ms=2 if len(at) < 60 else 0, label="data")
        if log:
            on.set_xscale("log")
        on.legend()
        return Picture(name, figure, pd.DataFrame(table))

    return make


def predictive(shown: Shown) -> Picture | None:
    """Return z and posterior predictive p of every statistic and model, as a table of colours."""
    c = shown.curves
    if "statistic.z" not in c:
        return None
    models, names = [str(m) for m in c["free_run.models"]], [str(s) for s in c["statistic.names"]]
    figure, on = axes("", "", (WIDE[0], 0.9 + 0.24 * len(models)))
    image = on.imshow(np.clip(c["statistic.z"], -6, 6), cmap="RdBu_r", vmin=-6, vmax=6, aspect="auto")
    for i in range(len(models)):
        for j in range(len(names)):
            p, z = c["statistic.p"][i, j], c["statistic.z"][i, j]
            ink = "white" if abs(z) > 4 else "black"
            on.text(j, i, "–" if np.isnan(p) else f"{p:.2g}", ha="center", va="center", fontsize=6, color=ink)
    on.set_xticks(range(len(names)), names, rotation=30, ha="right")
    on.set_yticks(range(len(models)), models)
    figure.colorbar(image, ax=on, label="z (colour); p (text)")
    rows = [
        {"model": m, "statistic": s, "data": c["statistic.data"][j],
         **{part: c[f"statistic.{part}"][i, j] for part in ("mean", "low", "high", "z", "p")}}
        for i, m in enumerate(models) for j, s in enumerate(names)
    ]  # fmt: skip
    return Picture("predictive", figure, pd.DataFrame(rows))


def steps_of_unit(run: Run, unit: str) -> Picture | None:
    """Return bits/spike of a unit by rung, with intervals."""
    columns = ["model", "bits_per_spike", "bits_per_spike_low", "bits_per_spike_high"]
    rows = [row for row in run.unit_rows(unit) if row["status"] == "ok" and row["bits_per_spike"] is not None]
    table = pd.DataFrame(rows, columns=columns).astype({name: float for name in columns[1:]})
    if table.empty:
        return None
    figure, on = axes("bits/spike", "")
    y, value = np.arange(len(table)), table.bits_per_spike
    on.hlines(y, table.bits_per_spike_low, table.bits_per_spike_high, color="0.5", lw=0.9)
    on.scatter(value, y, c=[on_paper(model) for model in table.model], s=14, zorder=3)
    on.set_yticks(y, table.model)
    on.invert_yaxis()
    gains = {
        over: gain
        for over in table.model
        for u, gain, _, _ in words.gains_over(run, rows[-1]["model"], over)
        if u == unit
    }
    table[f"gain_of_{rows[-1]['model']}"] = [gains.get(model, np.nan) for model in table.model]
    return Picture("unit_ladder", figure, table)


def session(shown: Shown, trials: pd.DataFrame) -> Picture | None:
    """Return the gain over the reference summed up over the session."""
    found = session_curves(trials, shown.curves, len(trials))
    if not found:
        return None
    figure, on = axes("trial, in order of time", f"gain over {shown.curves['reference']} (bits)")
    for name, k in shown.drawn:
        on.plot(found["session.trial"], found["session.gain_bits"][k], color=on_paper(name), label=name)
    on.legend()
    table = {"trial": found["session.trial"], "start_s": found["session.start_s"], "spikes": found["session.spikes"]}
    table |= {f"{name}_bits": found["session.gain_bits"][k] for k, name in enumerate(shown.models)}
    return Picture("session", figure, pd.DataFrame(table))


def training(run: Run, unit: str) -> Picture | None:
    """Return training (dotted) and validation loss by epoch, one member of each network."""
    figure, on = axes("epoch", "loss (nats)")
    tables = []
    for each in trainings(run, unit):
        for key, style in (("train_loss", ":"), ("validation_loss", "-")):
            loss = np.array(each.get(key) or [], dtype=np.float64)
            epoch, known = np.arange(len(loss)), np.isfinite(loss)
            label = each["model"] if style == "-" else None
            on.plot(epoch[known], loss[known], style, color=on_paper(each["model"]), label=label)
            tables.append(pd.DataFrame({"model": each["model"], "loss": key, "epoch": epoch, "nats": loss}))
    if not tables:
        return None
    on.legend()
    return Picture("training", figure, pd.concat(tables, ignore_index=True))


def stack_weights(run: Run, unit: str) -> Picture | None:
    """Return the stack's weights, mean over test folds and each fold."""
    folds = pd.DataFrame(run.stack_weights(unit)).T
    if folds.empty:
        return None
    figure, on = axes("", "weight")
    on.bar(folds.columns, folds.mean(), color=[on_paper(model) for model in folds.columns])
    for _, weights in folds.iterrows():
        on.plot(folds.columns, weights, ls="", marker="_", color="black", ms=5)
    on.set_ylim(0, 1)
    on.tick_params(axis="x", rotation=35)
    return Picture("stack", figure, folds.rename_axis("fold").reset_index())


def _interval_middle(c: Curves) -> Any:
    return np.sqrt(c["isi.edge_ms"][:-1] * c["isi.edge_ms"][1:])


def _interval_width(c: Curves) -> Any:
    return np.diff(np.log(c["isi.edge_ms"]))


UNIT_FIGURES: tuple[Callable[[Shown], Picture | None], ...] = (
    raster,
    psth,
    single_trials,
    hazard,
    adaptation,
    calibration,
    ks_plot,
    pit,
    independence,
    ogata,
    free_curve("isi", "isi", _interval_middle, "interval (ms)", "share a log unit", log=True, per=_interval_width),
    free_curve("autocorrelation", "autocorrelation", lambda c: c["autocorrelation.lag_ms"], "lag (ms)", "spikes/s"),
    free_curve("serial", "serial", lambda c: c["serial.lag"], "lag (intervals)", "serial correlation"),
    free_curve("fano", "fano", lambda c: c["fano.window_ms"], "window (ms)", "Fano factor", log=True),
    predictive,
)
