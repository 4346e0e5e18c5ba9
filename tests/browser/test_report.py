"""The report in a real browser: renders, asks nothing of a network, answers clicks and keys."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.api.fitting import fit
from rnnspike.names import visible
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report import build
from rnnspike.report.build import build_report
from rnnspike.report.comparison import build_comparison, to_compare

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
#: Figures that a whole run shows; others may lack the spikes for it.
GLANCE = ("ladder", "steps", "captured", "p-trial")
UNIT = ("f-ladder", "f-session", "f-raster", "f-trials", "f-hazard", "f-calibration", "f-ks", "f-pit",
        "f-independence", "f-ogata", "f-isi", "f-acf", "f-serial", "f-fano", "f-predictive", "f-training",
        "f-stack")  # fmt: skip
ALWAYS = (*GLANCE, *UNIT, "n-state", "n-eigen", "n-tau", "n-decay", "n-gradient", "n-bend")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A whole run, and a small one."""
    source = Path(__file__).parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_runs", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("browser")
    return module.whole_run(folder), module.small_run(folder, n_units=3)


@pytest.fixture(scope="module")
def report(runs: tuple[Path, Path]) -> Path:
    return build_report(runs[0])


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Open pages that may neither complain nor ask anything of a network."""
    tabs = []

    def open_page(path: Path, fragment: str = "", width: int = 1280, height: int = 900) -> Any:
        tab = browser.new_page(viewport={"width": width, "height": height})
        tab.heard, tab.requests = [], []
        tab.on("console", lambda message: tab.heard.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: tab.heard.append(str(error)))
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.goto(path.as_uri() + fragment)
        tab.wait_for_selector("html[data-ready=yes]")
        tabs.append(tab)
        return tab

    yield open_page
    for tab in tabs:
        assert tab.heard == []
        assert [url for url in tab.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        tab.close()


@pytest.fixture
def page(opened: Any, report: Path) -> Any:
    return opened(report)


def test_renders(page: Any) -> None:
    assert page.locator("h1").inner_text() == "whole"
    assert page.locator("#ladder .main-svg").count() >= 1
    assert page.locator(".tile").count() == 4


def test_every_figure_is_drawn_or_says_why_not(page: Any) -> None:
    page.evaluate("drawEverything()")
    for name in ALWAYS:
        assert page.locator(f"#{name} .main-svg").count() >= 1, name
    empty = page.locator(".plot.empty").evaluate_all(
        "all => all.map(e => e.parentNode.querySelector('.why').innerText)"
    )
    assert all(len(why) > 15 for why in empty)


def test_patterns_of_a_population_are_a_map(opened: Any, runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    memory = next((folder / "dynamics").glob("*/*/*/memory.npz"))
    with np.load(memory) as stored:
        arrays = dict(stored)
    rates_hz = np.array([[1.0, 9.0, 5.0], [8.0, 1.0, 2.0]])
    np.savez(memory, **arrays | {"pattern_hz": rates_hz, "input_names": np.array(["x", "<y>", "z"])})
    page = opened(build_report(folder))
    page.evaluate("drawEverything()")
    drawn = page.evaluate(
        "(() => { const [map] = document.getElementById('n-patterns').data; return [map.z, map.text]; })()"
    )
    for rates, texts in zip(*drawn, strict=True):
        for rate, text in zip(rates, texts, strict=True):
            unit, pattern = re.fullmatch(r"unit (.*), pattern (\d)", text).groups()  # type: ignore[union-attr]
            assert rate == rates_hz[int(pattern) - 1, ["x", "&lt;y>", "z"].index(unit)]
    assert page.locator("#n-patterns-note").inner_text().startswith("2 patterns. How many come back")


def test_a_figure_is_drawn_when_it_is_reached(page: Any) -> None:
    assert page.locator("#f-predictive .main-svg").count() == 0
    page.locator("#f-predictive").scroll_into_view_if_needed()
    page.wait_for_selector("#f-predictive .main-svg")


def test_figures_of_all_units_are_drawn_without_being_reached(page: Any) -> None:
    page.wait_for_selector("html[data-drawn=yes]")
    for name in (*GLANCE, "n-state", "n-bend"):
        assert page.locator(f"#{name} .main-svg").count() >= 1, name
    assert page.locator("#f-predictive .main-svg").count() == 0


def test_raster_has_every_spike_and_the_simulated_one_beside_it(page: Any, runs: tuple[Path, Path]) -> None:
    page.evaluate("drawEverything()")
    sizes = page.evaluate(
        "(() => { const n = {}; for (const t of document.getElementById('f-raster').data) "
        "if (/recorded$|simulated$/.test(t.name)) n[t.name] = (n[t.name] || 0) + t.x.length / 3; return n; })()"
    )
    recorded = pd.read_csv(runs[0] / "units" / "0" / "per_trial.csv").n_spikes.sum()
    assert sizes["recorded"] == recorded
    assert abs(sizes["stack, simulated"] - recorded) < 0.5 * recorded


@pytest.fixture(scope="module")
def eventful(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole run with eight conditions, named units and two events: one that moves from trial to trial."""
    folder = tmp_path_factory.mktemp("eventful") / "run"
    shutil.copytree(runs[0], folder, ignore=shutil.ignore_patterns("dynamics", "report.html"))
    settings = json.loads((folder / "settings.json").read_text())
    settings["resolved"] |= {"conditions": [f"object={name}" for name in "abcdefgh"], "unit_names": {"0": "01A"}}
    settings["resolved"]["window_s"] = [0.0, 0.5]
    (folder / "settings.json").write_text(json.dumps(settings))
    trials = pd.read_csv(folder / "trials.csv")
    trials.assign(at_cue=0.1, at_go=0.2 + 0.005 * trials.trial).to_csv(folder / "trials.csv", index=False)
    for unit in "01":
        place = folder / "units" / unit
        table = pd.read_csv(place / "per_trial.csv")
        table.assign(condition=table.trial % 8).to_csv(place / "per_trial.csv", index=False)
        with np.load(place / "curves.npz") as stored:
            curves = dict(stored)
        for name in ("smooth.condition", "smooth.rate_hz", "smooth.low_hz", "smooth.high_hz"):
            curves[name] = np.repeat(curves[name], 4, axis=0)
        curves["psth.model_by_condition_hz"] = np.repeat(curves["psth.model_by_condition_hz"], 4, axis=1)
        np.savez(place / "curves.npz", **curves)
    return build_report(folder)


def test_rows_of_a_raster_have_their_trials_conditions_and_events(opened: Any, eventful: Path) -> None:
    page = opened(eventful)
    page.evaluate("drawEverything()")
    figure = page.locator("#f-raster")
    words = figure.locator("text").all_text_contents()
    assert {"time from start_time, s", "cue", "go", *"abcdefgh"} <= set(words)
    shown = page.evaluate("Array.from(document.getElementById('f-raster')._fullLayout.yaxis.ticktext)")
    table = pd.read_csv(eventful.parent / "units" / "0" / "per_trial.csv").set_index("trial")
    conditions = table.condition.loc[[int(trial) for trial in shown]].tolist()
    assert conditions == sorted(conditions) and shown[0] == str(table.index[table.condition == 0][0])
    marks = page.evaluate(
        "document.getElementById('f-raster').data.filter((t) => t.name === 'go' && !t.isKey).map((t) => [...t.x])"
    )
    assert len(marks) == 2 and marks[0] == marks[1] and len(marks[0]) == page.evaluate(
        "document.getElementById('f-raster')._fullLayout.yaxis.range[0]"
    )  # fmt: skip


def test_of_many_conditions_those_chosen_are_curves(opened: Any, eventful: Path) -> None:
    page = opened(eventful)
    page.evaluate("drawEverything()")
    curves = "document.getElementById('f-raster').data.filter((t) => /^PSTH/.test(t.name)).map((t) => t.name)"
    assert len(page.evaluate(curves)) == 3
    assert page.evaluate("document.getElementById('f-raster').data.filter((t) => t.type === 'heatmap').length") == 2
    page.get_by_role("button", name="Leave out the curve of").first.click()
    page.select_option("#f-raster-add", label="h")
    assert "PSTH h" in page.evaluate(curves)
    for name in "abcdefg":  # no more than can be told apart
        if page.locator(f"#f-raster-add option:text-is('{name}')").count():
            page.select_option("#f-raster-add", label=name)
    assert len(page.evaluate(curves)) == 6


def test_units_have_the_names_of_the_file(opened: Any, eventful: Path) -> None:
    page = opened(eventful)
    assert page.locator("#unit-page h2").inner_text() == "Unit 0 (01A)"
    assert page.locator("#units button.unit").first.inner_text() == "0 (01A)"
    page.locator("#next").click()
    page.wait_for_function("document.getElementById('unit-name').textContent === '1'")
    assert page.locator("#unit-page h2").inner_text() == "Unit 1"


def test_gains_have_their_numbers(page: Any, runs: tuple[Path, Path]) -> None:
    page.evaluate("drawEverything()")
    pairs = pd.read_csv(runs[0] / "pairs.csv", dtype={"unit": str})
    mine = pairs[(pairs.unit == "0") & (pairs.model_a == "renewal") & (pairs.model_b == "psth-gain")].iloc[0]
    words = page.locator("#f-ladder text").all_text_contents()
    assert f"{mine.gain:+.3f} ({mine.gain_low:+.3f} to {mine.gain_high:+.3f})" in words
    assert page.locator("#steps text", has_text=re.compile(r"^[+-]0\.\d{3}, units")).count() > 0


def test_free_runs_say_what_they_rest_on(page: Any, runs: tuple[Path, Path]) -> None:
    page.evaluate("drawEverything()")
    with np.load(runs[0] / "units" / "0" / "curves.npz") as curves:
        n, runs_each = len(curves["free_run.trials"]), curves["free_run.n_runs"]
    said = f"{n} of 30 trials, each run free {runs_each} times, put together into 20 replicates"
    for name in ("f-isi", "f-acf", "f-serial", "f-fano", "f-predictive"):
        assert page.locator(f"#{name}-note").inner_text().startswith(said)


def test_a_window_as_high_as_the_page_shows_all_of_it(opened: Any, report: Path) -> None:
    page = opened(report, height=20_000)
    assert all(page.locator(f"#{name} .main-svg").count() >= 1 for name in ALWAYS)


#: Texts of a unit's figures that lie over one another, or leave their figure; upright or on their side.
COLLIDING = """() => {
  const found = [];
  for (const plot of document.querySelectorAll("#unit-page .plot, #steps")) {
    const edge = plot.getBoundingClientRect(), box = (e) => [e.textContent, e.getBoundingClientRect()];
    const texts = [...plot.querySelectorAll("text")].map(box).filter(([words, r]) => words.trim() && r.width > 0);
    texts.forEach(([words, a], i) => {
      if (a.left < edge.left - 3 || a.right > edge.right + 3) found.push([plot.id, words]);
      for (const [other, b] of texts.slice(i + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 4 && down > 6) found.push([plot.id, words, other]);
      }
    });
  }
  return found;
}"""


def test_nothing_collides_on_a_phone(opened: Any, eventful: Path) -> None:
    page = opened(eventful, width=390, height=800)
    page.evaluate("drawEverything()")
    assert page.evaluate(COLLIDING) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_models_are_chosen_and_compared(page: Any) -> None:
    page.select_option("#figure-model", "glm")
    page.select_option("#other-model", "renewal")
    page.evaluate("drawEverything()")
    names = page.evaluate("document.getElementById('f-hazard').data.map(t => t.name)")
    assert names == ["data", "renewal", "glm"]
    page.select_option("#other-model", "")
    page.evaluate("drawEverything()")
    assert page.evaluate("document.getElementById('f-hazard').data.length") == 2


@pytest.mark.parametrize("name", ["f-ks", "f-calibration"])
def test_nothing_leaves_its_panel(page: Any, name: str) -> None:
    """Of a good model beside a bad one: the axis holds both, points beyond it are marked at its edge."""
    page.select_option("#figure-model", "glm")
    page.select_option("#other-model", "constant")
    page.evaluate("drawEverything()")
    drawn, low, high = page.evaluate(
        f"(() => {{ const e = document.getElementById('{name}'), [low, high] = e._fullLayout.yaxis.range;"
        " return [e.data.flatMap(t => Array.from(t.y)).filter(v => v !== null), low, high]; })()"
    )
    assert low < min(drawn) < max(drawn) < high
    assert high < 13


def test_pieces_of_the_pit_histogram_are_equally_wide(page: Any) -> None:
    page.evaluate("drawEverything()")
    edges, density = page.evaluate(
        "(([t]) => [Array.from(t.x), Array.from(t.y)])(document.getElementById('f-pit').data)"
    )
    np.testing.assert_allclose(np.diff(edges), 0.05)
    assert (edges[0], edges[-1]) == (0, 1)
    assert np.mean(density[:-1]) == pytest.approx(1, abs=1e-3)


def test_bars_of_the_interval_histogram_tile(page: Any, runs: tuple[Path, Path]) -> None:
    page.evaluate("drawEverything()")
    x, width = page.evaluate(
        "(([t]) => [Array.from(t.x), Array.from(t.width)])(document.getElementById('f-isi').data)"
    )
    middle, half = np.array(x), np.array(width) / 2
    edges = np.load(runs[0] / "units" / "0" / "curves.npz")["isi.edge_ms"]
    np.testing.assert_allclose(middle - half, edges[:-1], rtol=1e-3)
    np.testing.assert_allclose(middle + half, edges[1:], rtol=1e-3)


def test_points_far_off_are_marked_at_the_edge_and_saved_as_they_are(
    opened: Any, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "far_off"
    shutil.copytree(runs[0], folder)
    file = folder / "units" / "0" / "curves.npz"
    curves = dict(np.load(file))
    curves["calibration.lag.z"][:, 0] = -40.0
    np.savez(file, **curves)
    page = opened(build_report(folder))
    page.locator("#f-calibration").scroll_into_view_if_needed()
    page.wait_for_selector("#f-calibration .main-svg")
    trace = page.evaluate("(([t]) => [t.y[0], t.marker.symbol[0]])(document.getElementById('f-calibration').data)")
    assert trace == [-12, "triangle-down"]
    assert "Triangles" in page.locator("#f-calibration-note").inner_text()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save Calibration by stratum as CSV").click()
    assert pd.read_csv(caught.value.path()).y.min() == -40


def test_calibration_names_the_conditions(page: Any) -> None:
    page.evaluate("drawEverything()")
    names = page.locator("#f-calibration .xtick, #f-calibration .x6tick").all_text_contents()
    assert names[-2:] == ["left", "right"]


def test_choosing_a_unit(page: Any, opened: Any, report: Path) -> None:
    page.locator("#units button.unit").nth(1).click()
    assert page.locator("#unit-name").inner_text() == "1"
    page.locator("#previous").press("Enter")
    assert page.locator("#unit-name").inner_text() == "0"
    assert opened(report, "#unit=1").locator("#unit-name").inner_text() == "1"


def test_networks_and_inputs_are_chosen(page: Any) -> None:
    page.select_option("#network-input", "closed-loop")
    page.evaluate("drawEverything()")
    assert "closed-loop" in page.locator("#n-state").get_attribute("aria-label")
    assert page.locator("#networks tbody tr").count() >= 3


def test_sorting_and_filtering(opened: Any, runs: tuple[Path, Path]) -> None:
    page = opened(build_report(runs[1]))
    page.get_by_role("button", name="spikes", exact=True).click()
    counts = [int(text) for text in page.locator("#units tbody tr td:nth-child(2)").all_inner_texts()]
    assert counts == sorted(counts) and len(counts) == 3
    page.locator("#filter").fill("no such unit")
    assert page.locator("#units tbody tr").count() == 0
    assert page.locator("#filter-said").inner_text() == "No unit matches “no such unit” in any column."
    page.locator("#filter-clear").click()
    assert page.locator("#units tbody tr").count() == 3 and not page.locator("#filter-clear").is_visible()
    assert "This run has no network with a step per bin" in page.locator("#network-section").inner_text()


def test_of_many_units_each_part_is_loaded_when_it_is_looked_at(
    opened: Any, runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "FULL_UNITS", 2)
    page = opened(build_report(runs[1], tmp_path / "many.html"), "#unit=2")
    assert page.locator("script.unit-data[data-deflated]").count() == 3
    assert page.locator("#unit-name").inner_text() == "2"
    page.locator("#next").click()
    page.wait_for_function("document.getElementById('unit-name').textContent === '0'")
    page.evaluate("drawEverything()")
    assert page.locator("#f-ladder .main-svg").count() > 0 and page.locator("#pairs tbody tr").count() > 0
    spikes = page.locator("#units tbody tr", has_text="0").first.locator("td").nth(1).inner_text()
    assert page.locator("#unit-words").inner_text().startswith(f"{spikes} held-out spikes")


@pytest.mark.parametrize(
    ("column", "typed", "kept"),
    [
        ("n_spikes", "> {}", lambda n, middle: n > middle),
        ("n_spikes", "<={}", lambda n, middle: n <= middle),
        ("n_spikes", "0 to {}", lambda n, middle: n <= middle),
        ("n_spikes", "{}", lambda n, middle: n == middle),
        ("refractory_kind", "dip", lambda n, middle: True),
        ("refractory_kind", "not dip", lambda n, middle: False),
    ],
)
def test_units_are_filtered_by_a_column(
    opened: Any, runs: tuple[Path, Path], column: str, typed: str, kept: Callable[[int, int], bool]
) -> None:
    page = opened(build_report(runs[1]))
    counts = [int(text) for text in page.locator("#units tbody tr td:nth-child(2)").all_inner_texts()]
    middle = sorted(counts)[1]
    page.select_option("#filter-column", column)
    page.locator("#filter").fill(typed.format(middle))
    found = [int(text) for text in page.locator("#units tbody tr td:nth-child(2)").all_inner_texts()]
    assert found == [n for n in counts if kept(n, middle)]


def test_columns_are_chosen(page: Any) -> None:
    assert page.locator("#units thead").get_by_role("button", name="trials", exact=True).count() == 0
    page.locator("#columns summary").click()
    page.get_by_label("trials", exact=True).check()
    page.get_by_label("bits/spike", exact=True).uncheck()
    assert page.locator("#units tbody tr").first.locator("td").nth(1).inner_text() == "30"
    assert page.locator("#units thead").get_by_role("button", name="bits/spike").count() == 0
    page.keyboard.press("Escape")
    assert not page.locator("#columns fieldset").is_visible()


def test_table_of_units_fits_a_laptop(page: Any) -> None:
    """With kinds, verdicts and captures of both departures, and intervals, at a window of 1280 pixels."""
    assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.getElementById('units').parentNode)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    groups = page.locator("#units thead th.group").evaluate_all("all => all.map(e => [e.textContent, e.colSpan])")
    assert groups[:2] == [["KS test", 2], ["after a spike", 3]]  # a column without any value is left out
    assert [name for name, _ in groups[2:]] == ["recent spikes", "free run"]
    assert " to " in page.locator("#units tbody tr").first.locator("td .interval").first.inner_text()


def test_sections_stand_beside_the_page_and_above_it_on_a_phone(page: Any) -> None:
    side, main = page.locator("#sidebar"), page.locator("#main")
    assert side.bounding_box()["x"] + side.bounding_box()["width"] <= main.bounding_box()["x"]
    page.locator("#sidebar").get_by_role("link", name="Provenance").click()
    page.wait_for_selector("#sidebar a[aria-current=location]:has-text('Provenance')")
    assert page.locator("#sidebar").bounding_box()["y"] == 0  # it stays in sight
    page.locator("#side-units a").nth(1).click()
    page.wait_for_function("document.getElementById('unit-name').textContent === '1'")
    assert page.locator("#side-units a[aria-current]").all_inner_texts() == ["1"]
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth === 390")  # figures follow the window
    assert side.bounding_box()["y"] + side.bounding_box()["height"] <= main.bounding_box()["y"]
    assert not page.locator("#side-units").is_visible()
    page.emulate_media(media="print")
    assert not page.locator("#sidebar").is_visible()


def test_a_section_is_reached_and_the_reader_may_leave_it(page: Any) -> None:
    link = page.locator("#sidebar").get_by_role("link", name="Provenance")
    link.click()
    link.click()  # nothing is left to scroll
    page.wait_for_selector("#sidebar a[aria-current=location]:has-text('Provenance')")
    top = "document.getElementById('provenance').getBoundingClientRect().top"
    page.mouse.move(700, 400)
    for _ in range(50):  # a busy browser may still be scrolling there by itself
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(200)
        if page.evaluate(top) > 600:
            break
    page.wait_for_timeout(1500)
    assert page.evaluate(top) > 300


def test_what_is_captured_stands_in_a_table_too(page: Any, runs: tuple[Path, Path]) -> None:
    rows = [json.loads(line) for line in (runs[0] / "rows.jsonl").read_text().splitlines()]
    glm = next(row for row in rows if (row["unit"], row["model"]) == ("0", "glm"))
    ends = [f"{glm[f'refractory_capture{end}']:.2f}" for end in ("", "_low", "_high")]
    page.get_by_text("The same as a table").click()
    heads = page.locator("#captured-table th").all_inner_texts()
    cell = page.locator("#captured-table tbody tr").first.locator("td").nth(heads.index("after a spike, glm"))
    assert cell.inner_text() == f"{glm['refractory_verdict']}, {ends[0]} ({ends[1]} to {ends[2]})"
    assert page.locator("#p-pairs").count() == 0  # units were not run together: no empty box


def test_one_trial_of_all_units_has_their_recorded_spikes(page: Any, runs: tuple[Path, Path]) -> None:
    """Without a model that reads the other units."""
    page.evaluate("drawEverything()")
    page.locator("#trial-next").click()
    page.wait_for_function("document.getElementById('p-trial-note').textContent.match(/^Trial 1\\b/)")
    tables = [pd.read_csv(runs[0] / "units" / unit / "per_trial.csv") for unit in "01"]
    n_spikes = sum(int(table[table.trial == 1].n_spikes.item()) for table in tables)
    assert f"{n_spikes} spikes of 2 units" in page.locator("#p-trial-note").inner_text()


def test_a_command_is_copied_or_selected(page: Any) -> None:
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', "
        "{value: {writeText: (words) => { window.copied = words; return Promise.resolve(); }}})"
    )
    first = page.locator("#glance .command").first
    first.get_by_role("button", name="Copy the command").click()
    page.wait_for_function("window.copied !== undefined")
    assert page.evaluate("window.copied") == first.locator("code").inner_text()
    assert first.locator("[role=status]").inner_text() == "Copied."
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    first.get_by_role("button", name="Copy the command").click()
    page.wait_for_function("getSelection().toString() === window.copied")
    assert "Selected" in first.locator("[role=status]").inner_text()


def test_dark_and_print(page: Any) -> None:
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.emulate_media(media="print")
    assert not page.locator("#theme").is_visible()
    assert len(page.pdf()) > 20_000


def test_printing_draws_all_figures_on_white(page: Any) -> None:
    page.locator("#theme").click()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    widths = page.evaluate("[...document.querySelectorAll('.plot .main-svg')].map(e => e.clientWidth)")
    assert len(widths) > len(ALWAYS) and max(widths) <= 690
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_keyboard_reaches_the_controls(page: Any) -> None:
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert seen[0] == "skip" and "theme" in seen
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"


def test_figures_have_words_for_those_who_cannot_see_them(page: Any) -> None:
    page.evaluate("drawEverything()")
    labels = page.locator(".plot[role=img]").evaluate_all("all => all.map(e => e.getAttribute('aria-label') || '')")
    assert all(len(label) > 8 for label in labels)
    assert page.locator("#f-hazard").get_attribute("aria-label").startswith("Hazard")
    assert page.locator("button:not(:has-text(' ')):not([aria-label])").evaluate_all("b => b.every(e => e.innerText)")


def test_numbers_of_a_figure_are_saved(page: Any, tmp_path: Path) -> None:
    page.locator("#f-ks").scroll_into_view_if_needed()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save KS plot as CSV").click()
    table = pd.read_csv(caught.value.path())
    assert set(table.trace) == {"psth-gain", "stack"}
    assert table.x.max() == pytest.approx(1)


def test_comparison_links_to_each_unit(opened: Any, runs: tuple[Path, Path], tmp_path: Path) -> None:
    page = opened(build_comparison(list(map(to_compare, runs)), tmp_path / "comparison.html"))
    page.evaluate("drawEverything()")
    for name in ("ladder", "c-forest", "c-verdicts"):
        assert page.locator(f"#{name} .main-svg").count() >= 1, name
    page.locator("#units tbody a").nth(1).click()
    page.wait_for_selector("html[data-ready=yes]")
    assert page.locator("#unit-name").inner_text() == "1"


def test_a_run_in_which_nothing_could_be_fitted(opened: Any, runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    shutil.copytree(runs[1], folder)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    failed = [{**row, "status": "failed", "message": "no <b>memory</b>", "bits_per_spike": None} for row in rows]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in failed))
    page = opened(build_report(folder))
    assert "No unit could be fitted" in page.locator(".summary").inner_text()
    assert "no <b>memory</b>" in page.locator("details td").all_text_contents()


HOSTILE = ["[/nope]", "</script><script>window.ran = 1</script>", "<!--<script>", "<b>x</b> &lt; ]]>", "{{ 7 * 7 }}",
           "a\nb\u2028c", "\x1b[31m\u202egnp", "\"'`$\\frac{"]  # fmt: skip


def test_names_are_shown_as_they_are(opened: Any, tmp_path: Path) -> None:
    """Unit ids, conditions, their column and the session's text are markup to pages, and control characters."""
    start = np.arange(24) + 1.0
    trials = pd.DataFrame({"start_time": start, "stop_time": start + 0.3, "<i>side": HOSTILE[1:3] * 12})
    times = np.sort(np.random.default_rng(0).uniform(0, 26, 400))
    units = tuple(Unit(name, times, np.array([[0.0, 26.0]])) for name in HOSTILE)
    about = {"session_description": HOSTILE[1]}
    write_nwb(tmp_path / "h.nwb", Recording(tmp_path, "", 0, "nwb", units, {"trials": trials}, session=about))
    models = ("constant", "psth")
    run = fit(tmp_path / "h.nwb", models=models, condition="<i>side", out=tmp_path, replicates=0, min_spikes=5)
    page = opened(run / "report.html")
    names = page.locator("#units tbody tr").evaluate_all("rows => rows.map((row) => row.cells[0].textContent)")
    assert names == [visible(name) for name in HOSTILE]
    page.evaluate("drawEverything()")
    named = page.evaluate("document.getElementById('f-raster').data.map((trace) => trace.name)")
    assert "PSTH &lt;!--&lt;script>" in named  # plotly reads entities
    assert {HOSTILE[2], f"{HOSTILE[1][:11]}…"} <= set(page.locator("#f-calibration text").all_text_contents())
    assert page.evaluate("window.ran") is None


def hundred(run: Path, folder: Path) -> Path:
    """A run directory of 100 units: those of a run again and again."""
    rows = [json.loads(line) for line in (run / "rows.jsonl").read_text().splitlines()]
    pairs = pd.read_csv(run / "pairs.csv", dtype={"unit": str})
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("units", "report.html"))
    units = list(dict.fromkeys(row["unit"] for row in rows))
    new_rows, new_pairs = [], []
    for k in range(100):
        unit = units[k % len(units)]
        shutil.copytree(run / "units" / unit, folder / "units" / f"u{k}")
        new_rows += [{**row, "unit": f"u{k}"} for row in rows if row["unit"] == unit]
        new_pairs.append(pairs[pairs.unit == unit].assign(unit=f"u{k}"))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new_rows))
    pd.concat(new_pairs).to_csv(folder / "pairs.csv", index=False)
    return folder


def test_a_hundred_units_stay_small_and_draw_no_more_than_one(
    opened: Any, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    """What takes time when a page opens are its plots: of a hundred units those of one are drawn, as of one."""

    def drawn(page: Any) -> Any:
        page.wait_for_selector("html[data-drawn=yes]")
        return page.evaluate(counts)

    counts = """() => ({
        plots: document.querySelectorAll(".js-plotly-plot").length,
        elements: document.querySelectorAll("*").length,
    })"""
    small = drawn(opened(build_report(runs[0])))
    large = build_report(hundred(runs[0], tmp_path / "large"))
    assert large.stat().st_size < 20_000_000
    page = opened(large)
    found = drawn(page)
    assert found["plots"] == small["plots"] > 0
    n_units = page.locator("#units tbody tr").count()
    assert n_units == 100
    assert found["elements"] < small["elements"] + 60 * n_units
    page.locator("#units button.unit").nth(57).click()
    page.wait_for_function("document.getElementById('unit-name').textContent === 'u57'")  # its part is unpacked first
