"""Transformations inside transformations, in any order."""

from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr

X = cr.asarray(np.array([0.3, -1.2, 0.7]))
V = cr.asarray(np.array([1.0, 0.5, -2.0]))
M = cr.asarray(np.random.default_rng(3).standard_normal((3, 3)))


def curved(x: Any) -> Any:
    """A function of a vector whose derivatives of every order differ from zero."""
    return (cr.sin(M @ x) * cr.exp(x * 0.3)).sum() + cr.prod(x) ** 2


def torch_curved(x: torch.Tensor) -> torch.Tensor:
    m = torch.tensor(M.numpy().copy())
    return (torch.sin(m @ x) * torch.exp(x * 0.3)).sum() + torch.prod(x) ** 2


TORCH_X, TORCH_V = torch.tensor(X.numpy().copy()), torch.tensor(V.numpy().copy())


# ---------------------------------------------------------------------- two deep
def test_hessian_is_the_jacobian_of_the_gradient(assert_close: Any) -> None:
    wanted = torch.autograd.functional.hessian(torch_curved, TORCH_X).numpy()
    forms = [
        cr.hessian(curved),
        cr.jacobian(cr.grad(curved)),
        cr.jacobian(cr.grad(curved), mode="forward"),
        cr.jacobian(cr.jacobian(curved)),
        cr.jacobian(cr.jacobian(curved, mode="forward")),
        cr.jacobian(cr.jacobian(curved, mode="forward"), mode="forward"),
    ]
    for form in forms:
        assert_close(form(X), cr.asarray(wanted))


def test_hvp_is_hessian_times_vector(assert_close: Any) -> None:
    wanted = cr.hessian(curved)(X) @ V
    assert_close(cr.hvp(curved)(X, V), wanted)
    assert_close(cr.grad(lambda x: (cr.grad(curved)(x) * V).sum())(X), wanted)  # reverse, reverse
    assert_close(cr.grad(lambda x: cr.jvp(curved, (x,), (V,))[1])(X), wanted)  # reverse, forward
    _, pullback = cr.vjp(cr.grad(curved), X)
    assert_close(pullback(V)[0], wanted)


def test_forward_over_forward(assert_close: Any) -> None:
    def slope(x: Any) -> Any:
        return cr.jvp(curved, (x,), (V,))[1]

    assert_close(cr.jvp(slope, (X,), (V,))[1], V @ cr.hessian(curved)(X) @ V)


def test_vmap_of_grad_and_grad_of_vmap(assert_close: Any) -> None:
    xs = cr.stack([X, V, X * V])
    gradients = cr.stack([cr.grad(curved)(x) for x in xs])
    assert_close(cr.vmap(cr.grad(curved))(xs), gradients)
    assert_close(cr.grad(lambda xs: cr.vmap(curved)(xs).sum())(xs), gradients)
    hessians = cr.stack([cr.hessian(curved)(x) for x in xs])
    assert_close(cr.vmap(cr.hessian(curved))(xs), hessians)


def test_vmap_of_vmap(assert_close: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        return cr.tanh(x @ M @ y)

    xs, ys = cr.stack([X, V]), cr.stack([V, X * V, X, V])
    table = cr.vmap(cr.vmap(f, in_axes=(None, 0)), in_axes=(0, None))(xs, ys)
    assert_close(table, cr.stack([cr.stack([f(x, y) for y in ys]) for x in xs]))
    turned = cr.vmap(cr.vmap(f, in_axes=(0, None)), in_axes=(None, 0), out_axes=1)(xs, ys)
    assert_close(turned, table)


def test_jvp_of_vmap_and_vmap_of_jvp(assert_close: Any) -> None:
    xs, vs = cr.stack([X, V]), cr.stack([V, X])
    wanted = cr.stack([cr.jvp(curved, (x,), (v,))[1] for x, v in zip(xs, vs, strict=True)])
    assert_close(cr.jvp(cr.vmap(curved), (xs,), (vs,))[1], wanted)
    assert_close(cr.vmap(lambda x, v: cr.jvp(curved, (x,), (v,))[1])(xs, vs), wanted)


def test_jacobian_of_jacobian_of_a_vector_function(assert_close: Any) -> None:
    def f(x: Any) -> Any:
        return cr.sin(M @ x) * x

    def torch_f(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(torch.tensor(M.numpy().copy()) @ x) * x

    wanted = torch.func.jacrev(torch.func.jacrev(torch_f))(TORCH_X).numpy()
    for outer in ("forward", "reverse"):
        for inner in ("forward", "reverse"):
            got = cr.jacobian(cr.jacobian(f, mode=inner), mode=outer)(X)
            assert_close(got, cr.asarray(wanted))


def test_fifth_derivative() -> None:
    f: Any = lambda x: cr.sin(2.0 * x)  # noqa: E731
    for _ in range(5):
        f = cr.grad(f)
    np.testing.assert_allclose(f(np.float64(0.4)).item(), 32 * np.cos(0.8), rtol=1e-12)


# ---------------------------------------------------------------------- no confusion
def test_inner_and_outer_variables_are_not_confused() -> None:
    """The classic: d/dx (x · d/dy (x + y)) is 1, not 2 (Siskind & Pearlmutter 2005)."""
    confusing = cr.grad(lambda x: x * cr.grad(lambda y: x + y)(x))
    assert confusing(3.0).item() == 1.0
    by_jvp = cr.grad(lambda x: x * cr.jvp(lambda y: x + y, (x,), (1.0,))[1])
    assert by_jvp(3.0).item() == 1.0
    both = cr.jvp(lambda x: x * cr.jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1]
    assert both.item() == 6.0


def test_a_gradient_by_a_variable_that_is_also_captured() -> None:
    # f(x) = x · d/dy (x² y³) at y = x  =  x · x² · 3 x²  =  3 x⁵
    f = cr.grad(lambda x: x * cr.grad(lambda y: x**2 * y**3)(x))
    assert f(2.0).item() == 15 * 2.0**4


def test_captured_values_get_derivatives_through_every_transformation(assert_close: Any) -> None:
    def through_vmap(w: Any) -> Any:
        return cr.vmap(lambda x: curved(w * x))(cr.stack([X, V])).sum()

    def through_jvp(w: Any) -> Any:
        return cr.jvp(lambda x: curved(w * x), (X,), (V,))[1]

    def through_grad(w: Any) -> Any:
        return (cr.grad(lambda x: curved(w * x))(X) * V).sum()

    def through_vjp(w: Any) -> Any:
        value, pullback = cr.vjp(lambda x: w * cr.sin(x), X)
        return (pullback(V)[0] * value).sum()

    for f in (through_vmap, through_jvp, through_grad, through_vjp):
        assert cr.check_gradient(f, V)


def test_a_large_constant_inside_every_level(assert_close: Any) -> None:
    constant = cr.asarray(np.random.default_rng(5).standard_normal((6, 6)))
    big = cr.asarray(np.linspace(-1.0, 1.0, 36).reshape(6, 6))

    def f(x: Any) -> Any:
        return cr.grad(lambda y: (cr.tanh(y @ constant) * big).sum())(x)

    wanted = cr.grad(lambda x: (f(x) ** 2).sum())
    per_row = cr.vmap(cr.grad(lambda x: (f(x.reshape(1, 6)) ** 2).sum()))
    assert_close(per_row(big[:, :]), cr.stack([per_row(big[i : i + 1])[0] for i in range(6)]))
    assert cr.check_gradient(lambda x: (f(x) ** 2).sum(), big)
    assert wanted(big).shape == (6, 6)


# ---------------------------------------------------------------------- loops inside and outside
def recurrent(w: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = cr.tanh(w @ h + x)
        return h, (h**2).sum()

    return cr.scan(step, X, xs)[1].sum()


XS = cr.asarray(np.random.default_rng(4).standard_normal((4, 3)))


def test_grad_inside_a_scan_body() -> None:
    """Gradient descent as a loop, and its derivative by the learning rate (Maclaurin 2015)."""

    def after_training(rate: Any) -> Any:
        def step(w: Any, _: Any) -> Any:
            return w - rate * cr.grad(curved)(w), None

        return curved(cr.scan(step, X, length=5)[0])

    def unrolled(rate: torch.Tensor) -> torch.Tensor:
        w = TORCH_X
        for _ in range(5):
            w = w - rate * torch.func.grad(torch_curved)(w)
        return torch_curved(w)

    rate = torch.tensor(0.05, dtype=torch.float64)
    got = cr.grad(after_training)(np.float64(0.05)).item()
    np.testing.assert_allclose(got, torch.func.grad(unrolled)(rate).item(), rtol=1e-10)


def test_scan_inside_grad_inside_vmap_inside_scan(assert_close: Any) -> None:
    def gradient_of(scale: Any) -> Any:
        return cr.grad(lambda w: recurrent(w * scale, XS))(M)

    def step(total: Any, scales: Any) -> Any:
        gradients = cr.vmap(gradient_of)(scales)
        return total + gradients.sum(axis=0), gradients[0, 0]

    table = cr.asarray(np.array([[0.5, 1.0], [0.2, -0.3], [0.1, 0.0]]))
    total, firsts = cr.scan(step, cr.zeros((3, 3), np.float64), table)
    by_hand = [[gradient_of(s) for s in row] for row in table]
    flat = [g for row in by_hand for g in row]
    assert_close(total, cr.stack(flat).sum(axis=0))
    assert_close(firsts, cr.stack([row[0][0] for row in by_hand]))

    def outer(scale: Any) -> Any:
        return (cr.scan(step, cr.zeros((3, 3), np.float64), table * scale)[0] ** 2).sum()

    assert cr.check_gradient(outer, cr.asarray(np.float64(0.7)))


def test_vmap_of_grad_through_a_scan(assert_close: Any) -> None:
    ws = cr.stack([M, M * 0.5, -M])
    wanted = cr.stack([cr.grad(recurrent)(w, XS) for w in ws])
    assert_close(cr.vmap(cr.grad(recurrent), in_axes=(0, None))(ws, XS), wanted)
    per_sequence = cr.vmap(cr.grad(recurrent), in_axes=(None, 0))
    batch = cr.stack([XS, XS * 2.0])
    wanted = cr.stack([cr.grad(recurrent)(M, xs) for xs in batch])
    assert_close(per_sequence(M, batch), wanted)


# ---------------------------------------------------------------------- names at every level
@cr.named
def gate(x: Any) -> Any:
    return cr.sigmoid(x) * x


@cr.named
def layer(w: Any, x: Any) -> Any:
    return gate(w @ x)


@cr.named
def network(w: Any, x: Any) -> Any:
    return layer(w, layer(w, x)).sum()


def plain(w: Any, x: Any) -> Any:
    def flat_layer(x: Any) -> Any:
        z = w @ x
        return cr.sigmoid(z) * z

    return flat_layer(flat_layer(x)).sum()


TRANSFORMED = {
    "grad": lambda f: cr.grad(f, (0, 1)),
    "grad_of_grad": lambda f: cr.grad(lambda w, x: (cr.grad(f)(w, x) ** 2).sum(), (0, 1)),
    "grad_of_jvp": lambda f: cr.grad(lambda w, x: cr.jvp(f, (w, x), (w, x))[1], (0, 1)),
    "jvp_of_grad": lambda f: lambda w, x: cr.jvp(cr.grad(f), (w, x), (w, x)),
    "hessian": lambda f: cr.hessian(f, (0, 1)),
    "vmap_of_grad": lambda f: lambda w, x: cr.vmap(cr.grad(f), (None, 0))(w, cr.stack([x, w[0]])),
    "grad_of_vmap": lambda f: cr.grad(
        lambda w, x: cr.vmap(f, (None, 0))(w, cr.stack([x, w[0]])).sum(), (0, 1)
    ),
    "jacobian_of_vjp": lambda f: cr.jacobian(lambda w, x: cr.vjp(f, w, x)[1](1.0)[0], (0, 1)),
    "named_grad": lambda f: cr.named(cr.grad(f)),
    "grad_of_named_grad": lambda f: cr.grad(lambda w, x: cr.named(cr.grad(f))(w, x).sum()),
}


@pytest.mark.parametrize("transform", TRANSFORMED.values(), ids=TRANSFORMED)
def test_names_change_no_number(transform: Any, assert_close: Any) -> None:
    assert_close(transform(network)(M, X), transform(plain)(M, X))
    graph = cr.make_graph(transform(network), M, X)
    cr.verify(graph)
    leaves = cr.tree_leaves(transform(plain)(M, X))
    assert [tuple(leaf.shape) for leaf in leaves] == [s.shape for s in graph.output_specs]
