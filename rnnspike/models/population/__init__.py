"""Models that read the other units' past beside the unit's own (science.md#population)."""
