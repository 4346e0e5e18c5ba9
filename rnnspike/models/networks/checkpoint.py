"""The state of an unfinished training on disk: one safetensors file, its plain values as json in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from rnnspike.files import write_file
from rnnspike.models.networks.parameters import Arrays


@dataclass(frozen=True)
class Checkpoint:
    """The file in which a long training stores its state; it is replaced as a whole.

    ``fingerprint`` identifies the training (settings, data, seed): the file of another training is ignored.
    """

    path: Path
    fingerprint: str

    def save(self, arrays: Arrays, values: Mapping[str, Any]) -> None:
        """Write arrays and plain values, atomically."""
        header = {"values": json.dumps(values), "fingerprint": self.fingerprint}
        plain = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
        write_file(self.path, to_bytes(plain, metadata=header))

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """Return what was saved last; None where there is nothing, or not of this training."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="numpy") as stored:
                header = stored.metadata() or {}
                if header.get("fingerprint") != self.fingerprint:
                    return None
                return {name: stored.get_tensor(name) for name in stored.keys()}, json.loads(header["values"])  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
            return None
