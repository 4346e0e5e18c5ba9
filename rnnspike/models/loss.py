"""A batch's loss and its gradient, where compiled loops work them out; elsewhere they are torch's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch


@dataclass(frozen=True)
class CompiledLoss:
    """A summed loss; ``back`` gives its gradient by the names of the parameters, and may be called once."""

    value: float
    back: Callable[[], Mapping[str, npt.NDArray[Any]]]


def value_of(loss: torch.Tensor | CompiledLoss) -> float:
    """Return a loss as a number."""
    return loss.value if isinstance(loss, CompiledLoss) else float(loss.detach())
