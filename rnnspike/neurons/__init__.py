"""Simulated cells whose conditional intensity is known exactly.

A cell is a recursion from its state and its input to the intensity of a bin (``cell.py``), so that
``P(spike | past, input) = 1 - exp(-mu)`` and spikes are drawn from it; ``intensity`` gives the same ``mu`` for
recorded spikes. ``simulate_cell`` places trials in session time and ``Session.write`` stores the true intensity
with the spikes; ``true_intensity`` reads it back onto the bins of trials.

Properties of the cells. Gains are bits/spike over the PSTH on 200 held-out trials of 1 s after 200 of training: of
the true intensity, and the share of it that is reached by a history GLM (boxcars, 15 log-spaced cosines to 2 s,
last-spike basis) with the stimulus as input, and by the ``lstm`` of the ladder (standard effort, PSTH as drive).
One seed: precise to two digits.

===================  ===============  =====  ======  =====  =====  ===================================================
cell                 kind             Hz     truth   GLM    LSTM   note
===================  ===============  =====  ======  =====  =====  ===================================================
poisson              log-linear       24     0       -      -      nothing to capture: the PSTH is the true rate
refractory           log-linear       29     .275    .99    .97
adapting             log-linear       19     .243    .98    .96
adapting2            log-linear       15     .220    .97    .92    800 ms are close to the length of a window
power-law            log-linear       15     .258    .96    .93
bursting             log-linear       12     .622    .98    .95
resonant             log-linear       17     .310    .89    .86    rings for 2-3 cycles of 50 ms: finer than log lags
coupled-pair         log-linear       15,25  .344    .73    .71    second unit; the rest is in its partner's spikes
shared-gain          log-linear       23     .296    .86    .79    the rest is in the gain, which is not in the spikes
integrate-and-fire   membrane         20     1.13    .95    .97
izhikevich-rs        membrane         19     3.8     .51    .74
izhikevich-ib        membrane         28     3.4     .47    .71
izhikevich-ch        membrane         46     3.7     .78    .89
izhikevich-fs        membrane         45     3.4     .56    .76
izhikevich-lts       membrane         16     2.5     .28    .68
izhikevich-rz        membrane         20     2.1     .29    .68
threshold-adapting   state-dependent  19     1.68    .87    .98
burst-counter        state-dependent  26     1.48    .70    .96
bistable             state-dependent  25     .445    .60    .82    state is the parity of all past doublets
===================  ===============  =====  ======  =====  =====  ===================================================

On log-linear cells an LSTM can gain only what the GLM loses by its basis; on the others it should gain more.
"""

from rnnspike.neurons.cell import Cell, intensity, simulate
from rnnspike.neurons.registry import CELLS, CellSpec, cell_spec, population
from rnnspike.neurons.session import Session, SessionOptions, simulate_cell, simulate_session
from rnnspike.neurons.truth import has_truth, true_intensity

__all__ = [
    "CELLS",
    "Cell",
    "CellSpec",
    "Session",
    "SessionOptions",
    "cell_spec",
    "has_truth",
    "intensity",
    "population",
    "simulate",
    "simulate_cell",
    "simulate_session",
    "true_intensity",
]
