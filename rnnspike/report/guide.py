"""How the page's figures are defined, and what it does not claim."""

from __future__ import annotations

from rnnspike.models.registry import MODELS

_EXTENDED = ", ".join(
    f"{spec.name} over {spec.extends}" for spec in MODELS.values() if spec.extends and not spec.hidden
)
DEFINITIONS = {
    "bits/spike": "Log-likelihood of the held-out trials minus that of the training-mean rate, over held-out spikes "
    "and ln 2: a ratio of sums. The interval is a paired bootstrap over trials.",
    "simplest sufficient rung": "The first rung of the ladder that the model of the tiles does not beat. It beats a "
    "rung where its gain over it is above 0 with p < .05, corrected over the unit's rungs (Holm), p by flipping the "
    "signs of the trials' differences 4999 times (not below .0002). Intervals in figures and tables are of one pair "
    "alone, not corrected. That a rung is not beaten does not show that it is right.",
    "gain": f"Of a model over the one that it extends: {_EXTENDED}. Where that was not fitted, over the nearest that "
    "it extends in turn. The GLM has a basis of the time since the last spike; against it the stack shows what "
    "networks add.",
    "KS D": "Largest distance of the time-rescaled intervals from the unit exponential, corrected for discrete time, "
    "on the clock of all held-out trials laid end to end; p is the median over randomisations.",
    "after a spike": "How spikes soon after a spike depart from the trial average with a slow gain (`psth-gain`). "
    "Dip: fewer spikes than expected (refractoriness); excess: more (bursting); each exact at 5 %, "
    "Holm over strata, and relative to later lags.",
    "recent spikes": "The same by number of spikes in the last 100, 500 and 1000 ms, beyond the recovery from the "
    "last spike. Falling: the more recent spikes, the lower the rate (adaptation); rising: a slow drive that the "
    "trial average does not know, or bursts. Slopes have intervals over trials, Holm over windows.",
    "capture": "1 - max(0, D(model) - S)/(D(reference) - S), D the deviance over the strata of the departure, S "
    "their number. 1: as good as the truth; 0: no better than the trial average with a slow gain.",
    "verdict": "Captured: the lower end of the capture's interval is above .8. Consistent: the deviance is not "
    "significant at 5 % (Benjamini and Hochberg over units), but the interval does not reach .8: too few data for a "
    "claim. Partly: the lower end is above 0. Missed: else. Cannot be judged: foreign spikes may fill the dip, since "
    "the upper end of their estimated share is above .2, or there are too few spikes to estimate it. "
    "Models that know no spike history capture nothing.",
    "free run": "The model fed its own spikes over held-out trials. A trial runs away when 100 ms hold over three "
    "times what any 100 ms of the data hold. Divergent: over ten such escapes a minute of running, or a rate over "
    "ten times the recorded one; fragile: over one in twenty minutes; else stable, however wrong the rate. The "
    "rate's ratio to the recorded one has a 95 % interval for all trials, of which those simulated are a sample: "
    "within 10 % is said where all of it is.",
    "shared activity": "Noise correlations of all pairs of units in all windows, recorded against free runs in which "
    "all units are fed their own and each other's simulated spikes, and against the GLM run unit by unit. The share "
    "captured and the verdict are as for a unit's departures; nothing to capture: the GLM run unit by unit is not "
    "off, trials shuffled within condition are no different, or what is off is no more than chance. It does not tell "
    "links from a common input.",
}
NOT_CLAIMED = (
    "A gain in bits/spike says that the past helps to predict spikes, not by which mechanism.",
    "A rate that falls with recent spikes is no proof of a current in the cell.",
    "Slow drive can hide adaptation; the GLM's history filter summed over 100 to 1000 ms is a second witness.",
    "Units of one recording are not independent; intervals are over trials of one unit.",
    "A model that passes the KS test is not shown to be true; with few intervals only large misfits can be seen.",
    "Fixed points and time constants are those of a fitted network; another network may predict as well with others.",
)
