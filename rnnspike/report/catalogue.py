"""Every figure of the page, each declared once: its words, what it needs, and what draws it.

The page draws a figure by the function that ``templates/*.js`` registers under its id, ``--figures`` by the functions
that ``paper`` names; ``docs/report.md`` has a section under its title.
"""

from __future__ import annotations

from rnnspike.report.figures.declaration import Figure

GLANCE = (
    Figure(
        "ladder",
        "The ladder",
        "Held-out bits/spike over the training-mean rate. A thin line is a unit, with its 95 % interval "
        "where there are few; the heavy line is the median, the band holds the middle half of the units.",
        "Log-likelihood of trials that the model has not seen, minus that of a constant rate, over spikes and ln 2. "
        "Rungs stand in order of what they may know; which one extends which is in the figure beside it.",
        "Steep where memory is added, flat after.",
        "Below 0: worse than a constant rate. Falling to the right: a rung that overfits, or that was trained too "
        "little.",
        paper=("overall:ladder",),
        wide=True,
        tall=True,
    ),
    Figure(
        "steps",
        "What each rung adds",
        "Gain of each model over the one that it extends, paired by trial, one point per unit; at the right the gain "
        "with its interval, or of several units the median with the lowest and the highest. Filled: the 95 % "
        "interval of that unit leaves out 0; with many units 1 in 20 does so by chance.",
        "The difference of the two models' log-likelihoods of the same trials; bootstrap over trials of the ratio. "
        "Where the model extended was not fitted, the nearest that it extends in turn; the stack is set against the "
        "GLM.",
        "Filled points above 0 where a kind of memory is there.",
        "Filled points below 0: that rung is worse on trials not seen.",
        paper=("overall:steps",),
        wide=True,
        tall=True,
    ),
)

CAPTURED = (
    Figure(
        "captured",
        "What is captured",
        "One row per unit, one column per model that knows spike history (for the others' activity: per model that "
        "reads the other units). Colour: share of the departure that the model explains, from 0 (orange) to 1 "
        "(blue); mark: verdict. Empty: the unit shows no such departure.",
        "Shares and verdicts as in the table of units, for all models at once: by time since the last spike, by "
        "number of recent spikes, and by the others' spikes. Hover a cell for its share with interval; the table "
        "has all.",
        "Filled circles on blue from the first model on that has the kind of memory that the unit shows.",
        "Crosses on orange in all columns: no model reproduces this departure.",
        paper=("overall:captured",),
        wide=True,
    ),
)

POPULATION = (
    Figure(
        "p-gains",
        "What units tell about each other",
        "Gain of each model that reads the other units over the one that it extends, one filled point per unit, with "
        "its 95 % interval; hollow points: the same model where each other unit's trials are shuffled.",
        "Paired bootstrap over trials. Trials are shuffled within condition and fold, so that nothing that units "
        "share within a trial is left; the model is then fitted and scored again.",
        "Filled points above 0, hollow ones at 0.",
        "Hollow points as high as filled ones: own memory or a response to the stimulus that the base left out.",
        paper=("population:gains",),
        wide=True,
        tall=True,
    ),
    Figure(
        "p-links",
        "Links between units",
        "Change of the log rate of the unit in the row after a spike of the unit in the column, where it is largest; "
        "pairs that are not significant are left empty. A dot marks a directed pair; without one the pair is shared "
        "or reciprocal.",
        "One fit per unit to all trials (evenly spaced ones where there are very many spikes), on the GLM's held-out "
        "intensity; Wald test of each source, corrected over "
        "all pairs (coupling.csv). Directed: significant one way only, and no synchrony in the same bin.",
        "Few pairs, most of them directed.",
        "Blocks of undirected pairs: a common source that was not recorded, or units on one electrode. Even a "
        "directed pair is a prediction, not a synapse.",
        paper=("population:links",),
        wide=True,
        tall=True,
    ),
    Figure(
        "p-shared",
        "Noise correlations",
        "Mean over pairs of the correlation of spike counts within condition, by window: recorded (black), by the "
        "GLM run unit by unit, and by models whose units are fed their own and each other's simulated spikes, each "
        "with the 95 % interval of its replicates.",
        "Counts less the mean of their condition and place in the trial, over held-out trials; replicates take one "
        "run of each trial. The verdict compares all pairs in all windows (population.json), since links of opposite "
        "sign cancel in the mean.",
        "Black inside the interval of the joint model, outside that of the GLM.",
        "Black outside the joint model's interval: shared activity that it does not have. Black inside that of the "
        "GLM: the mean over pairs shows nothing; whether single pairs do, the p in the note says.",
        paper=("population:noise_correlations",),
        wide=True,
    ),
    Figure(
        "p-correlogram",
        "Mean cross-correlogram",
        "Coincidences of spikes of two different units by lag, over all pairs, relative to the shift predictor: "
        "recorded (black) and by models run free (line: mean; band: 95 % of replicates). 1 is chance.",
        "Pairs of spikes up to 50 ms apart; the shift predictor pairs different trials of one condition.",
        "The recorded line inside the band of the joint model.",
        "A peak or a dip at short lags in the recorded line alone: a link, or dead time between units on one "
        "electrode. Models read lags of one bin or more: a peak at lag 0 alone is never theirs. Above 1 at all lags: "
        "a gain that changes from trial to trial.",
        paper=("population:correlogram",),
        wide=True,
    ),
)

PAIRS = (
    Figure(
        "p-pairs",
        "Noise correlations by pair",
        "Correlation of spike counts within condition for each pair of units, in windows of the length chosen above: "
        "recorded below the diagonal, the mean of free runs of the model chosen above it.",
        "As in the figure of their means (population.json); single pairs have no interval, and with few trials they "
        "are noisy: look for blocks and rows.",
        "The two halves mirror each other.",
        "Blocks of colour below the diagonal alone: activity that these units share and the model does not have.",
        paper=("population:pairs",),
        wide=True,
        tall=True,
    ),
)

SINGLE_TRIALS = (
    Figure(
        "p-trial",
        "One trial of all units",
        "Recorded spikes of all units in one held-out trial (ticks). Behind them, where a model reads the other "
        "units, what it adds to each unit's rate: log2 of the spikes that it expects over those that the GLM does, "
        "orange more, blue fewer. Below, where a network of all units was fitted: its state.",
        "Both models are given the recorded past and have not seen the trial; expected spikes are summed over pieces "
        "of the window. The state: first three principal components of the network's hidden units.",
        "Orange where spikes are dense and blue where they are sparse, in many units at once: a shared state that "
        "this trial has and the trial average has not.",
        "Colours that change where spikes do not.",
        paper=("population:one_trial",),
        wide=True,
        tall=True,
    ),
    Figure(
        "p-states",
        "States of the population",
        "The network's hidden units in held-out trials, on their first two principal components: left by condition "
        "(thin: trials; thick: means; dotted: the trial chosen above), right by time.",
        "One network and the trials that it has not seen. The components of another network are others.",
        "Conditions that part, trials that keep together, or a loop where there is a rhythm.",
        "One cloud without order: the state does not tell conditions or times apart.",
        paper=("population:states",),
        wide=True,
        tall=True,
    ),
)

DECODING = (
    Figure(
        "d-confusion",
        "Confusion matrix",
        "Share of the held-out trials of each condition (row) that are taken for each condition (column).",
        "The most probable condition given all units' spikes, by a model that has not seen the trial.",
        "A dark diagonal.",
        "A dark column: a condition that trials are taken for whatever they are.",
        paper=("decoding:confusion",),
        wide=True,
        tall=True,
    ),
    Figure(
        "d-time",
        "Information by time in the trial",
        "What the spikes up to each time tell of the condition, bits, with the 95 % interval.",
        "Mean over held-out trials of log2 of the probability of the trial's condition over its prior.",
        "Rising from 0 when the stimulus begins.",
        "Below 0: the model is sure and wrong. Above 0 from the start: earlier trials tell the condition.",
        paper=("decoding:by_time",),
    ),
    Figure(
        "d-units",
        "Information by number of units",
        "The same of random subsets of units: mean of subsets, bars from the lowest to the highest.",
        "At most 20 subsets of a size; all single units where there are at most 20.",
        "Rising and not yet flat: more units would tell more.",
        "Falling: units that mislead when they are put together, as where their noise is shared and the model does "
        "not know it.",
        paper=("decoding:by_units",),
    ),
)

DECODED_COVARIATE = (
    Figure(
        "d-covariate",
        "Covariate over time",
        "Recorded (black), and the posterior mean given the spikes of all units in each window of held-out trials.",
        "The likelihood of each value on a grid, by models that have not seen the trial, times how long the "
        "covariate has each value in the session.",
        "The decoded line follows the recorded one.",
        "It stays near the mean of the session: the spikes tell little. It jumps: single windows hold few spikes.",
        paper=("decoding:covariate",),
        wide=True,
        tall=True,
    ),
)

FIT = (
    Figure(
        "f-ladder",
        "Ladder and steps",
        "Above: bits/spike with 95 % interval. Below: gain of each model over the one that it extends, paired by "
        "trial; filled: the interval leaves out 0.",
        "Paired bootstrap over trials of a ratio of sums; wider where neighbouring trials are alike.",
        "Intervals below that leave out 0 where memory was added.",
        "Wide overlapping intervals above do not mean that rungs are alike: the pairs below decide.",
        paper=("fit:unit_ladder",),
    ),
    Figure(
        "f-session",
        "Over the session",
        "Spikes by trial, and gain over the reference summed up from the first trial on, in bits.",
        "Held-out log-likelihood of each trial minus that of the reference, added up in order of time.",
        "A straight line: the gain comes from all of the session.",
        "A step: a few trials carry the gain. Spikes that fade: the unit drifted, or was lost.",
        paper=("fit:session",),
        needs=("reference",),
        lacking="no reference model was scored",
    ),
)
LOOK = (
    Figure(
        "f-raster",
        "Recorded and simulated",
        "Recorded spikes and PSTH, with its 95 % band and what the models expect given the recorded past (dotted), "
        "beside the same trials as the model makes them when it reads its own spikes. Rows are trials, grouped by "
        "condition. Of more than six conditions a map shows the rate of each, and those chosen are curves.",
        "Each trial is simulated once by a model that was not fitted to it; models that read other units are given "
        "the recorded spikes of these. The PSTH is a Gaussian kernel with the "
        "bandwidth that predicts left-out trials best; band at each time by bootstrap over trials.",
        "You could not tell which is which.",
        "Bursts, pauses or regular trains in one raster alone; stripes that only the recorded one has.",
        paper=(
            "look:raster",
            "look:psth",
        ),
        needs=("raster.trial",),
        lacking="there are no spikes",
        wide=True,
        tall=True,
    ),
    Figure(
        "f-trials",
        "Single trials",
        "Conditional intensity (Hz) given the recorded past, on trials that the model has not seen; ticks are the "
        "recorded spikes.",
        "The expected count of each bin over its width, all spikes before that bin known.",
        "High just before spikes, down after them where the unit is refractory.",
        "The same curve in every trial: the model knows the trial average only.",
        paper=("look:single_trials",),
        needs=(
            "example.trial",
            "example.rate_hz",
        ),
        lacking="there are no example trials",
        wide=True,
        tall=True,
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
        paper=("memory:hazard",),
        needs=("hazard.at_risk",),
        lacking="there are too few intervals",
    ),
    Figure(
        "f-adaptation",
        "Rate by recent spikes",
        "Recorded over expected spikes by the number of spikes in the window named, beyond the recovery from the "
        "last spike. 1 is calibrated; shaded: fewer than expected; bars: exact 95 % Poisson intervals.",
        "Bins are grouped by how much the unit has fired lately; those within the recovery horizon are left out, and "
        "expectations are brought to the recorded number of spikes in each window.",
        "All points at 1.",
        "Falling to the right: the unit adapts and the model does not know it. Rising: a slow drive, or bursts.",
        paper=("memory:adaptation",),
        needs=("adaptation.observed",),
        lacking="there are too few spikes beyond the recovery from the last one",
    ),
    Figure(
        "f-others",
        "Rate by the others' activity",
        "Recorded over expected spikes by how much the other units have fired in the window named, from the least "
        "active bins (left) on. 1 is calibrated; shaded: fewer than expected; bars: exact 95 % Poisson intervals.",
        "The others' spikes, each over the root of its unit's mean rate, are summed; expectations are brought to the "
        "recorded number of spikes in each window.",
        "The model that reads the others at 1. Where the GLM is at 1 too, nothing is shared at these time scales.",
        "Both off 1: activity that the units share and that the model has not found.",
        paper=("memory:others",),
        needs=("shared.observed",),
        lacking="no model that reads the other units was scored, or there are too few spikes",
    ),
    Figure(
        "f-calibration",
        "Calibration by stratum",
        "(recorded - expected) / √expected in strata of lag, previous interval, recent count, position (time from "
        "time zero), rank of the spike and condition. Dashed: ±3.",
        "Bins of held-out trials are grouped by what came before them; O and E are summed in each group.",
        "No trend, all within ±3.",
        "A trend along one axis names what the model lacks.",
        paper=("memory:calibration",),
        needs=("calibration.kinds",),
        lacking="there are too few spikes",
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
        paper=("rescaled:ks",),
        needs=("ks.pit",),
        lacking="there are too few intervals",
    ),
    Figure(
        "f-pit",
        "PIT histogram",
        "Density of the rescaled intervals in 20 pieces; 1 is calibrated. Dashed: 95 % for one piece.",
        "Probability integral transform, averaged over the randomisation (Czado, Gneiting and Held 2009).",
        "Flat at 1.",
        "High at the left: more short intervals than expected. U-shape: too regular a model; hump: too irregular.",
        paper=("rescaled:pit",),
        needs=("ks.pit",),
        lacking="there are too few intervals",
    ),
    Figure(
        "f-independence",
        "Serial dependence left over",
        "Autocorrelation of the rescaled intervals' normal scores. Dashed: 95 % at one lag.",
        "Under the true model rescaled intervals are independent; KS does not see it where they are not.",
        "All bars within the lines.",
        "Positive bars: slow changes of rate that the model does not follow. Negative at lag 1: alternation.",
        paper=("rescaled:independence",),
        needs=("independence.autocorrelation",),
        lacking="there are too few intervals",
    ),
    Figure(
        "f-ogata",
        "Ogata's tests",
        "Wiener process test, with its 95 % boundary; and variance of counts in windows of the rescaled "
        "clock over the window's length, with the 95 % band of a Poisson process.",
        "As in the R package STAR (Pouzat and Chaffiol 2009): on the rescaled clock spikes must be a unit Poisson "
        "process.",
        "Both lines inside.",
        "A variance that climbs out: the model misses changes that are slower than the window.",
        paper=("rescaled:ogata",),
        needs=("ogata.wiener",),
        lacking="there are too few intervals",
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
        paper=("free_run:isi",),
        needs=("isi.mean",),
        lacking="no free run was made (--replicates 0)",
    ),
    Figure(
        "f-acf",
        "Autocorrelation",
        "Rate after a spike, recorded (black) and by the model run free.",
        "All pairs of spikes of a trial up to 100 ms apart, over exposure.",
        "The recorded line inside the band.",
        "Peaks in one alone: bursts or a rhythm that the model lacks, or invents.",
        paper=("free_run:autocorrelation",),
        needs=("autocorrelation.mean",),
        lacking="no free run was made (--replicates 0)",
    ),
    Figure(
        "f-serial",
        "Serial correlation of intervals",
        "Correlation of intervals k apart, recorded (points) and by the model run free (band).",
        "Means by trial and by place in the trial are taken off. Few intervals a trial bias it down, on both sides.",
        "Points inside the band.",
        "Recorded negative at lag 1 and the model at 0: adaptation, or another memory over more than one interval.",
        paper=("free_run:serial",),
        needs=("serial.mean",),
        lacking="no free run was made (--replicates 0)",
    ),
    Figure(
        "f-fano",
        "Fano factor by window",
        "Variance over mean of counts, recorded (points) and by the model run free (band).",
        "Over trials of one condition at one place in the trial, then averaged.",
        "Points inside the band.",
        "Recorded above the band at long windows: excitability changes from trial to trial, which a model without "
        "memory across trials cannot have.",
        paper=("free_run:fano",),
        needs=("fano.mean",),
        lacking="no free run was made (--replicates 0)",
    ),
    Figure(
        "f-predictive",
        "Every statistic against the free run",
        "Distance of the recorded statistic from the replicates, in their standard deviations, one row a model, "
        "with the two-sided posterior predictive p. About 1 in 20 statistics lies beyond ±2 by chance.",
        "Each trial is run free several times, and a replicate takes one run of each; "
        "p = 2 min(P(replicate ≥ data), P(replicate ≤ data)).",
        "Pale everywhere in the row of the model.",
        "Strong colour: a statistic that the model gets wrong, whatever its likelihood.",
        paper=("free_run:predictive",),
        needs=("statistic.z",),
        lacking="no free run was made (--replicates 0)",
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
        paper=("fit:training",),
    ),
    Figure(
        "f-stack",
        "Stack weights",
        "Which kinds of memory the stack drew on: bars are means over test folds, points single folds.",
        "Weights of the log-rates, at least 0, summing to 1, chosen on validation folds.",
        "The same rungs in all folds.",
        "Weights that jump between folds: rungs that are much alike, not evidence for one of them.",
        paper=("fit:stack",),
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
        paper=("network:state_space",),
        tall=True,
    ),
    Figure(
        "n-eigen",
        "Eigenvalues",
        "Eigenvalues of the Jacobian at the points, in the unit circle. Rings: decay time; spokes: frequency. Small "
        "grey dots: at visited states. Hover for τ and f.",
        "Of the full (h, c) Jacobian for an LSTM: τ = -Δ/ln|λ|, f = |arg λ|/(2πΔ).",
        "Inside the circle: that mode decays.",
        "On the left half axis near -1: an artefact of discrete time (Nyquist), marked as such.",
        paper=("network:eigenvalues",),
        tall=True,
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
        paper=("network:timescales",),
    ),
    Figure(
        "n-decay",
        "A push, in the read-out",
        "Change of the log-rate after a small push of the state, largest 1, on a log axis.",
        "Two copies of the network under the same inputs, one pushed; mean over visited states and directions.",
        "A straight line: one time constant.",
        "A plateau: a part of the state that never forgets within the window.",
        paper=("network:decay",),
    ),
    Figure(
        "n-gradient",
        "Gradient flow",
        "Norm of the gradient of the loss by lag back in time, before and after training; dotted line: 1 %.",
        "|∂ loss(t) / ∂ state(t - lag)| over that at lag 0; horizon: the lag from which it stays under 1 %.",
        "After training it reaches as far as the history that matters.",
        "Falls to 1 % before that: training hardly used longer memory. Grows: exploding gradients.",
        paper=("network:gradient",),
    ),
    Figure(
        "n-bend",
        "Bend",
        "Effect of two inputs together against the sum of their single effects. On the diagonal: linear.",
        "Changes of the log-rate bin by bin; departure is |R(A+B)-R(A)-R(B)| over |R(A)|+|R(B)|.",
        "On the line where a GLM would do as well.",
        "Off the line: memory that depends on state, which a GLM cannot have.",
        paper=("network:bend",),
    ),
)

#: Of networks that step all units.
NETWORK_POPULATION = (
    Figure(
        "n-patterns",
        "Patterns of the closed loop",
        "Expected rate of each unit in each state at which the network, fed its own expected spikes, comes to rest. "
        "Units that fire in the same patterns are side by side.",
        "States of rest that differ; units are ordered by the angle of their loadings on two components of the log "
        "rates.",
        "A band along the diagonal: a bump of activity that can rest at several places.",
        "A single pattern: wherever the closed loop comes to rest, it is at the same rates.",
        paper=("network:patterns",),
        tall=True,
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
        paper=("across:ladders",),
        wide=True,
        tall=True,
    ),
    Figure(
        "c-forest",
        "Gain from spike history",
        "Gain of each unit with its 95 % interval, by recording; diamonds: mean of the recording's units and of all, "
        "with its 95 % interval.",
        "Recordings are the units of inference (units, where there is one), so that units recorded together are not "
        "taken for independent (Saravanan, Berman and Sober 2020).",
        "The lowest diamond's interval lies above 0.",
        "Many units above 0 from one recording only: the others do not show it.",
        paper=("across:forest",),
        wide=True,
        tall=True,
    ),
    Figure(
        "c-verdicts",
        "Verdicts",
        "Share of each recording's units by kind of departure, and of those with a refractory dip, or a rate that "
        "falls with recent spikes, by verdict.",
        "Verdicts as in each recording's own report, corrected over its units.",
        "Mostly captured.",
        "Missed in one recording alone: look at its sorting and its drift.",
        wide=True,
        tall=True,
    ),
)
