"""Messages of workers reach stderr and the log file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from rnnspike.cli.options import log_from
from rnnspike.runs.engines.logs import Messages, messages_here, send
from rnnspike.runs.engines.processes import Processes


@pytest.fixture(autouse=True)
def _logger_as_before():
    library = logging.getLogger("rnnspike")
    before = library.handlers, library.level, library.propagate
    yield
    library.handlers, library.propagate = before[0], before[2]
    library.setLevel(before[1])


def tell(text: str) -> None:
    logging.getLogger("rnnspike.models").info(text)


@pytest.mark.parametrize("quiet", [0, 1])
def test_a_workers_messages_reach_the_log_file(tmp_path: Path, quiet: int) -> None:
    log = log_from({"verbose": 0, "quiet": quiet, "log_file": str(tmp_path / "log")})
    log.info("before")
    with Processes(2, 3600.0) as engine:
        engine.submit(tell, "from a worker").result()
    log.info("after")
    log.close()
    assert (tmp_path / "log").read_text().splitlines() == ["before", "from a worker", "after"]
    assert messages_here().level == (logging.ERROR if quiet else logging.INFO)  # of a worker's stderr


def test_without_a_log_file_messages_have_the_level_of_the_parent() -> None:
    library = logging.getLogger("rnnspike")
    library.handlers = []
    library.setLevel(logging.ERROR)
    assert messages_here() == Messages(logging.ERROR)


def test_a_log_file_that_cannot_be_written_costs_its_messages_alone(tmp_path: Path, capsys) -> None:
    send(Messages(logging.INFO, (str(tmp_path / "no" / "log"), str(tmp_path / "log"))))
    tell("con\x1btrol")
    assert (tmp_path / "log").read_text() == "con\\x1btrol\n"
    assert capsys.readouterr().err.count("\n") == 1
