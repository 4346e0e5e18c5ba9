"""Intensities that somebody else's model gives: read, checked and laid onto the trials of a recording."""
