"""Functions of runs: ``compare``, ``decode``, ``cosmooth``, ``export``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Unpack

from pydantic import Field

from rnnspike.api.arguments import CosmoothArguments, File, Ids, Seed, Source, Texts, Workers, is_path, several
from rnnspike.api.calls import ArgumentError, interface, refuse_unused, settings_of
from rnnspike.api.inputs import split, usable
from rnnspike.api.results.run import open_run
from rnnspike.api.results.tables import Rows
from rnnspike.config import ONLY_FLAGS
from rnnspike.config import duration as _duration
from rnnspike.evaluation.scores.across import Correction
from rnnspike.recording.data import Recording
from rnnspike.runs import cosmooth as cosmoothing
from rnnspike.runs.decoding.conditions import DecodeOptions, decode_run
from rnnspike.runs.decoding.covariate import CovariateOptions, decode_covariate_run
from rnnspike.runs.engines.engine import engine_for
from rnnspike.runs.rows import COSMOOTH, DECODE, DECODE_COVARIATE
from rnnspike.runs.stored.tables import compare_stored
from rnnspike.runs.tasks import Progress
from rnnspike.units_of_time import parse_duration


@interface()
def compare(
    runs: File | Sequence[File],
    *,
    pair: Sequence[tuple[str, str]] | tuple[str, str] = (),
    against: str | None = None,
    by: Literal["all", "recording", "unit"] = "all",
    correction: Correction = "holm",
    folds: bool = False,
    draws: Annotated[int, Field(ge=100)] = 2000,
    seed: Seed = 0,
) -> Rows:
    """Compare models over units and recordings: gain in bits/spike, its interval and p.

    Parameters
    ----------
    runs
        Run directories, or what ``fit`` returned; folders of them.
    pair
        (a, b), or several such pairs: gain of a over b. Default all.
    against
        Compare every other model with this one.
    by
        One comparison over everything, or one per recording or unit.
    correction
        Of p over the pairs: Holm, Benjamini-Hochberg (``bh``) or ``none``.
    folds
        Compare over folds, with Nadeau and Bengio's variance.
    draws
        Bootstrap draws.
    seed
        Seed of the bootstrap.

    Returns
    -------
    Rows
        One row per pair, and recording or unit; ``frame()`` is their table.

    Raises
    ------
    RunError
        Where a folder is no run, one is damaged, or nothing in them was scored.
    ConfigError
        Where a model was not fitted, or folds are asked for and not stored.
    """
    folders = [Path(each) for each in ([runs] if is_path(runs) else runs)]  # type: ignore[union-attr, arg-type]
    pairs: Any = [pair] if len(pair) == 2 and all(isinstance(each, str) for each in pair) else pair
    rows = compare_stored(
        folders,
        pairs=[tuple(each) for each in pairs],
        against=against,
        by=by,
        correction=correction,
        folds=folds,
        draws=draws,
        seed=seed,
    )
    shown = ("recording", "unit", "model_a", "model_b", "gain", "gain_low", "gain_high", "p", "p_adjusted", "n_units")
    return Rows(rows, shown)


@interface()
def decode(
    run: File,
    *,
    models: Texts = (),
    unit: Ids = (),
    prior: Literal["uniform", "empirical"] = "uniform",
    covariate: str | None = None,
    length: Annotated[float | str, _duration("length")] = 0.5,
    seed: Seed = 0,
    workers: Workers = 1,
    allow_pickle: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> Rows:
    """Decode the condition of each held-out trial of a run, or a covariate over time; results go into the run.

    Parameters
    ----------
    run
        A run directory, or what ``fit`` returned.
    models
        Models to decode by; default ``psth``, ``glm``, population models and ``stack``, as far as fitted.
    unit
        Units that are decoded together; default all.
    prior
        Probability of each condition before the trial: all the same, or as often as it came.
    covariate
        Decode this covariate instead, of a run fitted with it.
    length
        Windows in which the covariate is taken for constant (s).
    seed
        Seed of bootstrap and chance.
    workers
        Processes.
    allow_pickle, follow_links
        As of ``fit``: runs do not keep them.
    progress
        Called with (parts done, parts in all, what was done last).

    Returns
    -------
    Rows
        One row per model (docs/rows.md).

    Raises
    ------
    ArgumentError
        For a prior beside a covariate, or a length without one.
    RunError
        Where there is no such run, it has one condition alone or not this covariate, or no unit has these models.
    """
    if covariate is None:
        refuse_unused(decode, {"length": length}, "without covariate")
    else:
        refuse_unused(decode, {"prior": prior}, "with covariate")
    granted = {"allow_pickle": allow_pickle, "follow_links": follow_links}
    names, units, folder = several(models), several(unit), Path(run)
    with engine_for(workers) as engine:
        if covariate is not None:
            options = CovariateOptions(covariate, float(length), names, units, seed, granted)
            return Rows(decode_covariate_run(folder, options, engine, progress), columns=DECODE_COVARIATE)
        asked = DecodeOptions(names, units, prior, seed, granted)
        return Rows(decode_run(folder, asked, engine, progress), columns=DECODE)


@interface(CosmoothArguments, bin=cosmoothing.BIN_S, folds=5)
def cosmooth(
    recording: Source,
    *,
    method: Texts = cosmoothing.METHODS,
    forward: Annotated[float | str, _duration("forward")] | None = None,
    sigma: float | str | Sequence[float | str] = (),
    latents: Annotated[int, Field(ge=1, le=32)] | None = None,
    seed: Seed = 0,
    progress: Progress | None = None,
    **settings: Unpack[CosmoothArguments],
) -> Rows:
    """Predict each unit from the others over whole trials held out: one row per unit and method.

    Parameters
    ----------
    recording
        As of ``fit``; or a run, whose trials and folds are then used.
    method
        Of ``psth``, ``ridge`` and ``gpfa``; default all.
    forward
        Predict the last part of each trial, of this length (s), from all units before instead.
    sigma
        SDs of the kernels of ``ridge`` (s); default 5, 30 and 100 ms, with ``forward`` 30 and 100 ms, wider for bins
        above 10 ms.
    latents
        Latents of ``gpfa``; default chosen on validation trials.
    seed
        Seed of the bootstrap over trials.
    progress
        Called with (methods done, methods in all, the last one).
    **settings

    Returns
    -------
    Rows
        Every unit, and with ``unit`` None all units pooled.

    Raises
    ------
    RecordingError
        Where the recording cannot be read, or fewer than two units were recorded together.
    ConfigError
        For a method that there is not, or settings that do not apply to a run.
    """
    trials, named = split(settings)
    chosen = settings_of("cosmooth", named)
    asked = {name: getattr(chosen, name) for name, value in named.items() if value is not None}
    source: Path | Recording = (
        Path(recording) if is_path(recording) and trials is None else usable(recording, trials, chosen.read_options())
    )
    granted = {name: value for name, value in asked.items() if name in ONLY_FLAGS}
    kernels = [sigma] if isinstance(sigma, (float, int, str)) else sigma
    options = cosmoothing.CosmoothOptions(
        methods=several(method),
        forward_s=float(forward or 0.0),
        sigmas_s=tuple(map(partial(_seconds, "sigma"), kernels)),
        n_latents=latents,
        seed=seed,
    )
    population = cosmoothing.load_population(source, asked, **granted)
    score = options.score
    shown = ("unit", "method", "n_trials", "n_spikes", score, f"{score}_low", f"{score}_high", "message")
    return Rows(cosmoothing.cosmooth_rows(population, options, progress), shown, COSMOOTH)


def _seconds(option: str, value: float | str) -> float:
    try:
        return parse_duration(value, option)
    except ValueError as error:
        raise ArgumentError(f"cosmooth(): {option}: {error}") from None


@interface()
def export(
    run: File,
    nwb: File,
    *,
    model: Texts = (),
    overwrite: bool = False,
    allow_pickle: bool = False,
    follow_links: bool = False,
) -> Path:
    """Write a copy of a run's recording as NWB, with its results.

    After a fit with ``time_scale``, ``event_offset`` or ``events``: a new file, with the times and trials of the fit.
    The units table gets columns ``rnnspike_bits_per_spike``, its interval, KS test and verdicts;
    ``/processing/rnnspike`` the held-out intensities, where the fit had ``save_intensities``.

    Parameters
    ----------
    run
        A run directory, or what ``fit`` returned.
    nwb
        The file to write.
    model
        Models: columns of the first, intensities of each; default the one that the report speaks of.
    overwrite
        Replace a file that is there.
    allow_pickle, follow_links
        As of ``fit``: runs do not keep them.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        Where the file exists, is the recording itself, or has no folder; for a model that was not fitted.
    RunError
        Where there is no such run, or its recording is gone or has changed.
    """
    granted = {"allow_pickle": allow_pickle, "follow_links": follow_links}
    return open_run(run).export_nwb(nwb, model=several(model), overwrite=overwrite, **granted)
