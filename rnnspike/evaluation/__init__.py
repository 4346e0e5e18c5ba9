"""How good a model is on trials never seen."""
