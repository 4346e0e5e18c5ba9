"""The trained network as a dynamical system."""
