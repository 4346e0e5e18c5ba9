"""``report.html``: one self-contained page from one run directory."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rnnspike._version import __version__
from rnnspike.report import advice, guide, words
from rnnspike.report.colours import COLOURS, OTHER
from rnnspike.report.load import Run, load_run
from rnnspike.report.network import network_payload
from rnnspike.report.packing import to_script
from rnnspike.report.payload import unit_payload
from rnnspike.runs.store import write_bytes

#: From so many units on, a page keeps fewer points a unit.
FULL_UNITS = 25
#: Scripts in the order in which they stand in the page.
SCRIPTS = ("core.js", "glance.js", "unit.js", "fit.js", "freerun.js", "network.js", "comparison.js", "start.js")


def build_report(folder: str | Path, out: Path | None = None) -> Path:
    """Write ``report.html`` into a run directory, or to ``out``, and return its path.

    The page is derived from the run directory alone, holds no time, path or host, and equal runs give equal bytes.
    """
    run = load_run(folder)
    path = out or run.folder / "report.html"
    write_bytes(path, render(run).encode("utf-8"))
    return path


def write_report(folder: Path, wanted: bool = True) -> None:
    """Build the report of a run where it is wanted and not there yet."""
    if wanted and not (folder / "report.html").is_file():
        build_report(folder)


def render(run: Run) -> str:
    """Return the page of one run."""
    share = min(1.0, FULL_UNITS / max(1, len(run.units)))
    headline = words.headline_model(run) if run.units else ""
    network = network_payload(run.folder / "dynamics", run.units)
    return page(
        "report.html.j2",
        title=f"{run.name} · rnnspike",
        run=run,
        headline=headline,
        protocol=words.protocol_line(run),
        summary=words.summary(run),
        warnings=advice.warnings(run, headline) if run.units else [],
        next_steps=advice.next_steps(run, headline, network is not None) if run.units else [],
        tiles=tiles(run, headline) if run.units else [],
        findings=run.findings,
        overview=Markup(to_script(overview(run, headline))),
        units=[Markup(to_script(unit_payload(run, unit, share))) for unit in run.units],
        left_out=[row for row in run.rows if row["status"] != "ok"],
        network=Markup(to_script(network)) if network else None,
        settings=run.settings["settings"],
        versions=run.provenance["versions"],
        sha256=run.provenance["sha256"],
        input_name=Path(run.provenance["input"]).name,
        command=words.repeat_command(run),
    )


def page(template: str, **values: Any) -> str:
    """Return a page from its template, with what every page has."""
    return _environment().get_template(template).render(guide=guide, version=__version__, **values, **_assets())


def overview(run: Run, headline: str) -> dict[str, Any]:
    """Return what the ladder and the table of units show."""
    simplest = words.sufficient(run, headline) if run.units else {}
    return {
        "models": run.models,
        "headline": headline,
        "units": run.units,
        "rows": [row for row in run.rows if row["status"] == "ok"],
        "sufficient": simplest,
        "steps": steps(run),
        "colours": {**COLOURS, "": OTHER},
    }


def steps(run: Run) -> list[dict[str, Any]]:
    """Return the paired gain of each rung over the one before it, for every unit."""
    found = []
    for before, model in zip(run.models, run.models[1:], strict=False):
        for unit, gain, low, high in words.gains_over(run, model, before):
            found.append({"unit": unit, "model": model, "over": before, "gain": gain, "low": low, "high": high})
    return found


def tiles(run: Run, model: str) -> list[dict[str, Any]]:
    """Return the verdict tiles: what, how many of how many, and what must be known beside it."""
    rows = words.scored(run, model)
    found: list[dict[str, Any]] = []
    for kind, title in (("refractory", "Refractoriness captured"), ("adaptation", "Adaptation captured")):
        counts = words.verdict_counts(run, model, kind)
        judged = sum(number for verdict, number in counts.items() if verdict != "nothing to capture")
        rest = [f"{number} {verdict}" for verdict, number in counts.items() if verdict != "captured"]
        found.append({"title": title, "count": counts.get("captured", 0), "of": judged, "rest": rest})
    tested = [row for row in rows if row["ks_p"] is not None]
    passed = sum(row["ks_p"] >= 0.05 for row in tested)
    chance = "at 5 %; by chance at most 1 in 20 fails"
    found.append({"title": "KS test passed", "count": passed, "of": len(tested), "rest": [chance]})
    run_free = [row for row in rows if row.get("free_run_stability")]
    stable = sum(row["free_run_stability"] == "stable" for row in run_free)
    simulated = f"{run.n_simulated} trials simulated" if run.n_simulated else "not simulated (--replicates 0)"
    found.append(
        {
            "title": "Free run stable",
            "count": stable,
            "of": len(run_free),
            "rest": [simulated],
        }
    )
    return found


def number(value: Any, form: str = ".3f") -> str:
    """Return a number as the page shows it, a dash where it is undefined."""
    return "–" if value is None else format(value, form)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rnnspike.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


@lru_cache(maxsize=1)
def _assets() -> dict[str, Markup]:
    templates = resources.files("rnnspike.report") / "templates"
    plotly = resources.files("plotly") / "package_data" / "plotly.min.js"
    own = "\n".join((templates / name).read_text("utf-8") for name in SCRIPTS)
    return {
        "css": Markup((templates / "report.css").read_text("utf-8")),
        "script": Markup(f'"use strict";\n(function () {{\n{own}\n}})();'),
        "plotly": Markup(plotly.read_text("utf-8").replace("</script", "<\\/script")),
    }
