from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rnnspike.cli import cosmooth, decode, dynamics, fit, psth
from rnnspike.cli.results import compare
from rnnspike.cli.terminal.output import plain_table
from rnnspike.cli.terminal.tables import Column, Table, layout, shortened

LADDER = ("constant", "psth", "psth-gain", "renewal", "spike-lstm-glm", "population-lstm-drive", "stack")
#: What must stand on one line: an interval, and a number with its p.
INTERVAL, WITH_P = re.compile(r"-?\d\.\d{3} to -?\d\.\d{3}"), re.compile(r"\d\.\d{3} \((< )?\d[\d.e-]*\)")


def drawn(renderable: Any, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable, crop=False)
    return out.getvalue().splitlines()


def fit_row(unit: str, model: str, **more: Any) -> dict[str, Any]:
    return {
        "recording": "session",
        "unit": unit,
        "model": model,
        "status": "ok",
        "message": None,
        "bits_per_spike": 0.262,
        "bits_per_spike_low": -0.195,
        "bits_per_spike_high": 0.329,
        "ks_d": 0.404,
        "ks_p": 1e-9,
        "refractory_kind": "dip and excess",
        "refractory_verdict": "consistent",
        "refractory_capture": -0.001,
        "adaptation_kind": "falling",
        "adaptation_verdict": "captured",
        "adaptation_capture": 1.0,
        "free_run_stability": "stable",
        "free_run_rate_ratio": 1.0,
        **more,
    }


def gain_row(model_a: str, model_b: str, **more: Any) -> dict[str, Any]:
    names = {"recording": None, "unit": None, "model_a": model_a, "model_b": model_b}
    gain = {"gain": 0.0123, "gain_low": -0.0312, "gain_high": 0.0545, "gain_median": 0.01, "gain_worst": -0.02}
    counts = {"n_above": 12, "n_below": 3, "n_units": 20, "level": "unit", "correction": "holm", "protocol": "alike"}
    return {**names, **gain, "p": 0.00012, "p_adjusted": 0.0024, **counts, **more}


TABLES = {
    "fit": lambda: fit.render([fit_row(unit, model) for unit in ("0", "a_unit_of_a_long_name") for model in LADDER]),
    "fit of several": lambda: fit.render(
        [fit_row("0", model, recording=f"monkey_a_session_{k}") for k in range(2) for model in LADDER]
    ),
    "compare": lambda: compare.render([gain_row(a, b) for b in LADDER for a in LADDER if a != b]),
    "compare by unit": lambda: compare.render([gain_row("lstm", "glm", unit=unit, recording="r") for unit in "ab"]),
    "psth": lambda: psth.render(
        [
            {
                "recording": "r",
                "unit": unit,
                "condition": f"stimulus={name}",
                "n_trials": 20,
                "n_spikes": 409,
                "rate_hz": 20.4,
                "peak_hz": 125.4,
                "peak_s": 0.578,
                "modulated": True,
                "bits_per_spike": 0.027,
                "bandwidth_ms": 31.62,
            }
            for unit in "ab"
            for name in ("left", "right")
        ]
    ),
    "cosmooth": lambda: cosmooth.render(
        [
            {
                "recording": "r",
                "unit": unit,
                "method": method,
                "status": "ok",
                "co_bps": 0.12345,
                "co_bps_low": -0.1,
                "co_bps_high": 0.2,
                "n_trials": 200,
                "n_spikes": 14353,
                "message": None,
            }
            for unit in ("0", None)
            for method in ("psth", "ridge", "gpfa")
        ],
        "co_bps",
    ),
    "decode": lambda: decode.render(
        [
            {
                "recording": "r",
                "model": model,
                "n_conditions": 7,
                "n_trials": 420,
                "n_units": 2,
                "message": None,
                "chance_accuracy": 0.144,
                "accuracy_p": 0.0002,
                "over": "psth-gain",
                **{
                    f"{name}{end}": 0.2
                    for name in ("accuracy", "information", "gain")
                    for end in ("", "_low", "_high")
                },
            }
            for model in LADDER
        ]
    ),
    "dynamics": lambda: dynamics.render(
        [
            {
                "unit": "0",
                "model": "population-lstm-drive",
                "n_seeds": 3,
                "input": name,
                "seed": None,
                "message": "",
                "n_fixed": 1.0,
                "n_fixed_low": 1.0,
                "n_fixed_high": 2.0,
                "frequencies_hz": [179.1, 4.522],
                "gate_tau_ms": 0.252,
                "measured_tau_ms": 3.86,
                "memory_horizon_ms": 49.0,
            }
            for name in ("silent", "mean", "closed-loop")
        ]
    ),
    "plain": lambda: plain_table(
        [{"name": "bin", "meaning": "width of a bin " * 8}], ("name", "meaning"), ["meaning"]
    ),
}


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", TABLES)
def test_every_table_holds_at_every_width(name: str, width: int) -> None:
    lines = drawn(TABLES[name](), width)
    assert max(map(len, lines)) <= width
    for line in lines:
        rest = WITH_P.sub("", INTERVAL.sub("", line))
        assert not re.search(r"\bto\b -?\d|\d to *$|\([^)]*$", rest.split("not shown")[0]) or name == "plain", line
    whole = "\n".join(lines)
    assert "condition=" not in whole and "stimulus=" not in whole and "-0.000" not in whole and "-0.00" not in whole
    for model in LADDER if name in ("fit", "fit of several", "compare", "decode") else ():
        assert re.search(rf"(^| ){model}( |$)", whole, re.MULTILINE)


def test_columns_that_have_no_room_are_named_below() -> None:
    wide, narrow = drawn(TABLES["fit"](), 160), drawn(TABLES["fit"](), 60)
    assert "free run" in wide[1] and not any("not shown" in line for line in wide)
    told = " ".join(" ".join(narrow).split()).split("not shown at ")[1]
    assert told.startswith("60 columns: ") and told.endswith("; --format csv has all")
    assert all(heading in told for heading in ("recent spikes", "KS D (p)")) and "95 % interval" not in told


def test_a_p_is_never_apart_from_its_number() -> None:
    lines = drawn(TABLES["fit"](), 100)
    assert sum("0.404 (< 0.001)" in line for line in lines) in (0, 2 * len(LADDER))
    assert sum("0.404 (< 0.001)" in line for line in drawn(TABLES["fit"](), 160)) == 2 * len(LADDER)


def test_what_does_not_stand_on_a_line_is_wrapped_between_words_or_cut_with_a_mark() -> None:
    table = Table([Column("unit", "name"), Column("what", "prose"), Column("more", "note")])
    table.add(
        "0", "spikes share their times with those of another unit", "recorded in the left hemisphere, tetrode 4"
    )
    lines = drawn(table, 52)
    assert lines[2].endswith("…") and "hemis" not in lines[3]
    assert (
        " ".join(line[6:].split("  ")[0] for line in lines[2:])
        == "spikes share their times with those of another unit"
    )


def test_equal_ranks_go_together_and_what_still_fits_stays() -> None:
    columns = [
        Column("name"),
        Column("a" * 20, rank=1),
        Column("b", rank=2),
        Column("c", rank=3),
        Column("d", rank=3),
    ]
    rows = [["model", "1", "2", "3" * 9, "4"]]
    assert layout(columns, rows, 80).shown == (0, 1, 2, 3, 4)
    assert layout(columns, rows, 40).shown == (0, 1, 2)
    assert layout(columns, rows, 24).shown == (0, 2, 3, 4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abcdefgh_ é日", min_size=1, max_size=40), min_size=1, max_size=8, unique=True),
    st.integers(40, 120),
    st.lists(st.integers(0, 6), min_size=3, max_size=9),
)
def test_any_table_is_as_narrow_as_asked_and_its_numbers_whole(
    names: list[str], width: int, ranks: list[int]
) -> None:
    columns = [Column("unit", "name"), *(Column(f"figure {k}", "number", 1 + rank) for k, rank in enumerate(ranks))]
    table = Table(columns)
    for name in names:
        table.add(name, *("-0.058 to 0.093" for _ in ranks))
    lines, found = drawn(table, width), layout(columns, [[name, *("0" * 15 for _ in ranks)] for name in names], width)
    if len(set(shortened(names, width // 4))) == len(set(names)):
        assert max(map(len, lines)) <= max(width, 4 + sum(found.widths[:1]))
    assert sum(line.count("-0.058 to 0.093") for line in lines) == len(names) * (len(found.shown) - 1)
    assert any("not shown" in line for line in lines) == (len(found.shown) < len(columns))


def test_names_are_shortened_only_as_far_as_they_stay_distinct() -> None:
    names = [f"sub-01_ses-{k:02d}_task-{'x' * 30}" for k in range(12)]
    short = shortened(names, 12)
    assert len(set(short)) == 12 and all("…" in each for each in short) and max(map(len, short)) < 20
    assert shortened(["a", "b"], 8) == ["a", "b"]
