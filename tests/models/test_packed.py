"""The folder of fitted models as one file."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

import pytest

from rnnspike.errors import RunError
from rnnspike.models.packed import pack, packed_files, packed_folders, read_packed

FILES = {
    "lstm/test0-stop1/config.json": b"a",
    "lstm/test0-stop1/0/weights.safetensors": b"b",
    "lstm-glm/test0-stop1/config.json": b"c",
    "lstm/test1-stop0/config.json": b"d",
}


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(name): content for name, content in packed_files(folder, lambda _: True)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "models", FILES)
    return tmp_path / "models"


def test_paths_stand_for_the_same_files_before_and_after(folder: Path) -> None:
    assert list(contents(folder)) == sorted(FILES, key=lambda name: name.split("/"))
    pack(folder)
    assert [each.name for each in folder.parent.iterdir()] == ["models.zip"]
    assert contents(folder) == FILES
    assert {name: read_packed(folder / name) for name in FILES} == FILES
    assert packed_folders(folder / "lstm") == ["test0-stop1", "test1-stop0"] and packed_folders(folder / "gru") == []
    assert contents(folder / "lstm" / "test0-stop1") == {"config.json": b"a", "0/weights.safetensors": b"b"}
    with pytest.raises(FileNotFoundError):
        read_packed(folder / "lstm" / "test2-stop0" / "config.json")


def test_a_pack_cut_short_gives_the_same_bytes_when_it_is_done_again(folder: Path, tmp_path: Path) -> None:
    pack(folder)
    whole = (tmp_path / "models.zip").read_bytes()
    write(folder, {"lstm/test1-stop0/config.json": b"d"})  # as if this one had not been removed yet
    assert contents(folder) == FILES
    pack(folder)
    assert (tmp_path / "models.zip").read_bytes() == whole and not folder.exists()
    pack(folder)
    assert (tmp_path / "models.zip").read_bytes() == whole


def test_a_model_fitted_again_replaces_the_packed_one(folder: Path) -> None:
    pack(folder)
    write(folder, {"lstm/test1-stop0/config.json": b"new"})
    assert read_packed(folder / "lstm/test1-stop0/config.json") == b"new"
    pack(folder)
    assert contents(folder) == FILES | {"lstm/test1-stop0/config.json": b"new"}


def test_files_of_others_stay_where_they_are(folder: Path) -> None:
    (folder / "lstm" / "note.txt").write_text("mine")
    pack(folder)
    assert (folder / "lstm" / "note.txt").read_text() == "mine" and not (folder / "lstm-glm").exists()
    assert list(packed_files(folder, lambda name: name == PurePosixPath("lstm/note.txt"))) == []


def test_what_is_no_archive_of_ours_is_damaged(folder: Path, tmp_path: Path) -> None:
    pack(folder)
    with zipfile.ZipFile(tmp_path / "models.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("lstm/config.json", b"0" * 10_000_000)
    with pytest.raises(RunError, match=r"models.zip: is damaged"):
        read_packed(folder / "lstm/config.json")
    (tmp_path / "models.zip").write_bytes(b"no archive")
    for use in (lambda: read_packed(folder / "lstm/config.json"), lambda: packed_folders(folder / "lstm")):
        with pytest.raises(RunError, match=r"models.zip: is damaged"):
            use()
