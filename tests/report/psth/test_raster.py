"""Pictures of rasters and PSTHs."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from rnnspike.errors import ConfigError
from rnnspike.models.baselines.psth_bands import psth
from rnnspike.report.colours import CONDITION_COLOURS
from rnnspike.report.psth.raster import UNSEEN, Pages, picture, save


@pytest.fixture
def panel(make_trials, rng):
    def build(n_conditions: int = 1, n_trials: int = 12):
        counts = (rng.random((n_trials, 200, 1)) < 0.05).astype(np.uint8)
        observed = np.ones(counts.shape, bool)
        observed[0, 150:] = False
        trials = make_trials(counts, observed=observed, condition=np.arange(n_trials) % n_conditions)
        return trials, psth(trials, rng=rng, n_boot=20)

    return build


def test_a_tick_a_spike_and_unobserved_time_grey(panel) -> None:
    trials, result = panel()
    raster, _ = picture([(trials, result)], "session").subfigs[0].axes
    segments = [segment for lines in raster.collections for segment in lines.get_segments()]
    assert len(segments) == np.count_nonzero(trials.counts)
    grey = raster.images[0].get_array()
    assert (np.asarray(grey)[~trials.observed[:, :, 0]] == to_rgba(UNSEEN)).all()
    assert (np.asarray(grey)[trials.observed[:, :, 0]][:, 3] == 0).all()


def test_curves_have_a_colour_a_condition_and_a_legend(panel) -> None:
    trials, result = panel(3)
    raster, rate = picture([(trials, result)], "session").subfigs[0].axes
    assert [line.get_color() for line in rate.get_lines()[:3]] == [light for light, _ in CONDITION_COLOURS[:3]]
    assert [text.get_text() for text in raster.get_legend().get_texts()] == ["0 (4)", "1 (4)", "2 (4)"]
    np.testing.assert_array_equal(rate.get_lines()[1].get_ydata(), result.rate_hz[1])


def test_many_conditions_become_a_heat_map(panel) -> None:
    trials, result = panel(len(CONDITION_COLOURS) + 2, 24)
    _, rate, bar = picture([(trials, result)], "session").subfigs[0].axes
    np.testing.assert_array_equal(rate.images[0].get_array(), result.rate_hz)
    assert "spikes/s" in bar.get_ylabel()


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_equal_figures_give_equal_bytes(panel, tmp_path: Path, ending: str) -> None:
    drawn = panel(2)
    for name in ("a", "b"):
        save(picture([drawn, drawn], "session"), tmp_path / f"{name}{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {f"a{ending}", f"b{ending}"}


def test_text_in_svg_stays_text(panel, tmp_path: Path) -> None:
    save(picture([panel()], "session"), tmp_path / "new" / "a.svg")
    texts = "".join(ElementTree.parse(tmp_path / "new" / "a.svg").getroot().itertext())
    assert "session, unit 0" in texts and "Rate (spikes/s)" in texts


def test_refusals(panel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        save(picture([panel()], "session"), tmp_path / "a.gif")


@pytest.mark.parametrize("n_units, n_pages", [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_a_pdf_has_as_many_pages_as_its_units_need(panel, tmp_path: Path, monkeypatch, n_units, n_pages) -> None:
    monkeypatch.setattr("rnnspike.report.psth.raster.MOST_UNITS", 2)
    drawn = panel()
    for name in ("a", "b"):
        pages = Pages(tmp_path / f"{name}.pdf", "session", n_units)
        for _ in range(n_units):
            pages.add(*drawn)
        pages.close()
    written = (tmp_path / "a.pdf").read_bytes()
    assert f"/Count {n_pages} ".encode() in written and written == (tmp_path / "b.pdf").read_bytes()
