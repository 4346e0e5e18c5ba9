"""What is known about each model hangs together."""

from __future__ import annotations

from rnnspike.models.registry import MODELS, nearest_extended


def test_every_model_extends_one_before_it_in_the_ladder() -> None:
    ladder = list(MODELS)
    for name, spec in MODELS.items():
        assert (spec.extends is None) == (name == "constant")
        assert spec.extends is None or ladder.index(spec.extends) < ladder.index(name)


def test_nearest_model_extended() -> None:
    assert nearest_extended("lstm", ["constant", "psth-gain", "renewal", "glm", "lstm"]) == "psth-gain"
    assert nearest_extended("stack", ["constant", "psth", "lstm", "stack"]) == "psth"
    assert nearest_extended("glm", ["glm"]) is None
    assert nearest_extended("no such model", ["glm"]) is None


def test_given_rates_with_history_added_extend_those_without() -> None:
    assert nearest_extended("mine+history", ["psth", "psth-gain", "mine"]) == "mine"
    assert nearest_extended("mine+history", ["psth", "psth-gain", "other"]) == "psth-gain"
    assert nearest_extended("mine", ["psth", "psth-gain", "mine+history"]) == "psth-gain"
