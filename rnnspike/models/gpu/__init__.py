"""The same networks in torch, for a GPU; trained there they come out as on a CPU, up to rounding (science.md b.8).

``fleet`` trains networks clocked by bins, of many units and folds in one batch; ``hazard`` is the one clocked by
spikes. torch is imported here and nowhere else in a fit: it takes longer than a small training.
"""
