"""A user's own torch network from its file: state dicts of nn.RNN, nn.GRU and nn.LSTM, safetensors or torch.

The cell is inferred from the shapes (one, three or four gates); one gate can be tanh, relu or linear, and is tanh
unless ``cell`` says otherwise. Nothing in a file is executed: torch files are read with ``weights_only``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from rnnspike.dynamics.network import Network
from rnnspike.errors import ConfigError, ModelError
from rnnspike.models.networks.cell import ARCHITECTURES, GATES, Architecture, Cell, Link, Readout
from rnnspike.trials.data import FloatArray

Tensors = Mapping[str, FloatArray]
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "network")


@dataclass(frozen=True)
class CellOptions:
    """What is not stored in the file.

    ``cell`` the architecture where the gate count leaves it open; ``prefix`` which recurrent module of several;
    ``readout`` the name of the readout's weight (without ``.weight``), ``none`` for no readout; ``link`` how the
    readout becomes an expected spike; ``alpha`` the leak of a leaky rnn.
    """

    cell: Architecture | None = None
    prefix: str | None = None
    readout: str | None = None
    link: Link = "cloglog"
    alpha: float = 1.0


def load_network(path: Path, bin_s: float, options: CellOptions | None = None) -> Network:
    """Return the recurrent network in a file of weights.

    Parameters
    ----------
    path
        ``.safetensors``, or a torch file (zip) that holds a state dict or a dict with one.
    bin_s
        Width of the network's step, in seconds.
    options
        What is not stored in the file.

    Raises
    ------
    ModelError
        Where the file holds no such network, more than one, or something else than weights.
    """
    options = options or CellOptions()
    tensors = read_tensors(path)
    try:
        return network_from(tensors, bin_s, options)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def read_tensors(path: Path) -> Tensors:
    """Return the arrays (float64) of a weights file by name; ModelError on one line for anything else."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    with path.open("rb") as file:
        head = file.read(9)
    if head[:4] == b"PK\x03\x04" or path.suffix.lower() in (".pt", ".pth", ".ckpt", ".bin"):
        return _read_torch(path)
    if path.suffix.lower() == ".safetensors" or head[8:9] == b"{":
        return _read_safetensors(path)
    raise ModelError(f"{path}: neither safetensors nor a torch file of weights (save the module's state_dict())")


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        loaded = load_file(path)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise ModelError(f"{path}: not a safetensors file ({_one_line(error)})") from error
    return {name: _array(tensor) for name, tensor in loaded.items()}


def _read_torch(path: Path) -> Tensors:
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types here, from zipfile's to pickle's
        raise ModelError(
            f"{path}: holds more than weights or is damaged, and is not executed (save the module's state_dict())"
        ) from error
    for _ in range(3):
        if not isinstance(loaded, Mapping):
            break
        inner = next((loaded[key] for key in _WRAPPERS if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            return {str(name): _array(value) for name, value in loaded.items() if torch.is_tensor(value)}
        loaded = inner
    raise ModelError(f"{path}: holds a {type(loaded).__name__}, not a state dict")


def _array(tensor: Any) -> FloatArray:
    return np.asarray(tensor.detach().double().numpy(), dtype=np.float64)


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def network_from(tensors: Tensors, bin_s: float, options: CellOptions | None = None) -> Network:
    """Return the network of these arrays (names as in torch's state dicts)."""
    options = options or CellOptions()
    prefix = _prefix(tensors, options.prefix)
    own = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    _refuse_variants(own)
    is_single_cell = "weight_hh" in own  # nn.LSTMCell and its like have no layer number
    layers: list[Cell] = []
    while ("weight_hh" if is_single_cell else f"weight_hh_l{len(layers)}") in own:
        layers.append(_layer(own, "" if is_single_cell else f"_l{len(layers)}", options))
        if is_single_cell:
            break
    readout = _readout(tensors, prefix, layers[-1].n_hidden, options)
    return Network(tuple(layers), bin_s, readout)


def _prefix(tensors: Tensors, wanted: str | None) -> str:
    found = [match[1] for name in tensors if (match := re.fullmatch(r"(.*?)weight_hh(?:_l0)?", name))]
    if wanted is not None:
        found = [prefix for prefix in found if prefix.rstrip(".") == wanted.rstrip(".")]
    if not found:
        raise ModelError(
            "no weights of an nn.RNN, nn.GRU or nn.LSTM (weight_hh_l0) "
            + (f"under {wanted!r} " if wanted else "")
            + f"among {_names(tensors)}"
        )
    if len(found) > 1:
        raise ModelError(f"several recurrent modules, choose one (--module {found[0].rstrip('.') or '.'}): {found}")
    return found[0]


def _names(tensors: Tensors) -> str:
    names = list(tensors)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _refuse_variants(own: Tensors) -> None:
    if any(name.endswith("_reverse") for name in own):
        raise ModelError("bidirectional layers have no map from a state to the next one")
    if any(name.startswith("weight_hr") for name in own):
        raise ModelError("an LSTM with a projection (proj_size) is not supported")


def _layer(own: Tensors, suffix: str, options: CellOptions) -> Cell:
    weight_ih, weight_hh = own.get(f"weight_ih{suffix}"), own[f"weight_hh{suffix}"]
    if weight_ih is None or weight_ih.ndim != 2 or weight_hh.ndim != 2:
        raise ModelError(f"weight_ih{suffix} and weight_hh{suffix} are not a layer's two matrices")
    architecture = tell_cell(weight_hh, options.cell)
    no_bias = np.zeros(len(weight_hh))
    bias_ih, bias_hh = (own.get(f"bias_{name}{suffix}", no_bias) for name in ("ih", "hh"))
    for name, array in (
        ("weight_ih", weight_ih),
        ("weight_hh", weight_hh),
        ("bias_ih", bias_ih),
        ("bias_hh", bias_hh),
    ):
        if not np.isfinite(array).all():
            raise ModelError(f"{name}{suffix} holds NaN or infinity")
    return Cell(architecture, weight_ih, weight_hh, bias_ih, bias_hh, alpha=options.alpha)


def tell_cell(weight_hh: FloatArray, wanted: Architecture | None = None) -> Architecture:
    """Return the architecture from the shape (gate * hidden, hidden) of a layer, checked against ``wanted``."""
    if wanted is not None and wanted not in ARCHITECTURES:
        raise ConfigError(f"--cell {wanted}: no such cell (there are {', '.join(ARCHITECTURES)})")
    rows, hidden = weight_hh.shape
    by_gates: dict[int, Architecture] = {1: "rnn", 3: "gru", 4: "lstm"}
    n_gates = rows // hidden if hidden and rows % hidden == 0 else 0
    if n_gates not in by_gates:
        raise ModelError(f"weight_hh is {rows} x {hidden}: not 1, 3 or 4 gates per unit, as the cells of --cell have")
    if wanted is None:
        return by_gates[n_gates]
    if len(GATES[wanted]) != n_gates:
        raise ModelError(f"--cell {wanted} has {len(GATES[wanted])} gates per unit, the weights have {n_gates}")
    return wanted


def _readout(tensors: Tensors, prefix: str, n_hidden: int, options: CellOptions) -> Readout | None:
    if options.readout == "none":
        return None
    others = {name: a for name, a in tensors.items() if not prefix or not name.startswith(prefix)}
    matrices = {
        name[: -len("weight")].rstrip("."): array
        for name, array in others.items()
        if name.endswith("weight") and array.ndim == 2 and array.shape[1] == n_hidden
    }
    if options.readout is not None:
        matrices = {
            name: array for name, array in matrices.items() if name == options.readout.removesuffix(".weight")
        }
        if not matrices:
            raise ModelError(f"no readout {options.readout!r} of {n_hidden} units (--readout)")
    if not matrices:
        return None
    if len(matrices) > 1:
        raise ModelError(f"several readouts fit, choose one (--readout {min(matrices)}): {sorted(matrices)}")
    name, weight = next(iter(matrices.items()))
    bias = others.get(f"{name}.bias" if name else "bias", np.zeros(len(weight)))
    return Readout(weight, bias, options.link)


def initialised_like(network: Network, rng: np.random.Generator) -> Network:
    """Return a network of the same shape before any training: torch's initialisation, U(-1, 1)/sqrt(hidden)."""

    def fresh(array: FloatArray, n_hidden: int) -> FloatArray:
        return np.asarray(rng.uniform(-1, 1, size=array.shape) / np.sqrt(n_hidden))

    layers = tuple(
        Cell(
            layer.architecture,
            fresh(layer.weight_ih, layer.n_hidden),
            fresh(layer.weight_hh, layer.n_hidden),
            fresh(layer.bias_ih, layer.n_hidden),
            fresh(layer.bias_hh, layer.n_hidden),
            alpha=layer.alpha,
        )
        for layer in network.layers
    )
    old = network.readout
    n_hidden = network.layers[-1].n_hidden
    readout = old and Readout(fresh(old.weight, n_hidden), fresh(old.bias, n_hidden), old.link)
    return replace(network, layers=layers, readout=readout)


LINKS: tuple[Link, ...] = get_args(Link)
