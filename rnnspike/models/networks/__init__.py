"""Recurrent networks: what both clocks share, and a folder for each clock."""
