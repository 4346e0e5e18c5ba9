"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rnnspike.files import name_on_its_way, replacing, write_file


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "a", b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_device_stays_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        write_file(Path("/dev/full"), b"1")
    with pytest.raises(OSError, match="no regular file"), replacing(Path("/dev/full")):
        pass
    assert Path("/dev/full").is_char_device()


def test_what_is_synchronised_is_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised: list[str] = []
    monkeypatch.setattr("os.fsync", lambda handle: synchronised.append(os.readlink(f"/proc/self/fd/{handle}")))
    write_file(tmp_path / "a", b"1")
    assert [name_on_its_way(Path(synchronised[0]).name), synchronised[1]] == ["a", str(tmp_path)]


@pytest.mark.parametrize("name", ["id.json", "a.tmp", "tmp-1", ".hidden", "notes.tmp-.txt"])
def test_names_of_others(name: str) -> None:
    assert name_on_its_way(name) is None
