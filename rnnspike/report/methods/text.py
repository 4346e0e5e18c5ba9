"""The methods of one run in paragraphs, each sentence of which follows from its settings and rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnspike.models.registry import MODELS, closed_loop, is_given, is_network, is_population
from rnnspike.names import visible
from rnnspike.report.load import Run
from rnnspike.report.methods import itself
from rnnspike.report.methods.models import model_sentence
from rnnspike.report.methods.references import cited, with_citations
from rnnspike.report.network import network_rows
from rnnspike.report.words import simulated_trials
from rnnspike.runs.tasks import pairs_of
from rnnspike.trials.units import NOT_REQUESTED
from rnnspike.wording import counted

#: Formats that are read without Neo.
WITHOUT_NEO = ("NWB", "CSV", "text", "Phy", "KlustaKwik", "Neuralynx", "NeuroExplorer", "NeuroExplorer 5", "NIX")
#: Packages whose versions are told.
PACKAGES = {"python": "Python", "numpy": "NumPy", "scipy": "SciPy", "torch": "PyTorch"}


@dataclass(frozen=True)
class Methods:
    """A methods section: (heading, paragraph with citations in brackets) in order."""

    paragraphs: tuple[tuple[str, str], ...]

    def as_text(self) -> str:
        """Return plain text with a list of references."""
        parts = [f"{heading}. {with_citations(text)}".replace("`", "") for heading, text in self.paragraphs]
        return "\n\n".join([*parts, "References", *(each.full() for each in self.cited), itself.as_text()]) + "\n"

    def as_markdown(self) -> str:
        """Return Markdown, with DOIs as links."""
        parts = [f"**{heading}.** {with_citations(text)}" for heading, text in self.paragraphs]
        listed = [f"- {each.full(link=True)}" for each in self.cited]
        return (
            "\n\n".join(["## Methods", *parts, "## References", "\n".join([*listed, f"- {itself.as_text()}"])]) + "\n"
        )

    def as_bibtex(self) -> str:
        """Return the references in BibTeX, rnnspike's own last."""
        return "\n\n".join([*(each.bibtex for each in self.cited), itself.BIBTEX]) + "\n"

    @property
    def cited(self) -> list[Any]:
        """The references that the paragraphs cite."""
        return cited(text for _, text in self.paragraphs)


def methods(run: Run) -> Methods:
    """Return the methods section of a run."""
    paragraphs = {
        "Recording and trials": _recording(run),
        "Units": _units(run),
        "Models": _models(run),
        "Held-out trials": _folds(run),
        "Scores and intervals": _scores(run),
        "Goodness of fit": _goodness_of_fit(run),
        "Free runs": _free_runs(run),
        "Populations": _populations(run),
        "Networks as dynamical systems": _dynamics(run),
        "Software": _software(run),
    }
    return Methods(tuple((heading, visible(text)) for heading, text in paragraphs.items() if text))


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"


def _recording(run: Run) -> str:
    resolved, file_format = run.settings["resolved"], run.provenance.get("format")
    start, stop = resolved["window_s"]
    how = {"NWB": " [@ruebel2022]"}.get(
        file_format or "", "" if file_format in WITHOUT_NEO else " through Neo [@garcia2014]"
    )
    said = [f"Spike times were read from a recording in {file_format} format{how}." if file_format else ""]
    segment = run.setting("segment")
    if segment:
        said.append(f"The recording was cut into {resolved['n_trials']} pieces of {_ms(segment)}.")
    else:
        said.append(
            f"{resolved['n_trials']} trials of {start:g} to {stop:g} s around `{resolved['align']}` of the table "
            f"`{resolved['table']}` were analysed."
        )
    condition, covariates = run.setting("condition"), run.setting("covariate")
    if condition:
        said.append(f"Conditions were told apart by {_listed(condition)}.")
    if covariates:
        inputs = "was an input" if len(covariates) == 1 else "were inputs"
        said.append(f"The time series {_listed(covariates)} {inputs} of the GLM and of the networks, where fitted.")
    width = _ms(run.setting("bin"))
    if resolved["observation"] == "poisson":
        said.append(
            f"Spikes were counted in bins of {width}; given the past, the count of a bin is Poisson with mean mu."
        )
    else:
        said.append(
            f"Spikes were put in bins of {width} that hold at most one; given the past, a bin holds a spike with "
            "probability 1 - exp(-mu), where mu is the integral of the intensity over the bin."
        )
    said.append(
        f"Up to {_ms(run.setting('burn_in'))} before each window were read as spike history and not scored; "
        "time that was not observed was neither scored nor taken for silence."
    )
    return " ".join(filter(None, said))


def _units(run: Run) -> str:
    left_out = run.settings["resolved"].get("left_out") or {}
    said = [f"{counted(len(run.units), 'unit{s}')} {'was' if len(run.units) == 1 else 'were'} fitted."]
    not_requested = sum(why == NOT_REQUESTED for why in left_out.values())
    if not_requested:
        were = "was" if not_requested == 1 else "were"
        said.append(f"{counted(not_requested, 'further unit{s}')} {were} excluded by `{run.setting('units')}`.")
    reasons = Counter(_reason(why) for why in left_out.values() if why != NOT_REQUESTED)
    said += [f"{counted(n, 'unit{s}')} {'was' if n == 1 else 'were'} excluded: {why}." for why, n in reasons.items()]
    unscored = Counter(row["model"] for row in run.rows if row["status"] != "ok" and row["unit"] in run.units)
    said += [f"`{model}` has no score on {counted(n, 'unit{s}')}." for model, n in unscored.items()]
    return " ".join(said)


def _reason(why: str) -> str:
    """Return why a unit was left out without the unit's own numbers, so that units can be counted."""
    if "fewer than --min-spikes" in why:
        return f"fewer than {why.rsplit(' ', 1)[-1]} spikes in the windows"
    if "share a bin" in why:
        return "too many spikes share a bin"
    return "too many spikes per bin" if "spikes per bin" in why else why


def _models(run: Run) -> str:
    said = [f"{counted(len(run.models), 'model{s}')} {'was' if len(run.models) == 1 else 'were'} compared."]
    said += [model_sentence(name) for name in run.models]
    if any(is_network(name) or name in closed_loop() for name in run.models):
        said.append(
            "Networks started at the model that they are added to, with a read-out of zero, and were trained "
            "by maximum likelihood on the recorded spikes with AdamW [@loshchilov2019] and clipped gradients; "
            "the epoch with the best likelihood on validation trials was kept, the untrained state included."
        )
    return " ".join(said)


def _folds(run: Run) -> str:
    n_folds, effort = run.settings["resolved"]["n_folds"], run.setting("effort")
    blocked = run.setting("fold_scheme") == "blocked"
    how = (
        "contiguous blocks of the trials of each condition"
        if blocked
        else "interleaved trials, balanced over conditions"
    )
    said = [
        (
            f"Trials were split into {n_folds} folds of {how}; overlapping trials stayed in one fold. Every trial "
            "was scored by fits that had not seen it."
        )
    ]
    if any(map(is_given, run.models)):
        said.append("Whether the given rates had been fitted to these trials is not known here.")
    fitted = [name for name in run.models if not is_given(name) and MODELS[name].fitted]
    closed = [name for name in fitted if MODELS[name].closed_form]
    if closed:
        said.append(f"{_listed(closed)} {'was' if len(closed) == 1 else 'were'} fitted to all other folds.")
    by_count: dict[int, list[str]] = {}
    for name in fitted:
        if not MODELS[name].closed_form:
            by_count.setdefault(len(pairs_of(name, n_folds, effort)), []).append(name)
    if by_count:
        counts = "; ".join(f"{counted(n, 'training{s}')} of {_listed(names)}" for n, names in by_count.items())
        said.append(
            "A training of another model left out two folds: the model chosen on one of them (penalties, time "
            f"of stopping) predicted the other, and the other way round ({counts}, effort {effort}). Where "
            "several models predict a trial, their log intensities were averaged."
        )
    return " ".join(said)


def _scores(run: Run) -> str:
    said = [
        (
            "Scores are held-out log-likelihoods over that of `constant`, per spike and in bits, as a ratio of "
            "sums over all trials. Intervals (95 %) are from a bias-corrected and accelerated bootstrap over "
            "trials [@efron1987] of 2000 draws, paired for differences of models and widened where neighbouring "
            "trials are alike; p of differences are from 4999 flips of the signs of trials, and were corrected "
            "over the models of a unit by Holm's method [@holm1979] where the simplest sufficient model is named."
        )
    ]
    metrics = run.setting("metrics") or []
    if "nlb" in metrics:
        said.append("Scores by the definitions of the Neural Latents Benchmark were added [@pei2021].")
    if "nemos" in metrics:
        said.append("Scores by the definitions of the package nemos were added.")
    return " ".join(said)


def _goodness_of_fit(run: Run) -> str:
    said = []
    if any(row.get("ks_p") is not None for row in run.rows):
        said.append(
            "Held-out spike trains were rescaled by each model's intensity [@brown2002] with the correction "
            "for discrete time [@haslinger2010], and the rescaled intervals tested for uniformity "
            "(Kolmogorov-Smirnov) and, by their normal scores, for autocorrelation [@ljung1978]; these p are "
            "per unit and model and were not corrected over units."
        )
    references = sorted({row["capture_reference"] for row in run.rows if row.get("capture_reference")})
    if references:
        said.append(
            f"Refractoriness and adaptation count as captured by how much of the deviance of {_listed(references)} a "
            "model removes, in strata of the time since the last spike and of recent spikes; significance was "
            "corrected over units [@benjamini1995]."
        )
    return " ".join(said)


def _free_runs(run: Run) -> str:
    rows = [row for row in run.rows if row.get("free_run_stability")]
    if not rows:
        return "Models were not simulated." if not run.setting("replicates") else ""
    return (
        f"Models were also run on their own spikes, over held-out trials ({simulated_trials(rows)}), to tell "
        f"whether they run away [@gerhard2017]; statistics of {run.setting('replicates')} replicates of these "
        "trials, assembled from the runs, were compared with the recorded ones."
    )


def _populations(run: Run) -> str:
    models = [name for name in run.models if is_population(name)]
    if not models:
        return ""
    said = [
        (
            f"{_listed(models)} read the other units' spikes of earlier bins. Each was fitted once more with the "
            "trials of every other unit shuffled within condition and fold, and its gain compared with that on "
            "shuffled trials."
        )
    ]
    if run.links is not None:
        said.append(
            "Pairs of units were tested in both directions (Wald's test over the GLM's held-out intensity), "
            "corrected over all pairs [@benjamini1995]."
        )
    return " ".join(said)


def _dynamics(run: Run) -> str:
    rows = [row for row in network_rows(run) or [] if row.get("status", "ok") == "ok"]
    deep, brief = ([row for row in rows if bool(row.get("brief")) is flag] for flag in (False, True))
    said = [_looked_at(some) for some in (deep, brief) if some]
    if said:
        several = any((row.get("n_seeds") or 1) > 1 for row in rows)
        ends = ", with 95 % intervals of time constants over networks (Student's, of the logarithm)" * several
        said.append(f"Time constants and frequencies are from the eigenvalues of the Jacobian at these points{ends}.")
    return " ".join(said)


def _looked_at(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return which networks were analysed, and how: all of them by ``rnnspike dynamics``, or briefly by the fit."""
    models, inputs = (list(dict.fromkeys(row[key] for row in rows)) for key in ("model", "input"))
    networks = counted(max(row.get("n_seeds") or 1 for row in rows), "network{s}")
    units = counted(len({row["unit"] for row in rows}), "unit{s}")
    starts = max(row.get("n_starts") or 0 for row in rows)
    searched = f" from {starts:g} starts per search" if starts else ""
    brief = ", a brief search that may miss some" if rows[0].get("brief") else ""
    return (
        f"Up to {networks} per unit ({_listed(models)}; {units}) were analysed as dynamical systems under the "
        f"{'inputs' if len(inputs) > 1 else 'input'} {_listed(inputs)}: fixed and slow points were searched for"
        f"{searched}{brief} [@sussillo2013]."
    )


def _software(run: Run) -> str:
    known = run.provenance["versions"]
    versions = [f"{name} {known[key]}" for key, name in PACKAGES.items() if key in known]
    return (
        f"rnnspike {known.get('rnnspike', 'of an unknown version')} with {', '.join(versions)} installed; seed "
        f"{run.setting('seed')}."
    )


def _listed(names: Sequence[str]) -> str:
    """Return names in code, with ``and`` before the last."""
    marked = [f"`{name}`" for name in names]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} and {marked[-1]}"
