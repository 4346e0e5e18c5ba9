"""``report.html``: one self-contained page from one run directory, or a comparison from several."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rnnspike._version import __version__
from rnnspike.report import words
from rnnspike.report.load import Run, load_run
from rnnspike.report.payload import to_script, unit_payload
from rnnspike.runs.store import read_jsonl, write_bytes

DEFINITIONS = {
    "bits/spike": "Log-likelihood of the held-out trials minus that of the training-mean rate, over held-out spikes "
    "and ln 2: a ratio of sums. The interval is a paired bootstrap over trials (science b.2, b.13).",
    "KS D": "Largest distance of the time-rescaled intervals from the unit exponential, corrected for discrete time, "
    "on the clock of all held-out trials laid end to end; p is the median over randomisations (b.1).",
    "refractory capture": "1 - (D(model) - S)/(D(psth-gain) - S), D the deviance of spikes by time since the last "
    "spike, S the number of strata. 1: as good as the truth; 0: no better than without spike history (a).",
    "adaptation capture": "The same by number of spikes in the last 100, 500 and 1000 ms, beyond the recovery from "
    "the last spike (a).",
    "free run": "The model fed its own spikes over held-out trials: rate over the recorded rate, and whether it "
    "stays bounded (b.5).",
}

NOT_CLAIMED = (
    "A gain in bits/spike says that the past helps to predict spikes, not by which mechanism.",
    "Adaptation capture includes slow drive that spikes announce; it is no proof of a current in the cell.",
    "Units of one recording are not independent; intervals are over trials of one unit.",
    "A model that passes the KS test is not shown to be true; with few intervals only large misfits can be seen.",
)


def build_report(folder: Path) -> Path:
    """Write ``report.html`` into a run directory and return its path.

    The page is derived from the run directory alone, holds no time, path or host, and equal runs give equal bytes.
    """
    run = load_run(folder)
    path = folder / "report.html"
    write_bytes(path, render(run).encode("utf-8"))
    return path


def render(run: Run) -> str:
    """Return the page of one run."""
    share = min(1.0, 25.0 / max(1, len(run.units)))
    headline = words.headline_model(run) if run.units else ""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=f"{run.name} · rnnspike",
            run=run,
            headline=headline,
            protocol=words.protocol_line(run),
            summary=words.summary(run),
            tiles=tiles(run, headline) if run.units else [],
            findings=run.findings,
            overview=Markup(to_script(overview(run, headline))),
            units=[Markup(to_script(unit_payload(run, unit, share))) for unit in run.units],
            left_out=[row for row in run.rows if row["status"] != "ok"],
            dynamics=dynamics_of(run),
            settings=run.settings["settings"],
            versions=run.provenance["versions"],
            sha256=run.provenance["sha256"],
            input_name=Path(run.provenance["input"]).name,
            command=words.repeat_command(run),
            definitions=DEFINITIONS,
            not_claimed=NOT_CLAIMED,
            version=__version__,
            **_assets(),
        )
    )


def overview(run: Run, headline: str) -> dict[str, Any]:
    """Return what the ladder and the table of units show."""
    return {
        "models": run.models,
        "headline": headline,
        "units": run.units,
        "rows": [row for row in run.rows if row["status"] == "ok"],
    }


def tiles(run: Run, model: str) -> list[dict[str, Any]]:
    """Return the verdict tiles: what, how many of how many, and the other counts."""
    rows = words.scored(run, model)
    found: list[dict[str, Any]] = []
    for kind, title in (("refractory", "Refractoriness captured"), ("adaptation", "Adaptation captured")):
        counts = words.verdict_counts(run, model, kind)
        judged = sum(number for verdict, number in counts.items() if verdict != "nothing to capture")
        rest = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if verdict != "captured")
        found.append({"title": title, "count": counts.get("captured", 0), "of": judged, "rest": rest})
    tested = [row for row in rows if row["ks_p"] is not None]
    passed = sum(row["ks_p"] >= 0.05 for row in tested)
    found.append({"title": "KS test passed", "count": passed, "of": len(tested), "rest": "at 5 %, held-out trials"})
    run_free = [row for row in rows if row.get("free_run_stability")]
    stable = sum(row["free_run_stability"] == "stable" for row in run_free)
    found.append({"title": "Free run stable", "count": stable, "of": len(run_free), "rest": "fed its own spikes"})
    return found


def dynamics_of(run: Run) -> dict[str, Any] | None:
    """Return rows and pictures of ``rnnspike dynamics``, where it has been run."""
    folder = run.folder / "dynamics"
    if not (folder / "rows.jsonl").is_file():
        return None
    pictures = [
        {"name": file.stem, "data": base64.b64encode(file.read_bytes()).decode("ascii")}
        for file in sorted(folder.rglob("*.png"))[:40]
    ]
    return {"rows": read_jsonl(folder / "rows.jsonl"), "pictures": pictures}


def build_comparison(folders: Sequence[Path], path: Path) -> Path:
    """Write one page that compares several runs."""
    runs = [load_run(folder) for folder in folders]
    rows = [row for run in runs for row in run.rows if row["status"] == "ok"]
    models = list(dict.fromkeys(model for run in runs for model in run.models))
    page = (
        _environment()
        .get_template("comparison.html.j2")
        .render(
            title=f"{len(runs)} recordings · rnnspike",
            runs=[
                {
                    "name": run.name,
                    "protocol": words.protocol_line(run),
                    "summary": words.summary(run)[:1],
                    "headline": words.headline_model(run) if run.units else "–",
                }
                for run in runs
            ],
            overview=Markup(to_script({"models": models, "rows": rows, "recordings": [run.name for run in runs]})),
            definitions=DEFINITIONS,
            version=__version__,
            **_assets(),
        )
    )
    write_bytes(path, page.encode("utf-8"))
    return path


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
    return {
        "css": Markup((templates / "report.css").read_text("utf-8")),
        "script": Markup((templates / "report.js").read_text("utf-8")),
        "plotly": Markup(plotly.read_text("utf-8").replace("</script", "<\\/script")),
    }
