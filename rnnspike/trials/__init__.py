"""From a recording to trials: aligned, binned, masked and split into folds."""
