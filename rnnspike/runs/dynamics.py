"""The dynamics of the networks of a run, or of a user's own network files: analysed, stored, reported as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.dynamics.analyse import AnalysisOptions, DynamicsResult, NamedInput, Orbits, analyse
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.drive import default_orbits, driven_orbits, load_conditions, load_inputs, named_inputs
from rnnspike.dynamics.fitted import fitted_case
from rnnspike.dynamics.population.analyse import analyse_population
from rnnspike.dynamics.population.phases import PopulationRhythm, population_rhythm
from rnnspike.dynamics.rows import Row, result_rows
from rnnspike.dynamics.state_dict import CellOptions, initialised_like, load_network
from rnnspike.dynamics.summary import summarise
from rnnspike.errors import RunError
from rnnspike.models.population.blocks import common_reach
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.registry import MODELS, closed_loop, load
from rnnspike.recording.data import Recording
from rnnspike.rhythm import SpikeRhythm, coarser, spike_rhythm
from rnnspike.runs.engines.engine import Engine, completed
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.fitting.reading import history_own
from rnnspike.runs.fitting.training import model_folder
from rnnspike.runs.job import Job, PlannedRecording, load_job, unit_trials
from rnnspike.runs.stored.directory import read_mark
from rnnspike.runs.stored.dynamics_store import write_network, write_rows
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.store import distinct_name, read_jsonl, safe_name
from rnnspike.runs.tasks import Progress, different_trainings, member_name, rng_for
from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: Unit of a network that all units share.
ALL_UNITS = "all"


@dataclass(frozen=True)
class DynamicsOptions:
    """What to look at, and how hard.

    ``units`` and ``models`` empty stand for all; the unit ``ALL_UNITS`` for the networks of all units; ``n_members``
    networks a unit and model. ``granted`` are the settings that ``reopen`` does not take from the run.
    """

    units: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    n_members: int = 3
    n_starts: int = 128
    seed: int = 0
    pictures: bool = True
    granted: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkTask:
    """One network of a run: a unit's member of a rung, chosen on ``validation``, looked at on ``test`` trials.

    ``pictures`` are drawn of the first network of a unit and rung; of the others they would say the same.
    """

    job: Job
    unit: str
    model: str
    test: int
    validation: int
    options: DynamicsOptions
    pictures: bool = False

    @property
    def label(self) -> str:
        """Return the network in words."""
        return f"unit {self.unit} {self.model} {member_name(self.test, self.validation)}"


def analyse_run(
    folder: str | Path,
    options: DynamicsOptions,
    engine: Engine | None = None,
    progress: Progress | None = None,
    on_rows: Callable[[list[Row]], None] | None = None,
) -> list[Row]:
    """Analyse the recurrent networks of a run directory and write its ``dynamics/`` folder.

    What the folder holds of other units and models stays.

    Parameters
    ----------
    folder
        A finished run directory.
    options
        Which networks and inputs, and how hard to look.
    engine
        Where the work is done; in this process where None.
    progress
        Called with (tasks done, tasks in all, what was done last).
    on_rows
        Called with the rows of each network as it is done, in any order, and at last with those over its members.

    Returns
    -------
    list of Row
        Those of every network, then one per unit, model and input over its members.

    Raises
    ------
    RunError
        Where there is no such run, no recurrent model in it, or its recording is not where it was.
    """
    folder = Path(folder)
    tasks = network_tasks(folder, options)
    by_task: dict[int, list[Row]] = {}
    stored = _stored_rows(folder / "dynamics")
    if progress:
        progress(0, len(tasks), tasks[0].label)
    calls = [(index, (task,)) for index, task in enumerate(tasks)]
    for done, (index, rows) in enumerate(completed(engine or InProcess(), analyse_network, calls), start=1):
        by_task[index] = rows
        if on_rows:
            on_rows(rows)
        if progress:
            progress(done, len(tasks), tasks[index].label)
    rows = [row for index in range(len(tasks)) for row in by_task[index]]
    kept = _replace(folder / "dynamics", stored, tasks)
    summary = write_rows(folder / "dynamics", _in_order(folder, [*rows, *kept]))
    looked_at = {(task.unit, task.model) for task in tasks}
    summary = [row for row in summary if (row["unit"], row["model"]) in looked_at]
    if on_rows:
        on_rows(summary)
    return rows + summary


def _stored_rows(folder: Path) -> list[Row]:
    """Return the rows that a fit or an analysis before this one left in a ``dynamics/`` folder."""
    file = folder / "rows.jsonl"
    return list(read_jsonl(file, {"unit": str, "model": str})) if file.is_file() else []


def _replace(folder: Path, stored: Sequence[Row], tasks: Sequence[NetworkTask]) -> list[Row]:
    """Remove the files of stored networks of the tasks' units and models; return the rows of the others."""
    looked_at = {(task.unit, task.model): set[str]() for task in tasks}
    for task in tasks:
        looked_at[task.unit, task.model].add(member_name(task.test, task.validation))
    for row in stored:
        seeds = looked_at.get((row["unit"], row["model"]))
        if seeds is not None and row["seed"] is not None and row["seed"] not in seeds:
            member = folder / safe_name(row["unit"]) / row["model"] / safe_name(row["seed"])
            for file in [*member.glob("*.npz"), *member.glob("*.png")]:
                file.unlink()
            if member.is_dir() and not any(member.iterdir()):
                member.rmdir()
    return [row for row in stored if (row["unit"], row["model"]) not in looked_at]


def _in_order(folder: Path, rows: Sequence[Row]) -> list[Row]:
    """Return rows by unit and model, in the order of the run and of the ladder, whatever was looked at first."""
    names = {"unit": [*read_mark(folder)["units"], ALL_UNITS], "model": list(MODELS)}
    places = {key: {name: k for k, name in enumerate(each)} for key, each in names.items()}
    return sorted(rows, key=lambda row: [each.get(row[key], len(each)) for key, each in places.items()])


def network_tasks(folder: Path, options: DynamicsOptions) -> list[NetworkTask]:
    """Return the networks to look at, each of a training of its own."""
    run = reopen(folder, **options.granted)
    for unknown in [unit for unit in options.units if unit not in (*run.units, ALL_UNITS)]:
        has_all = any(run.members(model, ALL_UNITS) for model in closed_loop() if MODELS[model].pooled)
        known = [*run.units[:20], *([ALL_UNITS] if has_all else [])]
        raise RunError(f"{folder}: has no fitted unit {unknown} (--unit; it has {', '.join(known)})")
    for unknown in [model for model in options.models if model not in closed_loop()]:
        raise RunError(f"{folder}: {unknown} has no dynamics to analyse (--models takes {', '.join(closed_loop())})")
    models = options.models or closed_loop()
    single = [unit for unit in options.units or run.units if unit in run.units]
    wanted = [(unit, model) for unit in single for model in models if not MODELS[model].pooled]
    if not options.units or ALL_UNITS in options.units:
        wanted += [(ALL_UNITS, model) for model in models if MODELS[model].pooled]
    if not wanted:
        raise RunError(f"{folder}: {_no_such_network(options)}")
    tasks = [
        NetworkTask(run.job, unit, model, *member, options, pictures=options.pictures and k == 0)
        for unit, model in wanted
        for k, member in enumerate(different_trainings(run.members(model, unit), options.n_members))
    ]
    if not tasks:
        names = list(dict.fromkeys(model for _, model in wanted))
        example = "gru" if "gru" in names else names[0]
        raise RunError(f"{folder}: holds no fitted {' or '.join(names)} (fit it again with --models {example})")
    return tasks


def _no_such_network(options: DynamicsOptions) -> str:
    """Say why none of the models asked for is a network of any of the units asked for."""
    models = " and ".join(options.models)
    if ALL_UNITS in options.units:
        return f"{models}: one network per unit, none of all units (leave out --unit {ALL_UNITS}, or name a unit)"
    return f"{models}: one network of all units, none per unit (--unit {ALL_UNITS})"


def analyse_network(task: NetworkTask) -> list[Row]:
    """Analyse one network on its held-out trials, write its folder, and return its rows."""
    member = member_name(task.test, task.validation)
    rng = rng_for(task.job.id, task.unit, task.model, member, "dynamics", task.options.seed)
    result, n_left_out = (_population if MODELS[task.model].pooled else _single_unit)(task, member, rng)
    folder = task.job.folder / "dynamics" / safe_name(task.unit) / task.model / member
    for picture in folder.glob("*.png"):  # of an analysis before, should none be drawn now
        picture.unlink()
    write_network(folder, result, f"unit {task.unit}, {task.model}, {member}", task.pictures)
    rows = result_rows(result, recording=task.job.name, unit=task.unit, model=task.model, seed=member)
    note = f"{n_left_out} more conditions are not looked at" if n_left_out else None
    return [{**row, "message": "; ".join(filter(None, [row["message"], note])) or None} for row in rows]


def _single_unit(task: NetworkTask, member: str, rng: np.random.Generator) -> tuple[DynamicsResult, int]:
    """Return what is found of a unit's network, and how many conditions are left out."""
    model: Any = load(task.model, model_folder(task.job, task.model, task.unit, None) / member)
    trials = unit_trials(task.job, (task.unit,))
    case = fitted_case(model, trials.take(load_job(task.job).folds == task.test), rng)
    rhythm, history_s = spikes_own(task.job, task.unit)
    result = analyse(
        case.network,
        case.orbits,
        case.inputs,
        rng,
        untrained=case.untrained,
        data_rhythm=rhythm,
        history_s=history_s,
        options=_analysis_options(task, trials.n_bins * trials.bin_s),
    )
    return result, case.left_out


def _population(task: NetworkTask, member: str, rng: np.random.Generator) -> tuple[DynamicsResult, int]:
    """Return what is found of the network of all units, which has no conditions among its inputs."""
    model = load(task.model, model_folder(task.job, task.model, task.unit, None) / member)
    assert isinstance(model, FittedSharedState)
    trials = unit_trials(task.job, model.unit_ids)
    window_s = model.clock.training_bins(trials.n_bins) * trials.bin_s
    held_out = trials.take(load_job(task.job).folds == task.test)
    rhythm, history_s = population_own(task.job, model.unit_ids, model.clock.width)
    return analyse_population(model, held_out, rhythm, history_s, rng, _analysis_options(task, window_s)), 0


def _analysis_options(task: NetworkTask, window_s: float) -> AnalysisOptions:
    return AnalysisOptions(search=SearchOptions(n_starts=task.options.n_starts), window_s=window_s)


@lru_cache(maxsize=2)
def population_own(job: Job, unit_ids: tuple[str, ...], width: int) -> tuple[PopulationRhythm, float]:
    """Return the rhythm of all units' spikes, and how far back (s) past spikes affect their rates.

    Spikes are counted in blocks of ``width`` bins, the steps of the network.
    """
    trials = unit_trials(job, unit_ids)
    block_s, reach_s = width * trials.bin_s, common_reach(trials)
    if trials.has_repeats:
        counts = coarser(trials.spikes, width)
        observed = coarser(np.asarray(trials.observed.all(axis=2)), width) == width
    else:
        whole = [session_counts(load_job(job), unit_id, trials, block_s) for unit_id in unit_ids]
        counts = np.stack([each.astype(np.uint16) for each, _ in whole], axis=2)
        observed = np.logical_and.reduce([each for _, each in whole])
    return population_rhythm(counts, observed, block_s), reach_s


@lru_cache(maxsize=4)
def spikes_own(job: Job, unit: str) -> tuple[SpikeRhythm, float]:
    """Return the rhythm of a unit's spikes, and how far back (s) past spikes affect their rate."""
    loaded = load_job(job)
    trials, history_s = unit_trials(job, (unit,)), history_own(job, unit)
    if trials.has_repeats:
        return spike_rhythm(trials.spikes[:, :, 0], trials.bin_s, observed=trials.observed[:, :, 0]), history_s
    counts_s, observed_s = session_counts(loaded, unit, trials, trials.bin_s)
    return spike_rhythm(counts_s, trials.bin_s, observed=observed_s), history_s


def session_counts(loaded: PlannedRecording, unit: str, trials: Trials, bin_s: float) -> tuple[FloatArray, BoolArray]:
    """Return a unit's counts over the whole session, (1, bin), and where it was observed: pieces cut no rhythm."""
    recording: Recording = loaded.recording
    spikes = recording.unit(unit)
    first = float(trials.start_s.min())
    last = float(trials.start_s.max()) + trials.n_bins * trials.bin_s
    edges: FloatArray = first + bin_s * np.arange(round((last - first) / bin_s) + 1, dtype=np.float64)
    counts = np.histogram(spikes.spike_times_s, edges)[0][None].astype(np.float64)
    return counts, recording.observes(spikes, edges[:-1] + bin_s / 2)[None]


@dataclass(frozen=True)
class FileOptions:
    """How to take a user's own network files: see ``rnnspike dynamics --help``."""

    bin_s: float
    cell: CellOptions = field(default_factory=CellOptions)
    inputs: Path | None = None
    conditions: Path | None = None
    feedback: tuple[int, ...] = ()
    untrained: Path | None = None
    history_s: float | None = None
    n_seeds: int = 3
    seed: int = 0
    n_starts: int = 256
    out: Path | None = None
    pictures: bool = True


def analyse_files(
    paths: Sequence[Path],
    options: FileOptions,
    progress: Progress | None = None,
    on_rows: Callable[[list[Row]], None] | None = None,
) -> list[Row]:
    """Analyse network files: the seeds of one network, or one file searched ``n_seeds`` times.

    Returns the rows of every network, then one row per input over them; writes ``options.out`` where it is given.
    ``progress`` and ``on_rows`` are those of ``analyse_run``.

    Raises
    ------
    ModelError
        Where a file holds no network, or inputs do not fit it.
    """
    one = len(paths) == 1
    searches = [(paths[0], seed) for seed in range(options.n_seeds)] if one else [(path, 0) for path in paths]
    recording = paths[0].name if one else f"{len(paths)} files"
    rows: list[Row] = []
    names: list[str] = []
    for path in paths:
        names.append(distinct_name(path.stem, hashlib.sha256(str(path).encode()).hexdigest(), names))
    if progress:
        progress(0, len(searches), paths[0].name)
    for done, (path, repeat) in enumerate(searches, start=1):
        result = analyse_file(path, options, options.seed + repeat)
        name = names[0 if one else done - 1]
        seed = str(options.seed + repeat) if one else name
        model = result.network.architecture
        own = result_rows(result, recording=recording, unit=None, model=model, seed=seed)
        rows += own
        if on_rows:
            on_rows(own)
        if options.out is not None and (not one or repeat == 0):
            write_network(options.out / safe_name(name), result, f"{path.name}: {model}", options.pictures)
        if progress:
            progress(done, len(searches), f"{path.name} {seed}")
    summary = summarise(rows) if options.out is None else write_rows(options.out, rows)
    if on_rows:
        on_rows(summary)
    return rows + summary


def analyse_file(path: Path, options: FileOptions, seed: int) -> DynamicsResult:
    """Analyse one network file once."""
    network = load_network(path, options.bin_s, options.cell)
    rng = np.random.default_rng(seed)
    inputs = load_inputs(options.inputs, network) if options.inputs else None
    orbits: Orbits = default_orbits(network, rng) if inputs is None else driven_orbits(network, inputs)
    named: list[NamedInput] = named_inputs(network, inputs, options.feedback)
    if options.conditions:
        named += load_conditions(options.conditions, network)
    if options.untrained:
        before = load_network(options.untrained, options.bin_s, options.cell)
    else:
        before = initialised_like(network, rng)
    window_s = inputs.shape[1] * network.bin_s if inputs is not None else None
    search = SearchOptions(n_starts=options.n_starts)
    return analyse(
        network,
        orbits,
        named,
        rng,
        untrained=before,
        history_s=options.history_s,
        options=AnalysisOptions(search=search, window_s=window_s),
    )
