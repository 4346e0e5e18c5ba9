"""What comes from outside: the settings of a fit, where each value came from, and their validation.

Precedence: flag > ``RNNSPIKE_*`` variable > ``--config`` file or ./rnnspike.toml > user config > default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from rnnspike.errors import ConfigError
from rnnspike.recording.data import ReadOptions
from rnnspike.trials.data import TrialOptions
from rnnspike.units_of_time import parse_duration

Seconds = Annotated[float, BeforeValidator(parse_duration)]

#: The ladder that ``fit`` climbs unless told otherwise (science.md a).
DEFAULT_MODELS = (
    "constant",
    "psth",
    "psth-gain",
    "renewal",
    "glm",
    "lstm",
    "spike-lstm",
    "spike-lstm-glm",
    "stack",
)

#: Outer folds of an effort. With five, three trainings predict each fold once as test and once as validation fold;
#: with four it takes two.
FOLDS = {"fast": 4, "standard": 5, "thorough": 5}


def _several(value: Any) -> Any:
    """Take a lone string as a list: words separated by spaces or commas (environment variables)."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _lines(value: Any) -> Any:
    """Take a lone string as one entry: column and covariate names may hold spaces."""
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_several)]
Names = Annotated[tuple[str, ...], BeforeValidator(_lines)]


class FitSettings(BaseModel):
    """Settings of a fit; every field is an option of ``rnnspike fit`` and a key of rnnspike.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: str | None = Field(None, description="interval or event table to align to")
    align: str | None = Field(None, description="column that is time zero")
    window: Annotated[tuple[Seconds, Seconds] | None, BeforeValidator(_several)] = Field(
        None, description="start and stop around time zero"
    )
    condition: Names = Field((), description="columns that tell conditions apart")
    units: str | None = Field(None, description="which units, a pandas query")
    covariate: Names = Field((), description="time series used as input")
    bin: Seconds = Field(0.001, description="bin width")
    burn_in: Seconds = Field(2.0, description="recorded past before the window")
    segment: Seconds | None = Field(None, description="length of pieces of a recording without trials")
    observation: Literal["auto", "bernoulli", "poisson"] = Field("auto", description="how bins are scored")
    min_spikes: int = Field(50, ge=0, description="leave out quieter units")
    time_scale: float | None = Field(None, gt=0, description="factor from spike times to seconds")
    event_offset: Seconds = Field(0.0, description="added to event times")
    events: Path | None = Field(None, description="CSV of trials")
    units_table: str | None = Field(None, description="which units table")
    sampling_rate: float | None = Field(None, gt=0, description="samples per second")
    drop_duplicates: bool = Field(False, description="drop spikes that repeat a time")
    allow_pickle: bool = Field(False, description="read Neo pickles")
    models: Words = Field(DEFAULT_MODELS, description="rungs of the ladder")
    effort: Literal["fast", "standard", "thorough"] = Field("standard", description="how much is trained")
    folds: int = Field(
        default_factory=lambda values: FOLDS[values.get("effort", "standard")],
        ge=3,
        le=20,
        description="outer folds over trials",
    )
    fold_scheme: Literal["interleaved", "blocked"] = Field("interleaved", description="how folds are laid")
    replicates: int = Field(200, ge=0, description="free-run replicates, 0 for none")
    save_intensities: bool = Field(False, description="store every held-out intensity")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where networks are trained")
    seed: int = Field(0, ge=0, description="seed of everything random")
    report: bool = Field(True, description="write report.html")
    out: Path = Field(Path("rnnspike_runs"), description="folder of run directories")
    workers: int = Field(1, ge=1, description="processes")

    @field_validator("bin")
    @classmethod
    def _positive(cls, value: float) -> float:
        if not value > 0:
            raise ValueError("must be positive")
        return value

    @field_validator("window")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("must start before it stops")
        return value

    @field_validator("models")
    @classmethod
    def _known_models(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from rnnspike.models.registry import MODELS

        known = [name for name, spec in MODELS.items() if not spec.hidden] + ["stack"]
        for name in value:
            if name not in known:
                raise ValueError(f"no model {name!r}{did_you_mean(name, known)} (there are {', '.join(known)})")
        return tuple(dict.fromkeys(value))

    def read_options(self) -> ReadOptions:
        """Return how to read a recording."""
        return ReadOptions(
            time_scale=self.time_scale,
            event_offset_s=self.event_offset,
            events_file=self.events,
            units_table=self.units_table,
            sampling_rate_hz=self.sampling_rate,
            drop_duplicates=self.drop_duplicates,
            allow_pickle=self.allow_pickle,
        )

    def trial_options(self) -> TrialOptions:
        """Return which trials to make of it."""
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


#: Spikes a bin on average beyond which a unit is not modelled: what comes within a bin is then all there is to know,
#: and no model claims more than ten times as many (``models.protocol.MU_CEILING``).
MOST_PER_BIN = 10.0
#: Settings that change where and how fast, not what is computed: no part of a run's content id.
INCIDENTAL = frozenset({"out", "workers", "report"})


def did_you_mean(word: str, known: list[str]) -> str:
    """Return a hint at the closest known word, or nothing."""
    close = difflib.get_close_matches(word, known, 1)
    return f", did you mean {close[0]!r}?" if close else ""


def user_config_path() -> Path:
    """Return where the user's own config lies (XDG)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "rnnspike" / "config.toml"


def resolve_settings(
    flags: Mapping[str, Any],
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[FitSettings, dict[str, str]]:
    """Return the settings in force and the source of each value.

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
        For an unknown key (with the closest known one) or a value that cannot be used, naming its source.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    sources = dict.fromkeys(FitSettings.model_fields, "default")
    local = config or (Path("rnnspike.toml") if Path("rnnspike.toml").is_file() else None)
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if user_config_path().is_file():
        layers.append((str(user_config_path()), _read_toml(user_config_path())))
    if local is not None:
        layers.append((str(local), _read_toml(local)))
    layers.append(("environment", _from_environment(environment)))
    layers.append(("flag", flags))
    for source, layer in layers:
        for key, value in layer.items():
            name = key.replace("-", "_")
            if name not in FitSettings.model_fields:
                raise ConfigError(f"{source}: unknown setting {key!r}{did_you_mean(name, list(sources))}")
            values[name], sources[name] = value, source
    try:
        return FitSettings(**values), sources
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        text = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"{sources.get(name, 'settings')}: --{name.replace('_', '-')} {text}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    prefix = "RNNSPIKE_"
    return {key[len(prefix) :].lower(): value for key, value in environment.items() if key.startswith(prefix)}
