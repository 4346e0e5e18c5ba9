"""Decoding of a finished run: conditions of trials, and covariates over time."""
