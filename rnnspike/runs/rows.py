"""The rows of a run, one per unit and model, and the pairs of models: every column is declared here, once.

``docs/rows.md`` is generated from this list (``python -m rnnspike.runs.rows > docs/rows.md``); a row with a field
that is not declared is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from rnnspike.evaluation.departures.calibration import KINDS
from rnnspike.evaluation.free_running.spike_statistics import SCALARS

SCHEMA = 2

Status = Literal["ok", "skipped", "failed"]
_TYPE_NAMES = {int: "whole number", float: "number", bool: "true or false"}


@dataclass(frozen=True)
class Column:
    """A column: its name, the type of its values (null where undefined), its unit of measurement and its meaning.

    The columns of the ``core`` stand in every row and in CSV on stdout, whose header cannot wait for the rows; the
    others stand in a row where they were computed.
    """

    name: str
    type: Any
    meaning: str
    unit: str = ""
    core: bool = True
    required: bool = False


def _with_interval(name: str, meaning: str, unit: str = "", core: bool = True) -> Iterator[Column]:
    yield Column(name, float, meaning, unit, core)
    for end, which in (("low", "Lower"), ("high", "Upper")):
        yield Column(f"{name}_{end}", float, f"{which} end of its 95 % interval.", unit, core)


def _capture(
    kind: str, departure: str, reference: str = "`capture_reference`", core: bool = True
) -> Iterator[Column]:
    yield from _with_interval(
        f"{kind}_capture",
        f"Share of the deviance {departure} that the model explains, against {reference}; null where there "
        "is nothing to capture.",
        core=core,
    )
    yield Column(
        f"{kind}_verdict",
        str,
        "captured, consistent, partly, missed, nothing to capture or cannot be judged; corrected over units.",
        core=core,
    )


def _deviances(kind: str, departure: str) -> Iterator[Column]:
    meanings: dict[str, tuple[type, str]] = {
        "deviance": (float, f"Deviance {departure} under the model."),
        "p": (float, "Tail probability of that deviance if the model is right."),
        "reference_deviance": (float, f"Deviance {departure} under the reference."),
        "reference_p": (float, "Tail probability of that deviance if the reference is right."),
        "strata": (int, "Number of strata."),
    }
    for name, (kind_of_value, meaning) in meanings.items():
        yield Column(f"{kind}_{name}", kind_of_value, meaning, core=False)


_BY_LAG, _BY_COUNT = (
    "by time since the last spike",
    "by number of recent spikes, beyond the recovery from the last one",
)
_BY_OTHERS = "by the other units' spikes in the last 50 and 200 ms"


def _core_columns() -> Iterator[Column]:
    yield Column("schema", int, "Version of the columns.")
    yield Column("recording", str, "Name of the recording.", required=True)
    yield Column("unit", str, "Id of the unit, as in the file.", required=True)
    yield Column("model", str, "Rung of the ladder.", required=True)
    yield Column("status", Status, "ok, skipped or failed; `message` says why.", required=True)
    yield Column("n_trials", int, "Held-out trials in which the unit was observed.")
    yield Column("n_spikes", int, "Spikes scored in them.")
    yield Column("rate_hz", float, "Firing rate over the scored bins.", "Hz")
    yield Column("log_likelihood", float, "Log-likelihood of the held-out trials, summed over trials.", "nats")
    yield from _with_interval(
        "bits_per_spike",
        "Log-likelihood of the held-out trials over that of `constant` (the training-mean rate), per spike.",
        "bits/spike",
    )
    yield Column("ks_d", float, "Kolmogorov-Smirnov distance of the time-rescaled intervals from uniform.")
    yield Column("ks_p", float, "Its p, corrected for discrete time; median over randomisations.")
    yield Column("ks_n", int, "Number of intervals in that test.")
    yield Column(
        "refractory_kind",
        str,
        "dip, excess, dip and excess or none: spikes soon after a spike against the reference.",
    )
    yield from _capture("refractory", _BY_LAG)
    yield Column("adaptation_kind", str, "falling, rising, mixed or none: the rate with the number of recent spikes.")
    yield from _capture("adaptation", _BY_COUNT)
    yield Column("free_run_rate_ratio", float, "Rate of the model fed its own spikes over the recorded rate.")
    yield Column(
        "free_run_stability", str, "stable, fragile or divergent: whether the rate runs away (escapes per minute)."
    )
    yield Column("seconds", float, "Training time; null in stored rows (run.json holds it).", "s")
    yield Column("message", str, "What to know about the row, or why it has no score.")


def _further_columns() -> Iterator[Column]:
    def further(name: str, type_: type, meaning: str, unit: str = "") -> Column:
        return Column(name, type_, meaning, unit, core=False)

    yield further("n_merged", int, "Spikes that share a bin with another and are not scored.")
    yield further("contamination", float, "Estimated share of foreign spikes, from refractory violations.")
    yield further("contamination_low", float, "Lower end of its 95 % interval.")
    yield further("contamination_high", float, "Upper end of its 95 % interval.")
    yield further("contamination_gate", str, "clean, doubtful or contaminated, from that estimate.")
    yield further("n_infinite", int, "Spikes in bins where the model gives them probability 0.")
    yield from _with_interval(
        "refractory_ratio",
        "Recorded over expected spikes (reference) within 2 ms of a spike, two bins at the least.",
        core=False,
    )
    yield further(
        "refractory_recovery_ms", float, "First lag at half of the later ratio; null where nothing dips.", "ms"
    )
    for window_ms in (100, 500, 1000):
        yield from _with_interval(
            f"adaptation_slope_{window_ms}ms",
            f"Change of log(recorded / expected) per spike in the last {window_ms} ms, beyond the recovery.",
            core=False,
        )
    yield from _with_interval(
        "late_history",
        "Log gain of a spike summed over 100 to 1000 ms (models with a history filter); interval over folds.",
        core=False,
    )
    yield from _deviances("refractory", _BY_LAG)
    yield from _deviances("adaptation", _BY_COUNT)
    yield further(
        "shared_kind", str, "falling, rising, mixed or none: the rate with the other units' activity, against `glm`."
    )
    yield from _capture("shared", _BY_OTHERS, "`glm`", core=False)
    yield from _deviances("shared", _BY_OTHERS)
    yield further(
        "bits_per_spike_evaluated_null",
        float,
        "Bits/spike over the mean rate of the evaluated trials themselves (the null of nlb_tools).",
        "bits/spike",
    )
    yield from _with_interval(
        "oracle_share", "Share of the true intensity's gain over `psth` that the model attains (simulated cells).",
        core=False,
    )  # fmt: skip
    yield further("population_base", str, "Model that a population model's gain is over (population models only).")
    yield from _with_interval(
        "population_gain", "Its log-likelihood minus that of the base, on the same trials.", "bits/spike", core=False
    )
    yield from _with_interval(
        "population_null",
        "The same gain where each other unit's trials are shuffled within condition and fold.",
        "bits/spike",
        core=False,
    )
    yield from _with_interval(
        "population_difference", "The gain less that on shuffled trials, paired by trial.", "bits/spike", core=False
    )
    yield further(
        "population_verdict",
        str,
        "coupling or shared state, or no evidence of it: whether the difference's interval lies above 0.",
    )
    yield further("ks_d_low", float, "Smallest KS distance over randomisations.")
    yield further("ks_d_high", float, "Largest KS distance over randomisations.")
    yield further("ks_d_detectable", float, "Smallest KS distance that is significant at 5 % with so many intervals.")
    yield further("lag1_autocorrelation", float, "Correlation of neighbouring rescaled intervals (normal scores).")
    yield further("ljung_box_p", float, "Ljung-Box p of their autocorrelation at lags 1 to 10.")
    yield further("ogata_uniform_p", float, "p of uniform spike times on the rescaled clock (Ogata).")
    yield further("ogata_wiener_inside", bool, "Whether the Wiener process test stays within its 95 % band.")
    yield further("ogata_variance_inside", float, "Share of windows whose count variance lies in its 95 % band.")
    for name, words in KINDS.items():
        yield further(f"calibration_p_{name}", float, f"p of recorded against expected spikes by {words}.")
    yield further("calibration_worst_lag_z", float, "Largest (O - E) / sqrt(E) by time since the last spike, signed.")
    yield further("observed_within_3ms", float, "Recorded spikes within 3 ms of the spike before.")
    yield further("expected_within_3ms", float, "Spikes that the model expects there.")
    yield further(
        "uniform_within_strata_p",
        float,
        "Smallest p of uniform rescaled intervals within strata of the past, corrected over strata.",
    )
    yield further("capture_reference", str, "Model without spike history that captures are measured against.")
    yield further("recovery_ms", float, "Time after a spike at which the reference's rate is reached again.", "ms")
    yield further(
        "free_run_rate_ratio_low",
        float,
        "Lower end of its 95 % interval, for all trials, of which those simulated are a sample.",
    )
    yield further("free_run_rate_ratio_high", float, "Upper end of that interval.")
    yield further("free_run_trials", int, "Trials that were run free, of `n_trials`.")
    yield further("free_run_runs", int, "How often each was.")
    yield further("free_run_runaway", float, "Share of free-run trials in which the rate escapes.")
    yield further("free_run_median_escape_s", float, "Median time to that; null where most never escape.", "s")
    yield further("free_run_cv_ratio", float, "Coefficient of variation of free-run intervals over that of the data.")
    yield further("free_run_serial_1_gap", float, "Their serial correlation at lag 1, minus that of the data.")
    for name in SCALARS:
        yield further(f"predictive_p_{name}", float, f"Posterior predictive p of `{name}` from free runs.")
    yield further("quasi_renewal", str, "Stability of the history filter by quasi-renewal analysis.")
    yield further("quasi_renewal_stable_hz", float, "Its stable rate.", "Hz")
    yield further("quasi_renewal_unstable_hz", float, "The rate beyond which it runs away.", "Hz")
    yield further(
        "nlb_bits_per_spike",
        float,
        "Poisson bits/spike over the mean of the evaluated bins, as in nlb_tools (`--metrics nlb`).",
        "bits/spike",
    )
    yield further(
        "pseudo_r2_mcfadden",
        float,
        "McFadden's pseudo-R2 of Poisson bins over that mean, as in nemos (`--metrics nemos`).",
    )
    yield further("pseudo_r2_cohen", float, "Cohen's pseudo-R2 of the same: the share of the deviance explained.")
    yield further(
        "poisson_log_likelihood_per_bin",
        float,
        "Poisson log-likelihood per bin, which nemos calls log-likelihood.",
        "nats",
    )
    yield further("poisson_log_likelihood_per_s", float, "The same per second.", "nats/s")
    yield further(
        "given",
        str,
        "Rates given to `rnnspike score`: with history, without history, or with history added by the run; null for "
        "models of the ladder.",
    )
    yield further("calibration_rejected", str, "Kinds of strata in which the model is off, corrected over units.")


COLUMNS: tuple[Column, ...] = (*_core_columns(), *_further_columns())
#: Columns of every row, in order.
ROW_COLUMNS = tuple(column.name for column in COLUMNS if column.core)

#: Columns of pairs.csv.
PAIRS: tuple[Column, ...] = (
    Column("schema", int, "Version of the columns."),
    Column("recording", str, "Name of the recording."),
    Column("unit", str, "Id of the unit."),
    Column("model_a", str, "A rung."),
    Column("model_b", str, "The rung that it is compared with."),
    *_with_interval("gain", "Log-likelihood of `model_a` minus that of `model_b` on the same trials.", "bits/spike"),
    Column("p", float, "p of no difference, by sign flips of the differences per trial."),
)
PAIR_COLUMNS = tuple(column.name for column in PAIRS)
#: Columns of coupling.csv: one row per pair of units and direction.
COUPLING: tuple[Column, ...] = (
    Column("schema", int, "Version of the columns."),
    Column("recording", str, "Name of the recording."),
    Column("target", str, "Id of the unit whose spikes are predicted."),
    Column("source", str, "Id of the unit whose past is read."),
    Column("statistic", float, "Wald statistic of the source's weights, all other units read too."),
    Column("df", int, "Its degrees of freedom."),
    Column("p", float, "Its p where the source adds nothing; null where the pair was not tested."),
    Column("q", float, "That p corrected over all pairs (Benjamini and Hochberg)."),
    Column("gain", float, "What the statistic exceeds its expectation by, as a gain of the target.", "bits/spike"),
    Column("peak", float, "Change of the target's log rate after a spike of the source, where it is largest."),
    Column("peak_lag_ms", float, "Lag of that.", "ms"),
    Column(
        "sign",
        str,
        "More or fewer spikes of the target after one of the source, there; null where not significant.",
    ),
    Column("synchrony_z", float, "Standardised covariance of the two units' residuals in the same bin."),
    Column("shared_spikes", float, "Share of the rarer unit's spikes that both have; such pairs are not tested."),
    Column("verdict", str, "directed, shared or reciprocal, or none; not tested."),
)
COUPLING_COLUMNS = tuple(column.name for column in COUPLING)
#: Their types as they are read back.
COUPLING_TYPES = {
    column.name: column.type | None if column.name in ("df",) or column.type is float else column.type
    for column in COUPLING
}
#: Columns of ``rnnspike cosmooth``; of the two scores, a row has that of its task.
COSMOOTH: tuple[Column, ...] = (
    Column("schema", int, "Version of the columns."),
    Column("recording", str, "Name of the recording."),
    Column("unit", str, "Id of the unit; null for all units pooled."),
    Column("method", str, "psth, ridge or gpfa."),
    Column("status", str, "ok, or skipped; `message` says why."),
    *_with_interval(
        "co_bps", "Log-likelihood of each unit from the others over that of the mean of these bins.", "bits/spike"
    ),
    *_with_interval(
        "fp_bps", "With `--forward`: the same of the end of each trial, from all units before.", "bits/spike"
    ),
    Column("n_trials", int, "Held-out trials that were scored."),
    Column("n_spikes", int, "Spikes in them."),
    Column("n_read", int, "Units that the prediction may read; null for all units pooled."),
    Column("bin_ms", float, "Width of the bins.", "ms"),
    Column("seconds", float, "Time of the method for all units; in pooled rows.", "s"),
    Column("message", str, "What to know about the row."),
)
#: Version of those columns.
COSMOOTH_SCHEMA = 1
#: Columns of ``rnnspike decode``: one row per model.
DECODE: tuple[Column, ...] = (
    Column("schema", int, "Version of the columns."),
    Column("recording", str, "Name of the recording."),
    Column("model", str, "Model by whose likelihood conditions are decoded."),
    Column("n_trials", int, "Held-out trials that were decoded."),
    Column("n_conditions", int, "Conditions."),
    Column("n_units", int, "Units that were decoded together."),
    Column("prior", str, "uniform, or empirical: the share of each condition among these trials."),
    *_with_interval("accuracy", "Share of trials whose most probable condition is theirs."),
    Column("chance_accuracy", float, "The same of labels permuted within blocks of neighbouring trials."),
    Column("accuracy_p", float, "Share of permutations that are as accurate."),
    *_with_interval("information", "Mean log2 of the probability of a trial's condition over its prior.", "bits"),
    Column("information_p", float, "Share of permutations that tell as much."),
    *_with_interval("untempered_information", "The same with the models' likelihood as it is.", "bits"),
    Column("temperature", float, "Power of the likelihood, chosen on other folds: median over folds."),
    Column("temperature_low", float, "Lowest over folds."),
    Column("temperature_high", float, "Highest over folds."),
    *_with_interval("log_loss", "Mean of minus log2 of the probability of a trial's condition.", "bits"),
    Column("over", str, "The model that it extends, among those decoded."),
    *_with_interval("gain", "Information of the model minus that of `over`, on the same trials.", "bits"),
    Column("gain_p", float, "p of no difference, by sign flips of the differences per trial."),
    Column("message", str, "What to know about the row."),
)
DECODE_COLUMNS = tuple(column.name for column in DECODE)
#: Columns of ``rnnspike decode --covariate``: one row per model.
DECODE_COVARIATE: tuple[Column, ...] = (
    Column("schema", int, "Version of the columns."),
    Column("recording", str, "Name of the recording."),
    Column("model", str, "Model by whose likelihood the covariate is decoded."),
    Column("covariate", str, "Its name."),
    Column("window_ms", float, "Length of the windows in which it is taken for constant.", "ms"),
    Column("n_windows", int, "Windows that were decoded, at least half observed."),
    Column("n_trials", int, "Held-out trials that they lie in."),
    Column("n_units", int, "Units that were decoded together."),
    Column("n_points", int, "Values of the covariate that were tried: cells that it visits."),
    *_with_interval(
        "rms_error", "Root mean square distance of the posterior mean from the recorded mean, in its unit."
    ),
    Column("prior_rms_error", float, "The same without spikes: of the mean over the session."),
    Column("chance_error", float, "The same of the decoded series shifted in time: median of shifts."),
    Column("error_p", float, "Share of shifts that come as near."),
    *_with_interval("median_error", "Median of these distances."),
    *_with_interval(
        "information", "Mean log2 of the probability of the recorded value's cell over its prior.", "bits"
    ),
    Column("temperature", float, "Power of the likelihood, chosen on other folds: median over folds."),
    Column("temperature_low", float, "Lowest over folds."),
    Column("temperature_high", float, "Highest over folds."),
    Column("message", str, "What to know about the row."),
)
DECODE_COVARIATE_COLUMNS = tuple(column.name for column in DECODE_COVARIATE)
#: Version of those columns.
DECODE_SCHEMA = 1
#: Their types as they are read back; a gain is null where it is undefined.
PAIR_TYPES = {column.name: float | None if column.type is float else column.type for column in PAIRS}
#: Last columns of the tables of ``collect``: where a line comes from.
PROVENANCE = (
    Column("run", str, "Run directory."),
    Column("input", str, "Absolute path of the recording."),
    Column("sha256", str, "Hash of its content."),
    Column("rnnspike", str, "Version of rnnspike that fitted it."),
)
#: Columns of ``collect --table trials``: one line per unit, trial and model.
TRIALS = (
    Column("schema", int, "Version of the columns."),
    Column("recording", str, "Name of the recording."),
    Column("unit", str, "Id of the unit."),
    Column("trial", int, "Row of the trial in its table, from 0."),
    Column("start_s", float, "Start of the window in the session.", "s"),
    Column("condition", int, "Number of its condition."),
    Column("fold", int, "Fold in which it was held out."),
    Column("n_spikes", int, "Spikes scored in it."),
    Column("exposure_bins", int, "Bins scored in it."),
    Column("model", str, "Rung of the ladder."),
    Column("log_likelihood", float, "Its log-likelihood.", "nats"),
)
#: Columns of a unit's per_trial.csv: what a comparison reads, what a report does beside, and those that need not be
#: there; ``ll_<model>`` are log-likelihoods.
TRIAL_TYPES = {"trial": int, "n_spikes": int}
SESSION_TYPES = {"start_s": float, "condition": int, "exposure_bins": int}
FURTHER_TRIAL_TYPES = {"fold": int, "ll": float, "shuffled_ll": float}

_FIELDS: dict[str, Any] = {
    column.name: (column.type if column.required else column.type | None, ... if column.required else None)
    for column in COLUMNS
    if column.name != "schema"
}
_Row: type[BaseModel] = create_model(
    "_Row", __config__=ConfigDict(extra="forbid", protected_namespaces=()), **_FIELDS
)


def row(**values: Any) -> dict[str, Any]:
    """Return a checked row: the core's columns first, in order, then those of the others that were given.

    ``schema`` is this version's, whatever is given.

    Raises
    ------
    pydantic.ValidationError
        For a field that is not declared, or a value of another type.
    """
    from rnnspike.names import plain

    values.pop("schema", None)
    checked = _Row.model_validate(plain(values))
    kept = [column.name for column in COLUMNS[1:] if column.core or column.name in values]
    return {"schema": SCHEMA, **{name: getattr(checked, name) for name in kept}}


def failed_recording(name: str, reason: str) -> dict[str, Any]:
    """Return the row of a recording that was not fitted: it has no unit and no model."""
    whole = {"schema": SCHEMA, "recording": name, "status": "failed", "message": reason}
    return {column: whole.get(column) for column in ROW_COLUMNS}


def pair(recording: str, unit: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pair of models in the columns of pairs.csv."""
    from rnnspike.names import plain

    whole = {"schema": SCHEMA, "recording": recording, "unit": unit, **plain(values)}
    return {key: whole.get(key) for key in PAIR_COLUMNS}


def reference() -> str:
    """Return the reference page of all columns, in Markdown."""
    lines = [
        "# Rows and their columns",
        "",
        (
            f"`rows.jsonl` and `rows.csv` hold one row per unit and model, `pairs.csv` one per unit and two models "
            f"(schema {SCHEMA}). A cell is null (empty in CSV) where the figure is undefined. On stdout, a recording "
            "that could not be fitted has a row of its own, without unit and model, with `status` failed."
        ),
        "",
        "## In every row",
        "",
        "These columns are also those of `rnnspike fit --format csv` on stdout.",
        "",
        *_table(column for column in COLUMNS if column.core),
        "",
        "## Where they were computed",
        "",
        *_table(column for column in COLUMNS if not column.core),
        "",
        "## Pairs of models",
        "",
        *_table(PAIRS),
        "",
        "## Trials",
        "",
        "`rnnspike collect --table trials` gives one line per unit, trial and model.",
        "",
        *_table(TRIALS),
        "",
        (
            "`trials.csv` of a run holds its trials once: `trial`, `start_s`, the label of its `condition`, and "
            "`at_NAME` for each time column of the trials' table but time zero itself, in seconds from time zero."
        ),
        "",
        "## Where a line comes from",
        "",
        "The tables of `rnnspike collect` end with these columns.",
        "",
        *_table(PROVENANCE),
        "",
        "## Pairs of units",
        "",
        (
            "`coupling.csv` of a run with population models holds one row per target and source "
            "([links](science.md#links))."
        ),
        "",
        *_table(COUPLING),
        "",
        (
            "`population.json` holds what units share and what joint free runs of them come to, and `population.npz` "
            "single trials of all units, with what each model adds to their rates and the states of a network."
        ),
        "",
        "## Co-smoothing",
        "",
        (
            "`rnnspike cosmooth` writes one row per unit and method, and one of all units pooled "
            f"([co-smoothing](cosmoothing.md), schema {COSMOOTH_SCHEMA})."
        ),
        "",
        *_table(COSMOOTH),
        "",
        "## Decoding",
        "",
        (
            "`rnnspike decode` writes one row per model, also into `decode.jsonl` of the run "
            f"([decoding](decoding.md), schema {DECODE_SCHEMA})."
        ),
        "",
        *_table(DECODE),
        "",
        "With `--covariate` (`decode_covariate.jsonl`):",
        "",
        *_table(DECODE_COVARIATE),
    ]
    return "\n".join(lines)


def _table(columns: Iterable[Column]) -> Iterator[str]:
    yield "| column | type | unit | meaning |"
    yield "|---|---|---|---|"
    for column in columns:
        yield f"| `{column.name}` | {_TYPE_NAMES.get(column.type, 'text')} | {column.unit} | {column.meaning} |"


if __name__ == "__main__":
    print(reference())
