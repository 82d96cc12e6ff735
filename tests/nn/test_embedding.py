"""The embedding: against PyTorch, and ids that are not in the table."""

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import DataError, DtypeError, OptionError, ShapeError


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_against_pytorch(dtype):
    rng = np.random.default_rng(0)
    layer = nn.Embedding(7, 3, rng=1, dtype=dtype)
    ids = rng.integers(0, 6, (4, 5))  # the last symbol does not occur
    upstream = rng.normal(size=(4, 5, 3)).astype(dtype)
    theirs = torch.nn.Embedding.from_pretrained(torch.tensor(layer.weight.numpy()), freeze=False)
    y = theirs(torch.tensor(ids))
    (y * torch.tensor(upstream)).sum().backward()
    np.testing.assert_array_equal(layer(ids).numpy(), y.detach().numpy())
    g = cr.grad(lambda layer: (layer(ids) * upstream).sum())(layer).weight.numpy()
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(g, theirs.weight.grad.numpy(), rtol=tolerance, atol=tolerance)
    assert (g[6] == 0).all()


def test_scores_are_the_products_with_all_vectors():
    layer, x = nn.Embedding(7, 3, rng=1, dtype="float64"), np.random.default_rng(0).normal(size=3)
    np.testing.assert_allclose(layer.scores(x).numpy(), layer.weight.numpy() @ x)


def test_it_begins_standard_normal():
    weight = nn.Embedding(200, 100, rng=0).weight.numpy()
    assert abs(weight.mean()) < 0.02 and abs(weight.std() - 1) < 0.02


@pytest.mark.parametrize("bad", [-1, 7, -8, 1000])
def test_an_id_that_is_not_in_the_table(bad):
    layer, ids = nn.Embedding(7, 3, rng=0), np.array([0, bad])
    with pytest.raises(DataError, match=f"0 <= ids < 7.* but got {bad}"):
        layer(ids)
    for engine in ("interpret", "native"):
        compiled = cr.compile(lambda layer, ids: layer(ids), engine=engine)
        assert compiled(layer, np.array([0, 6])).shape == (2, 3)
        with pytest.raises(ShapeError, match="An index expects"):
            compiled(layer, ids)


def test_what_is_no_id():
    with pytest.raises(DtypeError, match="ids of an integer type"):
        nn.Embedding(7, 3, rng=0)([0.0, 1.0])
    with pytest.raises(OptionError, match="sizes that are integers >= 1"):
        nn.Embedding(0, 3)


# ---------------------------------------------------------------------- padding
@pytest.mark.parametrize("padding", [0, 5, -1])
def test_padding_against_pytorch(padding):
    """With numbers in the padding's row, too, as after loading: they are looked up."""
    rng = np.random.default_rng(0)
    ids, upstream = rng.integers(0, 7, (4, 5)), rng.normal(size=(4, 5, 3))
    ids[0, :2] = padding % 7
    layer = nn.Embedding(7, 3, padding_idx=padding, rng=1, dtype="float64")
    assert (layer.weight.numpy()[padding] == 0).all()
    plain = nn.Embedding(7, 3, rng=1, dtype="float64")
    others = np.arange(7) != padding % 7
    np.testing.assert_array_equal(layer.weight.numpy()[others], plain.weight.numpy()[others])
    layer = layer.replace(weight=cr.asarray(rng.normal(size=(7, 3))))
    theirs = torch.nn.Embedding(7, 3, padding_idx=padding, dtype=torch.float64)
    theirs.load_state_dict({"weight": torch.tensor(layer.weight.numpy())})
    y = theirs(torch.tensor(ids))
    (y * torch.tensor(upstream)).sum().backward()
    np.testing.assert_array_equal(layer(ids).numpy(), y.detach().numpy())
    g = cr.grad(lambda layer: (layer(ids) * upstream).sum())(layer).weight.numpy()
    np.testing.assert_allclose(g, theirs.weight.grad.numpy(), rtol=1e-12, atol=1e-12)
    assert (g[padding] == 0).all() and (g[others] != 0).any()


def test_training_leaves_the_row_of_padding():
    layer, ids = nn.Embedding(7, 3, padding_idx=0, rng=0), np.array([[0, 1, 2], [3, 0, 0]])
    trained, _ = cr.fit(
        layer, lambda layer, ids: ((layer(ids) - 1) ** 2).sum(), (ids,), epochs=2, rng=0
    )
    assert (trained.weight.numpy()[0] == 0).all()
    assert (trained.weight.numpy()[1:4] != layer.weight.numpy()[1:4]).all()


@pytest.mark.parametrize("padding", [7, -8, 1.0, "0"])
def test_padding_that_is_no_symbol(padding):
    with pytest.raises(OptionError, match=r"Embedding\(7, 3\) expects padding_idx .* -7 to 7 - 1"):
        nn.Embedding(7, 3, padding_idx=padding)


def test_how_it_prints():
    assert repr(nn.Embedding(7, 3)) == "Embedding(7, 3)"
    assert repr(nn.Embedding(7, 3, padding_idx=-1)) == "Embedding(7, 3, padding_idx=6)"
