"""Files that are there whole or not at all: the one way in which rnnspike writes, and what a killed write leaves."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: A file on its way: its name, a mark and some letters. In older versions: a dot, the name, some letters.
_ON_ITS_WAY = re.compile(r"(?P<name>.+)\.tmp-\w+(?:\.\w+)?|\.(?P<old>.+?)\.(?:\w{8}|\d+\.tmp|partial)")


@contextmanager
def replacing(path: Path, ending: str = "") -> Iterator[Path]:
    """Give a temporary name beside ``path``, and put the file that is written there in its place.

    File and folder are synchronised, so that the new name never stands for half a file; its mode follows the umask.
    ``ending`` is for libraries that go by it.

    Raises
    ------
    OSError
        Where the system refuses any of it, or ``path`` is no regular file (a device); nothing is left behind.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp-{secrets.token_hex(4)}{ending}")
    try:
        yield temporary
        _synchronise(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno and error.filename is None:  # as of a full disk
            error.filename = str(path)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _synchronise(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; into a device or a pipe, as it comes.

    Raises
    ------
    OSError
        Where the system refuses it; what was at ``path`` before is still there.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)
        return
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def name_on_its_way(name: str) -> str | None:
    """Return the file that a temporary name was meant for; None for any other name.

    Examples
    --------
    >>> name_on_its_way("id.json.tmp-1b2f"), name_on_its_way("id.json")
    ('id.json', None)
    """
    found = _ON_ITS_WAY.fullmatch(name)
    return (found["name"] or found["old"]) if found else None


def _synchronise(path: Path) -> None:
    """Have the system put a file or the names in a folder on the disk; not all file systems do this for folders."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP, errno.EBADF)):
            raise
    finally:
        os.close(handle)
