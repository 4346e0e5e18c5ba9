"""Functions of runs, and of models beside them: ``compare``, ``decode``, ``dynamics``, ``cosmooth``, ``simulate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Unpack

import numpy as np
from pydantic import Field

from rnnspike.api.arguments import CosmoothArguments, File, Source, Texts
from rnnspike.api.calls import ArgumentError, interface, settings_of
from rnnspike.api.inputs import examined, split
from rnnspike.api.results.run import open_run
from rnnspike.api.results.simulation import Simulation
from rnnspike.api.results.tables import Rows
from rnnspike.config import duration as _duration
from rnnspike.dynamics.state_dict import CellOptions
from rnnspike.evaluation.scores.across import Correction
from rnnspike.neurons.session import Session, SessionOptions, simulate_cell, simulate_network
from rnnspike.recording.data import Covariate, FloatArray, Recording
from rnnspike.recording.read import refuse_errors
from rnnspike.report.load import load_run
from rnnspike.report.tallies import headline_model
from rnnspike.runs import cosmooth as cosmoothing
from rnnspike.runs.decoding.conditions import DecodeOptions, decode_run
from rnnspike.runs.decoding.covariate import CovariateOptions, decode_covariate_run
from rnnspike.runs.dynamics import DynamicsOptions, FileOptions, analyse_files, analyse_run
from rnnspike.runs.engines.engine import engine_for
from rnnspike.runs.rows import COSMOOTH, DECODE, DECODE_COVARIATE
from rnnspike.runs.simulation import simulate_run
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.tables import compare_stored
from rnnspike.runs.tasks import Progress
from rnnspike.units_of_time import parse_duration

Seed = Annotated[int, Field(ge=0)]
Workers = Annotated[int, Field(ge=1)]
Ids = str | int | Sequence[str | int]


def _several(values: Any) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return tuple(map(str, [values] if isinstance(values, (str, int)) else values))


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
    folders = [Path(each) for each in ([runs] if _is_path(runs) else runs)]  # type: ignore[union-attr, arg-type]
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
    RunError
        Where there is no such run, it has one condition alone or not this covariate, or no unit has these models.
    """
    granted = {"allow_pickle": allow_pickle, "follow_links": follow_links}
    names, units, folder = _several(models), _several(unit), Path(run)
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
        SDs of the kernels of ``ridge`` (s); default 30 and 100 ms, wider for bins above 10 ms.
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
        Path(recording) if _is_path(recording) else refuse_errors(examined(recording, trials, chosen.read_options()))
    )
    kernels = [sigma] if isinstance(sigma, (float, int, str)) else sigma
    options = cosmoothing.CosmoothOptions(
        methods=_several(method),
        forward_s=float(forward or 0.0),
        sigmas_s=tuple(map(partial(_seconds, "sigma"), kernels)),
        n_latents=latents,
        seed=seed,
    )
    population = cosmoothing.load_population(source, asked)
    score = options.score
    shown = ("unit", "method", "n_trials", "n_spikes", score, f"{score}_low", f"{score}_high", "message")
    return Rows(cosmoothing.cosmooth_rows(population, options, progress), shown, COSMOOTH)


@interface()
def dynamics(
    run: File | None = None,
    *,
    unit: Ids = (),
    models: Texts = (),
    members: Annotated[int, Field(ge=1)] = 3,
    model_file: File | Sequence[File] = (),
    dt: Annotated[float | str, _duration("dt")] | None = None,
    cell: Literal["rnn", "rnn-relu", "linear", "gru", "lstm"] | None = None,
    module: str | None = None,
    readout: str | None = None,
    link: Literal["identity", "cloglog", "exp", "logit"] = "identity",
    alpha: Annotated[float, Field(gt=0, le=1)] = 1.0,
    inputs: File | None = None,
    conditions: File | None = None,
    feedback: int | Sequence[int] = (),
    untrained: File | None = None,
    history: Annotated[float | str, _duration("history")] | None = None,
    starts: Annotated[int, Field(ge=8)] | None = None,
    seeds: Annotated[int, Field(ge=1)] = 3,
    seed: Seed = 0,
    out: File | None = None,
    pictures: bool = True,
    workers: Workers = 1,
    allow_pickle: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> Rows:
    """Find the fixed points, time constants, rhythms, basins and gradients of trained networks.

    Parameters
    ----------
    run
        A run directory, or what ``fit`` returned; its ``dynamics`` folder gets arrays and pictures.
    unit
        Only these units; ``all``: the networks of all units.
    models
        Only these models; default all recurrent ones.
    members
        Networks per unit and model; values get a range over them.
    model_file
        In place of a run, state dicts of your own ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM``; several files are seeds.
    dt
        Duration of one step of such a network (s).
    cell
        Type of its cell, if the shapes are ambiguous.
    module
        Recurrent module to use, if the file has several.
    readout
        Linear layer that is the readout, or ``none``.
    link
        Function from the readout to the fed-back input.
    alpha
        Leak of a leaky rnn.
    inputs
        Inputs (trial, time, channel) as .npy; default silence, noise and pulses.
    conditions
        Constant inputs (condition, channel) as .npy.
    feedback
        Input channels that receive the output.
    untrained
        The network before training, to compare gradients.
    history
        Longest lag that the task of such a network needs (s).
    starts
        Starting points of each search; default 128, of a file 256.
    seeds
        Searches per single file.
    seed
        Seed of the first search.
    out
        Folder for points, Jacobians and pictures of files.
    pictures
        Draw state space and memory.
    workers
        Processes, for runs.
    allow_pickle, follow_links
        As of ``fit``: runs do not keep them.
    progress
        Called with (networks done, networks in all, the last one).

    Returns
    -------
    Rows
        Those of every network, then medians over networks, with ``seed`` None.

    Raises
    ------
    ArgumentError
        Where neither or both of a run and files are given, or files without ``dt``.
    RunError
        Where there is no such run, or no recurrent model in it.
    """
    shown = ("unit", "model", "input", "n_seeds", "n_fixed", "n_stable", "n_saddle", "gate_tau_ms", "measured_tau_ms")
    files = [Path(each) for each in ([model_file] if _is_path(model_file) else model_file)]  # type: ignore[union-attr, arg-type]
    if (run is None) != bool(files):
        raise ArgumentError("dynamics() takes a run, or model_file and dt")
    if run is None:
        if dt is None:
            raise ArgumentError("dynamics(): model_file needs the duration of one step of the network (dt='1ms')")
        options = FileOptions(
            bin_s=float(dt),
            cell=CellOptions(cell, module, readout, link, alpha),
            inputs=_path(inputs),
            conditions=_path(conditions),
            feedback=(feedback,) if isinstance(feedback, int) else tuple(feedback),
            untrained=_path(untrained),
            history_s=None if history is None else float(history),
            n_seeds=seeds,
            seed=seed,
            n_starts=starts or FileOptions.n_starts,
            out=_path(out),
            pictures=pictures,
        )
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
        return Rows(analyse_files(files, options, progress), shown)
    asked = DynamicsOptions(
        units=_several(unit),
        models=_several(models),
        n_members=members,
        n_starts=starts or DynamicsOptions.n_starts,
        seed=seed,
        pictures=pictures,
        granted={"allow_pickle": allow_pickle, "follow_links": follow_links},
    )
    with engine_for(workers) as engine:
        return Rows(analyse_run(Path(run), asked, engine, progress), shown)


@interface()
def simulate(
    run: File | None = None,
    *,
    neuron: str | None = None,
    network: str | None = None,
    model: str | None = None,
    out: File | None = None,
    trials: int = 200,
    duration: Annotated[float | str, _duration("duration")] = 1.0,
    inter_trial: Annotated[float | str, _duration("inter-trial")] = 2.0,
    units: int | None = None,
    conditions: int = 1,
    bin: Annotated[float | str, _duration("bin")] = 0.001,
    seed: Seed = 0,
    allow_pickle: bool = False,
    follow_links: bool = False,
    overwrite: bool = False,
) -> Simulation:
    """Simulate trials of a cell or network whose intensity is known, or of a fitted model.

    Parameters
    ----------
    run
        A run directory, or what ``fit`` returned: a fitted model runs free over its trials.
    neuron, network
        In place of a run, a simulated cell or network (``rnnspike simulate --list``).
    model
        Model of the run; default the stack, or the best model.
    out
        NWB file to write.
    trials
        Cell or network: number of trials.
    duration
        Cell or network: length of a trial (s).
    inter_trial
        Cell or network: recorded time before each trial (s).
    units
        Cell or network: number of units.
    conditions
        Cell or network: number of stimuli.
    bin
        Cell or network: bin width (s).
    seed
        Seed of all random numbers.
    allow_pickle, follow_links
        As of ``fit``: runs do not keep them.
    overwrite
        Replace the file if it exists.

    Returns
    -------
    Simulation
        ``recording``, which ``fit`` takes, and ``frame()`` with one row per unit.

    Raises
    ------
    ArgumentError
        Where not one of run, neuron and network is given.
    RunError
        Where there is no such run or model.
    ConfigError
        Where there is no such cell, or the file exists.
    """
    if sum(each is not None for each in (run, neuron, network)) != 1:
        raise ArgumentError("simulate() takes a run, neuron='...' or network='...' (rnnspike simulate --list)")
    if run is not None:
        reopened = reopen(run, allow_pickle=allow_pickle, follow_links=follow_links)
        simulated = simulate_run(reopened, model or headline_model(load_run(run)), seed)
        found = Simulation(simulated.recording, Rows(simulated.rows))
    else:
        options = SessionOptions(trials, float(duration), float(inter_trial), float(bin), conditions, seed)
        made = simulate_cell(neuron, units, options) if neuron else simulate_network(str(network), units, options)
        found = Simulation(_with_truth(made), Rows(made.rows()))
    return found if out is None else replace(found, path=found.write(out, overwrite))


def _with_truth(session: Session) -> Recording:
    """Return the recording of a simulated session with its true intensity among the covariates."""
    truth = {name: _series(name, *each) for name, each in session.truth.items()}
    return replace(session.recording, covariates={**session.recording.covariates, **truth})


def _series(name: str, times_s: FloatArray, values: Any, unit: str) -> Covariate:
    column = np.asarray(values).reshape(len(times_s), -1)
    return Covariate(name, unit, len(times_s), column.shape[1], lambda: (times_s, column))


def _is_path(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "__fspath__")


def _path(value: File | None) -> Path | None:
    return None if value is None else Path(value)


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
    return open_run(run).export_nwb(nwb, model=_several(model), overwrite=overwrite, **granted)
