"""Networks trained on a CPU: parameters by name, stored in one vector, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Single = npt.NDArray[np.float32]
#: Parameters, gradients or moments by name, in single precision.
Arrays = dict[str, Single]


class ArrayNet:
    """Parameters by name; ``arrays`` are views of the vector ``values``, which the optimiser updates."""

    def __init__(self, arrays: Mapping[str, Single]) -> None:
        self.values: Single = np.concatenate([each.ravel() for each in arrays.values()])
        self._shapes = {name: each.shape for name, each in arrays.items()}
        self.arrays = self.parts(self.values)

    @property
    def n_parameters(self) -> int:
        """Number of values that are trained."""
        return len(self.values)

    def parts(self, values: Single) -> Arrays:
        """Return the parts of a vector by the parameters' names; memory is shared."""
        shapes = self._shapes.values()
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        split = np.split(values, ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(self._shapes.items(), split, strict=True)}

    def vector(self, arrays: Mapping[str, Single]) -> Single:
        """Return arrays by the parameters' names, in any order, as one vector."""
        return np.concatenate([np.ravel(arrays[name]) for name in self._shapes])

    def state_dict(self) -> Arrays:
        """Return a copy of the parameters."""
        return self.parts(self.values.copy())

    def load_state_dict(self, state: Mapping[str, Single]) -> None:
        """Load these parameters."""
        self.values[:] = self.vector(state)


@dataclass(frozen=True)
class CompiledLoss:
    """A summed loss; ``back`` returns its gradient by the parameters' names, and may be called once."""

    value: float
    back: Callable[[], Mapping[str, Single]]
