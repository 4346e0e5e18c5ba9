"""Which engine does the work, and calls spread over one."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from rnnspike.runs.engines.engine import completed, engine_for
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.engines.processes import Processes


def test_one_worker_is_this_process_unless_a_limit_is_asked_for() -> None:
    with engine_for(1) as engine:
        assert isinstance(engine, InProcess)
    with engine_for(1, 60.0) as engine:
        assert isinstance(engine, Processes) and engine.submit(abs, -3).result() == 3
    with engine_for(2) as engine:
        assert isinstance(engine, Processes) and engine.capacity == 3


class Waiting:
    """An engine of three that does nothing by itself."""

    capacity, look_again_s = 3, None

    def __init__(self) -> None:
        self.given: list[Future[int]] = []

    def submit(self, fn, /, *args):
        self.given.append(Future())
        if len(self.given) > 2:  # the first two stay undone
            self.given[-1].set_result(fn(*args))
        return self.given[-1]


def test_no_more_calls_are_handed_over_than_the_engine_takes() -> None:
    engine = Waiting()
    results = completed(engine, abs, [(i, (-i,)) for i in range(5)])
    assert next(results) == (2, 2) and len(engine.given) == 3
    assert next(results) == (3, 3) and len(engine.given) == 4
    results.close()
    assert [future.cancelled() for future in engine.given] == [True, True, False, False]


def test_here_a_call_is_done_at_once_and_an_interruption_comes_through() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    engine = InProcess()
    assert engine.submit(abs, -3).result() == 3
    assert isinstance(engine.submit(int, "x").exception(), ValueError)
    with pytest.raises(KeyboardInterrupt):
        engine.submit(interrupt)
