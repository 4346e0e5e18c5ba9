"""``dynamics``: trained networks as dynamical systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from rnnspike.api.arguments import File, Ids, Seed, Texts, Workers, is_path, path_of, several
from rnnspike.api.calls import ArgumentError, interface, refuse_unused
from rnnspike.api.results.tables import Rows
from rnnspike.config import duration as _duration
from rnnspike.dynamics.state_dict import CellOptions
from rnnspike.runs.dynamics import DynamicsOptions, FileOptions, analyse_files, analyse_run
from rnnspike.runs.engines.engine import engine_for
from rnnspike.runs.tasks import Progress


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
        Networks per unit and model, each of a training of its own (fast effort has two); values get a range over
        three or more.
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
        Where neither or both of a run and files are given, files without ``dt``, or an argument that has no effect.
    RunError
        Where there is no such run, or no recurrent model in it.
    """
    shown = ("unit", "model", "input", "n_seeds", "n_fixed", "n_stable", "n_saddle", "gate_tau_ms", "measured_tau_ms")
    files = [Path(each) for each in ([model_file] if is_path(model_file) else model_file)]  # type: ignore[union-attr, arg-type]
    if (run is None) != bool(files):
        raise ArgumentError("dynamics() takes a run, or model_file and dt")
    granted = {"allow_pickle": allow_pickle, "follow_links": follow_links}
    if run is None:
        of_a_run = {"unit": unit, "models": models, "members": members, "workers": workers, **granted}
        refuse_unused(dynamics, of_a_run, "with model_file, only on a run")
        if dt is None:
            raise ArgumentError("dynamics(): model_file needs the duration of one step of the network (dt='1ms')")
        options = FileOptions(
            bin_s=float(dt),
            cell=CellOptions(cell, module, readout, link, alpha),
            inputs=path_of(inputs),
            conditions=path_of(conditions),
            feedback=(feedback,) if isinstance(feedback, int) else tuple(feedback),
            untrained=path_of(untrained),
            history_s=None if history is None else float(history),
            n_seeds=seeds,
            seed=seed,
            n_starts=starts or FileOptions.n_starts,
            out=path_of(out),
            pictures=pictures,
        )
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
        return Rows(analyse_files(files, options, progress), shown)
    of_files: dict[str, Any] = {
        "dt": dt,
        "cell": cell,
        "module": module,
        "readout": readout,
        "link": link,
        "alpha": alpha,
        "inputs": inputs,
        "conditions": conditions,
        "feedback": feedback,
        "untrained": untrained,
        "history": history,
        "seeds": seeds,
        "out": out,
    }
    refuse_unused(dynamics, of_files, "on a run, only with model_file")
    asked = DynamicsOptions(
        units=several(unit),
        models=several(models),
        n_members=members,
        n_starts=starts or DynamicsOptions.n_starts,
        seed=seed,
        pictures=pictures,
        granted=granted,
    )
    with engine_for(workers) as engine:
        return Rows(analyse_run(Path(run), asked, engine, progress), shown)
