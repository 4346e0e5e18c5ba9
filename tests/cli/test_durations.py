"""Durations on the command line: a bare number that may be milliseconds is refused, with the line to type."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (("fit", "a.nwb", "--bin", "1"), "--bin 1ms; if you mean seconds write --bin 1s"),
        (("psth", "a.nwb", "--bin", "5"), "--bin 5ms"),
        (("psth", "a.nwb", "--window", "-200", "1000"), "--window -200ms"),
        (("fit", "a.nwb", "--window", "0", "0.0015"), "--window 0 0.0015s"),
        (("fit", "a.nwb", "--segment", "0.001"), "--segment 0.001s"),
        (("psth", "a.nwb", "--bandwidth", "20"), "--bandwidth 20ms"),
        (("psth", "a.nwb", "--step", "10"), "--step 10ms"),
        (("simulate", "--neuron", "adapting", "--duration", "1000"), "--duration 1000ms"),
        (("simulate", "--neuron", "adapting", "--inter-trial", "500"), "--inter-trial 500ms"),
        (("dynamics", "--model-file", "a.pt", "--dt", "10"), "--dt 10ms"),
        (("dynamics", "--model-file", "a.pt", "--dt", "1ms", "--history", "300"), "--history 300ms"),
    ],
)
def test_bare_numbers(arguments: tuple[str, ...], cure: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2 and cure in result.output


@pytest.mark.parametrize("window", [("-200ms", "1000ms"), ("-0.2", "1.0"), ("0", "1.5ms"), ("-90s", "90s")])
def test_windows_that_are_taken(window: tuple[str, str]) -> None:
    result = CliRunner().invoke(cli, ["psth", "absent.nwb", "--window", *window])
    assert result.exit_code != 2, result.output
