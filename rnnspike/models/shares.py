"""How much of a model's gain over its base is kept: what validation trials favour, and nothing that is not earned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Shares of a gain to choose from.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def earned_share(nats: Sequence[float], least: float) -> float:
    """Return the best of ``SHARES``, or 0 where that is not better than none by ``least`` nats.

    Parameters
    ----------
    nats
        Negative log-likelihood of validation trials at each of ``SHARES``.
    least
        What a share must earn.

    Examples
    --------
    >>> earned_share([10.0, 8.5, 7.0, 7.5, 9.0], 2.0), earned_share([10.0, 9.5, 9.2, 9.5, 9.9], 2.0)
    (0.5, 0.0)
    """
    best = int(np.argmin(nats))
    return SHARES[best] if nats[best] < nats[0] - least else 0.0
