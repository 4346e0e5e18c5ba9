"""The report as Markdown, for pull requests and lab notebooks."""

from __future__ import annotations

from rnnspike.report import advice, words
from rnnspike.report.load import Run


def to_markdown(run: Run) -> str:
    """Return headline, summary, warnings, findings and the table of rows."""
    headline = words.headline_model(run) if run.units else ""
    has_dynamics = (run.folder / "dynamics" / "rows.jsonl").is_file()
    lines = [f"# {run.name}", "", words.protocol_line(run) + ".", "", " ".join(words.summary(run)), ""]
    if run.units:
        lines += [f"- **Before you believe it:** {said}" for said in advice.warnings(run, headline)]
        lines += [f"- **Next:** {said}" for said in advice.next_steps(run, headline, has_dynamics)] + [""]
    if run.findings:
        lines += ["## Findings", ""]
        lines += [f"- **{each['level']}** {each['id']}: {each['message']}" for each in run.findings]
        lines.append("")
    columns = ("unit", "model", "bits/spike", "95 % interval", "KS D (p)", "refractoriness", "adaptation", "free run")
    lines += ["## Rows", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in run.rows]
    lines += ["", "## Repeat", "", f"    {words.repeat_command(run)}", ""]
    lines += [f"Input sha256 `{run.provenance['sha256']}`, rnnspike {run.provenance['versions']['rnnspike']}.", ""]
    return "\n".join(lines)


def _cells(row: dict[str, object]) -> list[str]:
    def number(key: str, form: str = ".3f") -> str:
        value = row.get(key)
        return "–" if value is None else format(value, form)

    if row["status"] != "ok":
        return [str(row["unit"]), str(row["model"]), f"{row['status']}: {row['message']}", "", "", "", "", ""]
    return [
        str(row["unit"]),
        str(row["model"]),
        number("bits_per_spike"),
        f"{number('bits_per_spike_low')} to {number('bits_per_spike_high')}",
        f"{number('ks_d')} ({number('ks_p', '.2g')})",
        f"{row.get('refractory_verdict') or '–'} {number('refractory_capture', '.2f')}",
        f"{row.get('adaptation_verdict') or '–'} {number('adaptation_capture', '.2f')}",
        str(row.get("free_run_stability") or "–"),
    ]
