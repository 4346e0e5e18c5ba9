"""What each figure shows, how it is computed, and what good and bad look like; in the page, and in docs/report.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure of the page: its element id, heading, caption, and how to read it."""

    id: str
    title: str
    caption: str
    how: str
    good: str
    bad: str
    wide: bool = False


GLANCE = (
    Figure(
        "ladder",
        "The ladder",
        "Held-out bits/spike over the training-mean rate. A thin line is a unit, with its 95 % interval "
        "where there are few; the heavy line is the median, the band holds the middle half of the units.",
        "Log-likelihood of trials that the model has not seen, minus that of a constant rate, over spikes and ln 2. "
        "Every rung adds one kind of memory to the one before.",
        "Steep where memory is added, flat after: the last rung that still rises is as much memory as can be shown.",
        "Below 0: worse than a constant rate. Falling to the right: a rung that overfits.",
        wide=True,
    ),
    Figure(
        "steps",
        "What each rung adds",
        "Gain over the rung to its left, paired by trial. Filled: the 95 % interval of that unit leaves out 0.",
        "The difference of the two models' log-likelihoods of the same trials; bootstrap over trials of the ratio.",
        "Filled points above 0 where a kind of memory is there.",
        "Filled points below 0: that rung is worse on trials not seen.",
        wide=True,
    ),
)

FIT = (
    Figure(
        "f-ladder",
        "Ladder and steps",
        "Left: bits/spike with 95 % interval. Right: gain over the rung above, paired by trial.",
        "Paired bootstrap over trials of a ratio of sums; in blocks where neighbouring trials are alike.",
        "Intervals at the right that leave out 0 where memory was added.",
        "Wide overlapping intervals at the left do not mean that rungs are alike: the pairs at the right decide.",
    ),
    Figure(
        "f-session",
        "Over the session",
        "Spikes by trial, and gain over the reference summed up from the first trial on, in bits.",
        "Held-out log-likelihood of each trial minus that of the reference, added up in order of time.",
        "A straight line: the gain comes from all of the session.",
        "A step: a few trials carry the gain. Spikes that fade: the unit drifted, or was lost.",
    ),
)
LOOK = (
    Figure(
        "f-raster",
        "Recorded and simulated",
        "Left: recorded spikes and PSTH, with its 95 % band, and what the models expect (thin). Right: the same "
        "trials as the model makes them when it reads its own spikes, and its PSTH. Rows are grouped by condition.",
        "Each trial is simulated once by a model that was not fitted to it. The PSTH is a Gaussian kernel with the "
        "bandwidth that predicts left-out trials best; band at each time by bootstrap over trials.",
        "You could not tell which is which.",
        "Bursts, pauses or regular trains in one raster alone; stripes that only the recorded one has.",
        wide=True,
    ),
    Figure(
        "f-trials",
        "Single trials",
        "Conditional intensity (Hz) given the recorded past, on trials that the model has not seen, numbered at the "
        "left; ticks are the recorded spikes.",
        "The expected count of each bin over its width, all spikes before that bin known.",
        "High just before spikes, down after them where the unit is refractory.",
        "The same curve in every trial: the model knows the trial average only.",
        wide=True,
    ),
)
MEMORY = (
    Figure(
        "f-hazard",
        "Hazard by time since the last spike",
        "Rate of spiking at each time after a spike. Points and bars: data, with exact 95 % Poisson intervals; "
        "lines: mean of what the model expects at the same bins.",
        "Spikes over bins at risk at that lag (Kaplan and Meier; intervals by Garwood), trial ends censored, lags "
        "pooled on a log scale.",
        "The line runs through the bars at all lags.",
        "A line that stays flat where the data dip: refractoriness is missed.",
    ),
    Figure(
        "f-adaptation",
        "Adaptation",
        "Recorded over expected spikes by the number of spikes in the window named, beyond the recovery from the "
        "last spike. 1 is calibrated; bars: exact 95 % Poisson intervals.",
        "Bins are grouped by how much the unit has fired lately; those within the recovery horizon are left out, and "
        "expectations are brought to the recorded number of spikes in each window.",
        "All points at 1.",
        "Below 1 at high counts: the unit adapts and the model does not know. Above 1: rate drifts or bursts.",
    ),
    Figure(
        "f-calibration",
        "Calibration by stratum",
        "(recorded - expected) / √expected in strata of lag, previous interval, recent count, position (time from "
        "time zero), rank of the spike and condition. Dashed: ±3.",
        "Bins of held-out trials are grouped by what came before them; O and E are summed in each group.",
        "No trend, all within ±3.",
        "A trend along one axis names what the model lacks.",
        wide=True,
    ),
)
TESTS = (
    Figure(
        "f-ks",
        "KS plot",
        "Distribution of the time-rescaled intervals minus the uniform. Dashed: 95 % for one test.",
        "Intervals measured in expected spikes are exponential under the true model (Brown et al. 2002), corrected "
        "for discrete time (Haslinger, Pipa and Brown 2010), on the clock of all held-out trials laid end to end.",
        "Inside the dashed lines.",
        "Outside. With many intervals even a small D is outside: look at how far.",
    ),
    Figure(
        "f-pit",
        "PIT histogram",
        "Density of the rescaled intervals in 20 pieces; 1 is calibrated. Dashed: 95 % for one piece.",
        "Probability integral transform, averaged over the randomisation (Czado, Gneiting and Held 2009).",
        "Flat at 1.",
        "High at the left: more short intervals than expected. U-shape: too regular a model; hump: too irregular.",
    ),
    Figure(
        "f-independence",
        "Serial dependence left over",
        "Autocorrelation of the rescaled intervals' normal scores. Dashed: 95 % at one lag.",
        "Under the true model rescaled intervals are independent; KS does not see it where they are not.",
        "All bars within the lines.",
        "Positive bars: slow changes of rate that the model does not follow. Negative at lag 1: alternation.",
    ),
    Figure(
        "f-ogata",
        "Ogata's tests",
        "Left: Wiener process test, with its 95 % boundary. Right: variance of counts in windows of the rescaled "
        "clock over the window's length, with the 95 % band of a Poisson process.",
        "As in the R package STAR (Pouzat and Chaffiol 2009): on the rescaled clock spikes must be a unit Poisson "
        "process.",
        "Both lines inside.",
        "A variance that climbs out: the model misses changes that are slower than the window.",
    ),
)
FREE = (
    Figure(
        "f-isi",
        "Interval distribution",
        "Share of intervals, recorded (bars) and by the model run free (line: mean; band: 95 % of replicates).",
        "Both from the same trials, so that short trials cut long intervals on both sides.",
        "Bars inside the band.",
        "A band that starts earlier than the bars: no refractory period in the free run.",
    ),
    Figure(
        "f-acf",
        "Autocorrelation",
        "Rate after a spike, recorded (black) and by the model run free.",
        "All pairs of spikes of a trial up to 100 ms apart, over exposure.",
        "The recorded line inside the band.",
        "Peaks in one alone: bursts or a rhythm that the model lacks, or invents.",
    ),
    Figure(
        "f-serial",
        "Serial correlation of intervals",
        "Correlation of intervals k apart, recorded (points) and by the model run free (band).",
        "Means by trial and by place in the trial are taken off. Few intervals a trial bias it down, on both sides.",
        "Points inside the band.",
        "Recorded negative at lag 1 and the model at 0: adaptation, or another memory over more than one interval.",
    ),
    Figure(
        "f-fano",
        "Fano factor by window",
        "Variance over mean of counts, recorded (points) and by the model run free (band).",
        "Over trials of one condition at one place in the trial, then averaged.",
        "Points inside the band.",
        "Recorded above the band at long windows: excitability changes from trial to trial, which a model without "
        "memory across trials cannot have.",
    ),
    Figure(
        "f-predictive",
        "Every statistic against the free run",
        "Distance of the recorded statistic from the replicates, in their standard deviations, one row a model, "
        "with the two-sided posterior predictive p. Beyond ±2 the model does not reproduce it.",
        "Each trial is run free several times, and a replicate takes one run of each; "
        "p = 2 min(P(replicate ≥ data), P(replicate ≤ data)).",
        "Pale everywhere in the row of the model.",
        "Strong colour: a statistic that the model gets wrong, whatever its likelihood.",
        wide=True,
    ),
)
TRAINING = (
    Figure(
        "f-training",
        "Training",
        "Loss by epoch, one member of each network. Dotted: training trials; solid: validation trials.",
        "Negative log-likelihood per scored bin or interval; the member is kept at its best validation epoch.",
        "Validation falls and levels off.",
        "Still falling at the end: train longer (--effort). Rising while training falls: overfitting, and the stop "
        "came before it.",
    ),
    Figure(
        "f-stack",
        "Stack weights",
        "Which kinds of memory the stack drew on: bars are means over test folds, points single folds.",
        "Weights of the log-rates, at least 0, summing to 1, chosen on validation folds.",
        "The same rungs in all folds.",
        "Weights that jump between folds: rungs that are much alike, not evidence for one of them.",
    ),
)
UNIT_GROUPS = (
    ("How well", FIT),
    ("What it looks like", LOOK),
    ("Memory", MEMORY),
    ("Tests of fit", TESTS),
    ("Fed its own spikes", FREE),
    ("How it was fitted", TRAINING),
)

NETWORK = (
    Figure(
        "n-state",
        "State space",
        "First two principal components of the states visited on held-out trials (lines), with fixed and slow points "
        "and the flow under the held input. Hover a point for its kind and speed.",
        "Points are minima of |s - F(s)| for a held input, refined by Levenberg and Marquardt's method; fixed where "
        "the speed is 0 to rounding, slow otherwise (Sussillo and Barak 2013).",
        "Points where the trajectories go; the same in all networks of a unit.",
        "Points far from every trajectory say nothing about what the network does.",
    ),
    Figure(
        "n-eigen",
        "Eigenvalues",
        "Eigenvalues of the Jacobian at the points, in the unit circle. Rings: decay time; spokes: frequency. Small "
        "grey dots: at visited states. Hover for τ and f.",
        "Of the full (h, c) Jacobian for an LSTM: τ = -Δ/ln|λ|, f = |arg λ|/(2πΔ).",
        "Inside the circle: that mode decays.",
        "On the left half axis near -1: an artefact of discrete time (Nyquist), marked as such.",
    ),
    Figure(
        "n-tau",
        "Three readings of memory",
        "Time constants of the gates (points, one a hidden unit), of the slowest mode, and of a perturbation "
        "measured in the read-out. Grey: longest lag at which the spikes' own history matters.",
        "Gate: -Δ/mean ln f over the data; mode: median over visited states; measured: decay of a small push in the "
        "log-rate, under the same inputs.",
        "All three of one size: what is held is also read.",
        "Gates far above the measured one: memory that the read-out does not use.",
    ),
    Figure(
        "n-decay",
        "A push, in the read-out",
        "Change of the log-rate after a small push of the state, largest 1, on a log axis.",
        "Two copies of the network under the same inputs, one pushed; mean over visited states and directions.",
        "A straight line: one time constant.",
        "A plateau: a part of the state that never forgets within the window.",
    ),
    Figure(
        "n-gradient",
        "Gradient flow",
        "Norm of the gradient of the loss by lag back in time, before and after training; dotted line: 1 %.",
        "|∂ loss(t) / ∂ state(t - lag)| over that at lag 0; horizon: the lag from which it stays under 1 %.",
        "After training it reaches as far as the history that matters.",
        "Falls to 1 % before that: the network could not learn longer memory. Grows: exploding gradients.",
    ),
    Figure(
        "n-bend",
        "Bend",
        "Effect of two inputs together against the sum of their single effects. On the diagonal: linear.",
        "Changes of the log-rate bin by bin; departure is |R(A+B)-R(A)-R(B)| over |R(A)|+|R(B)|.",
        "On the line where a GLM would do as well.",
        "Off the line: memory that depends on state, which a GLM cannot have.",
    ),
)

COMPARISON = (
    Figure(
        "ladder",
        "Ladders",
        "Held-out bits/spike over the training-mean rate: thin lines units, heavy lines medians of recordings.",
        "As in each recording's own report.",
        "Recordings that rise at the same rungs.",
        "A recording that goes its own way: look at its findings first.",
        wide=True,
    ),
    Figure(
        "c-forest",
        "Gain from spike history",
        "Gain of each unit with its 95 % interval, by recording; diamonds: mean of the recording's units and of all, "
        "with the hierarchical interval.",
        "Recordings, units and trials are resampled in turn, so that units recorded together are not taken for "
        "independent (Saravanan, Berman and Sober 2020).",
        "The lowest diamond's interval leaves out 0.",
        "Many units above 0 from one recording only: that is one animal.",
        wide=True,
    ),
    Figure(
        "c-verdicts",
        "Verdicts",
        "Share of each recording's units by verdict.",
        "Verdicts as in each recording's own report, corrected over its units.",
        "Mostly captured.",
        "Missed in one recording alone: look at its sorting and its drift.",
        wide=True,
    ),
)

DEFINITIONS = {
    "bits/spike": "Log-likelihood of the held-out trials minus that of the training-mean rate, over held-out spikes "
    "and ln 2: a ratio of sums. The interval is a paired bootstrap over trials.",
    "simplest sufficient rung": "The first rung of the ladder that the model of the tiles does not beat with a 95 % "
    "interval above 0. That it is not beaten does not show that it is right.",
    "KS D": "Largest distance of the time-rescaled intervals from the unit exponential, corrected for discrete time, "
    "on the clock of all held-out trials laid end to end; p is the median over randomisations.",
    "refractory capture": "1 - (D(model) - S)/(D(reference) - S), D the deviance of spikes by time since the last "
    "spike, S the number of strata. 1: as good as the truth; 0: no better than the trial average with a slow gain.",
    "adaptation capture": "The same by number of spikes in the last 100, 500 and 1000 ms, beyond the recovery from "
    "the last spike; expectations are brought to the recorded number of spikes in each window, and S is one less "
    "for each.",
    "captured, partly, missed": "Captured: the deviance is not significant at 5 % (Benjamini and Hochberg over "
    "units), or the interval of the capture is above .9. Partly: it is above .05. Nothing to capture: the "
    "reference is not off. Rungs that know no spike capture nothing.",
    "free run": "The model fed its own spikes over held-out trials. A trial runs away when 100 ms hold over three "
    "times what any 100 ms of the data hold. Divergent: over ten such escapes a minute of running, or a rate over "
    "ten times the recorded one; fragile: over one in twenty minutes; else stable, however wrong the rate.",
}
NOT_CLAIMED = (
    "A gain in bits/spike says that the past helps to predict spikes, not by which mechanism.",
    "Adaptation capture includes slow drive that spikes announce; it is no proof of a current in the cell.",
    "Units of one recording are not independent; intervals are over trials of one unit.",
    "A model that passes the KS test is not shown to be true; with few intervals only large misfits can be seen.",
    "Fixed points and time constants are those of a fitted network; another network may predict as well with others.",
)
