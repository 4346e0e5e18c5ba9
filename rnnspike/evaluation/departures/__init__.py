"""What depends on past spikes in the data, and which models have captured it."""
