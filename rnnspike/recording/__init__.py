"""Recordings: reading files of all formats into plain arrays, checks, cleaning and findings."""
