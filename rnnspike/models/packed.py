"""The folder ``models`` of a unit or a run, in one file ``models.zip`` once all of them are fitted.

The fitted models of a unit are some hundred files, and file systems of clusters limit their number. A path in the
folder stands for the file there, or for the one of that name in ``models.zip`` beside it.
"""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from rnnspike.errors import damage_errors
from rnnspike.files import replacing

FOLDER, FILE = "models", "models.zip"
#: Errors of a file that is not there, or no longer, as another machine of a shared file system may have packed it.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
#: Files of a fitted model (``weights.py``).
SUFFIXES = (".json", ".safetensors")


def read_packed(path: Path) -> bytes:
    """Return the content of a file in a folder of models, packed or not.

    Raises
    ------
    FileNotFoundError
        Where it is neither there nor packed.
    RunError
        Where ``models.zip`` is damaged.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno not in _GONE:
            raise
        if place := _place(path):
            archive, name = place
            with damage_errors(archive), zipfile.ZipFile(archive) as packed:
                if name in packed.NameToInfo:
                    return _content(packed, name)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def packed_files(folder: Path, wanted: Callable[[PurePosixPath], bool]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield name (relative to ``folder``) and content of the wanted files in a folder of models, in order."""
    with _Sources(folder) as sources:
        for name in sources.names():
            if wanted(name):
                yield name, sources.read(name)


def packed_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder of models, in order."""
    with _Sources(folder) as sources:
        return list(dict.fromkeys(name.parts[0] for name in sources.names() if len(name.parts) > 1))


def pack(folder: Path) -> None:
    """Put the fitted models in a folder ``models`` into ``models.zip`` beside it, and remove them.

    What is packed already stays, unless the folder holds a newer one: after a pack that was cut short, the next one
    gives the same bytes.
    """
    assert folder.name == FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return
    with _Sources(folder) as sources:
        if sources.own:
            _write(folder.with_name(FILE), sources)
    for name in sources.own:
        (folder / name).unlink()
    for inner in sorted([folder, *folder.rglob("*")], key=lambda each: len(each.parts), reverse=True):
        with suppress(OSError):  # of someone else's files
            inner.rmdir()


def _write(file: Path, sources: _Sources) -> None:
    with replacing(file) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        for name in sources.names():
            entry = zipfile.ZipInfo(str(name))  # of 1980, stored: equal models give equal bytes
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            packed.writestr(entry, sources.read(name))


class _Sources:
    """The files of a folder of models: its ``own`` on the disk, and those packed (both by name)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = (each for each in folder.rglob("*") if each.suffix in SUFFIXES and not each.is_symlink())
        self.own = {PurePosixPath(each.relative_to(folder).as_posix()) for each in files if each.is_file()}
        self._archive: zipfile.ZipFile | None = None
        self._packed: dict[PurePosixPath, str] = {}
        if place := _place(folder):
            archive, prefix = place
            with damage_errors(archive):
                self._archive = zipfile.ZipFile(archive)
            inside = f"{prefix}/" if prefix else ""
            names = (each for each in self._archive.namelist() if each.startswith(inside) and not each.endswith("/"))
            self._packed = {PurePosixPath(each.removeprefix(inside)): each for each in names}

    def __enter__(self) -> _Sources:
        return self

    def __exit__(self, *_: object) -> None:
        if self._archive is not None:
            self._archive.close()

    def names(self) -> list[PurePosixPath]:
        """Return the names of all files, in order."""
        return sorted(self.own | set(self._packed), key=lambda name: name.parts)

    def read(self, name: PurePosixPath) -> bytes:
        """Return the content of a file."""
        if name in self.own:
            return (self.folder / name).read_bytes()
        assert self._archive is not None
        with damage_errors(self._archive.filename):
            return _content(self._archive, self._packed[name])


def _place(path: Path) -> tuple[Path, str] | None:
    """Return the ``models.zip`` that a path may be packed in, and its name there; None where there is none."""
    for parent in (path, *path.parents):
        if parent.name == FOLDER and (archive := parent.with_name(FILE)).is_file():
            name = path.relative_to(parent).as_posix()
            return archive, "" if name == "." else name
    return None


def _content(packed: zipfile.ZipFile, name: str) -> bytes:
    if packed.getinfo(name).compress_type != zipfile.ZIP_STORED:  # a small file could fill the memory
        raise ValueError(f"{name} is compressed")
    return packed.read(name)
