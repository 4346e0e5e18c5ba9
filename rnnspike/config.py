"""What comes from outside: the settings of a fit, where each value came from, and their validation.

Precedence: flag > ``RNNSPIKE_*`` variable > ``--config`` file or ./rnnspike.toml > user config > default. In a file,
``[[recording]]`` blocks win over its other settings for the recordings that they match, and later blocks over earlier
ones.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from rnnspike.errors import ConfigError
from rnnspike.models.registry import default_models, is_population, to_choose
from rnnspike.recording.data import ReadOptions
from rnnspike.units_of_time import DURATIONS, parse_duration, parse_window

if TYPE_CHECKING:
    from rnnspike.trials.data import TrialOptions


def duration(option: str) -> BeforeValidator:
    """Return what takes a duration of an option (``DURATIONS``) in seconds or as text, ``1ms``."""
    return BeforeValidator(partial(parse_duration, option=option))


#: Outer folds of an effort. With five, three trainings predict each fold once as test and once as validation fold;
#: with four it takes two.
FOLDS = {"fast": 4, "standard": 5, "thorough": 5}


#: Packages whose scores can be added to the rows (``evaluation.scores.packages``).
METRICS = ("nlb", "nemos")
#: Stands for all models of the ladder that can be chosen; population models only where units were recorded together.
ALL = "all"


def _several(value: Any) -> Any:
    """Take a lone string as a list: words separated by spaces or commas (environment variables)."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _lines(value: Any) -> Any:
    """Take a lone string as one entry: column and covariate names may hold spaces."""
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_several)]
Names = Annotated[tuple[str, ...], BeforeValidator(_lines)]
Window = Annotated[tuple[float, float], BeforeValidator(parse_window), BeforeValidator(_several)]


@dataclass(frozen=True)
class OnlyFlag:
    """Marks a setting that counts on the command line alone: no file and no variable may open what it opens."""

    why: str


class FitSettings(BaseModel):
    """Settings of a fit; every field is an option of ``rnnspike fit`` and a key of rnnspike.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: str | None = Field(None, description="interval or event table to align to")
    align: str | None = Field(None, description="column that is time zero")
    window: Window | None = Field(None, description="start and stop around time zero")
    condition: Names = Field((), description="columns that tell conditions apart")
    units: str | None = Field(None, description="which units, a query")
    covariate: Names = Field((), description="time series used as input")
    bin: Annotated[float, duration("bin")] = Field(0.001, description="bin width")
    burn_in: Annotated[float, duration("burn-in")] = Field(2.0, description="recorded past before the window")
    segment: Annotated[float, duration("segment")] | None = Field(
        None, description="length of pieces of a recording without trials"
    )
    observation: Literal["auto", "bernoulli", "poisson"] = Field("auto", description="how bins are scored")
    min_spikes: int = Field(50, ge=0, description="leave out quieter units")
    time_scale: float | None = Field(None, gt=0, description="factor from spike times to seconds")
    event_offset: Annotated[float, duration("event-offset")] = Field(0.0, description="added to event times")
    events: Path | None = Field(None, description="CSV of trials")
    units_table: str | None = Field(None, description="which units table")
    sampling_rate: float | None = Field(None, gt=0, description="samples per second")
    drop_duplicates: bool = Field(False, description="drop spikes that repeat a time")
    allow_pickle: Annotated[bool, OnlyFlag("pickles run code")] = Field(False, description="read Neo pickles")
    follow_links: Annotated[bool, OnlyFlag("a link can name any file of yours")] = Field(
        False, description="follow links out of the recording's folder"
    )
    models: Words = Field(default_factory=default_models, description="rungs of the ladder")
    population: bool = Field(True, description="models that read the other units")
    effort: Literal["fast", "standard", "thorough"] = Field("standard", description="how much is trained")
    folds: int = Field(
        default_factory=lambda values: FOLDS[values.get("effort", "standard")],
        ge=3,
        le=20,
        description="outer folds over trials: 5, with effort fast 4",
    )
    fold_scheme: Literal["interleaved", "blocked"] = Field("interleaved", description="how folds are laid")
    replicates: int = Field(200, ge=0, description="free-run replicates, 0 for none")
    dynamics: bool = Field(True, description="read the networks briefly as dynamical systems")
    metrics: Words = Field((), description="packages whose scores are added: nlb, nemos")
    save_intensities: bool = Field(False, description="store every held-out intensity")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where networks are trained")
    seed: int = Field(0, ge=0, description="seed of everything random")
    report: bool = Field(True, description="write report.html")
    out: Path = Field(Path("rnnspike_runs"), description="folder of run directories")
    workers: int = Field(1, ge=1, description="processes")
    scheduler: str | None = Field(None, description="address of a dask scheduler, in place of processes")
    scheduler_file: Path | None = Field(None, description="file of a dask scheduler, in place of processes")
    task_timeout: Annotated[float, duration("task-timeout")] | None = Field(
        None, description="longest time of a task, 24h where processes do them"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_and_false_are_switches(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError(f"cannot be {str(value).lower()}")
        return value

    @model_validator(mode="after")
    def _one_scheduler(self) -> FitSettings:
        if self.scheduler and self.scheduler_file:
            raise ValueError("--scheduler and --scheduler-file name a scheduler each: give one of them")
        return self

    @field_validator("window")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("must start before it stops")
        return value

    @field_validator("models")
    @classmethod
    def _known_models(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = to_choose()
        for name in value:
            if name not in (*known, ALL):
                raise ValueError(
                    f"no model {name!r}{did_you_mean(name, known)} (there are {', '.join(known)}; {ALL})"
                )
        return tuple(known if ALL in value else dict.fromkeys(value))

    @field_validator("metrics")
    @classmethod
    def _known_metrics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in METRICS:
                raise ValueError(f"no package {name!r} (there are {', '.join(METRICS)})")
        return tuple(dict.fromkeys(value))

    @property
    def events_name(self) -> str | None:
        """Name of the file of events; its content is part of a recording's hash, its place is not."""
        return None if self.events is None else self.events.name

    def without_population(self) -> FitSettings:
        """Return the settings without the models that read other units."""
        models = tuple(name for name in self.models if not is_population(name))
        return self.model_copy(update={"models": models, "population": False})

    def read_options(self) -> ReadOptions:
        """Return how to read a recording."""
        return ReadOptions(**{option: getattr(self, name) for name, option in READ_OPTIONS.items()})

    def trial_options(self) -> TrialOptions:
        """Return which trials to make of it."""
        from rnnspike.trials.data import TrialOptions  # scipy, which ``inspect`` does without

        return TrialOptions(
            table=self.trials,
            align=self.align,
            window_s=self.window,
            condition=self.condition,
            units=self.units,
            covariates=self.covariate,
            bin_s=self.bin,
            burn_in_s=self.burn_in,
            segment_s=self.segment,
            observation=self.observation,
            min_spikes=self.min_spikes,
            most_per_bin=MOST_PER_BIN,
        )


#: Settings of how a recording is read, and the options that they are.
READ_OPTIONS = {
    "time_scale": "time_scale",
    "event_offset": "event_offset_s",
    "events": "events_file",
    "units_table": "units_table",
    "sampling_rate": "sampling_rate_hz",
    "drop_duplicates": "drop_duplicates",
    "allow_pickle": "allow_pickle",
    "follow_links": "follow_links",
}
#: Spikes a bin on average beyond which a unit is not modelled: what comes within a bin is then all there is to know,
#: and no model claims more than ten times as many (``models.protocol.MU_CEILING``).
MOST_PER_BIN = 10.0
#: Settings that count on the command line alone, and why.
ONLY_FLAGS = {
    name: mark.why
    for name, field in FitSettings.model_fields.items()
    for mark in field.metadata
    if isinstance(mark, OnlyFlag)
}
#: Settings of where the work is done, which run.json holds.
ELSEWHERE = frozenset({"out", "workers", "scheduler", "scheduler_file", "task_timeout"})
#: Key of the blocks of settings for some recordings: ``[[recording]]``.
BLOCK = "recording"
#: Settings that change where and how fast, or what is made of the fit, not its rows: no part of a run's content id.
INCIDENTAL = ELSEWHERE | {"report", "dynamics"}


def did_you_mean(word: str, known: list[str]) -> str:
    """Return a hint at the closest known word, or nothing."""
    close = difflib.get_close_matches(word, known, 1, cutoff=0.61)  # by .6 log_file would mean allow_pickle
    return f", did you mean {close[0]!r}?" if close else ""


def user_config_path() -> Path:
    """Return where the user's own config lies (XDG)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "rnnspike" / "config.toml"


@dataclass(frozen=True)
class Layer:
    """Settings that one place gives: for all recordings, or for those that a pattern matches.

    Attributes
    ----------
    source
        The place, in messages and in settings.json.
    values
        Values by the names of ``FitSettings``.
    match
        Pattern (``fnmatch``, case counts) of names or paths of recordings; None for all of them.
    """

    source: str
    values: Mapping[str, Any]
    match: str | None = None

    def applies_to(self, recording: Path | None) -> bool:
        """Say whether its settings hold for a recording; with None, whether they hold for all."""
        if self.match is None or recording is None:
            return self.match is None
        pattern = PurePath(self.match).as_posix()  # written as paths are: without ./ and a slash at the end
        return any(fnmatchcase(text, pattern) for text in (recording.name, recording.as_posix()))


@dataclass(frozen=True)
class Configuration:
    """All that was said about settings, in ``layers``: the later ones win, setting by setting."""

    layers: tuple[Layer, ...]

    @property
    def patterns(self) -> list[Layer]:
        """The layers that hold for some recordings only."""
        return [layer for layer in self.layers if layer.match is not None]

    def resolve(self, recording: Path | None = None) -> tuple[FitSettings, dict[str, str]]:
        """Return the settings in force for a recording, and the source of each value.

        Parameters
        ----------
        recording
            Its path, as it was given; None for what holds for all recordings.

        Raises
        ------
        ConfigError
            Where settings from several places contradict each other.
        """
        values: dict[str, Any] = {}
        sources = dict.fromkeys(FitSettings.model_fields, "default")
        for layer in self.layers:
            if layer.applies_to(recording):
                values |= layer.values
                sources |= dict.fromkeys(layer.values, layer.source)
        return checked(values, sources), sources

    def unmatched(self, recordings: Sequence[Path]) -> list[str]:
        """Return the sources of patterns that match none of these recordings."""
        missed = [layer for layer in self.patterns if not any(map(layer.applies_to, recordings))]
        return list(dict.fromkeys(layer.source for layer in missed))


def read_configuration(
    flags: Mapping[str, Any],
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """Return what flags, environment and configuration files say about settings.

    Parameters
    ----------
    flags
        Values given on the command line (only those really given).
    config
        File named by ``--config``; else ./rnnspike.toml where it exists.
    environment
        Variables to read ``RNNSPIKE_*`` from; default the process's.

    Raises
    ------
    ConfigError
        For a file that cannot be read, an unknown key (with the closest known one) or a value that cannot be used,
        naming its source.
    """
    environment = os.environ if environment is None else environment
    optional = [user_config_path(), *([] if config else [Path("rnnspike.toml")])]
    files = [*(file for file in optional if file.is_file()), *([config] if config else [])]
    layers = [layer for file in files for layer in _layers_of(file)]
    prefix = "RNNSPIKE_"
    for variable in sorted(name for name in environment if name.startswith(prefix)):
        layers.append(_layer(variable, {variable.removeprefix(prefix).lower(): environment[variable]}))
    return Configuration((*layers, _layer("flag", flags, on_line=True)))


def resolve_settings(
    flags: Mapping[str, Any],
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[FitSettings, dict[str, str]]:
    """Return the settings in force for all recordings and the source of each value.

    Parameters
    ----------
    flags
        As of ``read_configuration``.
    config
        As of ``read_configuration``.
    environment
        As of ``read_configuration``.

    Raises
    ------
    ConfigError
        As ``read_configuration``.
    """
    return read_configuration(flags, config, environment).resolve()


def without_folder(source: str) -> str:
    """Return the source of a setting with its file named without its folder.

    Examples
    --------
    >>> without_folder('lab/rnnspike.toml [[recording]] match = "day1/*.nwb"')
    'rnnspike.toml [[recording]] match = "day1/*.nwb"'
    """
    file, block, match = source.partition(f" [[{BLOCK}]] ")
    return f"{Path(file).name}{block}{match}"


@contextmanager
def block_errors(path: Path, sources: Mapping[str, str]) -> Iterator[None]:
    """Let an error of settings that come from blocks name the recording and the blocks: others may have none."""
    try:
        yield
    except ConfigError as error:
        blocks = sorted({source for source in sources.values() if f" [[{BLOCK}]] " in source})
        if not blocks:
            raise
        raise ConfigError(f"{path}: {error} (settings of this recording: {'; '.join(blocks)})") from error


def _layers_of(file: Path) -> list[Layer]:
    """Return the settings of a file: those for all recordings, then its blocks, as they follow each other."""
    values = _read_toml(file)
    blocks = values.pop(BLOCK, [])
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ConfigError(f"{file}: {BLOCK} is not a block (write [[{BLOCK}]] in a line of its own)")
    return [_layer(str(file), values, [BLOCK]), *(_block(file, i, block) for i, block in enumerate(blocks, 1))]


def _block(file: Path, number: int, values: Mapping[str, Any]) -> Layer:
    """Return the settings of the n-th block of a file."""
    match = values.get("match")
    named = f"match = {json.dumps(match, ensure_ascii=False)}" if isinstance(match, str) else f"block {number}"
    source = f"{file} [[{BLOCK}]] {named}"
    layer = _layer(source, {key: value for key, value in values.items() if key != "match"}, ["match"])
    if not isinstance(match, str):
        fault = f"match is {match!r}, not text" if "match" in values else "match is missing"
        raise ConfigError(f'{source}: {fault} (write match = "mouse3_*")')
    for name in layer.values:
        if name in ELSEWHERE:
            raise ConfigError(f"{source}: {name} is the same for all recordings (write it above all blocks)")
    return replace(layer, match=match)


def _layer(source: str, written: Mapping[str, Any], also: Sequence[str] = (), on_line: bool = False) -> Layer:
    """Return the settings of one place, checked; ``also`` are its other keys, ``on_line`` is the command line."""
    values: dict[str, Any] = {}
    for key, value in written.items():
        name = key.replace("-", "_")
        if name not in FitSettings.model_fields:
            hint = did_you_mean(name, [*FitSettings.model_fields, *also]) or " (rnnspike config show lists them)"
            raise ConfigError(f"{source}: unknown setting {key!r}{hint}")
        if name in values:
            raise ConfigError(f"{source}: {_option(name)} is there twice, once with - and once with _ (remove one)")
        if name in ONLY_FLAGS and not on_line:
            why = f"{key} can only be given on the command line, since {ONLY_FLAGS[name]}"
            raise ConfigError(f"{source}: {why} (remove it there and give {_option(name)})")
        values[name] = value if on_line else _as_written(name, value)
    checked(values, dict.fromkeys(values, source))
    return Layer(source, values)


def checked(values: Mapping[str, Any], sources: Mapping[str, str]) -> FitSettings:
    """Return settings of these values; ConfigError with the source of one that cannot be used."""
    try:
        return FitSettings(**values)
    except ValidationError as error:
        name, text = fault_of(error)
        if not name:
            raise ConfigError(text) from None
        raise ConfigError(f"{sources.get(name, 'settings')}: {_option(name)} {text}") from None


def fault_of(error: ValidationError) -> tuple[str, str]:
    """Return the first value that cannot be used, by its name (empty for several together), and why, in words."""
    first = error.errors(include_url=False)[0]
    text = str(first["msg"]).removeprefix("Value error, ")
    if text.startswith("Input is not a valid path"):
        return str(first["loc"][0]), "should be a path, as text"
    if text.startswith("Input should"):
        text = text.partition(", unable")[0].replace("Input should", "should", 1).replace("a valid string", "text")
        text = text.replace("a valid integer", "a whole number").replace("a valid number", "a number")
        text = text.replace("a valid boolean", "True or False").replace("greater than or equal to", "at least")
        text = text.replace("less than or equal to", "at most").replace("greater than", "above")
    return str(first["loc"][0]) if first["loc"] else "", text


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _as_written(name: str, value: Any) -> Any:
    """Return a setting's numbers as text where it is a duration: in a file, too, a number has no unit."""
    if name.replace("_", "-") not in DURATIONS:
        return value
    several = isinstance(value, list)
    texts = [str(each) if isinstance(each, (int, float)) else each for each in (value if several else [value])]
    return texts if several else texts[0]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None
