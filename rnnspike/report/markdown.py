"""The report as Markdown, for pull requests and lab notebooks."""

from __future__ import annotations

import re
from typing import Any

from rnnspike.names import visible
from rnnspike.report import advice, tallies, words
from rnnspike.report.cells import HEADINGS, cells
from rnnspike.report.load import Run
from rnnspike.report.network import has_dynamics


def to_markdown(run: Run) -> str:
    """Return headline, summary, warnings, findings and the table of rows; no name is markup."""
    headline = tallies.headline_model(run) if run.units else ""
    lines = [f"# {_as_is(run.name)}", "", _as_is(words.protocol_line(run)) + ".", ""]
    lines += [_as_is(" ".join(words.summary(run))), ""]
    if run.units:
        lines += [f"- **Before you believe it:** {_as_is(said)}" for said in advice.warnings(run, headline)]
        for step in advice.next_steps(run, headline, has_dynamics(run)):
            lines += [f"- **Next:** {_as_is(step.text)}", *_code(step.command)]
        lines.append("")
    if run.findings:
        lines += ["## Findings", ""]
        lines += [f"- **{each['level']}** {each['id']}: {_as_is(each['message'])}" for each in run.findings]
        lines.append("")
    columns = ("unit", "model", *HEADINGS)
    lines += ["## Rows", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(_as_is, _cells(row))) + " |" for row in run.rows]
    lines += ["", "## Repeat", "", f"    {visible(words.repeat_command(run))}", ""]
    lines += [f"Input sha256 `{run.provenance['sha256']}`, rnnspike {run.provenance['versions']['rnnspike']}.", ""]
    return "\n".join(lines)


def _code(command: str | None) -> list[str]:
    """Return the lines of a command as code below an item of a list."""
    return ["", *(f"      {visible(line)}" for line in command.split("\n")), ""] if command else []


def _as_is(text: str) -> str:
    """Return a text that Markdown shows as it stands: no tag, link, emphasis or column begins in it."""
    return re.sub(r"(?<!\w)[*_]|[*_](?!\w)|[\\`<>\[\]|]", lambda found: f"\\{found[0]}", visible(text))


def _cells(row: dict[str, Any]) -> list[str]:
    head = [str(row["unit"]), str(row["model"])]
    if row["status"] != "ok":
        return [*head, f"{row['status']}: {row['message']}", *[""] * (len(HEADINGS) - 1)]
    return [*head, *(each.text for each in cells(row))]
