"""Tensors and plain values on disk: safetensors and json, no pickle, written under a temporary name first."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Where a long training leaves its state: one file, replaced as a whole.

    ``fingerprint`` names what is trained (settings, data, seed): a file of another training is not taken up.
    """

    path: Path
    fingerprint: str

    def save(self, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> None:
        """Write tensors and plain values, atomically."""
        header = {"values": json.dumps(values), "fingerprint": self.fingerprint}
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_atomically(self.path, to_bytes(plain, metadata=header))

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """Return what was saved last; None where there is nothing, or not of this training."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as stored:
                header = stored.metadata() or {}
                if header.get("fingerprint") != self.fingerprint:
                    return None
                return {name: stored.get_tensor(name) for name in stored.keys()}, json.loads(header["values"])  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
            return None

    def delete(self) -> None:
        """Remove the file, where there is one."""
        self.path.unlink(missing_ok=True)


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
    from safetensors.numpy import save as array_bytes

    plain = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    write_atomically(folder / "weights.safetensors", array_bytes(plain))
    text = json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / "config.json", (text + "\n").encode())


def load_weights(folder: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return arrays and config of ``save_weights``."""
    from safetensors.numpy import load_file

    return load_file(folder / "weights.safetensors"), json.loads((folder / "config.json").read_text("utf-8"))
