"""From a recording with trials to honest single-trial history models and a report."""

from rnnspike._version import __version__

__all__ = ["__version__"]
