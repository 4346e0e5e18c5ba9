"""What each model of the ladder is, in a sentence or two of a methods section (science.md#ladder)."""

from __future__ import annotations

from rnnspike.evaluation.departures.verdicts import HISTORY_ADDED
from rnnspike.models.registry import MODELS, without_history

_BIN_CLOCKED = (
    "read the unit's own count of the bin before, whether that bin was observed, the log drive and any "
    "covariates, with one step per bin; a linear read-out of its state was added to the log drive"
)
_SHARED_STATE = (
    "one network for all units, which reads in each block of bins the residuals of all units in the block "
    "before, spikes less what their own models expect; a weighted read-out of its state is added to the log "
    "intensity of each unit's"
)
#: Model -> what it is, as a clause that follows its name and a colon. Citations are of ``references.bib``.
SENTENCES = {
    "constant": "a constant rate, the mean of the training trials; the null of all scores.",
    "psth": (
        "the average over trials, smoothed with a Gaussian kernel; with several conditions, that of each was drawn "
        "towards the average of all. Bandwidth and shrinkage maximised the likelihood of training trials left out "
        "one at a time."
    ),
    "psth-gain": (
        "the PSTH times a gain from the ratio of recorded to expected spikes of earlier trials, with weights "
        "that fade exponentially over trials. The gain is the same in all bins of a trial: slow drift, but no "
        "spike history."
    ),
    "renewal": (
        "a renewal process on the clock of the drive with one of six interval distributions (exponential, gamma, "
        "inverse Gaussian, lognormal, Weibull, log-logistic), the two best also tried with a refractory shift, "
        "or a product of drive and a function of the time since the last spike [@kass2001]; validation trials "
        "chose."
    ),
    "glm": (
        "a generalised linear model of the log intensity [@truccolo2005; @pillow2008]. Its terms are a drive "
        "over the trial, a penalised cubic spline [@eilers1996] and, where there are several conditions, its "
        "deviation in each; spike history, boxcars at the first lags and raised cosines in log time to 2 s; a "
        "function of the time since the last spike; the logarithm of leaky counts of the unit's own spikes; "
        "and gains from earlier trials. Drive and history were fitted together; the penalties maximised "
        "Laplace's approximation of the marginal likelihood by the generalised Fellner-Schall method "
        "[@wood2017], and validation trials chose among multiples of them."
    ),
    "linear-rnn": f"a linear recurrent network that {_BIN_CLOCKED}: log-linear in the past.",
    "lru-linear": (
        "a linear recurrent unit [@orvieto2023], whose modes have their time constants and frequencies as "
        f"parameters. It {_BIN_CLOCKED}."
    ),
    "lru": "the linear recurrent unit [@orvieto2023] with four tanh units in the read-out.",
    "rnn": f"a recurrent network of tanh units that {_BIN_CLOCKED}.",
    "gru": f"a gated recurrent unit [@cho2014] that {_BIN_CLOCKED}.",
    "lstm": f"a long short-term memory network [@hochreiter1997] that {_BIN_CLOCKED}.",
    "lstm-glm": (
        "a long short-term memory network [@hochreiter1997] with one step per bin on the log intensity of the "
        "GLM, which was cross-fitted on training trials. Validation trials chose the share of its gain that "
        "was kept (0 to 1)."
    ),
    "spike-lstm": (
        "a long short-term memory network [@hochreiter1997] with one step per spike, trained on units pooled. "
        "Between spikes the log intensity is the drive plus a function of its state and of the time since the "
        "last spike."
    ),
    "spike-lstm-glm": (
        "a long short-term memory network [@hochreiter1997] with one step per spike, trained on units pooled, on the "
        "log intensity of the GLM, which was cross-fitted on training trials."
    ),
    "coupling": (
        "the past of the other units, in raised cosines in log lag and leaky traces, added to the log "
        "intensity of the unit's GLM. Each source had a Gaussian prior with a strength of its own [@wood2017]; "
        "validation trials chose the weight of the whole (0 to 1)."
    ),
    "population-gru": f"a gated recurrent unit [@cho2014], {_SHARED_STATE} GLM.",
    "population-lstm": f"a long short-term memory network [@hochreiter1997], {_SHARED_STATE} GLM.",
    "population-lstm-drive": f"a long short-term memory network [@hochreiter1997], {_SHARED_STATE} drive.",
    "stack": (
        "a weighted mean of the log intensities of the others but `constant`, with weights that are not "
        "negative and add to 1, fitted for each test fold on trials on which the members were not trained, "
        "times a scale."
    ),
    "oracle": "the true intensity, which the file of these simulated cells holds; not a model.",
}


def model_sentence(name: str) -> str:
    """Return what a model is; for rates that were given, where they come from."""
    if name in MODELS:
        return f"`{name}`: {SENTENCES.get(name, f'{MODELS[name].adds}.')}"
    plain = without_history(name)
    if plain is not None:
        return f"`{name}`: the given rates `{plain}` with spike history fitted on top ({HISTORY_ADDED}), as in a GLM."
    return f"`{name}`: rates that were given, not fitted here."
