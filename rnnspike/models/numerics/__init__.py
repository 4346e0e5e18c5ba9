"""Bases, scalar functions, and compiled loops that several families share."""
