import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rnnspike.dynamics.state_dict import CellOptions, initialised_like, load_network, network_from, tell_cell
from rnnspike.errors import ConfigError, ModelError

BIN_S = 0.001


class Model(torch.nn.Module):
    def __init__(self, kind: str, n_layers: int = 1, n_out: int = 1, **kwargs):
        super().__init__()
        self.core = getattr(torch.nn, kind)(2, 5, n_layers, batch_first=True, **kwargs)
        self.fc = torch.nn.Linear(5, n_out)


def run_torch(module: torch.nn.Module, inputs: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module.double()(torch.from_numpy(inputs))[0].numpy()


@pytest.mark.parametrize(("kind", "cell"), [("RNN", "rnn"), ("GRU", "gru"), ("LSTM", "lstm")])
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_module_on_disk_runs_as_in_torch(kind, cell, n_layers, suffix, tmp_path, rng):
    model = Model(kind, n_layers)
    path = tmp_path / f"weights{suffix}"
    save_file(model.state_dict(), path) if suffix == ".safetensors" else torch.save(model.state_dict(), path)
    network = load_network(path, BIN_S)
    inputs = rng.normal(size=(3, 20, 2))
    states = network.run(np.zeros((3, network.n_state)), inputs)
    assert network.architecture == cell and len(network.layers) == n_layers
    assert np.allclose(states[..., network.hidden_columns], run_torch(model.core, inputs), atol=1e-12)
    assert np.allclose(network.readout.weight, model.fc.weight.detach().numpy())


def test_no_biases_and_bare_names(tmp_path, rng):
    module = torch.nn.LSTM(2, 4, bias=False, batch_first=True)
    save_file(module.state_dict(), tmp_path / "bare.safetensors")
    network = load_network(tmp_path / "bare.safetensors", BIN_S)
    inputs = rng.normal(size=(2, 10, 2))
    assert network.readout is None
    states = network.run(np.zeros((2, 8)), inputs)
    assert np.allclose(states[..., :4], run_torch(module, inputs), atol=1e-12)


def test_a_single_cell_and_a_wrapped_checkpoint(tmp_path):
    torch.save({"epoch": 3, "state_dict": torch.nn.GRUCell(2, 4).state_dict()}, tmp_path / "checkpoint.ckpt")
    assert load_network(tmp_path / "checkpoint.ckpt", BIN_S).architecture == "gru"


def test_half_precision_is_promoted(tmp_path):
    save_file(torch.nn.GRU(2, 4).bfloat16().state_dict(), tmp_path / "half.safetensors")
    assert load_network(tmp_path / "half.safetensors", BIN_S).layers[0].weight_hh.dtype == np.float64


@pytest.mark.parametrize(
    ("rows", "wanted", "expected"),
    [(4, None, "rnn"), (4, "linear", "linear"), (4, "rnn-relu", "rnn-relu"), (12, None, "gru"), (16, "lstm", "lstm")],
)
def test_cell_from_shape(rows, wanted, expected):
    assert tell_cell(np.zeros((rows, 4)), wanted) == expected


@pytest.mark.parametrize(("rows", "wanted"), [(8, None), (12, "lstm"), (13, None)])
def test_shapes_that_fit_no_cell_are_refused(rows, wanted):
    with pytest.raises(ModelError, match="gates"):
        tell_cell(np.zeros((rows, 4)), wanted)


def test_an_unknown_cell_is_a_setting():
    with pytest.raises(ConfigError, match="--cell peephole"):
        tell_cell(np.zeros((4, 4)), "peephole")


def arrays(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize(
    ("kwargs", "text"), [({"bidirectional": True}, "bidirectional"), ({"proj_size": 2}, "projection")]
)
def test_variants_are_refused(kwargs, text):
    with pytest.raises(ModelError, match=text):
        network_from(arrays(torch.nn.LSTM(2, 4, **kwargs)), BIN_S)


def test_several_modules_want_a_choice():
    both = {f"{name}.{key}": a for name in ("enc", "dec") for key, a in arrays(torch.nn.GRU(2, 4)).items()}
    with pytest.raises(ModelError, match="--module enc"):
        network_from(both, BIN_S)
    assert network_from(both, BIN_S, CellOptions(prefix="dec")).architecture == "gru"


def test_several_readouts_want_a_choice():
    tensors = {**arrays(Model("GRU")), "second.weight": np.ones((3, 5))}
    with pytest.raises(ModelError, match="--readout"):
        network_from(tensors, BIN_S)
    network = network_from(tensors, BIN_S, CellOptions(readout="second"))
    assert network.readout.weight.shape == (3, 5) and not network.readout.bias.any()
    assert network_from(tensors, BIN_S, CellOptions(readout="none")).readout is None
    with pytest.raises(ModelError, match="no readout 'third'"):
        network_from(tensors, BIN_S, CellOptions(readout="third"))


def test_only_weights_are_read(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"x": 1}))
    torch.save(torch.nn.GRU(2, 4), tmp_path / "module.pt")
    (tmp_path / "text.safetensors").write_text("hello, this is no tensor file")
    torch.save([1, 2], tmp_path / "list.pt")
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    for name in ("a.pkl", "module.pt", "text.safetensors", "list.pt", "arrays.npz", "absent.pt"):
        with pytest.raises(ModelError, match=name) as caught:
            load_network(tmp_path / name, BIN_S)
        assert "\n" not in str(caught.value)


def test_a_file_without_a_network_says_what_it_holds(tmp_path):
    save_file(torch.nn.Linear(3, 2).state_dict(), tmp_path / "linear.safetensors")
    with pytest.raises(ModelError, match=r"linear\.safetensors: no weights of an nn\.RNN.*weight"):
        load_network(tmp_path / "linear.safetensors", BIN_S)


def test_nan_weights_are_refused():
    tensors = arrays(torch.nn.GRU(2, 4))
    tensors["weight_hh_l0"][0, 0] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        network_from(tensors, BIN_S)


def test_a_fresh_network_has_the_shape_of_the_trained(rng):
    network = network_from(arrays(Model("LSTM", 2)), BIN_S)
    fresh = initialised_like(network, rng)
    assert [c.weight_hh.shape for c in fresh.layers] == [c.weight_hh.shape for c in network.layers]
    assert np.abs(fresh.layers[0].weight_hh).max() <= 1 / np.sqrt(5)
    assert not np.allclose(fresh.readout.weight, network.readout.weight)
