"""The public API is documented: every parameter, what is returned, what is raised."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rnnspike

ROOT = Path(__file__).parents[2]


def listed() -> Iterator[tuple[str, Any]]:
    """What ``rnnspike.__all__`` and docs/api.md name, by its full name."""
    yield from ((f"rnnspike.{name}", getattr(rnnspike, name)) for name in rnnspike.__all__)
    for name in re.findall(r"^::: (rnnspike\S+)$", (ROOT / "docs" / "api.md").read_text(), re.M):
        try:
            yield name, importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            yield name, getattr(importlib.import_module(module), attribute)


def public() -> dict[str, Callable[..., Any]]:
    """Functions, classes and their methods that are listed or stand in a module that is."""
    found: dict[str, Callable[..., Any]] = {}

    def add(item: Any) -> None:
        if inspect.ismodule(item):
            for name, each in vars(item).items():
                if not name.startswith("_") and getattr(each, "__module__", "") == item.__name__:
                    add(each)
        elif inspect.isclass(item) or inspect.isfunction(item):
            found[f"{item.__module__}.{item.__qualname__}"] = item
            for name, each in vars(item).items() if inspect.isclass(item) else ():
                function = each.__func__ if isinstance(each, classmethod | staticmethod) else each
                if not name.startswith("_") and inspect.isfunction(function):
                    add(function)

    for _, item in listed():
        add(item)
    return found


PUBLIC = public()


def section(docstring: str, title: str) -> str:
    """The text under a numpydoc heading, empty where there is none."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", docstring, re.M | re.S)
    return found[1] if found else ""


def entries(text: str) -> set[str]:
    """The names that a section describes, several of one description apart."""
    return {
        name.strip(" *") for line in re.findall(r"^(\S.*)$", text, re.M) for name in line.split(":")[0].split(",")
    }


def missing(item: Callable[..., Any]) -> list[str]:
    """What the docstring of a function or class leaves out."""
    docstring = inspect.getdoc(item) or ""
    described = entries(section(docstring, "Parameters")) | entries(section(docstring, "Attributes"))
    fields = getattr(item, "model_fields", {})  # a pydantic model describes each where it declares it
    described |= {name for name, field in fields.items() if field.description}
    gaps = [name for name in parameters(item) if name not in described]
    if inspect.isfunction(item):
        told = docstring.startswith("Return") or any(section(docstring, title) for title in ("Returns", "Yields"))
        gaps += [] if told or inspect.signature(item).return_annotation in ("None", None) else ["Returns"]
        gaps += sorted(raised(item) - entries(section(docstring, "Raises")))
    return gaps


def parameters(item: Callable[..., Any]) -> list[str]:
    """The names that a caller fills in; a protocol is never called."""
    if getattr(item, "_is_protocol", False):
        return []
    return [name for name in inspect.signature(item).parameters if name not in ("self", "cls")]


def raised(function: Callable[..., Any]) -> set[str]:
    """The exceptions that a function's own statements raise by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [
        node.exc.func for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    return {call.id for call in calls if isinstance(call, ast.Name) and call.id[0].isupper()}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_parameter_result_and_error_is_described(name: str) -> None:
    assert missing(PUBLIC[name]) == []
