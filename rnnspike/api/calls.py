"""What the functions of the interface share: a signature that names every setting, and errors in Python's terms."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, wraps
from pathlib import Path
from reprlib import Repr
from typing import Any, ParamSpec, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from rnnspike.api.terms import in_python, in_python_terms
from rnnspike.config import FitSettings, did_you_mean, fault_of
from rnnspike.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class ArgumentError(ConfigError, TypeError):
    """A function has no such argument, lacks one, or cannot use its value."""


def interface(settings: type | None = None, **defaults: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function part of the interface.

    Its arguments are checked against their annotations, and errors are told in Python's terms. In place of
    ``**settings`` its signature and docstring name each of them, with the default and meaning that ``FitSettings``
    has.

    Parameters
    ----------
    settings
        The typed dictionary (``api.arguments``) that annotates ``**settings``.
    defaults
        Settings whose defaults are others than those of a fit.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        named = _parameters(settings, defaults) if settings else []
        plain = inspect.signature(function)
        kept = [each for each in plain.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        last = [each for each in kept if each.name in ("overwrite", "progress")]
        signature = plain.replace(parameters=[*(each for each in kept if each not in last), *named, *last])

        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            given = _bound(function.__name__, signature, args, kwargs)
            own = _checked(function, {name: value for name, value in given.items() if name in plain.parameters})
            with in_python_terms():
                return function(**{**given, **own})  # type: ignore[call-arg]

        called.__doc__ = (function.__doc__ or "").replace("    **settings\n", _described(named))
        vars(called)["__signature__"] = signature
        return called

    return decorate


def settings_of(function: str, given: Mapping[str, Any], **defaults: Any) -> FitSettings:
    """Return the settings of a call; None stands for the default.

    Parameters
    ----------
    function
        Its name, for messages.
    given
        Settings by name, as they were given.
    defaults
        Settings whose defaults are others than those of a fit.

    Raises
    ------
    ArgumentError
        Where a value cannot be used.
    """
    values = {name: _plain(value) for name, value in given.items() if value is not None}
    if "units" in values:
        values["units"] = _as_query(values["units"])
    try:
        return FitSettings(**{**defaults, **values})
    except ValidationError as error:
        raise _unusable(function, given, error) from None


def refuse_unused(function: Callable[..., Any], given: Mapping[str, Any], where: str) -> None:
    """Refuse arguments that would have no effect beside others.

    Parameters
    ----------
    function
        A function of the interface.
    given
        Values of these arguments, as they are in force.
    where
        Where they have none, for the message.

    Raises
    ------
    ArgumentError
        Where one of them is not its default.
    """
    parameters = inspect.signature(function).parameters
    unused = [name for name, value in given.items() if value not in (parameters[name].default, (), [])]
    if unused:
        raise ArgumentError(f"{function.__name__}(): leave out {', '.join(unused)}: no effect {where}")


def _parameters(settings: type, defaults: Mapping[str, Any]) -> list[inspect.Parameter]:
    """Return the parameters that a typed dictionary of settings stands for."""
    hints = typing.get_type_hints(settings)
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, default=_default(name, defaults), annotation=hint)
        for name, hint in hints.items()
    ]


def _default(name: str, defaults: Mapping[str, Any]) -> Any:
    """Return the default of a setting, None where it depends on others."""
    field = FitSettings.model_fields[name]
    value = defaults.get(name, None if field.default_factory else field.default)
    return str(value) if isinstance(value, Path) else value


def _described(parameters: list[inspect.Parameter]) -> str:
    """Return settings as entries of a docstring."""
    text = ""
    for each in parameters:
        meaning = FitSettings.model_fields[each.name].description or ""
        default = "" if each.default is None else f", default {each.default!r}"
        text += f"    {each.name}\n        {meaning[:1].upper()}{meaning[1:]}{default}.\n"
    return text


def _bound(function: str, signature: inspect.Signature, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    for name in kwargs:
        if name not in signature.parameters:
            hint = did_you_mean(name, list(signature.parameters)).replace(",", ";", 1)
            raise ArgumentError(f"{function}() has no argument {name!r}{hint or f' (help(rnnspike.{function}))'}")
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise ArgumentError(f"{function}(): {error}") from None


@lru_cache
def _model(function: Callable[..., Any]) -> type[BaseModel]:
    hints = typing.get_type_hints(function, include_extras=True)
    fields = {name: (hint, None) for name, hint in hints.items() if name not in ("return", "settings")}
    config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(function.__name__, __config__=config, **fields)  # type: ignore[call-overload, no-any-return]


def _checked(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as their annotations have them."""
    model = _model(function)
    free = {name for name, field in model.model_fields.items() if field.annotation is Any}
    try:
        checked = model.model_validate({k: value if k in free else _plain(value) for k, value in given.items()})
    except ValidationError as error:
        raise _unusable(function.__name__, given, error) from None
    return {name: getattr(checked, name) for name in given}


def _unusable(function: str, given: Mapping[str, Any], error: ValidationError) -> ArgumentError:
    name, text = fault_of(error)
    if not name:
        return ArgumentError(in_python(f"{function}(): {text}"))
    joint = " " if text.startswith(("should", "must", "is ")) else ": "
    value = _SHORT.repr(given[name]) if name in given else "..."
    return ArgumentError(in_python(f"{function}(): {name}={value}{joint}{text}"))


def _plain(value: Any) -> Any:
    """Return a scalar or a list of numpy as Python's."""
    kind = getattr(getattr(value, "dtype", None), "kind", "O")
    return value.tolist() if isinstance(kind, str) and kind in "biufU" and np.ndim(value) < 2 else value


def _as_query(units: Any) -> str:
    """Return the query that a list of unit ids stands for."""
    if isinstance(units, str):
        return units
    ids = [str(each) for each in (units if isinstance(units, Iterable) else [units])]
    return f"id in {ids}"
