"""Derivatives of whole programs against PyTorch, in float64, to the second and third order."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import chainrule as cr

RNG = np.random.default_rng(7)
ROWS = np.array([2, 0, 2, 1])
COLUMNS = np.array([1, 1, 3, 0])
LOWER = np.tril(np.ones((3, 3)))


class Program(NamedTuple):
    """The same function twice, and where it is differentiated."""

    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    arguments: tuple[np.ndarray, ...]


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def positive(*shape: int) -> np.ndarray:
    return RNG.uniform(0.5, 2.0, shape)


def lower(x: Any) -> Any:
    """A well-conditioned lower triangular matrix made of any one."""
    if isinstance(x, torch.Tensor):
        return torch.tril(x) + 3.0 * torch.eye(3, dtype=torch.float64)
    return cr.tril(x) + 3.0 * cr.eye(3, np.float64)


def solved(a: Any, b: Any, transposed: bool) -> Any:
    a = lower(a)
    return torch.linalg.solve_triangular(a.mT if transposed else a, b, upper=transposed)


def scattered(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros(3, 4, dtype=torch.float64).index_add(0, torch.tensor(ROWS), x)


def ours_standardised(x: cr.Tensor) -> cr.Tensor:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / cr.sqrt(cr.var(x, axis=-1, keepdims=True) + 1e-5)


PROGRAMS = {
    "matmul_chain": Program(
        lambda x, a, b: cr.tanh(x @ a) @ b,
        lambda x, a, b: torch.tanh(x @ a) @ b,
        (normal(3, 4), normal(4, 2), normal(2)),
    ),
    "matmul_of_a_batch": Program(
        lambda a, b: cr.matmul(a, b) ** 2,
        lambda a, b: torch.matmul(a, b) ** 2,
        (normal(2, 1, 3, 2), normal(3, 2, 4)),
    ),
    "softmax": Program(
        lambda x: cr.exp(x - cr.logsumexp(x, -1, keepdims=True)),
        lambda x: torch.softmax(x, -1),
        (normal(2, 4),),
    ),
    "softmax_of_large_numbers": Program(
        lambda x: cr.exp(x - cr.logsumexp(x, -1, keepdims=True)),
        lambda x: torch.softmax(x, -1),
        (800.0 + normal(2, 4),),
    ),
    "logaddexp": Program(
        cr.logaddexp, torch.logaddexp, (np.array([1.0, 5.0, -7.0]), np.array([2.0, -1.0, 9.0]))
    ),
    "layer_norm": Program(
        ours_standardised,
        lambda x: torch.nn.functional.layer_norm(x, (4,)),
        (normal(2, 4),),
    ),
    "broadcasting": Program(
        lambda x, y, z: (x * y[:, None] + z) / (1.0 + y[None, :, None] ** 2),
        lambda x, y, z: (x * y[:, None] + z) / (1.0 + y[None, :, None] ** 2),
        (normal(4), normal(3), normal(1, 1)),
    ),
    "slices": Program(
        lambda x: x[1:, None, ::-2] * x[0, :2] + x[-1, 1:3],
        lambda x: x[1:, None, :].flip(-1)[..., ::2] * x[0, :2] + x[-1, 1:3],
        (normal(3, 4),),
    ),
    "gather_rows": Program(
        lambda x: x[ROWS] ** 2 + x[:, 1][ROWS][:, None],
        lambda x: x[ROWS] ** 2 + x[:, 1][ROWS][:, None],
        (normal(3, 4),),
    ),
    "gather_elements": Program(
        lambda x: cr.sin(x[ROWS, COLUMNS]) * x[0, COLUMNS],
        lambda x: torch.sin(x[ROWS, COLUMNS]) * x[0, COLUMNS],
        (normal(3, 4),),
    ),
    "scatter": Program(
        lambda x: cr.scatter_add(x, cr.asarray(ROWS[:, None]), (3, 4)) ** 3,
        lambda x: scattered(x) ** 3,
        (normal(4, 4),),
    ),
    "put": Program(
        lambda x, y: cr.scatter(x**2, [[2], [0]], cr.sin(y)) ** 3,
        lambda x, y: (x**2).index_put((torch.tensor([2, 0]),), torch.sin(y)) ** 3,
        (normal(3, 4), normal(2, 4)),
    ),
    "concatenate": Program(
        lambda x, y: cr.concatenate([x, y * 2, cr.exp(x)], axis=1) ** 2,
        lambda x, y: torch.cat([x, y * 2, torch.exp(x)], 1) ** 2,
        (normal(2, 3), normal(2, 1)),
    ),
    "stack_pad_flip": Program(
        lambda x, y: cr.flip(cr.pad(cr.stack([x, y], axis=1), [(1, 0), (0, 2)]), 0) ** 2,
        lambda x, y: torch.nn.functional.pad(torch.stack([x, y], 1), (0, 2, 1, 0)).flip(0) ** 2,
        (normal(3), normal(3)),
    ),
    "transpose_reshape": Program(
        lambda x: cr.transpose(x, (2, 0, 1)).reshape(4, -1) @ x.reshape(-1, 4) ** 2,
        lambda x: x.permute(2, 0, 1).reshape(4, -1) @ x.reshape(-1, 4) ** 2,
        (normal(2, 3, 4),),
    ),
    "max_with_ties": Program(
        lambda x: cr.max(x, axis=1) ** 2 + cr.min(x, axis=1),
        lambda x: torch.amax(x, 1) ** 2 + torch.amin(x, 1),
        (np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -1.0, -1.0]]),),
    ),
    "maximum_with_ties": Program(
        lambda x, y: cr.maximum(x, y) ** 2 + cr.minimum(x, y),
        lambda x, y: torch.maximum(x, y) ** 2 + torch.minimum(x, y),
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])),
    ),
    "where": Program(
        lambda x, y: cr.where(x > 0, cr.sin(x) * y, x**2 * y**2),
        lambda x, y: torch.where(x > 0, torch.sin(x) * y, x**2 * y**2),
        (normal(6), normal(6)),
    ),
    "clip": Program(
        lambda x: cr.clip(x, -1.0, 1.0) ** 3,
        lambda x: torch.clamp(x, -1.0, 1.0) ** 3,
        (np.array([-2.0, -1.0, -0.3, 0.7, 1.0, 1.5]),),
    ),
    "prod_without_zero": Program(
        lambda x: cr.prod(x, axis=1), lambda x: torch.prod(x, 1), (normal(2, 5),)
    ),
    "prod_with_zeros": Program(
        lambda x: cr.prod(x, axis=1),
        # torch.prod leaves NaN in the second derivative at a zero
        lambda x: x[:, 0] * x[:, 1] * x[:, 2] * x[:, 3],
        (np.array([[1.0, 0.0, 3.0, -2.0], [0.0, 2.0, 0.0, 1.5], [0.0, 0.0, 0.0, 2.0]]),),
    ),
    "cholesky": Program(
        lambda x: cr.cholesky(x @ x.T + 2.0 * cr.eye(3, np.float64)),
        lambda x: torch.linalg.cholesky(x @ x.T + 2.0 * torch.eye(3, dtype=torch.float64)),
        (normal(3, 3),),
    ),
    "triangular_solve": Program(
        lambda a, b: cr.triangular_solve(lower(a), b),
        lambda a, b: solved(a, b, False),
        (normal(3, 3), normal(3, 2)),
    ),
    "triangular_solve_transposed": Program(
        lambda a, b: cr.triangular_solve(lower(a), b, transposed=True),
        lambda a, b: solved(a, b, True),
        (normal(3, 3), normal(3, 2)),
    ),
    "sort": Program(
        lambda x: cr.sort(x, axis=0) * cr.asarray(np.arange(1.0, 5.0)[:, None]) ** 2 * x,
        lambda x: torch.sort(x, 0).values * torch.arange(1.0, 5.0)[:, None].double() ** 2 * x,
        (normal(4, 2),),
    ),
    "cumsum": Program(
        lambda x: cr.cumsum(x**2, axis=0) * cr.cumsum(x, axis=1, reverse=True),
        lambda x: torch.cumsum(x**2, 0) * torch.cumsum(x.flip(1), 1).flip(1),
        (normal(3, 4),),
    ),
    "power": Program(
        lambda x, y: x**y + x**3 + 2.0**y, lambda x, y: x**y + x**3 + 2.0**y,
        (positive(4), normal(4)),
    ),
    "standard_deviation": Program(
        lambda x: cr.std(x, axis=0, correction=1), lambda x: torch.std(x, 0), (normal(4, 3),)
    ),
    "special_functions": Program(
        lambda x, y: cr.arctan2(x, y) * cr.erf(x) + cr.log1p(x**2) * cr.expm1(y),
        lambda x, y: torch.arctan2(x, y) * torch.erf(x) + torch.log1p(x**2) * torch.expm1(y),
        (normal(4), normal(4)),
    ),
    "casts": Program(
        lambda x: (x.astype("float32") * 3.0).astype("float64") * x,
        lambda x: (x.float() * 3.0).double() * x,
        (np.array([0.5, -1.0, 2.0]),),
    ),
}  # fmt: skip

every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


def scalar(program: Program) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Both functions as one number: a sum with fixed random weights."""
    shape = program.theirs(*map(torch.tensor, program.arguments)).shape
    weights = np.random.default_rng(1).standard_normal(shape)
    return (
        lambda *xs: cr.sum(program.ours(*xs) * cr.asarray(weights)),
        lambda *xs: (program.theirs(*xs) * torch.tensor(weights)).sum(),
    )


def compare(got: Any, wanted: Any, rtol: float = 1e-9) -> None:
    """The same numbers, leaf by leaf."""
    got_leaves = cr.tree_leaves(got)
    wanted_leaves = cr.tree_leaves(wanted)
    assert len(got_leaves) == len(wanted_leaves) > 0
    for a, b in zip(got_leaves, wanted_leaves, strict=True):
        np.testing.assert_allclose(np.asarray(a), b.numpy(), rtol=rtol, atol=1e-9)


@every_program
def test_graphs_are_well_formed(program: Program, assert_well_formed: Any) -> None:
    assert_well_formed(program.ours, *program.arguments)


@every_program
def test_value_and_gradient(program: Program) -> None:
    ours, theirs = scalar(program)
    numbers = tuple(range(len(program.arguments)))
    xs = [torch.tensor(x, requires_grad=True) for x in program.arguments]
    wanted = theirs(*xs)
    value, gradient = cr.value_and_grad(ours, numbers)(*program.arguments)
    compare(value, wanted.detach())
    compare(gradient, torch.autograd.grad(wanted, xs))


@every_program
def test_directional_derivative(program: Program) -> None:
    """Forward mode equals the product of PyTorch's Jacobian with the direction."""
    rng = np.random.default_rng(2)
    directions = tuple(rng.standard_normal(x.shape) for x in program.arguments)
    xs = tuple(map(torch.tensor, program.arguments))
    wanted = torch.autograd.functional.jvp(program.theirs, xs, tuple(map(torch.tensor, directions)))
    compare(cr.jvp(program.ours, program.arguments, directions), wanted)


@every_program
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian(program: Program, mode: str) -> None:
    numbers = tuple(range(len(program.arguments)))
    xs = tuple(map(torch.tensor, program.arguments))
    got = cr.jacobian(program.ours, numbers, mode=mode)(*program.arguments)
    compare(got, torch.autograd.functional.jacobian(program.theirs, xs))


@every_program
def test_hessian(program: Program) -> None:
    ours, theirs = scalar(program)
    numbers = tuple(range(len(program.arguments)))
    xs = tuple(map(torch.tensor, program.arguments))
    wanted = torch.autograd.functional.hessian(theirs, xs)
    compare(cr.hessian(ours, numbers)(*program.arguments), wanted)
    over = cr.jacobian(cr.grad(ours, numbers), numbers, mode="reverse")
    compare(over(*program.arguments), wanted)


THIRD_ORDER = ("matmul_chain", "softmax", "broadcasting", "cumsum", "power", "prod_with_zeros")


@pytest.mark.parametrize("name", THIRD_ORDER)
def test_third_derivative(name: str) -> None:
    program = PROGRAMS[name]
    ours, theirs = scalar(program)
    xs = tuple(map(torch.tensor, program.arguments))
    wanted = torch.func.jacrev(torch.func.jacrev(torch.func.jacrev(theirs)))(*xs)
    compare(cr.jacobian(cr.hessian(ours))(*program.arguments), wanted)
    thrice = cr.jacobian(cr.jacobian(cr.grad(ours), mode="forward"), mode="forward")
    compare(thrice(*program.arguments), wanted)


def test_power_at_zero_base_and_zero_exponent() -> None:
    base, exponent = np.array([0.0, 0.0, 0.0, 2.0, -1.5]), np.array([0.0, 2.0, 1.0, 0.0, 2.0])
    xs = [torch.tensor(x, requires_grad=True) for x in (base, exponent)]
    wanted = torch.autograd.grad(torch.pow(*xs).sum(), xs)
    by_base, by_exponent = cr.grad(lambda x, y: (x**y).sum(), (0, 1))(base, exponent)
    np.testing.assert_allclose(by_base, wanted[0].numpy())
    # a negative base to a moving exponent leaves the real numbers: NaN in both
    np.testing.assert_allclose(by_exponent, wanted[1].numpy())


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.5, -1, 2.5])
def test_a_constant_power_at_every_order(exponent: float) -> None:
    for order in (1, 2, 3):
        ours: Any = lambda x: x**exponent  # noqa: E731
        theirs: Any = lambda x: x**exponent  # noqa: E731
        for _ in range(order):
            ours, theirs = cr.grad(ours), torch.func.grad(theirs)
        compare(ours(np.float64(1.3)), theirs(torch.tensor(1.3, dtype=torch.float64)))


def test_an_integer_power_of_zero() -> None:
    def f(x: cr.Tensor) -> cr.Tensor:
        return x**3 + x**2 + x

    first = cr.grad(f)
    second, third = cr.grad(first), cr.grad(cr.grad(first))
    zero = np.float64(0.0)
    assert [first(zero).item(), second(zero).item(), third(zero).item()] == [1.0, 2.0, 6.0]
