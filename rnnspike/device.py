"""Where networks are trained: a GPU where there is one, else the processor."""

from __future__ import annotations

import shutil
from pathlib import Path

from rnnspike.errors import ConfigError


def resolve_device(device: str) -> str:
    """Return cpu or cuda for auto."""
    if device != "auto":
        return device
    if not (Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi")):
        return "cpu"  # a second less than asking torch
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(device: str) -> None:
    """Raise ConfigError where networks are to be trained on a GPU and torch has none."""
    if device != "cuda":
        return
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device here (try --device cpu, or auto)")
