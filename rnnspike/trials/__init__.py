"""What is modelled: aligned, binned, masked and split into folds."""
