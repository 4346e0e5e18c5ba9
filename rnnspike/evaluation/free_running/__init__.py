"""Models fed their own spikes, against the data."""
