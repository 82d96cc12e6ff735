"""A model's tensors to and from a file."""

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, storage
from chainrule.errors import StorageError
from chainrule.train import load_model, save_model


def test_a_loaded_model_is_the_saved_one_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = nn.MLP(4, [8, 8], 3, dropout=0.25, rng=0)
    save_model(path, model, {"made by": "a test"})
    again = load_model(path, nn.MLP(4, [8, 8], 3, dropout=0.5, rng=1))
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())
    assert again.dropout.rate.item() == 0.25
    assert storage.load_safetensors(path)[1] == {"made by": "a test"}


def test_the_file_holds_every_tensor_under_its_path(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = nn.freeze(nn.MLP(4, [8], 3, rng=0), "hidden.0")
    save_model(path, model)
    arrays, _ = storage.load_safetensors(path)
    assert sorted(arrays) == sorted(cr.tree_paths(model))


def test_a_tied_weight_is_stored_once(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"

    def autoencoder(seed: int) -> nn.Tied:
        model = nn.MLP(4, [2], 4, rng=seed)
        return nn.tie(model, "output.weight", "hidden.0.weight", lambda weight: weight.T)

    model = autoencoder(0)
    save_model(path, model)
    assert len(storage.load_safetensors(path)[0]) == 3
    x = np.ones((2, 4), np.float32)
    template = model.replace(model=autoencoder(1).model)
    np.testing.assert_array_equal(load_model(path, template)(x).numpy(), model(x).numpy())


def test_any_tree_of_tensors_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    tree = {"step": cr.tensor(3), "means": [cr.ones(2), cr.tensor([[1.0]], "float64").T]}
    save_model(path, tree)
    again = load_model(path, cr.tree_map(lambda leaf: 0 * leaf, tree))
    for one, other in zip(cr.tree_leaves(tree), cr.tree_leaves(again), strict=True):
        assert one.spec == other.spec
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_every_difference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    weights = {"hidden.weight": cr.ones((4, 8)), "bias": cr.ones(8), "scale": cr.tensor(1.0)}
    save_model(path, weights)
    wanted = {
        "hiden.weight": cr.ones((4, 8)),
        "bias": cr.ones(9),
        "scale": cr.tensor(1.0, "float64"),
    }
    with pytest.raises(StorageError) as raised:
        load_model(path, wanted)
    message = str(raised.value)
    assert "4 places" in message
    assert "lacks 'hiden.weight'. Did you mean 'hidden.weight'?" in message
    assert "'bias' is float32[8] in the file, but float32[9] in the model" in message
    assert "'scale' is float32[] in the file, but float64[] in the model" in message
    assert "The model has no 'hidden.weight'" in message


def test_a_message_stays_short_when_nothing_fits(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, [cr.ones(1)] * 100)
    with pytest.raises(StorageError, match="200 places") as raised:
        load_model(path, {"weights": [cr.ones(1)] * 100})
    assert len(str(raised.value)) < 600


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = nn.Linear(2, 1, rng=0)
    save_model(path, model)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match="truncated"):
        load_model(path, model)


def test_a_failing_write_leaves_the_old_model(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = nn.Linear(2, 1, rng=0)
    save_model(path, model)
    with pytest.raises(StorageError):
        save_model(path, {"weight": model.weight, "__metadata__": model.bias})
    np.testing.assert_array_equal(load_model(path, model).weight.numpy(), model.weight.numpy())
