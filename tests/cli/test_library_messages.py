"""What the library logs is a message of the command line."""

from __future__ import annotations

import logging

import pytest

from rnnspike.cli.options import log_from


@pytest.fixture(autouse=True)
def _logger_as_before():
    library = logging.getLogger("rnnspike")
    handlers, level = library.handlers, library.level
    yield
    library.handlers = handlers
    library.setLevel(level)


@pytest.mark.parametrize("quiet, told", [(0, "rnnspike: compiling\n"), (1, "")])
def test_the_librarys_messages_go_to_stderr_by_verbosity(quiet, told, capsys):
    log_from({"verbose": 0, "quiet": quiet, "log_file": None})
    logging.getLogger("rnnspike.models").warning("compiling")
    assert capsys.readouterr() == ("", told)
