"""The ladder: every model by the name that the command line and the rows use; one line a model."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rnnspike.errors import ConfigError
from rnnspike.models.protocol import FittedModel, IntensityModel

Effort = Literal["fast", "standard", "thorough"]
#: All pairs of folds, or a ring: each fold with the next.
Pairs = Literal["all", "ring"]


@dataclass(frozen=True)
class ModelSpec:
    """A rung: where its class is, and how the engine fits it.

    ``pooled`` models take all units of a recording in one fit; ``needs`` are rungs fitted before it on the same
    split and handed to it (``IntensityModel.fit``'s ``fitted``); ``hidden`` rungs are helpers without rows;
    ``pairs`` says at which pairs of folds left out it is trained at standard effort (``runs.tasks``); of ``together``
    ones a GPU trains many units and pairs in one batch (``fleet.py``).
    """

    name: str
    path: str
    adds: str
    pooled: bool = False
    needs: tuple[str, ...] = ()
    hidden: bool = False
    pairs: Pairs = "all"
    together: bool = False


MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("constant", "rnnspike.models.constant:Constant", "homogeneous Poisson, training-mean rate"),
        ModelSpec("psth", "rnnspike.models.psth:Psth", "smoothed trial average, per condition"),
        ModelSpec("psth-gain", "rnnspike.models.gain:PsthGain", "a causal slow gain"),
        ModelSpec("renewal", "rnnspike.models.renewal:Renewal", "time since the last spike"),
        ModelSpec(
            "drive", "rnnspike.models.glm:Drive", "smooth drive and covariates, no history", hidden=True, pairs="ring"
        ),
        ModelSpec("glm", "rnnspike.models.glm:HistoryGlm", "drive and spike history fitted jointly"),
        ModelSpec(
            "linear-rnn",
            "rnnspike.models.recurrent:LinearRnn",
            "linear recurrent memory",
            needs=("drive",),
            pairs="ring",
            together=True,
        ),
        ModelSpec(
            "rnn",
            "rnnspike.models.recurrent:VanillaRnn",
            "tanh recurrent memory",
            needs=("drive",),
            pairs="ring",
            together=True,
        ),
        ModelSpec(
            "gru",
            "rnnspike.models.recurrent:Gru",
            "gated recurrent memory",
            needs=("drive",),
            pairs="ring",
            together=True,
        ),
        ModelSpec(
            "lstm",
            "rnnspike.models.recurrent:Lstm",
            "LSTM clocked by bins",
            needs=("drive",),
            pairs="ring",
            together=True,
        ),
        ModelSpec(
            "spike-lstm",
            "rnnspike.models.spike_lstm:SpikeLstm",
            "LSTM clocked by spikes on the drive, all units pooled",
            pooled=True,
            needs=("drive",),
            pairs="ring",
        ),
        ModelSpec(
            "spike-lstm-glm",
            "rnnspike.models.spike_lstm:SpikeLstmOnGlm",
            "LSTM clocked by spikes on the GLM, all units pooled",
            pooled=True,
            needs=("drive", "glm"),
            pairs="ring",
        ),
    )
}


def spec(name: str) -> ModelSpec:
    """Return a rung by its name; ConfigError with the names there are."""
    if name not in MODELS:
        known = ", ".join(key for key, value in MODELS.items() if not value.hidden)
        raise ConfigError(f"--models {name}: no such model (there are {known}, stack)")
    return MODELS[name]


def model_class(name: str) -> Any:
    """Import and return a rung's class."""
    module, attribute = spec(name).path.split(":")
    return getattr(importlib.import_module(module), attribute)


def build(
    name: str, effort: Effort = "standard", device: str = "cpu", checkpoint: Path | None = None
) -> IntensityModel:
    """Return a rung ready to be fitted.

    ``checkpoint`` is a folder where a long training leaves its state, to be taken up again after an interruption.
    """
    model: IntensityModel = model_class(name).configured(effort=effort, device=device, checkpoint=checkpoint)
    return model


def load(name: str, folder: Path) -> FittedModel:
    """Return a fitted rung from the folder that its ``save`` wrote."""
    model: FittedModel = model_class(name).load(folder)
    return model
