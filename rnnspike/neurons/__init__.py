"""Simulated cells whose conditional intensity is known exactly."""
