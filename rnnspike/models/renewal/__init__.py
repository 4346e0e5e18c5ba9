"""The renewal model: a hazard of the time since the last spike, in time rescaled by the drive."""
