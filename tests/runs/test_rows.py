"""Columns are declared once, and rows hold nothing else."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rnnspike.runs.rows import COLUMNS, PAIRS, ROW_COLUMNS, row

HEAD = {"recording": "r", "unit": "1", "model": "glm", "status": "ok"}


def test_a_field_that_is_not_declared_is_refused() -> None:
    with pytest.raises(ValidationError, match="new_figure"):
        row(**HEAD, new_figure=1.0)


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="n_spikes"):
        row(**HEAD, n_spikes="many")


def test_core_columns_stand_in_every_row_and_others_where_given() -> None:
    assert tuple(row(**HEAD)) == ROW_COLUMNS
    assert tuple(row(**HEAD, n_merged=2, bits_per_spike=float("nan"))) == (*ROW_COLUMNS, "n_merged")
    assert row(**HEAD, bits_per_spike=float("nan"))["bits_per_spike"] is None


def test_every_column_has_one_name_and_a_meaning() -> None:
    for columns in (COLUMNS, PAIRS):
        assert len({column.name for column in columns}) == len(columns)
        assert all(column.meaning.endswith(".") for column in columns)
