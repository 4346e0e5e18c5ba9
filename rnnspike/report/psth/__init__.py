"""PSTHs of `rnnspike psth`: computed some units at a time, and drawn."""
