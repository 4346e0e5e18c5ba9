"""Attractors: fixed points, limit cycles and their basins."""
