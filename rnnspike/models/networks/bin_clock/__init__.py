"""Recurrent models that step once per bin."""
