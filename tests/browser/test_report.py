"""The report in a real browser: renders, asks nothing of a network, answers clicks and keys."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnnspike.report.build import build_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

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
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import importlib.util

    source = Path(__file__).parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_runs", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return build_report(module.small_run(tmp_path_factory.mktemp("browser"), n_units=3))


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.heard, tab.requests = [], []
    tab.on("console", lambda message: tab.heard.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: tab.heard.append(str(error)))
    tab.on("request", lambda request: tab.requests.append(request.url))
    tab.goto(report.as_uri())
    tab.wait_for_selector("html[data-ready=yes]")
    yield tab
    assert tab.heard == []
    assert [url for url in tab.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    tab.close()


def test_renders(page: Any) -> None:
    assert page.locator("h1").inner_text() == "small"
    assert page.locator("#ladder .main-svg").count() >= 1
    assert page.locator("#f-hazard .scatterlayer .trace").count() == 4
    assert page.locator(".tile").count() == 4


def test_choosing_a_unit(page: Any) -> None:
    page.locator("#units button.unit").nth(2).click()
    assert page.locator("#unit-name").inner_text() == "2"
    page.locator("#previous").press("Enter")
    assert page.locator("#unit-name").inner_text() == "1"


def test_sorting_and_filtering(page: Any) -> None:
    page.get_by_role("button", name="spikes", exact=True).click()
    counts = [int(text) for text in page.locator("#units tbody tr td:nth-child(2)").all_inner_texts()]
    assert counts == sorted(counts)
    page.locator("#filter").fill("no such unit")
    assert page.locator("#units tbody tr").count() == 0


def test_dark_and_print(page: Any) -> None:
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.emulate_media(media="print")
    assert not page.locator("#theme").is_visible()
    assert len(page.pdf()) > 20_000


def test_figures_have_words_for_those_who_cannot_see_them(page: Any) -> None:
    labels = page.locator(".plot[role=img]").evaluate_all("all => all.map(e => e.getAttribute('aria-label') || '')")
    assert all(len(label) > 8 for label in labels)


def test_a_hundred_units_stay_small_and_quick(browser: Any, report: Path, tmp_path: Path) -> None:
    """The page of three units with each repeated up to a hundred, as large as a real run of 100 would be."""
    text = report.read_text("utf-8")
    block = text[text.index('<script type="application/json" class="unit-data">') :]
    unit = block[: block.index("</script>") + len("</script>")]
    large = tmp_path / "large.html"
    large.write_text(text.replace(unit, "\n".join([unit] * 98)), "utf-8")
    assert large.stat().st_size < 20_000_000
    tab = browser.new_page()
    start = time.perf_counter()
    tab.goto(large.as_uri())
    tab.wait_for_selector("html[data-ready=yes]")
    elapsed = time.perf_counter() - start
    tab.close()
    assert elapsed < 20  # interactive within 3 s on an idle machine; a bound that only a hang exceeds
