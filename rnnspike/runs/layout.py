"""Where the run directory of a recording lies: OUT/<name>, or as a template says: runs/{subject}/{session}."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from string import Formatter

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.data import Recording
from rnnspike.runs.stored.store import safe_name

#: Fields of a template that stand for other metadata of the session.
SHORT = {"subject": "subject_id", "session": "session_id"}


def fields_of(out: Path) -> list[str]:
    """Return the fields of a template; none where it is a plain folder.

    Raises
    ------
    ConfigError
        Where its braces do not match or hold anything but a name.
    """
    try:
        parts = [part[1:] for part in Formatter().parse(str(out)) if part[1] is not None]
    except ValueError as error:
        raise ConfigError(f"--out {out}: {error} (write {{{{ for a brace)") from None
    for name, form, conversion in parts:
        if form or conversion or not re.fullmatch(r"\w+", name or ""):
            raise ConfigError(f"--out {out}: a field is a name alone, such as {{subject}} or {{session}}")
    return [str(name) for name, *_ in parts]


def base_of(out: Path) -> Path:
    """Return the folder that holds all that a template gives: its part before the first field."""
    return Path(*takewhile(lambda part: "{" not in part, out.parts))


def folder_of(out: Path, recording: Recording, name: str) -> Path:
    """Return the run directory of a recording of this name; RecordingError where it lacks what the template asks for.

    Examples
    --------
    >>> base_of(Path("runs/{subject}/{session}")).as_posix()
    'runs'
    """
    fields = fields_of(out)
    if not fields:
        return Path(str(out).format()) / name
    known = {**{key: value for key, value in recording.session.items() if value.strip()}, "name": name}
    values = {field: known.get(field) or known.get(SHORT.get(field, field)) for field in fields}
    for field, value in values.items():
        if not value:
            has = ", ".join(key for key, full in SHORT.items() if full in known)
            raise RecordingError(
                recording.path,
                f"has no metadata for {{{field}}} in --out (it has {', '.join(filter(None, [has, *known]))})",
                "--out with {name}",
            )
    safe = {field: value if field == "name" else _folder_name(str(value)) for field, value in values.items()}
    return Path(str(out).format(**safe))


def _folder_name(value: str) -> str:
    """Return the name of a folder for a value; one that begins with a dot would be hidden."""
    name = safe_name(value.strip())
    return f"%2E{name[1:]}" if name.startswith(".") else name
