"""Checks and cleaning: from what a reader found to a Recording that can be analysed."""
