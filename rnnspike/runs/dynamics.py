"""The dynamics of the networks of a run, or of a user's own network files: analysed, stored, told as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.dynamics.analyse import AnalysisOptions, DynamicsResult, NamedInput, Orbits, analyse
from rnnspike.dynamics.drive import default_orbits, driven_orbits, load_conditions, load_inputs, named_inputs
from rnnspike.dynamics.fitted import fitted_case
from rnnspike.dynamics.fixed_points import SearchOptions
from rnnspike.dynamics.rhythm import SpikeRhythm, history_reach, spike_rhythm
from rnnspike.dynamics.rows import Row, result_rows
from rnnspike.dynamics.state_dict import CellOptions, initialised_like, load_network
from rnnspike.dynamics.summary import summarise
from rnnspike.errors import RunError
from rnnspike.models.registry import load
from rnnspike.recording.data import Recording
from rnnspike.runs.dynamics_store import write_network
from rnnspike.runs.job import Job, Loaded, load_job
from rnnspike.runs.reopen import reopen
from rnnspike.runs.store import safe_name, write_jsonl
from rnnspike.runs.tasks import member_name, rng_for
from rnnspike.runs.training import model_folder
from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: Rungs with a cell clocked by bins; those clocked by spikes have no map of one step.
RECURRENT = ("linear-rnn", "rnn", "gru", "lstm")
#: Called with (networks done, networks in all, what was done last).
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class DynamicsOptions:
    """What to look at, and how hard.

    ``units`` and ``models`` empty stand for all; ``n_members`` networks a unit and model.
    """

    units: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    n_members: int = 3
    n_starts: int = 128
    seed: int = 0
    pictures: bool = True


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
    folder: str | Path, options: DynamicsOptions, executor: Executor | None = None, progress: Progress | None = None
) -> list[Row]:
    """Analyse the recurrent networks of a run directory and write its ``dynamics/`` folder.

    Returns the rows of every network, then one row a unit, model and input over its members.

    Raises
    ------
    RunError
        Where there is no such run, no recurrent model in it, or its recording is not where it was.
    """
    folder = Path(folder)
    tasks = network_tasks(folder, options)
    by_task: dict[int, list[Row]] = {}
    for done, (index, rows) in enumerate(_run(tasks, executor), start=1):
        by_task[index] = rows
        if progress:
            progress(done, len(tasks), tasks[index].label)
    rows = [row for index in range(len(tasks)) for row in by_task[index]]
    return rows + _write_rows(folder / "dynamics", rows)


def _write_rows(folder: Path, rows: Sequence[Row]) -> list[Row]:
    summary = summarise(rows)
    write_jsonl(folder / "rows.jsonl", rows)
    write_jsonl(folder / "summary.jsonl", summary)
    return summary


def _run(tasks: Sequence[NetworkTask], executor: Executor | None) -> Iterator[tuple[int, list[Row]]]:
    if executor is None:
        yield from ((index, analyse_network(task)) for index, task in enumerate(tasks))
        return
    futures = {executor.submit(analyse_network, task): index for index, task in enumerate(tasks)}
    for future in as_completed(futures):
        yield futures[future], future.result()


def network_tasks(folder: Path, options: DynamicsOptions) -> list[NetworkTask]:
    """Return the networks to look at: members with different test folds first, so that no two share held-out data."""
    run = reopen(folder)
    for unknown in [unit for unit in options.units if unit not in run.units]:
        raise RunError(f"{folder}: has no fitted unit {unknown} (--unit; it has {', '.join(run.units[:20])})")
    tasks = [
        NetworkTask(run.job, unit, model, *member, options, pictures=options.pictures and k == 0)
        for unit in (options.units or run.units)
        for model in (options.models or RECURRENT)
        for k, member in enumerate(_different_folds(run.members(model, unit), options.n_members))
    ]
    if not tasks:
        raise RunError(
            f"{folder}: holds no fitted {' or '.join(options.models or RECURRENT)} (fit it again with --models gru)"
        )
    return tasks


def _different_folds(members: Sequence[tuple[int, int]], n_most: int) -> list[tuple[int, int]]:
    """Return at most ``n_most`` members (test fold, validation fold), as many test folds as can be, in order."""
    earlier = {member: sum(other[0] == member[0] for other in members[:k]) for k, member in enumerate(members)}
    return sorted(sorted(members, key=lambda member: earlier[member])[:n_most])


def analyse_network(task: NetworkTask) -> list[Row]:
    """Analyse one network on its held-out trials, write its folder, and return its rows."""
    loaded = load_job(task.job)
    member = member_name(task.test, task.validation)
    model: Any = load(task.model, model_folder(task.job, task.model, task.unit) / member)
    trials = loaded.trials([task.unit])
    rng = rng_for(task.job.id, task.unit, task.model, member, "dynamics", task.options.seed)
    case = fitted_case(model, trials.take(loaded.folds == task.test), rng)
    rhythm, history_s = spikes_own(task.job, task.unit)
    result = analyse(
        case.network,
        case.orbits,
        case.inputs,
        rng,
        untrained=case.untrained,
        data_rhythm=rhythm,
        history_s=history_s,
        options=AnalysisOptions(
            search=SearchOptions(n_starts=task.options.n_starts),
            window_s=trials.n_bins * trials.bin_s,
        ),
    )
    folder = task.job.folder / "dynamics" / safe_name(task.unit) / task.model / member
    write_network(folder, result, f"unit {task.unit}, {task.model}, {member}", task.pictures)
    rows = result_rows(result, recording=task.job.name, unit=task.unit, model=task.model, seed=member)
    note = f"{case.left_out} more conditions are not looked at" if case.left_out else None
    return [{**row, "message": "; ".join(filter(None, [row["message"], note])) or None} for row in rows]


@lru_cache(maxsize=4)
def spikes_own(job: Job, unit: str) -> tuple[SpikeRhythm, float]:
    """Return the rhythm of a unit's spikes, and how far back (s) their history bears on them."""
    loaded = load_job(job)
    trials = loaded.trials([unit])
    counts, observed = trials.past_and_window()
    history_s = history_reach(counts[:, :, 0], trials.bin_s, observed[:, :, 0])
    if trials.has_repeats:
        return spike_rhythm(trials.spikes[:, :, 0], trials.bin_s, observed=trials.observed[:, :, 0]), history_s
    counts_s, observed_s = session_counts(loaded, unit, trials)
    return spike_rhythm(counts_s, trials.bin_s, observed=observed_s), history_s


def session_counts(loaded: Loaded, unit: str, trials: Trials) -> tuple[FloatArray, BoolArray]:
    """Return a unit's counts over the whole session, (1, bin), and where it was observed: pieces cut no rhythm."""
    recording: Recording = loaded.recording
    spikes = recording.unit(unit)
    first = float(trials.start_s.min())
    last = float(trials.start_s.max()) + trials.n_bins * trials.bin_s
    edges = first + trials.bin_s * np.arange(round((last - first) / trials.bin_s) + 1)
    counts = np.histogram(spikes.spike_times_s, edges)[0][None].astype(np.float64)
    middle = edges[:-1] + trials.bin_s / 2
    observed = np.ones(len(middle), dtype=bool)
    if spikes.observed_s is not None and len(spikes.observed_s):
        at = np.searchsorted(spikes.observed_s[:, 0], middle, side="right") - 1
        observed = (at >= 0) & (middle < spikes.observed_s[np.maximum(at, 0), 1])
    for start, stop in recording.invalid_s:
        observed &= ~((middle >= start) & (middle < stop))
    return counts, observed[None]


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


def analyse_files(paths: Sequence[Path], options: FileOptions, progress: Progress | None = None) -> list[Row]:
    """Analyse network files: the seeds of one network, or one file searched ``n_seeds`` times.

    Returns the rows of every network, then one row an input over them; writes ``options.out`` where it is given.

    Raises
    ------
    ModelError
        Where a file holds no network, or inputs do not fit it.
    """
    one = len(paths) == 1
    searches = [(paths[0], seed) for seed in range(options.n_seeds)] if one else [(path, 0) for path in paths]
    recording = paths[0].name if one else f"{len(paths)} files"
    rows: list[Row] = []
    for done, (path, repeat) in enumerate(searches, start=1):
        result = analyse_file(path, options, options.seed + repeat)
        seed = str(options.seed + repeat) if one else path.stem
        model = result.network.architecture
        rows += result_rows(result, recording=recording, unit=None, model=model, seed=seed)
        if options.out is not None and (not one or repeat == 0):
            write_network(options.out / safe_name(path.stem), result, f"{path.name}: {model}", options.pictures)
        if progress:
            progress(done, len(searches), f"{path.name} {seed}")
    if options.out is not None:
        return rows + _write_rows(options.out, rows)
    return rows + summarise(rows)


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
