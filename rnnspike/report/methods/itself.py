"""How to cite rnnspike itself: the facts of CITATION.cff, which an installed package does not hold."""

from __future__ import annotations

from rnnspike._version import __version__

TITLE = "rnnspike: single-trial spike-history models, from a recording to held-out scores and a report"
AUTHOR = "rnnspike developers"
LICENSE = "BSD-3-Clause"

BIBTEX = f"""@software{{rnnspike,
  author = {{{{{AUTHOR}}}}},
  title = {{{TITLE}}},
  version = {{{__version__}}},
  license = {{{LICENSE}}},
}}"""


def as_text() -> str:
    """Return the reference to rnnspike in one line."""
    return f"{AUTHOR}. {TITLE}. Version {__version__} ({LICENSE})."
