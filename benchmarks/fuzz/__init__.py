"""Damaged, hostile and odd inputs, each tried in a child process: ``python -m benchmarks.fuzz --help``."""
