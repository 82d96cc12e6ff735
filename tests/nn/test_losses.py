"""Losses against PyTorch in float64: values, gradients, second derivatives; weights; refusals."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import chainrule as cr
from chainrule import nn
from chainrule.errors import DataError, DtypeError, OptionError, ShapeError

RNG = np.random.default_rng(0)
REGRESSION = {
    "huber": lambda y, t, **how: functional.huber_loss(y, t, delta=0.7, **how),
    "mae": functional.l1_loss,
    "mse": functional.mse_loss,
}
OPTIONS = {"huber": {"delta": 0.7}, "mae": {}, "mse": {}}


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def ours(name):
    return lambda y, t, **how: getattr(nn, name)(y, t, **OPTIONS[name], **how)


def orders_by_torch(function, y):
    """Value, gradient, and second derivative along a fixed direction."""
    y = torch.tensor(y, requires_grad=True)
    value = function(y)
    (g,) = torch.autograd.grad(value, y, create_graph=True)
    if not g.requires_grad:
        return value.detach().numpy(), g.numpy(), np.zeros(y.shape)
    (h,) = torch.autograd.grad((g * torch.tensor(direction(y.shape))).sum(), y)
    return (
        value.detach().numpy(),
        g.detach().numpy(),
        h.numpy(force=True),
    )  # forced: of |y| it is no array


def orders(function, y):
    value, g = cr.value_and_grad(function)(y)
    return value.numpy(), g.numpy(), cr.hvp(function)(y, direction(y.shape)).numpy()


def direction(shape):
    return np.cos(np.arange(np.prod(shape, dtype=int), dtype=float)).reshape(shape)


def assert_orders_equal(function, by_torch, y, rtol=1e-11, atol=1e-15):
    for got, expected in zip(orders(function, y), orders_by_torch(by_torch, y), strict=True):
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


# ------------------------------------------------------------------ regression
@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("shape", [(6, 3), (6,), (6, 1), (2, 3, 4)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_regression_equals_pytorch(name, shape, reduction, rng):
    y, t = rng.normal(0, 2, shape), rng.normal(0, 2, shape)
    assert_orders_equal(
        lambda y: ours(name)(y, t, reduction=reduction),
        lambda y: REGRESSION[name](y, torch.tensor(t), reduction=reduction),
        y,
    )


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_without_reduction(name, rng):
    y, t = rng.normal(0, 2, (5, 2)), rng.normal(0, 2, (5, 2))
    expected = REGRESSION[name](torch.tensor(y), torch.tensor(t), reduction="none").numpy()
    np.testing.assert_allclose(ours(name)(y, t, reduction="none").numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize("name", REGRESSION)
def test_where_there_is_no_error_there_is_no_gradient(name):
    y = np.array([1.0, -2.0])
    assert cr.grad(lambda y: ours(name)(y, y.astype(np.float64) * 0 + [1.0, -2.0]))(y).tolist() == [
        0,
        0,
    ]


def test_the_two_conventions_for_several_outputs(rng):
    y, t = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    J = ((t - y) ** 2).sum() / 6  # 1/N Σ‖t − y‖²
    assert nn.mse(y, t, reduction="batchmean").item() == pytest.approx(J, rel=1e-14)
    assert nn.mse(y, t).item() == pytest.approx(J / 3, rel=1e-14)
    assert nn.mse(y[:, 0], t[:, 0], reduction="batchmean").item() == nn.mse(y[:, 0], t[:, 0]).item()


def test_the_two_layer_network_of_every_derivation(rng):
    """J = 1/N Σ‖t − y‖², y = Identity(ReLU(x w¹) w²): the gradients by hand."""
    x, t = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    w1, w2 = rng.normal(size=(2, 4)), rng.normal(size=(4, 1))

    def cost(w1, w2):
        y = nn.identity(nn.relu(cr.asarray(x) @ w1) @ w2)
        return nn.mse(y, t, reduction="batchmean")

    g1, g2 = cr.grad(cost, argnums=(0, 1))(w1, w2)
    z1 = x @ w1
    a1 = np.maximum(z1, 0)
    dy = -2 / 8 * (t - a1 @ w2)
    np.testing.assert_allclose(g2.numpy(), a1.T @ dy, rtol=1e-12)
    np.testing.assert_allclose(g1.numpy(), x.T @ (dy @ w2.T * (z1 > 0)), rtol=1e-12)


def test_huber_is_smooth_and_its_delta_may_be_a_tensor():
    t, delta = np.zeros(3), np.float64(0.7)
    y = np.array([-0.7, 0.2, 5.0])
    g = cr.grad(lambda d: nn.huber(y, t, delta=d, reduction="sum"))(delta).item()
    assert g == pytest.approx(5.0 - 0.7, rel=1e-14)  # only the straight part moves with δ
    assert cr.check_gradient(lambda y: nn.huber(y, t, delta=delta), np.array([0.3, -2.0, 5.0]))
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(OptionError, match="huber expects delta > 0"):
            nn.huber(y, t, delta=bad)


# ------------------------------------------------------------------ cross-entropy
LOGITS = RNG.normal(0, 2, (7, 5))
CLASSES = RNG.integers(0, 5, 7)
PROBABILITIES = RNG.dirichlet(np.ones(5), 7)
CLASS_WEIGHT = np.array([0.5, 1.0, 2.0, 0.0, 3.0])


@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_entropy_of_class_indices_equals_pytorch(weight, smoothing, reduction):
    how = {"label_smoothing": smoothing, "reduction": reduction}
    weight_of_torch = None if weight is None else torch.tensor(weight)
    assert_orders_equal(
        lambda z: nn.cross_entropy(z, CLASSES, class_weight=weight, **how),
        lambda z: functional.cross_entropy(z, torch.tensor(CLASSES), weight=weight_of_torch, **how),
        LOGITS,
    )


@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_probabilities_equals_pytorch(weight, smoothing):
    how = {"label_smoothing": smoothing, "reduction": "sum"}
    weight_of_torch = None if weight is None else torch.tensor(weight)
    assert_orders_equal(
        lambda z: nn.cross_entropy(z, PROBABILITIES, class_weight=weight, **how),
        lambda z: functional.cross_entropy(
            z, torch.tensor(PROBABILITIES), weight=weight_of_torch, **how
        ),
        LOGITS,
    )
    if weight is None:
        mean = nn.cross_entropy(LOGITS, PROBABILITIES, label_smoothing=smoothing).item()
        by_torch = functional.cross_entropy(
            torch.tensor(LOGITS), torch.tensor(PROBABILITIES), label_smoothing=smoothing
        )
        assert mean == pytest.approx(by_torch.item(), rel=1e-13)


@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("sample_weight", [None, np.arange(7.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["mean", "batchmean", "sum", "none"])
def test_one_hot_targets_and_class_indices_are_the_same(
    weight, sample_weight, smoothing, reduction
):
    how = {
        "class_weight": weight,
        "sample_weight": sample_weight,
        "label_smoothing": smoothing,
        "reduction": reduction,
    }
    hot = nn.one_hot(CLASSES, 5, np.float64)
    np.testing.assert_allclose(
        nn.cross_entropy(LOGITS, hot, **how).numpy(),
        nn.cross_entropy(LOGITS, CLASSES, **how).numpy(),
        rtol=1e-13,
    )


def test_the_gradient_of_cross_entropy_is_p_minus_t():
    g = cr.grad(lambda z: nn.cross_entropy(z, CLASSES, reduction="sum"))(LOGITS).numpy()
    p = nn.softmax(LOGITS).numpy()
    np.testing.assert_allclose(g, p - np.eye(5)[CLASSES], rtol=1e-11, atol=1e-15)


def test_cross_entropy_over_positions(rng):
    z, t = rng.normal(size=(2, 3, 4)), rng.integers(0, 4, (2, 3))
    by_torch = functional.cross_entropy(torch.tensor(z).movedim(-1, 1), torch.tensor(t)).item()
    assert nn.cross_entropy(z, t).item() == pytest.approx(by_torch, rel=1e-13)
    assert nn.cross_entropy(z, t, reduction="batchmean").item() == pytest.approx(
        3 * by_torch, rel=1e-13
    )
    assert nn.cross_entropy(z, t, reduction="none").shape == (2, 3)
    mask = np.array([[1, 1, 0], [1, 0, 0]])
    masked = nn.cross_entropy(z, t, sample_weight=mask).item()
    kept = nn.cross_entropy(z[mask == 1], t[mask == 1]).item()
    assert masked == pytest.approx(kept, rel=1e-14)


def test_one_row_and_smoothing_as_a_tensor():
    assert nn.cross_entropy(LOGITS[0], 2).item() == pytest.approx(
        nn.cross_entropy(LOGITS[:1], [2]).item(), rel=1e-15
    )
    slope = cr.grad(lambda e: nn.cross_entropy(LOGITS, CLASSES, label_smoothing=e))(np.float64(0.1))
    ends = [nn.cross_entropy(LOGITS, CLASSES, label_smoothing=e).item() for e in (0.0, 1.0)]
    assert slope.item() == pytest.approx(ends[1] - ends[0], rel=1e-12)


# ------------------------------------------------------------------ binary cross-entropy
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("soft", [False, True])
def test_binary_cross_entropy_equals_pytorch(reduction, soft, rng):
    z = rng.normal(0, 3, (6, 2))
    t = rng.uniform(size=(6, 2)) if soft else rng.integers(0, 2, (6, 2)).astype(float)
    by_torch = functional.binary_cross_entropy_with_logits
    assert_orders_equal(
        lambda z: nn.binary_cross_entropy(z, t, reduction=reduction),
        lambda z: by_torch(z, torch.tensor(t), reduction=reduction),
        z,
    )


def test_class_weight_is_pytorchs_pos_weight(rng):
    z, t = rng.normal(0, 3, 6), rng.uniform(size=6)
    assert_orders_equal(
        lambda z: nn.binary_cross_entropy(z, t, class_weight=[1.0, 2.5], reduction="sum"),
        lambda z: functional.binary_cross_entropy_with_logits(
            z, torch.tensor(t), pos_weight=torch.tensor(2.5), reduction="sum"
        ),
        z,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_two_classes_either_way(reduction, rng):
    z, t = rng.normal(size=8), rng.integers(0, 2, 8)
    how = {"class_weight": [0.3, 2.0], "sample_weight": np.arange(8), "reduction": reduction}
    two = nn.cross_entropy(np.stack([np.zeros(8), z], axis=1), t, **how).item()
    assert nn.binary_cross_entropy(z, t, **how).item() == pytest.approx(two, rel=1e-13)


# ------------------------------------------------------------------ numerics
@pytest.mark.parametrize("size", [1e4, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits(size, dtype):
    z = np.array([[size, -size], [-size, size], [size, size]], dtype)
    value, g = cr.value_and_grad(lambda z: nn.cross_entropy(z, [0, 0, 1], reduction="sum"))(z)
    assert value.item() == pytest.approx(2 * size + np.log(2), rel=1e-6)
    np.testing.assert_allclose(g.numpy(), [[0, 0], [-1, 1], [0.5, -0.5]], atol=1e-7)
    binary = np.array([size, -size, -size], dtype)
    value, g = cr.value_and_grad(lambda z: nn.binary_cross_entropy(z, [1, 0, 1], reduction="sum"))(
        binary
    )
    assert value.item() == pytest.approx(size, rel=1e-6)
    np.testing.assert_allclose(g.numpy(), [0, 0, -1], atol=1e-7)


def test_a_sure_and_right_answer_keeps_its_digits():
    for z, t in ((40.0, 1), (-40.0, 0)):
        value, g = cr.value_and_grad(lambda z, t=t: nn.binary_cross_entropy(z, t))(np.float64(z))
        assert value.item() == pytest.approx(np.exp(-40), rel=1e-12)
        assert abs(g.item()) == pytest.approx(np.exp(-40), rel=1e-12)


def test_a_class_that_is_ruled_out():
    z = np.array([[0.0, -np.inf, 1.0]])
    for t in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        value, g = cr.value_and_grad(lambda z, t=t: nn.cross_entropy(z, t))(z)
        p = 1 / (1 + np.e)
        assert value.item() == pytest.approx(-np.log(p), rel=1e-14)
        np.testing.assert_allclose(g.numpy(), [[p - 1, 0, 1 - p]], rtol=1e-12)


def test_nan_is_not_swallowed():
    assert np.isnan(nn.cross_entropy([[np.nan, 0.0]], [1]).item())
    assert np.isnan(nn.binary_cross_entropy([np.nan], [1]).item())
    for name in REGRESSION:
        assert np.isnan(ours(name)([np.nan], [1.0]).item())


# ------------------------------------------------------------------ weights
def every_loss():
    rng = np.random.default_rng(2)
    y, t = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    z, c = rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
    b = rng.integers(0, 2, (6, 2))
    pairs = {"mse": (y, t), "mae": (y, t), "huber": (y, t)}
    return {**pairs, "cross_entropy": (z, c), "binary_cross_entropy": (y, b)}


@pytest.mark.parametrize("name", every_loss())
def test_a_weight_of_two_is_a_row_twice(name):
    y, t = every_loss()[name]
    loss = getattr(nn, name)
    weight = np.array([0, 1, 2, 1, 3, 1])
    for reduction in ("mean", "batchmean", "sum"):
        weighted = loss(y, t, sample_weight=weight, reduction=reduction).item()
        repeated = loss(y.repeat(weight, 0), t.repeat(weight, 0), reduction=reduction).item()
        assert weighted == pytest.approx(repeated, rel=1e-13)
    each = loss(y, t, reduction="none").numpy()
    stretched = weight.reshape(-1, *(1,) * (each.ndim - 1))
    weighted = loss(y, t, sample_weight=weight, reduction="none").numpy()
    np.testing.assert_allclose(weighted, each * stretched, rtol=1e-14)


def test_weights_per_element(rng):
    y, t, w = (rng.uniform(size=(4, 3)) for _ in range(3))
    expected = (w * (y - t) ** 2).sum() / w.sum()
    assert nn.mse(y, t, sample_weight=w).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", every_loss())
def test_a_batch_whose_weights_are_all_zero_has_no_error(name):
    y, t = every_loss()[name]
    value, g = cr.value_and_grad(lambda y, w: getattr(nn, name)(y, t, sample_weight=w))(
        y, np.zeros(6)
    )
    assert value.item() == 0 and not g.numpy().any()


def test_weights_take_the_type_of_the_output():
    y, t = np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)
    assert nn.mse(y, t, sample_weight=np.ones(3)).dtype == np.float32
    assert nn.cross_entropy(y, [0, 1, 0], class_weight=np.ones(2)).dtype == np.float32


# ------------------------------------------------------------------ one step in graphs
@pytest.mark.parametrize("name", every_loss())
def test_a_loss_is_one_named_step(name):
    y, t = every_loss()[name]
    graph = cr.make_graph(lambda y, t: getattr(nn, name)(y, t), y, t)
    (call,) = (node for node in graph.nodes if node.op.name == "call")
    assert call.attributes["name"] == name
    assert set(call.attributes["body"].names) == {"t", "logits" if "entropy" in name else "y"}


@pytest.mark.parametrize("name", every_loss())
def test_compiled_and_batched(name):
    y, t = every_loss()[name]
    loss, weight = getattr(nn, name), np.arange(6.0)
    eager = loss(y, t, sample_weight=weight).item()
    compiled = cr.compile(lambda y, t, w: loss(y, t, sample_weight=w))
    assert compiled(y, t, weight).item() == pytest.approx(eager, rel=1e-14)
    each = cr.vmap(lambda y, t: loss(y, t, reduction="sum"))(y, t).numpy()
    alone = [loss(y[i], t[i], reduction="sum").item() for i in range(6)]
    np.testing.assert_allclose(each, alone, rtol=1e-13)


# ------------------------------------------------------------------ refusals
Y = np.zeros((4, 1))


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary_cross_entropy"])
def test_nothing_broadcasts(name):
    with pytest.raises(ShapeError, match=rf"{name} expects t\.shape == .*t\.reshape\(4, 1\)"):
        getattr(nn, name)(Y, np.zeros(4))
    with pytest.raises(ShapeError, match=r"\(4, 1\) and t of shape \(3, 1\)\.$"):
        getattr(nn, name)(Y, np.zeros((3, 1)))


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary_cross_entropy"])
def test_types_of_targets(name):
    loss = getattr(nn, name)
    with pytest.raises(DtypeError, match=rf'{name} expects t\.dtype == .*t\.astype\("float32"\)'):
        loss(Y.astype(np.float32), Y)
    for t in (np.zeros((4, 1), np.int64), np.zeros((4, 1), bool), [[0], [0.0], [0], [0]]):
        assert loss(Y, t).dtype == np.float64
    with pytest.raises(DtypeError, match=rf"{name} expects .* floating.*int64"):
        loss(np.zeros((4, 1), np.int64), Y)


def test_python_numbers_lose_no_digits():
    assert nn.mse(np.array([0.1]), [0.1]).item() == 0.0
    hot = nn.cross_entropy(np.zeros((1, 2)), [[0.1, 0.9]]).item()
    assert hot == pytest.approx(np.log(2), rel=1e-15)


@pytest.mark.parametrize(
    ("t", "error", "words"),
    [
        ([0, 5], DataError, r"0 <= t <= 2, but got t from 0 … 5"),
        ([-1, 0], DataError, r"t from -1 … 0"),
        ([0.0, 1.0], DtypeError, r't\.astype\("int64"\)'),
        (np.array([[0], [1]]), ShapeError, r"t\.reshape\(2,\)"),
        (np.eye(3, dtype=int)[:2], ShapeError, r't\.astype\("float64"\)'),
        ([0, 1, 2], ShapeError, r"t\.shape == \(2,\) \(class indices\) or \(2, 3\) \(prob"),
        (np.ones((2, 4)), ShapeError, r"t of shape \(2, 4\)\.$"),
        (np.ones((2, 3), np.float32), DtypeError, r't\.astype\("float64"\)'),
    ],
)
def test_targets_of_cross_entropy(t, error, words):
    logits = np.zeros((2, 3))
    with pytest.raises(error, match=words):
        nn.cross_entropy(logits, t)
    with pytest.raises(error, match=words):  # as in a gradient: the targets are numbers there too
        cr.grad(lambda z: nn.cross_entropy(z, t))(logits)


def test_a_class_out_of_range_is_found_in_compiled_code():
    compiled = cr.compile(lambda z, t: nn.cross_entropy(z, t))
    z = np.zeros((2, 3))
    assert compiled(z, np.array([0, 2])).item() == pytest.approx(np.log(3), rel=1e-15)
    for bad in ([0, 3], [-1, 0]):
        with pytest.raises(ShapeError, match="An index expects"):
            compiled(z, np.array(bad))


def test_one_logit_is_no_choice():
    for logits in (np.zeros((4, 1)), np.float64(0.0)):
        with pytest.raises(ShapeError, match=r"shape\[-1\] >= 2.*binary_cross_entropy"):
            nn.cross_entropy(logits, [0, 0, 0, 0])


def test_binary_targets_out_of_range():
    for bad in ([0, 2], [-1, 1], [0.5, np.nan]):
        with pytest.raises(DataError, match="binary_cross_entropy expects 0 <= t <= 1"):
            nn.binary_cross_entropy(np.zeros(2), bad)


@pytest.mark.parametrize("bad", [[1.0, -1.0], [1.0, np.nan], [1.0, np.inf]])
def test_weights_out_of_range(bad):
    with pytest.raises(DataError, match="sample_weight expects finite numbers >= 0"):
        nn.mse(np.zeros(2), np.zeros(2), sample_weight=bad)
    with pytest.raises(DataError, match="class_weight expects finite numbers >= 0"):
        nn.cross_entropy(np.zeros((1, 2)), [0], class_weight=bad)


def test_shapes_of_weights():
    with pytest.raises(ShapeError, match=r"mse expects a sample_weight.*\(4, 1\).*\(3,\)"):
        nn.mse(Y, Y, sample_weight=np.ones(3))
    with pytest.raises(ShapeError, match=r"class_weight\.shape == \(3,\).*\(2,\)"):
        nn.cross_entropy(np.zeros((1, 3)), [0], class_weight=[1.0, 2.0])
    with pytest.raises(ShapeError, match=r"class_weight\.shape == \(2,\)"):
        nn.binary_cross_entropy(Y, Y, class_weight=2.0)


def test_options_out_of_range():
    with pytest.raises(OptionError, match=r"mse expects a reduction.*'men'.*Did you mean 'mean'"):
        nn.mse(Y, Y, reduction="men")
    with pytest.raises(OptionError, match=r"label_smoothing <= 1.*1.5"):
        nn.cross_entropy(np.zeros((1, 2)), [0], label_smoothing=1.5)
    with pytest.raises(ShapeError, match="at least one element"):
        nn.mse(np.zeros((0, 2)), np.zeros((0, 2)))
