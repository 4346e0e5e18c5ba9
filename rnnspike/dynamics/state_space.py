"""The plane that the visited states span, for pictures: principal components, flow, trajectories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.dynamics.maps import Map
from rnnspike.trials.data import FloatArray


@dataclass(frozen=True)
class Plane:
    """Principal components of visited states: ``mean`` (state,), ``axes`` (2, state), ``explained`` (2,) shares."""

    mean: FloatArray
    axes: FloatArray
    explained: FloatArray

    @classmethod
    def of(cls, states: FloatArray) -> Plane:
        """Fit the plane to states (..., state)."""
        flat = states.reshape(-1, states.shape[-1])
        mean = flat.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov((flat - mean).T).reshape(len(mean), len(mean)))
        axes = vectors[:, ::-1][:, :2].T
        # the same picture whatever the solver: each axis points where its largest weight is positive
        axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
        if len(axes) < 2:
            axes = np.vstack([axes, np.zeros_like(axes)])
        explained = np.append(values[::-1], 0.0)[:2] / max(float(values.sum()), 1e-300)
        return cls(mean, axes, explained)

    def project(self, states: FloatArray) -> FloatArray:
        """Return coordinates (..., 2) of states (..., state)."""
        coordinates: FloatArray = (states - self.mean) @ self.axes.T
        return coordinates

    def limits(self, *states: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return two corners (2,) of the part of the plane that holds states (..., state), with a margin."""
        flat = np.concatenate([self.project(some).reshape(-1, 2) for some in states])
        low, high = flat.min(axis=0), flat.max(axis=0)
        margin = 0.08 * np.maximum(high - low, 1e-9 + 0.02 * (high - low).max())
        return low - margin, high + margin

    def flow(self, system: Map, low: FloatArray, high: FloatArray, n: int = 15) -> tuple[FloatArray, FloatArray]:
        """Return grid points (n * n, 2) between two corners and the map's movement (n * n, 2) there, in the plane."""
        x, y = np.meshgrid(*(np.linspace(a, b, n) for a, b in zip(low, high, strict=True)))
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        states = self.mean + grid @ self.axes
        moved: FloatArray = (system.step(states) - states) @ self.axes.T
        return grid, moved
