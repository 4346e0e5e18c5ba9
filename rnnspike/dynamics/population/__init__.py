"""The network of a whole recording: its closed loop, its patterns, and the phases of its units."""
