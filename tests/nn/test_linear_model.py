"""The linear model in closed form and by gradient, and deep networks that are no more than that."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, Ridge

import chainrule as cr
from chainrule import nn
from chainrule.errors import DataError, OptionError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)) * [1.0, 3.0, 0.5, 1.0] + 2.0
T = X @ RNG.normal(size=(4, 2)) + 1.0 + RNG.normal(0, 0.3, (30, 2))


# ------------------------------------------------------------------ closed form
def test_it_is_the_least_squares_solution():
    layer = nn.least_squares_fit(X, T)
    design = np.column_stack([X, np.ones(30)])
    expected = np.linalg.solve(design.T @ design, design.T @ T)  # the normal equations
    np.testing.assert_allclose(layer.weight.numpy(), expected[:4], rtol=1e-11)
    np.testing.assert_allclose(layer.bias.numpy(), expected[4], rtol=1e-11)


def test_gradient_descent_arrives_at_the_same_weights():
    fitted = nn.least_squares_fit(X, T)
    cost = lambda model: nn.mse(model(X), T, reduction="batchmean")  # noqa: E731
    at_the_solution = cr.grad(cost)(fitted)
    for g in cr.tree_leaves(at_the_solution):
        np.testing.assert_allclose(g.numpy(), 0, atol=1e-12)

    design = np.column_stack([X, np.ones(30)])
    largest = np.linalg.eigvalsh(2 / 30 * design.T @ design)[-1]
    rate = 1 / largest  # above 2 / largest it would diverge

    @cr.compile
    def descend(model):
        def step(model, _):
            return cr.tree_map(lambda w, g: w - rate * g, model, cr.grad(cost)(model)), ()

        return cr.scan(step, model, length=20_000)[0]

    model = descend(nn.Linear(4, 2, rng=0, dtype=np.float64))
    np.testing.assert_allclose(model.weight.numpy(), fitted.weight.numpy(), rtol=1e-8)
    np.testing.assert_allclose(model.bias.numpy(), fitted.bias.numpy(), rtol=1e-8)


@pytest.mark.parametrize("l2", [0.0, 0.1, 100.0])
def test_it_equals_scikit_learn_on_real_data(l2):
    x, t = load_diabetes(return_X_y=True)
    ours = nn.least_squares_fit(x, t, l2=l2)
    theirs = (Ridge(l2) if l2 else LinearRegression()).fit(x, t)
    np.testing.assert_allclose(ours.weight.numpy()[:, 0], theirs.coef_, rtol=1e-8)
    assert ours.bias.item() == pytest.approx(theirs.intercept_, rel=1e-10)


def test_without_bias():
    layer = nn.least_squares_fit(X, T, bias=False, l2=0.5)
    theirs = Ridge(0.5, fit_intercept=False).fit(X, T)
    assert layer.bias is None
    np.testing.assert_allclose(layer.weight.numpy(), theirs.coef_.T, rtol=1e-9)


def test_columns_that_depend_on_each_other():
    x = np.column_stack([X, X[:, 0] + X[:, 1], np.ones(30)])
    layer = nn.least_squares_fit(x, T)
    np.testing.assert_allclose(layer(x).numpy(), nn.least_squares_fit(X, T)(X).numpy(), rtol=1e-10)
    other = layer.weight.numpy() + np.array([1, 1, 0, 0, -1, 0])[:, None]  # does the same
    assert np.linalg.norm(layer.weight.numpy()) < np.linalg.norm(other)


def test_fewer_rows_than_columns_and_a_single_row():
    layer = nn.least_squares_fit(X[:3], T[:3])
    np.testing.assert_allclose(layer(X[:3]).numpy(), T[:3], rtol=1e-10)
    layer = nn.least_squares_fit(X[:1], T[:1])
    assert not layer.weight.numpy().any() and layer.bias.tolist() == T[0].tolist()


def test_the_type_is_that_of_the_data():
    assert nn.least_squares_fit(X.astype(np.float32), T).weight.dtype == np.float32
    assert nn.least_squares_fit(X, T.astype(np.float32)).weight.dtype == np.float64
    assert nn.least_squares_fit([[1], [2]], [1, 2]).weight.dtype == np.float32


def test_what_it_refuses():
    for x, t in ((X, T[:5]), (X[:, 0], T), (X[:0], T[:0]), (X, T[:, :, None])):
        with pytest.raises(ShapeError, match="least_squares_fit expects x of shape"):
            nn.least_squares_fit(x, t)
    for x, t in ((np.full_like(X, np.nan), T), (X, np.full_like(T, np.inf))):
        with pytest.raises(DataError, match="finite"):
            nn.least_squares_fit(x, t)
    for l2 in (-1.0, np.nan, np.inf):
        with pytest.raises(OptionError, match="l2 >= 0"):
            nn.least_squares_fit(X, T, l2=l2)


# ------------------------------------------------------------------ collapse
def linear(n_in, n_out, seed, bias=True):
    rng = np.random.default_rng(seed)
    return nn.Linear.of(rng.normal(size=(n_in, n_out)), rng.normal(size=n_out) if bias else None)


def test_a_network_without_activations_is_a_linear_model():
    model = nn.MLP(4, [50, 20, 50], 2, activation="identity", rng=0, dtype=np.float64)
    rng = np.random.default_rng(1)
    model = cr.tree_map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape), model)
    flat = nn.collapse(model)
    assert isinstance(flat, nn.Linear) and (flat.in_features, flat.out_features) == (4, 2)
    np.testing.assert_allclose(flat(X).numpy(), model(X).numpy(), rtol=1e-11)
    jacobian = cr.vmap(cr.jacobian(model))(X).numpy()  # the same everywhere
    np.testing.assert_allclose(jacobian, np.tile(flat.weight.numpy().T, (30, 1, 1)), rtol=1e-10)


def test_an_activation_makes_it_more():
    model = nn.MLP(4, [8], 2, activation="tanh", rng=0, dtype=np.float64)
    one, other = cr.jacobian(model)(X[0]).numpy(), cr.jacobian(model)(X[1]).numpy()
    assert abs(one - other).max() > 1e-3


def test_layers_with_and_without_bias():
    no_bias = linear(3, 2, 0, bias=False)
    for layers in (
        (linear(4, 3, 0), no_bias),
        (linear(4, 3, 0, bias=False), linear(3, 2, 1)),
        (linear(4, 3, 0), nn.identity, nn.Dropout(0.5), nn.Sequential(linear(3, 2, 1))),
    ):
        model = nn.Sequential(*layers)
        np.testing.assert_allclose(nn.collapse(model)(X).numpy(), model(X).numpy(), rtol=1e-12)
    assert nn.collapse(nn.Sequential(nn.Linear.of(np.eye(3)), no_bias)).bias is None
    assert nn.collapse(no_bias)(np.eye(3)).tolist() == no_bias.weight.tolist()


def test_what_is_not_linear():
    with pytest.raises(OptionError, match="got relu"):
        nn.collapse(nn.MLP(4, [3], 2, rng=0))
    with pytest.raises(OptionError, match="got tanh"):
        nn.collapse(nn.Sequential(linear(4, 3, 0), nn.tanh))
    with pytest.raises(OptionError, match=r"got Sequential\(identity\)"):
        nn.collapse(nn.Sequential(nn.identity))
