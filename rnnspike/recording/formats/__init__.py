"""Readers: one file or folder per format, listed in ``registry.py``."""
