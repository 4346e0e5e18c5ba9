"""Tests of fit on the rescaled clock."""
