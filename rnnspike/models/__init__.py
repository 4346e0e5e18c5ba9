"""Conditional-intensity models behind one protocol (``protocol.py``); a family a folder, one file a model.

Files named ``*_loops.py`` hold compiled loops, files named ``torch_*.py`` what runs on a GPU instead of them; each
stands beside the file that calls it.
"""
