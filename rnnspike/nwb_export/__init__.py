"""Results of a run in the format of its recording."""
