"""Figures for papers, drawn by matplotlib; which there are: ``rnnspike.report.catalogue``."""
