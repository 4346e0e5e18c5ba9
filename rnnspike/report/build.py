"""``report.html``: one self-contained page from one run directory."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from rnnspike._version import __version__
from rnnspike.evaluation.free_running.free_run import least_p
from rnnspike.evaluation.shared.capture import LEAST_P, LEAST_P_SHUFFLED
from rnnspike.files import write_file
from rnnspike.names import visible
from rnnspike.report import advice, catalogue, guide, tallies, words
from rnnspike.report.cells import KIND_WORDS, page_columns
from rnnspike.report.colours import CONDITION_COLOURS, EVENT_COLOURS, all_colours
from rnnspike.report.decoding import (
    covariate_payload,
    covariate_sentence,
    covariate_table,
    decoding_payload,
    decoding_sentence,
    decoding_table,
)
from rnnspike.report.load import Run, load_run
from rnnspike.report.methods.text import methods
from rnnspike.report.network import has_dynamics, network_payload, why_no_network
from rnnspike.report.overview.commands import run_folder
from rnnspike.report.overview.dropped import dropped
from rnnspike.report.overview.findings import listed
from rnnspike.report.packing import columnar, deflated, to_script
from rnnspike.report.payload import links_payload, unit_payload
from rnnspike.report.population.pairs import captured_models, correlations_payload
from rnnspike.report.population.shared import shared_payload
from rnnspike.report.population.single_trials import single_trials, trials_payload
from rnnspike.report.trials.events import session_payload

#: From so many units on, a page keeps fewer points a unit.
FULL_UNITS = 25
#: What figures of all units show beside the columns of the table, each with the ends of its interval.
GLANCE = (
    "model",
    *("refractory_verdict", "refractory_capture", "adaptation_verdict", "adaptation_capture"),
    *("shared_verdict", "shared_capture"),
    *("population_base", "population_gain", "population_null", "population_difference"),
)
#: Scripts in the order in which they stand in the page.
SCRIPTS = (
    "core.js",
    "glance.js",
    "table.js",
    "sidebar.js",
    "commands.js",
    "steps.js",
    "unit.js",
    "raster.js",
    "population.js",
    "matrices.js",
    "trials.js",
    "decode.js",
    "fit.js",
    "freerun.js",
    "network.js",
    "comparison.js",
    "start.js",
)


def build_report(folder: str | Path, out: Path | None = None) -> Path:
    """Write ``report.html`` into a run directory, or to ``out``, and return its path.

    The page is derived from the run directory alone, holds no time, path or host, and equal runs give equal bytes.

    Parameters
    ----------
    folder
        A finished run directory.
    out
        Where to write instead.

    Returns
    -------
    Path
        The page.
    """
    run = load_run(folder)
    path = out or run.folder / "report.html"
    write_file(path, render(run).encode("utf-8"))
    return path


def write_report(folder: Path, wanted: bool = True) -> None:
    """Build the report of a run where it is wanted and not there yet."""
    if wanted and not (folder / "report.html").is_file():
        build_report(folder)


def render(run: Run) -> str:
    """Return the page of one run."""
    share = min(1.0, FULL_UNITS / max(1, len(run.units)))
    headline = tallies.headline_model(run) if run.units else ""
    section, network, shown = methods(run), network_payload(run), overview(run, headline)
    trials = shown["trials"]
    return page(
        "report.html.j2",
        title=f"{run.name} · rnnspike",
        run=run,
        headline=headline,
        protocol=words.protocol_line(run),
        summary=words.summary(run),
        warnings=advice.warnings(run, headline) if run.units else [],
        next_steps=advice.next_steps(run, headline, has_dynamics(run)) if run.units else [],
        tiles=tiles(run, headline) if run.units else [],
        findings=listed(run.findings),
        overview=Markup(to_script(shown)),
        units=[Markup(unit_script(run, unit, share)) for unit in run.units],
        deflated=share < 1,
        dropped=dropped(run),
        captured=len(run.units) > 1 and any(shown["captured"].values()),
        correlations=shown["correlations"] is not None,
        population=any(row.get("population_gain") is not None for row in run.rows),
        single_trials=trials is not None,
        gains=trials is not None and "gain" in trials,
        states=trials is not None and "state.model" in trials,
        decoding=decoding_table(run.decoding) if run.decoding else None,
        decoding_sentence=decoding_sentence(run.decoding) if run.decoding else None,
        covariate=covariate_table(run.decoded_covariate) if run.decoded_covariate else None,
        covariate_sentence=covariate_sentence(run.decoded_covariate) if run.decoded_covariate else None,
        no_network=None if network else why_no_network(run),
        network=Markup(to_script(network)) if network else None,
        network_population=any("pattern_hz" in each["memory"] for each in (network or {}).get("networks", ())),
        settings=run.settings["settings"],
        versions=run.provenance["versions"],
        sha256=run.provenance["sha256"],
        input_name=run.input_name,
        command=words.repeat_command(run),
        methods=escape(section.as_text()),
        bibtex=escape(section.as_bibtex()),
    )


def unit_script(run: Run, unit: str, share: float) -> str:
    """Return what the page holds of a unit: JSON, compressed where there are many units."""
    script = to_script(unit_payload(run, unit, share))
    return deflated(script) if share < 1 else script


def page(template: str, **values: Any) -> str:
    """Return a page from its template, with what every page has."""
    return (
        _environment()
        .get_template(template)
        .render(guide=guide, catalogue=catalogue, version=__version__, **values, **_assets())
    )


def overview(run: Run, headline: str) -> dict[str, Any]:
    """Return what the ladder and the table of units show."""
    simplest = tallies.sufficient(run, headline) if run.units else {}
    columns = page_columns()
    shown = [
        f"{name}{end}" for name in (*(each["key"] for each in columns), *GLANCE) for end in ("", "_low", "_high")
    ]
    return {
        "models": run.models,
        "headline": headline,
        "units": run.units,
        "run_folder": run_folder(run),
        "rows": columnar([{name: row.get(name) for name in shown} for row in run.rows if row["status"] == "ok"]),
        "sufficient": simplest,
        "steps": (steps := tallies.steps(run)),
        "gain_unit": tallies.gain_unit(steps),
        "colours": all_colours(run.models),
        "condition_colours": CONDITION_COLOURS,
        "event_colours": EVENT_COLOURS,
        "unit_names": run.unit_names,
        "session": session_payload(run),
        "kinds": KIND_WORDS,
        "columns": columns,
        "links": links_payload(run),
        "captured": captured_models(run),
        "shared": shared_payload(run.population),
        "least_p": {"predictive": least_p(run.n_replicates), "shared": LEAST_P, "shuffled": LEAST_P_SHUFFLED},
        "correlations": correlations_payload(run.population),
        "trials": trials_payload(single_trials(run)),
        "decoding": decoding_payload(run.decoding),
        "covariate": covariate_payload(run.decoded_covariate),
    }


def tiles(run: Run, model: str) -> list[dict[str, Any]]:
    """Return the verdict tiles: what, how many of how many, and what must be known beside it."""
    rows = tallies.scored(run, model)
    found: list[dict[str, Any]] = []
    for departure, kinds, title in (
        ("refractory", tallies.DIPS, "Refractory dip captured"),
        ("adaptation", tallies.FALLING, "Adaptation captured"),
    ):
        counts = tallies.verdict_counts(run, model, departure)
        mine = sum((counts.get(kind, Counter()) for kind in kinds), Counter[str]())
        unjudged = mine.pop("cannot be judged", 0)
        rest = [f"{mine[verdict]} {verdict}" for verdict in words.VERDICTS[1:] if mine[verdict]]
        rest += [f"{unjudged} cannot be judged"] if unjudged else []
        other = {kind: sum(verdicts.values()) for kind, verdicts in counts.items() if kind not in (*kinds, "none")}
        rest += [f"{kind} on {n}" for kind, n in other.items()]
        found.append({"title": title, "count": mine["captured"], "of": sum(mine.values()), "rest": rest})
    tested = [row for row in rows if row["ks_p"] is not None]
    passed = sum(row["ks_p"] >= 0.05 for row in tested)
    chance = "at 5 %; by chance at most 1 in 20 fails"
    found.append({"title": "KS test passed", "count": passed, "of": len(tested), "rest": [chance]})
    run_free = [row for row in rows if row.get("free_run_stability")]
    stable = sum(row["free_run_stability"] == "stable" for row in run_free)
    rest = [words.rate_words(run_free), words.simulated_trials(run_free)]
    none = ["not simulated (--replicates 0)"]
    found.append(
        {"title": "Free run stable", "count": stable, "of": len(run_free), "rest": rest if run_free else none}
    )
    return found


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("rnnspike.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )


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
