"""A fit takes a run directory that is free or its own, and never touches what others put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnspike.config import FitSettings
from rnnspike.errors import RunError
from rnnspike.runs.job import Job
from rnnspike.runs.rows import SCHEMA
from rnnspike.runs.stored.claim import claim, is_run, remove_run
from rnnspike.runs.stored.store import write_json


def job(out: Path, recording: Path | None = None, content_id: str = "1") -> Job:
    return Job(recording or out.parent / "a.nwb", "a", out / "a", FitSettings(out=out), content_id)


def files(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_dir())


def write_run(folder: Path) -> None:
    """Everything that rnnspike leaves in a run directory, as empty files."""
    write_json(folder / "done.json", {"schema": SCHEMA, "id": "1", "units": ["7"]})
    for name in (
        *("run.json", "settings.json", "findings.jsonl", "rows.jsonl", "rows.csv", "pairs.csv", "trials.csv"),
        "report.html",
        *("units/7/curves.npz", "units/7/per_trial.csv", "units/7/stack.json", "units/7/intensity.npz"),
        *("units/7/models/glm/test0-stop1/0/config.json", "models/lstm/test0-stop1/weights.safetensors"),
        *("units/7/models.zip", "models.zip"),
        *("dynamics/rows.jsonl", "dynamics/7/lstm/test0-stop1/silent.npz", "dynamics/7/lstm/test0-stop1/memory.png"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_an_unfinished_fit_is_taken_up_and_another_is_not(tmp_path: Path) -> None:
    claim(job(tmp_path))
    claim(job(tmp_path))
    with pytest.raises(RunError, match=r"other settings .* --overwrite"):
        claim(job(tmp_path, content_id="2"))
    claim(job(tmp_path, content_id="2"), overwrite=True)


def test_a_run_goes_and_a_note_beside_it_stays(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    (tmp_path / "a" / "units" / "7" / "note.txt").touch()
    claim(job(tmp_path), overwrite=True)
    assert files(tmp_path / "a") == ["units/7/note.txt", "work/id.json"]


def test_nothing_of_a_run_is_left(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    (tmp_path / "a" / "work" / "unit_7" / "pair01").mkdir(parents=True)
    (tmp_path / "a" / "work" / "unit_7" / "pair01" / "glm.npz").touch()
    remove_run(tmp_path / "a")
    assert not any((tmp_path / "a").iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["note.txt", "work/note.txt", "done.json", "run.json"])
def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path, name: str, overwrite: bool) -> None:
    file = tmp_path / "a" / name
    file.parent.mkdir(parents=True)
    file.write_text("precious")
    assert not is_run(tmp_path / "a")
    with pytest.raises(RunError, match=r"no run of rnnspike.*--out"):
        claim(job(tmp_path), overwrite)
    assert file.read_text() == "precious" and files(tmp_path / "a") == [name]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("recording", "words"),
    [("a", "be the recording itself"), ("a/b/c.nwb", "would hold the recording"), ("", "would lie in the recording")],
)
def test_the_recording_is_never_a_run_directory(tmp_path: Path, recording: str, words: str, overwrite: bool) -> None:
    write_run(tmp_path / "a")  # marks that make it look like one
    before = files(tmp_path)
    with pytest.raises(RunError, match=words):
        claim(job(tmp_path, tmp_path / recording), overwrite)
    assert files(tmp_path) == before


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/a: cannot be written: Not a directory \(try another --out\)"):
        claim(job(tmp_path / "file"))


@pytest.mark.parametrize("name", ["id.json.tmp-123", "id.json.tmp-1b2c3d4e", ".id.json.k3_x9abc"])
def test_a_folder_of_leftovers_is_free(tmp_path: Path, name: str) -> None:
    """What a process killed between writing and renaming leaves, of this version and of older ones."""
    leftover = tmp_path / "a" / "work" / name
    leftover.parent.mkdir(parents=True)
    leftover.write_text('{"id"')
    claim(job(tmp_path))
    assert files(tmp_path / "a") == ["work/id.json"]


def test_leftovers_go_and_what_others_put_there_stays(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    (tmp_path / "a" / "done.json").unlink()
    write_json(tmp_path / "a" / "work" / "id.json", {"id": "1"})
    theirs = ["note.txt.tmp-1", "units/7/.note.abcdefgh", "mine/rows.jsonl.tmp-1"]
    ours = [
        "report.html.tmp-12",
        "units/7/models/glm/test0-stop1/weights.safetensors.tmp-ab",
        "units/7/curves.npz.tmp-0",
    ]
    for name in [*theirs, *ours]:
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).touch()
    claim(job(tmp_path))
    left = files(tmp_path / "a")
    assert set(theirs) <= set(left) and not set(ours) & set(left)


def test_a_removal_cut_short_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "a")
    (tmp_path / "a" / "note.txt").touch()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            "rnnspike.runs.stored.claim.remove_run", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        claim(job(tmp_path), overwrite=True)
    claim(job(tmp_path, content_id="2"))
    assert files(tmp_path / "a") == ["note.txt", "work/id.json"]
