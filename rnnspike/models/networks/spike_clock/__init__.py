"""LSTMs that step once per spike, with a hazard head between spikes."""
