"""The ladder: every model by the name that the command line and the rows use; one entry per model."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rnnspike.errors import ConfigError, damage_errors

if TYPE_CHECKING:
    from rnnspike.models.protocol import FittedModel, IntensityModel

Effort = Literal["fast", "standard", "thorough"]
#: All pairs of folds, or a ring: each fold with the next.
Pairs = Literal["all", "ring"]
#: What a network makes one step for.
Clock = Literal["bins", "spikes"]
Pooling = Literal["all", "groups"]
#: A colour on white and one on dark.
Colours = tuple[str, str]
#: Colours of what is not a model.
OTHER_COLOURS: Colours = ("#6b7178", "#9aa4ae")
#: Colours of models that are not of the ladder (rates given to ``rnnspike score``).
GIVEN_COLOURS: tuple[Colours, ...] = (
    ("#c2410c", "#fdba74"),
    ("#0f766e", "#5eead4"),
    ("#7c3aed", "#c4b5fd"),
    ("#be123c", "#fda4af"),
    ("#4d7c0f", "#bef264"),
)
#: The model of the ladder that such a model is held against.
GIVEN_EXTENDS = "psth-gain"
#: Ends the name of such a model with spike history fitted on top (``rnnspike score --add-history``).
ADDED_HISTORY = "+history"


@dataclass(frozen=True)
class ModelSpec:
    """All that is known about a model by its name.

    Parameters
    ----------
    name
        As the command line and the rows spell it.
    path
        Its class, ``module:Class`` within ``rnnspike.models``; empty for ``stack`` and ``oracle``, which are no fits.
    adds
        What it adds to the ladder, in words.
    colours
        Its colour on white and on dark, each with a contrast of at least 3:1 (WCAG 2.1, 1.4.11).
    extends
        The model that it contains and adds to, over which its own gain is shown (``nearest_extended``). The GLM has a
        basis of the time since the last spike, so it extends ``renewal``; networks on the drive are built on neither
        of them. The stack is set against the GLM: its gain is what the networks add to it; the oracle against the
        stack: its gain is what no model has found. None for the first of the ladder.
    default
        In the default ladder of ``fit``.
    memoryless
        Does not depend on spike history: it captures none, and its free run is stable.
    closed_form
        Validation trials choose nothing: one fit per fold on all training folds.
    clock
        What a network makes one step for, each bin or each spike; None for other models.
    needs
        Models fitted before it on the same split and passed to it (``IntensityModel.fit``'s ``fitted``).
    pooled
        One fit for several units: for ``all`` of a recording, or for ``groups`` of them that are bounded in size
        (``runs.job.PlannedRecording.groups``).
    hidden
        A helper of other models, without rows.
    stacked
        A member of the stack.
    closed_loop
        A network that is a map from bin to bin by itself, as ``rnnspike dynamics`` requires; on a base that depends
        on spikes it is not. A network of all units is one where these bases are at their means.
    pairs
        The pairs of left-out folds at which it is trained at standard effort (``runs.tasks``).
    null
        The same model, hidden, on trials shuffled within condition and fold, against which a population model's gain
        is held; only population models have one (``is_population``).
    together
        On a GPU many units and pairs are trained in one batch (``networks/bin_clock/torch_batch.py``).
    """

    name: str
    path: str
    adds: str
    colours: Colours
    extends: str | None = "psth-gain"
    default: bool = False
    memoryless: bool = False
    closed_form: bool = False
    clock: Clock | None = None
    needs: tuple[str, ...] = ()
    pooled: Pooling | None = None
    hidden: bool = False
    stacked: bool = True
    closed_loop: bool = False
    pairs: Pairs = "all"
    null: str | None = None
    together: bool = False

    @property
    def fitted(self) -> bool:
        """Whether the model is fitted: the stack combines others, the oracle is read from the recording."""
        return bool(self.path)


def _network(name: str, path: str, adds: str, colours: Colours, **fields: Any) -> ModelSpec:
    return ModelSpec(name, f"networks.{path}", adds, colours, pairs="ring", **{"needs": ("drive",), **fields})


def _bin_clocked(name: str, cls: str, adds: str, colours: Colours, **fields: Any) -> ModelSpec:
    path = f"bin_clock.model:{cls}"
    return _network(name, path, adds, colours, clock="bins", together=True, **{"closed_loop": True, **fields})


def _spike_clocked(name: str, cls: str, adds: str, colours: Colours, **fields: Any) -> ModelSpec:
    path = f"spike_clock.model:{cls}"
    return _network(name, path, adds, colours, clock="spikes", pooled="groups", default=True, **fields)


def _population_network(
    name: str, cls: str, adds: str, colours: Colours, base: str = "glm", extends: str = "glm"
) -> tuple[ModelSpec, ModelSpec]:
    """Return a network of all units on a base of each, and its null."""
    shared: dict[str, Any] = {"extends": extends, "needs": (base,), "pooled": "all", "pairs": "ring"}
    path, null, as_null = "population.network:", f"{name}-shuffled", "the same with each unit's trials shuffled"
    return (
        ModelSpec(name, f"{path}{cls}", adds, colours, closed_loop=True, null=null, **shared),
        ModelSpec(null, f"{path}Shuffled{cls}", as_null, OTHER_COLOURS, hidden=True, **shared),
    )


#: Every model, in the ladder's order.
MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "constant",
            "baselines.constant:Constant",
            "homogeneous Poisson, training-mean rate",
            ("#767676", "#a8a8a8"),
            extends=None,
            default=True,
            memoryless=True,
            closed_form=True,
            stacked=False,
        ),
        ModelSpec(
            "psth",
            "baselines.psth:Psth",
            "smoothed trial average, per condition",
            ("#2f8fc4", "#7cc7f2"),
            extends="constant",
            default=True,
            memoryless=True,
            closed_form=True,
        ),
        ModelSpec(
            "psth-gain",
            "baselines.gain:PsthGain",
            "a causal slow gain",
            ("#1d5fa6", "#5b9fe6"),
            extends="psth",
            default=True,
            memoryless=True,
            closed_form=True,
        ),
        ModelSpec(
            "renewal", "renewal.model:Renewal", "time since the last spike", ("#00805f", "#35c79f"), default=True
        ),
        ModelSpec(
            "drive",
            "glm.model:Drive",
            "smooth drive and covariates, no history",
            OTHER_COLOURS,
            memoryless=True,
            hidden=True,
            pairs="ring",
        ),
        ModelSpec(
            "glm",
            "glm.model:HistoryGlm",
            "drive and spike history fitted jointly",
            ("#a66f00", "#f0b429"),
            extends="renewal",
            default=True,
        ),
        _bin_clocked("linear-rnn", "LinearRnn", "linear recurrent memory", ("#7a5a12", "#cfa75a")),
        _bin_clocked(
            "lru-linear",
            "LinearLru",
            "memory in time constants and frequencies, read linearly",
            ("#4f6a00", "#b5cc52"),
        ),
        _bin_clocked("lru", "Lru", "a bend of that memory", ("#00707a", "#45c4cf"), extends="lru-linear"),
        _bin_clocked("rnn", "VanillaRnn", "tanh recurrent memory", ("#8a5a50", "#d3a397")),
        _bin_clocked("gru", "Gru", "gated recurrent memory", ("#6a55d6", "#b3a6ff")),
        _bin_clocked("lstm", "Lstm", "LSTM clocked by bins", ("#b04a87", "#e59ac6"), default=True),
        _bin_clocked(
            "lstm-glm",
            "LstmOnGlm",
            "LSTM clocked by bins on the GLM",
            ("#7d4fa3", "#c6a0e8"),
            default=True,
            needs=("drive", "glm"),
            closed_loop=False,
            extends="glm",
        ),
        _spike_clocked(
            "spike-lstm",
            "SpikeLstm",
            "LSTM clocked by spikes on the drive, units pooled",
            ("#c04f00", "#ff8f4d"),
        ),
        _spike_clocked(
            "spike-lstm-glm",
            "SpikeLstmOnGlm",
            "LSTM clocked by spikes on the GLM, units pooled",
            ("#8f2f7f", "#d77fce"),
            extends="glm",
            needs=("drive", "glm"),
        ),
        ModelSpec(
            "coupling",
            "population.coupling:Coupling",
            "the other units' past on the GLM",
            ("#2a7f86", "#5fc3cb"),
            extends="glm",
            default=True,
            needs=("glm",),
            null="coupling-shuffled",
        ),
        ModelSpec(
            "coupling-shuffled",
            "population.coupling:ShuffledCoupling",
            "the same with the other units' trials shuffled",
            OTHER_COLOURS,
            extends="glm",
            needs=("glm",),
            hidden=True,
        ),
        *_population_network(
            "population-gru", "PopulationGru", "a state shared by all units, a GRU on the GLM", ("#3d6b1f", "#93c66b")
        ),
        *_population_network(
            "population-lstm",
            "PopulationLstm",
            "a state shared by all units, an LSTM on the GLM",
            ("#8a4b3c", "#e0a08f"),
        ),
        *_population_network(
            "population-lstm-drive",
            "PopulationLstmOnDrive",
            "a state shared by all units with all their memory, an LSTM on the drive",
            ("#4a5f8f", "#9fb2dd"),
            base="drive",
            extends="psth-gain",
        ),
        ModelSpec(
            "stack",
            "",
            "the best convex combination of the others",
            ("#c2143c", "#ff6f87"),
            extends="glm",
            default=True,
            stacked=False,
        ),
        ModelSpec(
            "oracle",
            "",
            "the true intensity, where the file holds it (simulated cells)",
            ("#3f7d24", "#8fd06e"),
            extends="stack",
            stacked=False,
        ),
    )
}


def to_choose() -> list[str]:
    """Return the models that ``--models`` takes, in the ladder's order."""
    return [name for name, each in MODELS.items() if not each.hidden and name != "oracle"]


def default_models() -> tuple[str, ...]:
    """Return the default ladder of ``fit``."""
    return tuple(name for name, each in MODELS.items() if each.default)


def is_network(name: str) -> bool:
    """Say whether a model is a network; no for a name that is not known."""
    return name in MODELS and MODELS[name].clock is not None


def is_memoryless(name: str) -> bool:
    """Say whether a model knows no spike history; no for a name that is not known."""
    return name in MODELS and MODELS[name].memoryless


def is_population(name: str) -> bool:
    """Say whether a model reads the other units; no for a name that is not known."""
    return name in MODELS and MODELS[name].null is not None


def has_memory(name: str) -> bool:
    """Say whether a model's gain over ``psth-gain`` is memory of spikes; the oracle may know more than spikes."""
    return name in MODELS and not MODELS[name].memoryless and name != "oracle"


def is_given(name: str) -> bool:
    """Say whether a model is not of the ladder: rates that were given to ``rnnspike score``."""
    return name not in MODELS


def without_history(name: str) -> str | None:
    """Return the given rates that a model adds spike history to; None for any other model."""
    return name.removesuffix(ADDED_HISTORY) if is_given(name) and name.endswith(ADDED_HISTORY) else None


def nearest_extended(name: str, fitted: Collection[str]) -> str | None:
    """Return the nearest of the fitted models that a model extends, itself or through others; None where none is.

    Rates of a model that is not of the ladder extend ``psth-gain``; with history added, those without.

    Examples
    --------
    >>> nearest_extended("glm", ["constant", "psth", "glm"])
    'psth'
    >>> nearest_extended("lfads+history", ["constant", "psth", "lfads", "lfads+history"])
    'lfads'
    """
    if (plain := without_history(name)) in fitted:
        return plain
    base = MODELS[name].extends if name in MODELS else GIVEN_EXTENDS
    while base is not None and base not in fitted:
        base = MODELS[base].extends
    return base


def closed_loop() -> tuple[str, ...]:
    """Return the networks whose step is a map from bin to bin, which ``rnnspike dynamics`` analyses."""
    return tuple(name for name, each in MODELS.items() if each.closed_loop)


def spec(name: str) -> ModelSpec:
    """Return a rung by its name; ConfigError with the names there are."""
    if name not in MODELS or not MODELS[name].fitted:
        raise ConfigError(f"--models {name}: no model that is fitted (those are {', '.join(to_choose())})")
    return MODELS[name]


def model_class(name: str) -> Any:
    """Import and return a rung's class."""
    module, attribute = spec(name).path.split(":")
    return getattr(importlib.import_module(f"rnnspike.models.{module}"), attribute)


def build(
    name: str, effort: Effort = "standard", device: str = "cpu", checkpoint: Path | None = None
) -> IntensityModel:
    """Return a rung ready to be fitted.

    Parameters
    ----------
    name
        A rung of the ladder (``MODELS``).
    effort
        ``fast``, ``standard`` or ``thorough``: how much is trained.
    device
        ``cpu`` or ``cuda``: where networks are trained.
    checkpoint
        Folder for the state of a long training, from which it continues after an interruption.
    """
    model: IntensityModel = model_class(name).configured(effort=effort, device=device, checkpoint=checkpoint)
    return model


def load(name: str, folder: Path) -> FittedModel:
    """Return a fitted rung from the folder that its ``save`` wrote.

    Parameters
    ----------
    name
        The rung's name.
    folder
        What ``save`` wrote.

    Raises
    ------
    RunError
        Where it is missing or damaged.
    """
    with damage_errors(folder):
        model: FittedModel = model_class(name).load(folder)
    return model
