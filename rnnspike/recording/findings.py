"""Everything that can be wrong or unusual in a recording: an id, a level and the option that corrects it.

Checks (``recording.checks``) and readers (``recording.formats``) report findings of these kinds only. An error
that leaves nothing to read is raised at once (``fatal``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Finding, Level


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding: its level, what it means and the option that corrects it."""

    id: str
    level: Level
    meaning: str
    option: str | None = None


FINDINGS: dict[str, FindingKind] = {
    kind.id: kind
    for kind in (
        FindingKind("no-units-table", "error", "the file holds no units", "--units-table"),
        FindingKind("no-spike-times", "error", "the units table holds no spike times", "--units-table"),
        FindingKind(
            "units-table-ambiguous", "error", "several units tables and none is the main one", "--units-table"
        ),
        FindingKind("units-index-broken", "error", "the index of the spike times does not match them"),
        FindingKind("nwb-1", "error", "NWB 1.x, which has no tables"),
        FindingKind("truncated", "error", "the file ends too early"),
        FindingKind("locked", "error", "another program has the file open for writing"),
        FindingKind("link-broken", "warning", "the target of a link is missing; an error if the link leads to units"),
        FindingKind(
            "link-outside",
            "warning",
            "a link to outside the recording's folder is not followed; an error if it leads to units",
            "--follow-links",
        ),
        FindingKind("filter-missing", "error", "a dataset is compressed with a filter that is not installed"),
        FindingKind(
            "sampling-rate-missing", "error", "spike times are sample indices and no rate is given", "--sampling-rate"
        ),
        FindingKind("pickle-refused", "error", "pickles can run code", "--allow-pickle"),
        FindingKind("clock-reset", "error", "spike times step back by more than 1 s: the clock was reset"),
        FindingKind("trial-relative-times", "error", "spike times are relative to their trial's start"),
        FindingKind("spike-times-scale", "error", "spike times are not in seconds", "--time-scale"),
        FindingKind(
            "event-times-scale",
            "error",
            "trials are not in seconds, though spikes are",
            "--events",
        ),
        FindingKind("spike-times-infinite", "error", "infinite spike times"),
        FindingKind("event-times-equal", "error", "all trials start at the same time", "--events"),
        FindingKind("spike-times-unsorted", "warning", "spike times step back by up to 1 s: sorted"),
        FindingKind("spike-times-nan", "warning", "NaN spike times (padding): dropped"),
        FindingKind("spike-times-sentinel", "warning", "-1 or trailing zeros as padding: dropped"),
        FindingKind(
            "float32-times", "warning", "times stored as float32: converted to float64, their rounding remains"
        ),
        FindingKind("duplicate-spikes", "warning", "spikes that repeat a time exactly: kept", "--drop-duplicates"),
        FindingKind("duplicates-dropped", "info", "spikes that repeat a time exactly: dropped, as asked"),
        FindingKind("short-isis", "warning", "inter-spike intervals under 1 ms: kept", "--units"),
        FindingKind("contaminated-unit", "warning", "refractory violations indicate foreign spikes", "--units"),
        FindingKind("units-identical", "warning", "two units have the same spikes", "--units"),
        FindingKind(
            "units-share-spikes", "warning", "two units share spike times beyond chance: split clusters", "--units"
        ),
        FindingKind("unit-ids-repeated", "warning", "unit ids repeat: a number is added"),
        FindingKind(
            "cluster-labels-differ", "warning", "label files disagree on a cluster's group: the curated one is used"
        ),
        FindingKind("cluster-labels-broken", "warning", "rows of a label file without a cluster id: left out"),
        FindingKind("obs-intervals-overlap", "warning", "observed intervals overlap: merged"),
        FindingKind("obs-intervals-bad", "warning", "observed intervals without a duration: dropped"),
        FindingKind(
            "obs-intervals-open", "warning", "observed intervals without an end: extended to the end of the recording"
        ),
        FindingKind("invalid-times-bad", "warning", "invalid times without a duration: not used"),
        FindingKind("spikes-outside-observed", "warning", "spikes outside the observed intervals: not scored"),
        FindingKind(
            "event-times-nan", "warning", "rows without a start time: used only with another column", "--align"
        ),
        FindingKind("stop-times-nan", "warning", "rows without a stop time: used only with a window", "--window"),
        FindingKind(
            "intervals-not-positive",
            "warning",
            "rows that stop before they start: used only with a window",
            "--window",
        ),
        FindingKind("table-column-broken", "warning", "a column of a table cannot be read: left out"),
        FindingKind("table-broken", "warning", "a table cannot be read: left out"),
        FindingKind("units-column-broken", "warning", "a column of the units cannot be read: left out"),
        FindingKind("metadata-broken", "warning", "metadata of the session cannot be read: left out"),
        FindingKind(
            "sampling-rate-doubtful",
            "warning",
            "the given sampling rate leads to implausible times",
            "--sampling-rate",
        ),
        FindingKind("blocks-left-out", "warning", "several Neo blocks in a file: only the first is read"),
        FindingKind("covariate-broken", "warning", "a time series has no usable times or values: left out"),
        FindingKind(
            "covariate-clock-reset",
            "warning",
            "times of a series step back by more than 1 s: not usable as a covariate",
        ),
        FindingKind("covariate-empty", "warning", "a series without any number: not usable as a covariate"),
        FindingKind(
            "covariate-off-trials",
            "warning",
            "a series that does not overlap any trial: not usable as a covariate",
            "--event-offset",
        ),
        FindingKind("covariate-unsorted", "warning", "times of a series are not ascending: sorted"),
        FindingKind("covariate-infinite", "warning", "infinite samples of a series: treated as missing"),
        FindingKind("covariate-constant", "warning", "a constant series: not usable as a covariate"),
        FindingKind("intervals-are-events", "info", "no interval has a duration: treated as events"),
        FindingKind("covariate-nan", "info", "NaN in a series: bins without a sample are not scored"),
        FindingKind("no-obs-intervals", "info", "no observed intervals: exposure is assumed to be the trials"),
        FindingKind("silent-unit", "info", "units without spikes: kept, their metrics are null"),
        FindingKind("negative-times", "info", "spikes before the session's time zero"),
        FindingKind("no-trials", "info", "no trials table", "--segment 2s"),
        FindingKind("several-tables", "info", "several tables to align to", "--trials"),
        FindingKind("several-units-tables", "info", "several units tables; the main one is read", "--units-table"),
        FindingKind("extension-types", "info", "data types of an NWB extension: read without the extension"),
        FindingKind("reference-time-offset", "info", "the time reference is not the start of the session"),
        FindingKind("segments-laid-out", "info", "segments without a common clock: placed one after another"),
        FindingKind("trial-extent-assumed", "info", "the file does not say when trials start and stop", "--events"),
        FindingKind("noise-clusters", "info", "clusters labelled noise by the sorter: left out"),
        FindingKind("labels-without-spikes", "info", "labels of clusters that have no spikes: left out"),
        FindingKind("clusters-from-templates", "info", "no spike_clusters.npy: units are the sorter's templates"),
        FindingKind("unsorted-clusters", "info", "unsorted spikes kept as units", "--units"),
        FindingKind("tables-rescaled", "info", "times in the same unit as the spike times were scaled too"),
        FindingKind(
            "times-not-scaled",
            "info",
            "times that do not look like the spikes' unit were not scaled",
            "--time-scale",
        ),
        FindingKind("events-shifted", "info", "times of trials and events were shifted", "--event-offset"),
        FindingKind(
            "times-not-shifted", "info", "times on the clock of the recording were not shifted", "--event-offset"
        ),
        FindingKind("events-file", "info", "trials read from the events file"),
        FindingKind(
            "rates-read-as", "warning", "given rates: what their values are was inferred from the spikes", "--rates"
        ),
        FindingKind("rates-resampled", "warning", "given rates: resampled to the bins, expected counts conserved"),
        FindingKind("rates-units-missing", "warning", "given rates: not of all units"),
        FindingKind("rates-zero", "warning", "given rates: 0 in bins that hold a spike"),
        FindingKind(
            "rates-level", "warning", "given rates: far more or fewer spikes expected than recorded", "--rates"
        ),
        FindingKind("rates-shifted", "warning", "given rates: they fit the spikes better when shifted by bins"),
        FindingKind("rates-in-sample", "warning", "given rates: they seem to have seen the spikes that are scored"),
        FindingKind("rates-other-units", "warning", "given rates: those of one unit seem to stand for another"),
        FindingKind("rates-trial-order", "warning", "given rates: their trials seem to be in another order"),
    )
}


#: Findings that tables could not be read: a recording may then have trials although none were read.
TABLES_UNREAD = ("link-broken", "link-outside", "table-broken")


def found(
    finding_id: str, message: str, *, count: int = 0, unit: str | None = None, option: str | None = None
) -> Finding:
    """Return a finding of a registered kind; ``option`` replaces the kind's option."""
    kind = FINDINGS[finding_id]
    return Finding(
        kind.id, kind.level, message, count=count, unit=unit, option=kind.option if option is None else option or None
    )


def fatal(path: object, finding_id: str, message: str, option: str | None = None) -> RecordingError:
    """Return the error for a finding that leaves nothing to read."""
    kind = FINDINGS[finding_id]
    return RecordingError(path, message, option or kind.option, finding_id)


def group_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with those of the same id over several units merged; errors first.

    A merged message states the number of units, what the finding means and the three most affected units.
    """
    order = {"error": 0, "warning": 1, "info": 2}
    groups: dict[str, list[Finding]] = {}
    for item in findings:
        groups.setdefault(item.id if item.unit is not None else f"{item.id} {item.message}", []).append(item)
    merged = [members[0] if len(members) == 1 else _merged(members) for members in groups.values()]
    return sorted(merged, key=lambda item: order[item.level])


def _merged(members: list[Finding]) -> Finding:
    worst = sorted(members, key=lambda item: -item.count)
    kind = FINDINGS.get(members[0].id)
    named = ", ".join(f"{item.unit} ({item.count})" for item in worst[:3]) + (", ..." if len(worst) > 3 else "")
    meaning = kind.meaning if kind else members[0].message
    message = f"{len(members)} units: {meaning}; {named}"
    return Finding(
        members[0].id, members[0].level, message, count=sum(item.count for item in members), option=members[0].option
    )
