"""Every sentence of the page says what the rows and pairs hold, on simulated cells of known kinds."""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from rnnspike.api.fitting import fit
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report import advice
from rnnspike.report.build import render, tiles
from rnnspike.report.load import Run, load_run
from rnnspike.report.words import condition_columns, rate_words, short_labels, simulated_trials, summary

CELLS = ("poisson", "shared-gain", "refractory", "adapting", "bursting")
LADDER = ("constant", "psth", "psth-gain", "renewal", "glm", "stack")


def contaminated(unit: Unit, rng: np.random.Generator) -> Unit:
    """A unit with as many foreign spikes again."""
    foreign = rng.uniform(unit.spike_times_s.min(), unit.spike_times_s.max(), len(unit.spike_times_s))
    return Unit("contaminated", np.sort(np.concatenate([unit.spike_times_s, foreign])), unit.observed_s)


@pytest.fixture(scope="session")
def cells_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six cells, 60 trials of .5 s, a ladder of cheap models; few trials are run free."""
    folder = tmp_path_factory.mktemp("cells")
    options = SessionOptions(n_trials=60, duration_s=0.5, inter_trial_s=0.5, seed=2)
    made = simulate_session([replace(cell_spec(name), units=1) for name in CELLS], options).recording
    kept = dict(zip(CELLS, made.units, strict=True))
    units = tuple(Unit(name, unit.spike_times_s, unit.observed_s) for name, unit in kept.items())
    units = (*units, contaminated(kept["refractory"], np.random.default_rng(0)))
    path = folder / "cells.nwb"
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals=made.intervals))
    return load_run(fit(path, out=folder, models=LADDER, effort="fast", folds=3, replicates=20, report=False))


@pytest.fixture
def rows(cells_run: Run) -> pd.DataFrame:
    """The rows of the model that the page speaks of."""
    return pd.DataFrame([row for row in cells_run.rows if row["model"] == "stack"]).set_index("unit")


def sentence(run: Run, pattern: str) -> re.Match[str]:
    """The one place of the page's paragraph that has this form."""
    found = list(re.finditer(pattern, " ".join(summary(run))))
    assert len(found) == 1, (pattern, summary(run))
    return found[0]


def pairs_with_stack(run: Run, unit: str) -> pd.DataFrame:
    """Gains of the stack over each rung, by rung."""
    pairs = run.pairs[(run.pairs.unit == unit) & (run.pairs.model_a == "stack")].set_index("model_b")
    return pairs.assign(beaten=multipletests(pairs.p, 0.05, "holm")[0] & (pairs.gain > 0))


def counts_in(text: str) -> Counter[str]:
    """Numbers by what stands before them: ``a on 2, b on 1``."""
    return Counter({name.strip(): int(n) for name, n in re.findall(r"([\w -]+?) on (\d+)", text)})


def test_gain_over_the_trial_average(cells_run: Run) -> None:
    said = sentence(cells_run, r"on (\d+) of (\d+) units \(95 % interval above 0; median gain over all units (\S+) ")
    gains = pd.DataFrame([pairs_with_stack(cells_run, unit).loc["psth-gain"] for unit in cells_run.units])
    assert (int(said[1]), int(said[2])) == ((gains.gain_low > 0).sum(), len(gains))
    assert float(said[3]) == pytest.approx(gains.gain.median(), abs=5e-4)
    worse = re.search(r"On (\d+) it is worse", " ".join(summary(cells_run)))
    assert (int(worse[1]) if worse else 0) == (gains.gain_high < 0).sum()


def test_simplest_rungs_are_those_that_holm_leaves(cells_run: Run) -> None:
    expected: Counter[str] = Counter()
    for unit in cells_run.units:
        pairs = pairs_with_stack(cells_run, unit)
        if pairs.gain_low["psth-gain"] > 0:
            expected[next((rung for rung in LADDER[:-1] if not pairs.beaten[rung]), "every other rung")] += 1
    text = " ".join(summary(cells_run))
    simplest = re.search(r"simplest rung that it does not beat is (.*?) \(p < 0\.05, Holm over rungs\)", text)
    beats = re.search(r"stack beats every other rung on (\d+) \(p < 0\.05, Holm over rungs\)", text)
    said = counts_in(simplest[1]) if simplest else Counter()
    said["every other rung"] = int(beats[1]) if beats else 0
    assert +said == expected


@pytest.mark.parametrize(
    ("departure", "head", "kinds"),
    [
        ("refractory", "Soon after a spike", {"dip": "a refractory dip", "excess": r"early excess \(bursting\)"}),
        ("adaptation", "By the number of recent spikes",
         {"falling": r"a rate that falls [^;]*?", "rising": r"a rate that rises [^;]*?"}),
    ],
)  # fmt: skip
def test_kinds_come_before_verdicts(
    cells_run: Run, rows: pd.DataFrame, departure: str, head: str, kinds: dict[str, str]
) -> None:
    whole = sentence(cells_run, rf"{head}: (.*?)\.(?= [A-Z])")[1]
    real = rows[rows[f"{departure}_verdict"] != "nothing to capture"]
    for kind, words in kinds.items():
        mine = real[real[f"{departure}_kind"] == kind][f"{departure}_verdict"].value_counts()
        said = re.search(rf"(?:^|; ){words} on (\d+) of (\d+) units([^;]*)", whole)
        assert (int(said[1]) if said else 0) == mine.sum()
        if said:
            assert int(said[2]) == rows[f"{departure}_verdict"].notna().sum()
            unjudged = re.search(r"\((\d+) cannot be judged", said[3])
            judged = re.search(r"\(stack: (.*?)\)", said[3])
            found = counts_in(judged[1]) if judged else Counter()
            found["cannot be judged"] = int(unjudged[1]) if unjudged else 0
            assert +found == Counter(mine.to_dict())


def test_foreign_spikes_are_no_refractoriness(cells_run: Run, rows: pd.DataFrame) -> None:
    assert rows.contamination_high["contaminated"] > 0.2
    assert rows.refractory_verdict["contaminated"] in ("cannot be judged", "nothing to capture")
    tile = next(each for each in tiles(cells_run, "stack") if each["title"] == "Refractory dip captured")
    judged = rows[
        rows.refractory_kind.str.startswith("dip")
        & ~rows.refractory_verdict.isin(["cannot be judged", "nothing to capture"])
    ]
    assert (tile["count"], tile["of"]) == ((judged.refractory_verdict == "captured").sum(), len(judged))
    unjudged = (rows.refractory_kind.str.startswith("dip") & (rows.refractory_verdict == "cannot be judged")).sum()
    assert (f"{unjudged} cannot be judged" in tile["rest"]) == (unjudged > 0)


def test_ks(cells_run: Run, rows: pd.DataFrame) -> None:
    said = sentence(cells_run, r"KS test at 5 % on (\d+) of (\d+) \(largest D (\S+); .*? D below (\S+) is not")
    assert (int(said[1]), int(said[2])) == ((rows.ks_p >= 0.05).sum(), rows.ks_p.notna().sum())
    assert float(said[3]) == pytest.approx(rows.ks_d.max(), abs=5e-4)
    assert float(said[4]) == pytest.approx(rows.ks_d_detectable.median(), abs=5e-4)


def test_free_runs_say_what_they_rest_on(cells_run: Run, rows: pd.DataFrame) -> None:
    said = sentence(
        cells_run, r"\((\d+) runs of (\d+) of (\d+) trials.*?\), stack does not run away on (\d+) of (\d+)"
    )
    row = rows.iloc[0]
    assert [int(each) for each in said.groups()[:3]] == [row.free_run_runs, row.free_run_trials, row.n_trials]
    assert (int(said[4]), int(said[5])) == ((rows.free_run_stability == "stable").sum(), len(rows))
    assert (rows.free_run_rate_ratio.between(rows.free_run_rate_ratio_low, rows.free_run_rate_ratio_high)).all()
    within = (rows.free_run_rate_ratio_low >= 0.9) & (rows.free_run_rate_ratio_high <= 1.1)
    off = (rows.free_run_rate_ratio_high < 0.9) | (rows.free_run_rate_ratio_low > 1.1)
    rates = sentence(cells_run, r"Its rate is within 10 % of the recorded one on (\d+)(.*?) \(95 % intervals\)")
    rest = counts_in(rates[2])
    assert int(rates[1]) == within.sum()
    assert (rest["off by more"], rest["undecided"]) == (off.sum(), (~within & ~off).sum())


def test_warnings_name_the_units_that_cannot_be_judged(cells_run: Run, rows: pd.DataFrame) -> None:
    said = [
        re.match(r"Units? (.*?): refractoriness cannot be judged", each)
        for each in advice.warnings(cells_run, "stack")
    ]
    named = [each[1].split(", ") for each in said if each]
    unjudged = rows.index[rows.refractory_verdict == "cannot be judged"].tolist()
    assert named == ([unjudged] if unjudged else [])


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.92, 1.08, "one on 1 ("),
        (0.5, 0.8, "off by more on 1"),
        (0.8, 1.3, "undecided on 1"),
        (None, None, "undecided on 1"),
    ],
)
def test_a_rate_is_told_by_its_interval(low: float | None, high: float | None, words: str) -> None:
    row = {"free_run_rate_ratio_low": low, "free_run_rate_ratio_high": high, "free_run_rate_ratio": 1.0}
    assert words in rate_words([row])


def test_trials_that_differ_between_units_are_told_as_a_span() -> None:
    units: list[dict[str, Any]] = [
        {"free_run_runs": 8, "free_run_trials": n, "n_trials": total} for n, total in ((2, 60), (12, 80))
    ]
    assert simulated_trials(units) == "8 runs of 2 to 12 of 60 to 80 trials, a first look"


def test_population_models_are_told_by_what_they_gain_beyond_shuffled_trials(cells_run: Run) -> None:
    differences = {"poisson": (0.01, -0.01), "refractory": (0.05, 0.02), "adapting": (0.08, 0.03)}
    rows = [
        {"unit": unit, "model": "coupling", "status": "ok", "bits_per_spike": None, "population_base": "glm"}
        | {"population_difference": value, "population_difference_low": low}
        for unit, (value, low) in differences.items()
    ]
    said = summary(replace(cells_run, rows=[*cells_run.rows, *rows]))[-1]
    assert "coupling reads the other units" in said and "over glm" in said
    assert "on 2 of 3 units" in said and "at most +0.080 bits/spike" in said
    assert not any("reads the other units" in sentence for sentence in summary(cells_run))


def test_the_page_holds_the_sentences_and_no_p_of_zero(cells_run: Run) -> None:
    page = html.unescape(render(cells_run).split('id="overview"')[0])
    assert all(each in page for each in summary(cells_run))
    assert not re.search(r"p (= )?0(\.0+)?\b(?!\.)", page)


@pytest.mark.parametrize(
    ("labels", "columns", "short"),
    [
        (["side=left", "side=right"], ["side"], ["left", "right"]),
        (
            ["object=hand, position=upper", "object=a, b, position=1"],
            ["object", "position"],
            ["hand, upper", "a, b, 1"],
        ),
        (["side=x=1", "side=a, y=2"], ["side"], ["x=1", "a, y=2"]),
        (["all"], [], ["all"]),
        (["side=left", "shape=round"], [], ["side=left", "shape=round"]),
        ([], [], []),
    ],
)
def test_conditions_are_named_by_their_values(labels: list[str], columns: list[str], short: list[str]) -> None:
    assert condition_columns(labels) == columns
    assert short_labels(labels) == short
