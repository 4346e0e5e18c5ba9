"""Models that know no spike of the trial: constant rate, PSTH, PSTH with a slow gain."""
