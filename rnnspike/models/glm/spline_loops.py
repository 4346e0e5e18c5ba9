"""Products of splines over the window with columns (science.md#glm-fit)."""

from __future__ import annotations

from rnnspike.models.numerics.compilation import Double, Floats, Index, compiled


@compiled
def cross(
    place: Index, weights: Floats, columns: Floats, first: Index, values: Double, by_place: Floats, out: Double
) -> None:
    """Add B'WX to ``out`` (function, column), for weights W and columns X (row, column): ``penalised.gram``.

    Rows share places, ``place`` (row,); B has ``values`` (place, order) at the functions from ``first`` (place,) on.
    ``by_place`` (place, column) is scratch memory of zeros.
    """
    for i in range(len(place)):
        summed, row, weight = by_place[place[i]], columns[i], weights[i]
        for k in range(len(row)):
            summed[k] += weight * row[k]
    for j in range(len(first)):
        for d in range(values.shape[1]):
            own, summed, value = out[first[j] + d], by_place[j], values[j, d]
            for k in range(len(own)):
                own[k] += value * summed[k]
