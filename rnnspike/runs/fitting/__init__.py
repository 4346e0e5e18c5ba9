"""The tasks of a fit: trainings, predictions put together, evaluation of a unit."""
