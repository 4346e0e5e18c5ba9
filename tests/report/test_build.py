"""The page: self-contained, the same for the same run, and true to the rows."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from statsmodels.stats.multitest import multipletests

from rnnspike.cli.main import cli
from rnnspike.errors import RunError
from rnnspike.models.registry import GIVEN_COLOURS
from rnnspike.report import advice, comparison
from rnnspike.report.build import build_report, overview
from rnnspike.report.colours import CONDITION_COLOURS, EVENT_COLOURS, all_colours
from rnnspike.report.comparison import build_comparison, to_compare
from rnnspike.report.load import load_run
from rnnspike.report.packing import rounded, to_script
from rnnspike.report.tallies import gains_over, headline_model, steps, sufficient
from rnnspike.report.words import repeat_command, summary
from rnnspike.runs.stored.tables import compare_stored


def test_equal_runs_give_equal_bytes(run_folder: Path) -> None:
    first = build_report(run_folder).read_bytes()
    assert build_report(run_folder).read_bytes() == first


def test_nothing_is_asked_from_a_network(run_folder: Path) -> None:
    page = build_report(run_folder).read_text("utf-8")
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert '<link rel="icon" href="data:,">' in own
    assert not re.search(r"(src|href)=\"https?:", own)


def records(table: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page's script makes of a table, without empty cells."""
    return [
        {name: value for name, value in zip(table["names"], values, strict=True) if value is not None}
        for values in table["values"]
    ]


def to_five(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def test_page_holds_the_rows(run_folder: Path) -> None:
    page = build_report(run_folder).read_text("utf-8")
    overview = json.loads(re.search(r'id="overview">(.*?)</script>', page, re.S)[1])
    stored = [row for row in load_run(run_folder).rows if row["status"] == "ok"]
    units = re.findall(r'class="unit-data">(.*?)</script>', page, re.S)
    found = [row for unit in units for row in records(json.loads(unit)["rows"])]
    assert found == [{name: to_five(value) for name, value in row.items() if value is not None} for row in stored]
    shown = records(overview["rows"])
    assert [(row["unit"], row["model"]) for row in shown] == [(row["unit"], row["model"]) for row in stored]
    assert len(re.findall(r'class="unit-data"', page)) == 2


def test_no_host_path_or_time(run_folder: Path) -> None:
    page = build_report(run_folder).read_text("utf-8")
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    provenance = json.loads((run_folder / "run.json").read_text())
    assert str(run_folder.parent) not in own
    assert provenance["end"] not in own


def test_ladder_and_steps_are_the_stored_pairs(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    shown = overview(run, headline_model(run))
    step = next(each for each in shown["steps"] if each["unit"] == "1" and each["model"] == "glm")
    pair = run.pairs[(run.pairs.unit == "1") & (run.pairs.model_a == "glm") & (run.pairs.model_b == step["over"])]
    assert step["over"] == "renewal"
    assert step["gain"] == pair.gain.item() and step["low"] == pair.gain_low.item()


def test_simplest_sufficient_rung_is_the_first_that_is_not_beaten(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    model = headline_model(run)
    for unit, rung in sufficient(run, model).items():
        pairs = run.pairs[(run.pairs.unit == unit) & (run.pairs.model_a == model)]  # the stack is the last rung
        reject = multipletests(pairs.p, 0.05, "holm")[0] & (pairs.gain > 0)
        lost = set(pairs.model_b[reject])
        assert rung == next(each for each in run.models if each not in lost)


def test_gains_are_over_the_model_extended_or_the_nearest_that_was_fitted(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    run.rows[:] = [row for row in run.rows if (row["unit"], row["model"]) != ("1", "renewal")]
    over = {(step["unit"], step["model"]): step["over"] for step in steps(run)}
    assert (over["0", "glm"], over["1", "glm"]) == ("renewal", "psth-gain")
    assert (over["0", "lstm"], over["0", "stack"], over["0", "psth"]) == ("psth-gain", "glm", "constant")
    assert [step["over"] for step in steps(run) if step["unit"] == "0"] == [
        "constant", "psth", "psth-gain", "psth-gain", "renewal", "glm",
    ]  # fmt: skip


def test_warnings_and_next_steps_name_what_the_run_holds(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    assert any("--effort fast" in each for each in advice.warnings(run, "stack"))
    steps = advice.next_steps(run, "stack", has_dynamics=False)
    assert any("rnnspike dynamics" in each.text for each in steps)
    assert not any("are few" in each for each in advice.warnings(run, "stack"))
    run.settings["resolved"]["n_trials"] = 12
    run.rows[-1].update(status="failed", message="no memory")
    said = " ".join(advice.warnings(run, "stack"))
    assert "12 trials are few" in said and "stack was failed on 1 unit:" in said


def test_words_follow_the_numbers(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert headline_model(run) == "psth-gain"
    text = " ".join(summary(run))
    assert "Soon after a spike: a refractory dip on 2 of 2 units" in text
    gains = gains_over(run, "psth", "constant")
    assert [unit for unit, *_ in gains] == run.units
    assert all(low <= gain <= high for _, gain, low, high in gains)
    assert repeat_command(run).startswith("rnnspike fit small.nwb --bin 0.001 --models constant --models psth")
    run.settings["settings"]["dynamics"] = {"value": False, "source": "flag"}
    assert "--no-dynamics" in repeat_command(run)


def test_script_cannot_be_left_early() -> None:
    assert "</script>" not in to_script({"x": "</script><b>"})
    assert json.loads(to_script({"x": "</script>"})) == {"x": "</script>"}


def test_four_figures() -> None:
    assert rounded([1.23456, float("nan"), 123456.0]) == [1.235, None, 123500.0]


def test_comparison_and_formats(run_folder: Path, tmp_path: Path) -> None:
    page = build_comparison([to_compare(run_folder)] * 2, tmp_path / "c.html").read_text("utf-8")
    assert "2 recordings compared" in page
    shown = json.loads(re.search(r'id="overview">(.*?)</script>', page, re.S)[1])
    first, second = (each["name"] for each in shown["recordings"])
    assert first == "small"
    assert second.startswith("small-")
    assert (tmp_path / shown["recordings"][0]["link"]).resolve() == (run_folder / "report.html").resolve()
    stored = next(compare_stored([run_folder], pairs=[("psth-gain", "psth")]))
    assert shown["over"][0]["gain"] == pytest.approx(stored["gain"]) and shown["over"][-1]["recording"] is None
    result = CliRunner().invoke(cli, ["report", str(run_folder), "--format", "md"])
    assert result.exit_code == 0
    assert "| unit | model |" in result.stdout
    with pytest.raises(RunError, match=r"done\.json is missing"):
        load_run(tmp_path)


def test_comparison_claims_no_gain_where_the_interval_holds_zero() -> None:
    row = {"recording": None, "gain": 0.6, "gain_low": -1.4, "gain_high": 2.6, "level": "recording", "n_units": 5,
           "n_recordings": 3, "n_above": 5, "n_below": 0}  # fmt: skip
    payload = {"over": [row], "headline": "stack", "base": "psth-gain"}
    assert "a gain in general is not shown" in " ".join(comparison.summary(payload))
    row.update(gain_low=0.2)
    assert "lies above 0" in " ".join(comparison.summary(payload))


@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_from_their_ground(ground: int) -> None:
    paper = ("#ffffff", "#12161c")[ground]
    assert all(contrast(pair[ground], paper) >= 3 for pair in every_colour())


def every_colour() -> list[tuple[str, str]]:
    return [*all_colours().values(), *GIVEN_COLOURS, *CONDITION_COLOURS, EVENT_COLOURS]


@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
def test_conditions_and_events_share_no_colour_with_a_model(ground: int) -> None:
    others = [pair[ground] for pair in [*all_colours().values(), *GIVEN_COLOURS]]
    own = [pair[ground] for pair in [*CONDITION_COLOURS, EVENT_COLOURS]]
    channels = {name: np.array([int(name[k : k + 2], 16) for k in (1, 3, 5)]) for name in [*own, *others]}
    for k, mine in enumerate(own):
        for other in [*own[:k], *others]:
            assert np.abs(channels[mine] - channels[other]).sum() > 30, (mine, other)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_asks(theme: int) -> None:
    css = (resources.files("rnnspike.report") / "templates" / "report.css").read_text("utf-8")
    named = [
        dict(re.findall(r"--(\w+):(#\w+)", block)) for block in re.findall(r":root[^{]*\{([^}]*--bg[^}]*)\}", css)
    ][theme]
    for ground in (named["bg"], named["panel"]):
        for text in ("fg", "soft", "accent", "good", "warn", "bad"):
            assert contrast(named[text], ground) >= 4.5, (text, ground)
        assert contrast(named["edge"], ground) >= 3


def contrast(a: str, b: str) -> float:
    """Contrast ratio of WCAG 2.1; #fff is #ffffff."""

    def luminance(colour: str) -> float:
        full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
        channels = [int(full[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_figures_come_with_their_numbers(run_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["report", str(run_folder), "--figures", str(tmp_path)])
    assert result.exit_code == 0
    made = sorted(each.name for each in (tmp_path / "unit_0").iterdir())
    assert {"hazard.svg", "hazard.png", "hazard.csv", "ks.svg"} <= set(made)
    assert "<text" in (tmp_path / "ladder.svg").read_text()
    assert len((tmp_path / "ladder.csv").read_text().splitlines()) == 7
