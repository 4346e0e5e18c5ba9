from __future__ import annotations

import pytest

from rnnspike.cli.terminal import progress
from rnnspike.cli.terminal.output import Log
from rnnspike.cli.terminal.progress import duration, progress_bar


@pytest.mark.parametrize(("step_s", "lines"), [(20.0, 1), (0.5, 0)])
def test_the_time_left_of_long_work_is_told_once(
    step_s: float, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(step_s * k for k in range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    with progress_bar("run", Log(0)) as step:
        for done in range(5):
            step(done, 5, "unit")
    said = capsys.readouterr().err
    assert said.count("left") == lines
    if lines:
        assert "1 of 5 done in 40 s, about 3 min left" in said


def test_durations() -> None:
    assert [duration(each) for each in (3.2, 200, 9000)] == ["3 s", "3 min", "2.5 h"]


def test_the_time_left_is_what_was_expected_until_enough_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    left = progress._Left(100.0)
    now[0] = 10.0
    assert left.left_s(0, 5, None) == (10.0, 90.0)
    assert left.left_s(1, 5, 0.001) == (10.0, 90.0)
    assert left.left_s(1, 5, 0.1) == (10.0, pytest.approx(90.0))
    assert left.left_s(1, 5, None) == (10.0, pytest.approx(40.0))
    assert progress._Left(None).left_s(0, 5, None) == (10.0 - 10.0, None)
