"""Arrays as the page holds them: short JSON, or 16-bit numbers in base64 where they are long."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.runs.store import plain

#: From so many numbers on an array is packed, and what stands for an undefined one.
PACK_FROM, UNDEFINED = 48, 65535


def packed(values: npt.ArrayLike) -> Any:
    """Return an array as nested lists of four figures, or packed into 16 bits a number where it is long.

    Packed: ``{"b": base64 of little-endian uint16, "lo": ..., "step": ..., "shape": ...}``, value ``lo + step * n``,
    65535 undefined; the error is at most 1/130000 of the array's range. Integers beyond that range stay lists.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.size < PACK_FROM:
        return rounded(array)
    if array.dtype.kind != "f":
        small = array.size and array.min() >= 0 and array.max() < UNDEFINED
        return _packed(array.astype(np.uint16), 0.0, 1.0) if small else rounded(array)
    good = np.isfinite(array)
    low = float(array[good].min()) if good.any() else 0.0
    step = (float(array[good].max()) - low) / (UNDEFINED - 1) if good.any() else 0.0
    numbers = np.zeros(array.shape) if step == 0 else np.rint((np.where(good, array, low) - low) / step)
    return _packed(np.where(good, numbers, UNDEFINED).astype(np.uint16), low, step or 1.0)


def _packed(numbers: npt.NDArray[np.uint16], low: float, step: float) -> dict[str, Any]:
    text = base64.b64encode(numbers.astype("<u2").tobytes()).decode("ascii")
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


def spread(n: int, most: int) -> npt.NDArray[np.int64]:
    """Return indices of at most ``most`` of n points, evenly spaced, first and last among them."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(np.int64))


def to_script(value: Any) -> str:
    """Return JSON that may stand inside a script element."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")
