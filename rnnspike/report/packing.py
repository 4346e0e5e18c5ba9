"""Arrays as the page holds them: short JSON, or 16-bit numbers in base64 where they are long."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.names import plain, to_json, visible

#: From so many numbers on an array is packed, and what stands for an undefined one.
PACK_FROM, UNDEFINED = 48, 65535


def packed(values: npt.ArrayLike, n_steps: int = UNDEFINED - 1) -> Any:
    """Return an array as nested lists of four figures, or packed into 16 bits a number where it is long.

    Packed: ``{"b": base64 of uint16, all low bytes first, "lo": ..., "step": ..., "shape": ...}``, value
    ``lo + step * n``, 65535 undefined; the error is at most half a step, of which ``n_steps`` make the array's range.
    Integers beyond 16 bits stay lists.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.size < PACK_FROM:
        return rounded(array)
    if array.dtype.kind != "f":
        small = array.size and array.min() >= 0 and array.max() < UNDEFINED
        return _packed(array.astype(np.uint16), 0.0, 1.0) if small else rounded(array)
    good = np.isfinite(array)
    low = float(array[good].min()) if good.any() else 0.0
    step = (float(array[good].max()) - low) / n_steps if good.any() else 0.0
    numbers = np.zeros(array.shape) if step == 0 else np.rint((np.where(good, array, low) - low) / step)
    return _packed(np.where(good, numbers, UNDEFINED).astype(np.uint16), low, step or 1.0)


def _packed(numbers: npt.NDArray[np.uint16], low: float, step: float) -> dict[str, Any]:
    planes = numbers.astype("<u2").ravel().view(np.uint8).reshape(-1, 2).T  # apart, they are compressed better
    text = base64.b64encode(planes.tobytes()).decode("ascii")
    return {"b": text, "lo": float(f"{low:.8g}"), "step": float(f"{step:.8g}"), "shape": list(numbers.shape)}


def rounded(values: Any) -> Any:
    """Return an array as nested lists, numbers to four figures, undefined null."""
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return plain(values.tolist())
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (3 - np.floor(np.log10(np.abs(values))))
        short = np.where(np.isfinite(scale), np.round(values * scale) / scale, values)
    return _shorten(plain(short.astype(np.float64).tolist()))


def _shorten(value: Any) -> Any:
    if isinstance(value, list):
        return [_shorten(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def deflated(text: str) -> str:
    """Return a text compressed (raw deflate) and in base64, as browsers read it back."""
    compressor = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    return base64.b64encode(compressor.compress(text.encode()) + compressor.flush()).decode("ascii")


def columnar(rows: Sequence[Mapping[str, Any]], figures: int = 5) -> dict[str, Any]:
    """Return rows as their ``names`` once and the ``values`` of each, to some figures, without empty columns."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value is not None)

    def shortened(value: Any) -> Any:
        return float(f"{value:.{figures}g}") if isinstance(value, float) else value

    return {"names": list(names), "values": [[shortened(row.get(name)) for name in names] for row in rows]}


def spread(n: int, most: int) -> npt.NDArray[np.int64]:
    """Return indices of at most ``most`` of n points, evenly spaced, first and last among them."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(np.int64))


def to_script(value: Any) -> str:
    """Return JSON that may stand inside a script element: no ``<`` of a text begins a tag or a comment there."""
    return to_json(_shown(plain(value)), separators=(",", ":")).replace("<", "\\u003c")


def _shown(value: Any) -> Any:
    """Return texts as the page shows them, on one line."""
    if isinstance(value, dict):
        return {visible(key): _shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    return visible(value) if isinstance(value, str) else value
