"""Machine code on disk: its folder, the key that it depends on, and a message while code is compiled.

numba's own cache depends on a function's own file only, so that a change in a function leaves old code in its
callers. Here all compiled code has one key, a hash of all compiled sources and of numba's version. Each signature of
a function has its own file, so that processes which compile at the same time share no index.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import compiler, event, serialize

from rnnspike.files import write_file

PACKAGE = Path(__file__).resolve().parents[2]
#: Folders of other keys that are kept beside the one in use, for other versions of the package.
KEPT = 2
#: Seconds of compiling after which a message is logged.
PATIENCE_S = 2.0
MESSAGE = "compiling for this machine, as is done once after an installation or an update (about 12 s of one core)"
MESSAGE_EACH_TIME = "compiling for this machine, as each time: no folder can be written (NUMBA_CACHE_DIR names one)"

#: Seconds for which the message of one process also stands for other processes, such as the workers of a fit.
TOLD_FOR_S = 30.0

_log = logging.getLogger(__name__)
_rebuild: Any = compiler.CompileResult._rebuild
_dumps: Any = serialize.dumps
_register: Any = event.register


@cache
def sources() -> tuple[Path, ...]:
    """Return the files whose functions are compiled, and the one with the options."""
    numerics = PACKAGE / "models" / "numerics"
    return (*sorted(PACKAGE.rglob("*_loops.py")), numerics / "functions.py", numerics / "compilation.py")


@cache
def key() -> str:
    """Return what all machine code depends on, as a hash: compiled sources, versions of numba and Python."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.implementation.cache_tag}".encode())
    for path in sources():
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def places() -> Iterator[Path]:
    """Yield the folders that may hold machine code, in order of preference.

    NUMBA_CACHE_DIR where it is set, the package's own ``__pycache__``, the user's cache (XDG).
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"])
    yield PACKAGE / "__pycache__"
    with suppress(RuntimeError):  # there is no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnnspike"


@cache
def folders() -> tuple[Path, ...]:
    """Return the folders of the key in use, whether or not they exist."""
    return tuple(place / f"compiled-{key()}" for place in places())


@cache
def writable_folder() -> Path | None:
    """Make the first folder that can be written, remove old ones beside it; None where there is none."""
    for folder in folders():
        is_new = not folder.is_dir()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)  # marks it as in use, so that other versions remove it last
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            if is_new:
                clear_old(folder)
            return folder
    return None


def clear_old(own: Path) -> None:
    """Remove the folders of other keys beside ``own``, except those used last."""
    with suppress(OSError):  # another process may remove it too
        others = sorted(own.parent.glob("compiled-*"), key=lambda path: path.stat().st_mtime)
        for old in [path for path in others if path != own][:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)


class MachineCode:
    """The machine code of one function on disk, as numba's dispatcher asks for it (``numba.core.caching.Cache``)."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"

    @property
    def cache_path(self) -> str | None:
        """Folder that is written."""
        return None if writable_folder() is None else str(writable_folder())

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the code of a signature, None where none is kept or it cannot be read."""
        target.refresh()
        name = self._file_name(signature, target.codegen())
        for folder in folders():
            with suppress(Exception):  # damaged code raises anything, and is compiled again
                return _rebuild(target, *pickle.loads((folder / name).read_bytes()))
        return None

    def save_overload(self, signature: Any, code: Any) -> None:
        """Write the code of a signature where that is possible."""
        folder = writable_folder()
        if folder is not None:
            with suppress(OSError):  # full disk or removed folder: compiled again next time
                write_file(folder / self._file_name(signature, code.codegen), _dumps(code._reduce()))

    def _file_name(self, signature: Any, codegen: Any) -> str:
        """Return the file of a signature for this kind of processor."""
        told = hashlib.sha256(repr((signature, codegen.magic_tuple())).encode()).hexdigest()[:16]
        return f"{self.name.removeprefix('rnnspike.')}-{told}.bin"


def told_elsewhere() -> bool:
    """Return whether another process has just logged that it compiles, and mark that this one does."""
    folder = writable_folder()
    if folder is None:
        return False
    mark = folder / "told"
    with suppress(OSError):
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            is_recent = time.time() - mark.stat().st_mtime < TOLD_FOR_S
            mark.touch()
            return is_recent
    return False


class _Told(event.Listener):
    """Adds up the time spent compiling this package's functions, and logs once when it is long."""

    def __init__(self) -> None:
        self.depth, self.began, self.spent_s, self.is_told = 0, 0.0, 0.0, False

    def on_start(self, event: Any) -> None:
        """Begin to count, or go one level deeper: compiling a function compiles those that it calls."""
        if self.depth or event.data["dispatcher"].py_func.__module__.startswith("rnnspike."):
            self.began = self.began if self.depth else time.perf_counter()
            self.depth += 1

    def on_end(self, event: Any) -> None:
        """Add the time of the outermost function, and log if the sum is long."""
        if not self.depth:
            return
        self.depth -= 1
        passed = time.perf_counter() - self.began
        if not self.is_told and self.spent_s + passed > PATIENCE_S:
            self.is_told = True
            if not told_elsewhere():
                _log.warning(MESSAGE if writable_folder() else MESSAGE_EACH_TIME)
        self.spent_s += 0.0 if self.depth else passed


@cache
def tell_when_slow() -> None:
    """Log one line per process when compiling takes more than ``PATIENCE_S``."""
    _register("numba:compile", _Told())
