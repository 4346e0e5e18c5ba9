"""One set of names, defaults and meanings: of the functions, of the settings and of the command line."""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from pathlib import Path
from typing import Any

import click
import pytest

import rnnspike
from rnnspike.api import arguments
from rnnspike.cli.main import COMMANDS
from rnnspike.config import FitSettings

API = Path(__file__).parents[2] / "docs" / "api.md"
#: Options of a terminal, or of several recordings in one call.
TERMINAL = {"files_from", "null", "format", "quiet", "verbose", "log_file", "config"}
BATCH = {"shard", "stream", "wait", "dry_run", "strict"}
#: Options that a command has and its function does without: results are objects.
APART = {"psth": {"picture", "pictures"}, "cosmooth": {"picture"}, "simulate": {"list"}}
#: What only Python has.
OWN = {"recording", "run", "runs", "progress"}
RENAMED = {"score": {"intensity": "rates", "rates": "quantity"}}
MIRRORED = ("fit", "score", "inspect", "psth", "compare", "cosmooth", "decode", "dynamics", "simulate", "export")


def options(command: str) -> dict[str, click.Option]:
    """The options of a command by their names in Python."""
    found = importlib.import_module(COMMANDS[command][0]).command
    named = {}
    for each in found.params:
        if isinstance(each, click.Option):
            long = next(name for name in each.opts if name.startswith("--"))
            name = long[2:].replace("-", "_")
            named[RENAMED.get(command, {}).get(name, name)] = each
    return named


def parameters(function: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(getattr(rnnspike, function)).parameters)


def test_commands_that_are_no_functions_are_named() -> None:
    first = API.read_text(encoding="utf-8").split("are functions")[0]
    assert set(re.findall(r"`(\w+)`", first)) == set(COMMANDS) - set(MIRRORED)


@pytest.mark.parametrize("command", MIRRORED)
def test_a_function_takes_the_options_of_its_command(command: str) -> None:
    theirs = set(options(command)) - TERMINAL - BATCH - APART.get(command, set())
    own = OWN | ({"trials"} if command == "inspect" else set())  # of spikes in memory
    assert set(parameters(command)) - own == theirs


@pytest.mark.parametrize("command", MIRRORED)
def test_defaults_are_those_of_the_command(command: str) -> None:
    mine = parameters(command)
    for name, option in options(command).items():
        if name in mine and isinstance(option.default, (bool, int, float, str)):
            assert mine[name].default == option.default, name


@pytest.mark.parametrize("function", ["fit", "score", "inspect", "psth", "plan_trials", "cosmooth"])
def test_settings_have_their_defaults_and_meanings(function: str) -> None:
    others = {"score": {"models", "out"}, "cosmooth": {"bin", "folds"}}.get(function, set())
    for name, parameter in parameters(function).items():
        field = FitSettings.model_fields.get(name)
        if field is None or parameter.annotation is inspect.Parameter.empty:
            continue
        if name in others or (function, name) in (("cosmooth", "seed"), ("psth", "seed"), ("psth", "workers")):
            continue
        expected = None if field.default_factory else field.default
        assert str(parameter.default) == str(expected), name
        if (function, name) != ("inspect", "trials"):
            meaning = str(field.description)
            assert f"{name}\n    {meaning[0].upper()}{meaning[1:]}" in (
                inspect.getdoc(getattr(rnnspike, function)) or ""
            )


def test_every_setting_of_a_fit_is_an_argument() -> None:
    assert set(typing.get_type_hints(arguments.FitArguments)) == set(FitSettings.model_fields)
    assert parameters("fit")["min_spikes"].default == 50


def test_every_name_of_the_interface_is_documented_with_its_arguments() -> None:
    for name in (*MIRRORED, "plan_trials", "as_recording"):
        text = inspect.getdoc(getattr(rnnspike, name)) or ""
        assert "**settings" not in text
        for parameter in parameters(name):
            assert re.search(rf"^(\w+, )*{parameter}(, \w+)*$", text, re.MULTILINE), (name, parameter)


def test_the_function_stays_when_the_folder_of_its_name_is_imported() -> None:
    function: Any = rnnspike.dynamics
    importlib.import_module("rnnspike.dynamics.analyse")
    assert rnnspike.dynamics is function and callable(function)
