"""A fitted model's arrays and config on disk: safetensors and json, no pickle, each file whole or not there.

The config carries a checksum of itself and of the arrays: those of another network, or of other shapes, are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from rnnspike.errors import damage_errors
from rnnspike.files import write_file
from rnnspike.models.packed import read_packed

WEIGHTS, CHECKSUM = "weights.safetensors", "sha256"


def save_weights(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], config: Mapping[str, Any]) -> None:
    """Write ``weights.safetensors`` and ``config.json`` of a fitted model into a folder."""
    plain = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    weights = to_bytes(plain)
    write_file(folder / WEIGHTS, weights)
    save_config(folder, config, weights=weights)


def save_config(folder: Path, config: Mapping[str, Any], name: str = "config.json", weights: bytes = b"") -> None:
    """Write the plain values of a fitted model into a folder, with the checksum of them and of its weights."""
    config = json.loads(json.dumps(config))  # keys are text, as they are read back
    write_file(folder / name, (_text({**config, CHECKSUM: _checksum(config, weights)}) + "\n").encode())


def load_weights(folder: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return arrays and config of ``save_weights``; RunError where they are missing, damaged or not of one model."""
    with damage_errors(folder / WEIGHTS):
        weights = read_packed(folder / WEIGHTS)
        arrays = from_bytes(weights)
    return arrays, load_config(folder, weights=weights)


def load_config(folder: Path, name: str = "config.json", weights: bytes = b"") -> dict[str, Any]:
    """Return the plain values of ``save_config``; RunError where they are missing, damaged or of other weights."""
    with damage_errors(folder / name):
        config: dict[str, Any] = json.loads(read_packed(folder / name).decode("utf-8"))
        checksum = config.pop(CHECKSUM, None)  # of older models there is none
        if checksum not in (None, _checksum(config, weights)):
            raise ValueError("the checksum is another")
    return config


def _checksum(config: Mapping[str, Any], weights: bytes) -> str:
    return hashlib.sha256(_text(config).encode() + weights).hexdigest()


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False)
