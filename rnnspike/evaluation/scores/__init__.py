"""How likely a model finds the held-out spikes: likelihoods, intervals, comparisons."""
