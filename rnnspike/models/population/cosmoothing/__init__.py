"""Co-smoothing: a unit's whole trial from the other units, past and future (science.md#co-smoothing)."""
