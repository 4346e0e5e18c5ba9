from __future__ import annotations

import math

import pytest

from rnnspike.wording import interval, number, p_text, with_interval


@pytest.mark.parametrize("n", [19, 20, 50, 199, 200, 999, 1999, 4999])
def test_the_least_p_of_a_test_is_told_as_a_bound(n: int) -> None:
    told = p_text(1 / (1 + n), 1 / (1 + n))
    assert told.startswith("< ") and 1 / (1 + n) <= float(told[2:]) <= max(0.001, 1.11 / (1 + n))
    assert p_text(2 / (1 + n), 1 / (1 + n)).startswith("<") == (2 / (1 + n) < 0.001)


def test_p_is_never_zero_and_a_single_replicate_tells_nothing() -> None:
    assert p_text(0.0) == "< 0.001" and p_text(2 / 201, 2 / 201) == "< 0.01" and p_text(1.0, 1.0) == "1.00"
    assert p_text(None) == p_text(math.nan) == "–" and p_text(0.0123) == "0.012"


def test_numbers_and_intervals() -> None:
    assert number(-0.0004) == "0.000" and number(-0.0004, "+.3f") == "+0.000" and number(-0.1) == "-0.100"
    assert interval(0.1, None) == "–" and with_interval(None, None, None) == "–"
    assert with_interval(0.2, 0.1, 0.3, ".2f") == "0.20 (0.10 to 0.30)"
