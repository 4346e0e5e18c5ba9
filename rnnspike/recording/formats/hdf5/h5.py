"""Opening HDF5 files with helpful errors, and following only links that are allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Finding
from rnnspike.recording.findings import fatal, found

SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Longest chain of links; a longer one is a cycle.
MAX_LINKS = 16
#: Errors of reading one object of a file; caught where that object can be left out and the rest read.
BROKEN = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
)


class ContentError(ValueError):
    """Stored contents that are not of the expected kind; the message continues its name (``holds text``)."""


class LinkError(KeyError):
    """A link whose target is missing, or to a place where links are not followed (``outside``)."""

    def __init__(self, target: str, why: str = "is missing: put that file there", *, outside: bool = False) -> None:
        super().__init__(target)
        self.target, self.outside = target, outside
        self.why = "is outside the recording's folder, where links are not followed" if outside else why

    def __str__(self) -> str:
        return f"is a link to {self.target}, which {self.why}"

    @property
    def finding_id(self) -> str:
        """Id of its finding in ``findings.FINDINGS``."""
        return "link-outside" if self.outside else "link-broken"


@dataclass(frozen=True)
class Links:
    """Allowed targets of links: files in or below ``folders``, with ``follow`` all files."""

    folders: tuple[Path, ...]
    follow: bool = False

    @classmethod
    def of(cls, recording: Path, *, follow: bool = False) -> Links:
        """Return the rule for a recording: its folder, by the given path and by the target of a symbolic link."""
        return cls((recording.parent.resolve(), recording.resolve().parent), follow)

    def locate(self, name: str, origin: str) -> str:
        """Return the file ``name`` relative to ``origin``, as HDF5 does; LinkError if missing or not allowed."""
        beside = {os.path.dirname(origin), os.path.dirname(os.path.realpath(origin))}
        places = [name] if os.path.isabs(name) else []
        places += [os.path.join(folder, *_relative(name)) for folder in beside]
        # Only a regular file: a pipe or a device would block forever.
        found = next((place for place in places if os.path.isfile(place)), None)
        if found is None:
            raise LinkError(name)
        if not self.follow and not any(Path(found).resolve().is_relative_to(folder) for folder in self.folders):
            raise LinkError(name, outside=True)
        return os.path.realpath(found)


def _relative(name: str) -> tuple[str, ...]:
    """Return the parts of a name to look for in the file's folder: the last of an absolute name, as HDF5 does."""
    return (os.path.basename(name),) if os.path.isabs(name) else (name,)


class Group(h5py.Group):  # type: ignore[misc,unused-ignore]
    """A group that opens its members only by links that are allowed.

    ``name`` is the path by which it was reached, also through a link into another file.
    """

    def __init__(self, bind: h5py.h5g.GroupID, links: Links, name: str = "/") -> None:
        super().__init__(bind)
        self._links, self._name = links, name

    @property
    def name(self) -> str:
        """Path by which it was reached."""
        return self._name

    @property
    def file(self) -> Group:
        """Root of the file that holds it."""
        return Group(h5py.h5g.open(h5py.h5i.get_file_id(self.id), b"/"), self._links)

    @property
    def filename(self) -> str:
        """Path of the file that holds it."""
        return os.fsdecode(h5py.h5f.get_name(self.id))

    def __contains__(self, name: object) -> bool:
        """Whether it has a member of this name, including a link with a missing target."""
        return isinstance(name, str) and bool(self.id.links.exists(self._e(name)))

    def get(self, name: str, default: Any = None, **_: Any) -> Any:
        """Return a member, or the default if it cannot be opened."""
        found = child(self, name)
        return default if found is None else found

    def __getitem__(self, name: Any) -> Any:
        return self.at(name) if isinstance(name, str) else h5py.Group.__getitem__(self, name)

    def at(self, path: str, hops: int = MAX_LINKS) -> Any:
        """Return the object at a path; KeyError if there is none, LinkError if a link cannot be followed."""
        here: Any = self.file if path.startswith("/") else self
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if not isinstance(here, Group):
                raise KeyError(f"{path}: a group on its path is missing")
            here = here._member(part, hops)
        return here

    def _member(self, name: str, hops: int) -> Any:
        if not self.id.links.exists(self._e(name)):
            raise KeyError(f"{self._name} has no {name}")
        kind = self.id.links.get_info(self._e(name)).type
        item = self._hard(name, hops) if kind == h5py.h5l.TYPE_HARD else self._followed(name, kind, hops)
        if isinstance(item, h5py.Group):
            return Group(item.id, self._links, f"{self._name.rstrip('/')}/{name}")
        return item

    def _hard(self, name: str, hops: int) -> Any:
        if h5py.h5o.get_info(self.id, self._e(name)).type != h5py.h5o.TYPE_DATASET:
            return h5py.Group.__getitem__(self, name)
        dataset = self._dataset(name)
        for file, place in other_storage(dataset):
            self._refuse_storage(file, place, hops)
        return dataset

    def _dataset(self, name: str) -> h5py.Dataset:
        """Open a dataset; its external files are sought in the folder of this file, not the working directory."""
        try:
            dataset = h5py.Dataset(h5py.h5d.open(self.id, self._e(name)))
            if not other_storage(dataset):
                return dataset
            del dataset
        except (OSError, KeyError):
            # It is already open with such a prefix: HDF5 then refuses to open it without one.
            pass
        access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
        folder = os.fsencode(os.path.dirname(os.path.abspath(self.filename)))
        access.set_efile_prefix(folder)
        access.set_virtual_prefix(folder)
        return h5py.Dataset(h5py.h5d.open(self.id, self._e(name), access))

    def _refuse_storage(self, file: str, place: str | None, hops: int) -> None:
        """Raise LinkError if values are stored in a file (of a virtual dataset, at a path in it) not allowed."""
        if "%b" in file or (place and "%b" in place):
            if not self._links.follow:
                raise LinkError(file, outside=True)
        elif place is None:
            self._links.locate(file, self.filename)
        else:
            self._target(file if file != "." else "", "/" + place.lstrip("/"), hops)

    def _root_of(self, file: str) -> Group:
        path = self._links.locate(file, self.filename)
        try:
            opened = _opened(Path(path))
        except (OSError, RuntimeError, ValueError) as error:
            raise LinkError(file, f"cannot be opened ({_one_line(error)})") from error
        return Group(h5py.h5g.open(opened.id, b"/"), self._links)

    def _followed(self, name: str, kind: int, hops: int) -> Any:
        stored = self.id.links.get_val(self._e(name))
        file, place = map(os.fsdecode, stored) if kind == h5py.h5l.TYPE_EXTERNAL else ("", os.fsdecode(stored))
        return self._target(file, place, hops)

    def _target(self, file: str, place: str, hops: int) -> Any:
        """Return the object at a path of another file, or of this one; LinkError if it cannot be opened."""
        if hops == 0:
            raise LinkError(file + place, "is part of a cycle of links")
        start = self._root_of(file) if file else self
        try:
            return start.at(place, hops - 1)
        except LinkError:
            raise
        except BROKEN as error:
            raise LinkError(file + place, "is missing") from error


def other_storage(dataset: h5py.Dataset) -> list[tuple[str, str | None]]:
    """Return the other files (and, for a virtual dataset, datasets in them) that hold the values of a dataset."""
    made = dataset.id.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL:
        maps = range(made.get_virtual_count())
        return list(dict.fromkeys((made.get_virtual_filename(i), made.get_virtual_dsetname(i)) for i in maps))
    names = (made.get_external(i)[0] for i in range(made.get_external_count()))
    return [(os.fsdecode(name), None) for name in names]


def is_hdf5(path: Path) -> bool:
    """Return whether the file has the HDF5 signature, possibly after a user block."""
    with path.open("rb") as file:
        head = file.read(4096)
    return any(head[start : start + 8] == SIGNATURE for start in (0, 512, 1024, 2048))


@contextmanager
def open_file(path: Path, *, follow_links: bool = False) -> Iterator[Group]:
    """Open an HDF5 file for reading; any error while it is open becomes a one-line error that names the fix."""
    if not is_hdf5(path):
        raise RecordingError(path, _no_hdf5(path))
    try:
        with _opened(path) as file:
            yield Group(h5py.h5g.open(file.id, b"/"), Links.of(path, follow=follow_links))
    except RecordingError:
        raise
    except BROKEN as error:
        raise _as_recording_error(path, error) from error


def _opened(path: Path) -> h5py.File:
    return h5py.File(path, "r", locking="best-effort")


def _no_hdf5(path: Path) -> str:
    size = path.stat().st_size
    if size == 0:
        return "the file is empty (0 bytes): copy it again"
    return "this is not an HDF5 file, so neither NWB nor NIX: check that the copy is complete and the suffix correct"


def _as_recording_error(path: Path, error: BaseException) -> RecordingError:
    if isinstance(error, LinkError):
        return fatal(path, error.finding_id, f"an object in it {error}", "--follow-links" if error.outside else None)
    text = _one_line(error)
    if isinstance(error, ContentError):
        return RecordingError(path, text)
    if "truncated" in text or "end of file" in text.lower() or "addr overflow" in text:
        return fatal(path, "truncated", "the file is truncated: copy or download it again")
    if isinstance(error, BlockingIOError) or "unable to lock" in text or "already open for write" in text:
        return fatal(
            path, "locked", "another program has the file open for writing: close it there, or copy the file"
        )
    if _lacks_filter(text):
        return fatal(path, "filter-missing", "a compression filter is not installed: pip install hdf5plugin")
    if isinstance(error, PermissionError) or "Permission denied" in text:
        return RecordingError(path, "no permission to read the file: chmod u+r")
    if isinstance(error, (OSError, RuntimeError)) or "synchronously" in text:
        return RecordingError(path, f"the file is damaged ({text[:160]}): copy or download it again")
    return RecordingError(
        path, f"the file does not follow its format ({text[:160]}): check it with the program that wrote it"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _lacks_filter(text: str) -> bool:
    return "lib/plugin" in text or ("filter" in text and ("not registered" in text or "required" in text))


def reason(error: BaseException) -> str:
    """Return why an object of a file is left out, as text to follow its name."""
    text = _one_line(error)
    if isinstance(error, (ContentError, LinkError)):
        return text
    if _lacks_filter(text):
        return "is compressed with a filter that is not installed (pip install hdf5plugin)"
    return f"cannot be read ({text[:100] or type(error).__name__})"


def left_out(finding_id: str, what: str, error: BaseException | str, instead: str = "left out") -> Finding:
    """Return the finding that one object of a file is broken; the rest is read."""
    if isinstance(error, str):
        return found(finding_id, f"{what} {error}: {instead}", count=1)
    link = error if isinstance(error, LinkError) else error.__cause__
    option = "--follow-links" if isinstance(link, LinkError) and link.outside else None
    return found(finding_id, f"{what} {reason(error)}: {instead}", count=1, option=option)


@contextmanager
def skip_broken(findings: list[Finding], finding_id: str, what: str) -> Iterator[None]:
    """Add a finding instead of raising if the object read within is broken."""
    try:
        yield
    except BROKEN as error:
        findings.append(left_out(finding_id, what, error))


def enable_filters() -> None:
    """Register the compression filters of hdf5plugin if it is installed."""
    try:
        import hdf5plugin  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError:
        return


def child(group: h5py.Group, name: str) -> Any:
    """Return a member of a group, or None if it is missing or cannot be opened (see ``access_error``)."""
    try:
        return group[name]
    except BROKEN:
        return None


def members(group: h5py.Group) -> list[h5py.Group]:
    """Return the groups in a group."""
    return [item for item in (child(group, name) for name in group) if isinstance(item, h5py.Group)]


def access_error(group: h5py.Group, path: str) -> Exception | None:
    """Return the error of opening a member of a group; None if it can be opened or does not exist."""
    folder, _, name = path.rpartition("/")
    parent = child(group, folder) if folder else group
    if not isinstance(parent, h5py.Group):
        return access_error(group, folder) if parent is None else None
    try:
        if parent.id.links.exists(os.fsencode(name)):
            parent[name]
    except BROKEN as error:
        return error
    return None
