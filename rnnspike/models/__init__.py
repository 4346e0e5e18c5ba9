"""Conditional-intensity models behind one protocol (``protocol.py``); one file a model."""
