"""A fitted network's arrays and config on disk: safetensors and json, no pickle, written under a temporary name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_weights(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], config: Mapping[str, Any]) -> None:
    """Write ``weights.safetensors`` and ``config.json`` of a fitted model into a folder."""
    plain = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    write_atomically(folder / "weights.safetensors", to_bytes(plain))
    text = json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / "config.json", (text + "\n").encode())


def load_weights(folder: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return arrays and config of ``save_weights``."""
    return load_file(folder / "weights.safetensors"), json.loads((folder / "config.json").read_text("utf-8"))
