"""Recordings that are in memory: arrays and other packages' objects in, and a file of them for workers."""
