"""Slices that make up a whole give back one ``concatenate``; sums over steps follow the loop."""

import numpy as np
import pytest

import chainrule as cr


def gradient_graph(f, *specs):
    return cr.simplify(cr.make_graph(cr.grad(lambda *x: cr.sum(f(*x))), *specs))


def ops(graph: cr.Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def test_slices_that_fill_the_whole_are_put_side_by_side() -> None:
    def f(z):
        return cr.tanh(z[:, :2]) * cr.sin(z[:, 2:4]) + z[:, 4:] ** 2

    found = ops(gradient_graph(f, cr.Spec((3, 6))))
    assert found.count("concatenate") == 1
    assert "pad" not in found


@pytest.mark.parametrize(
    "f",
    [
        lambda z: z[:, :2] * z[:, 3:5],  # a gap
        lambda z: z[:, :4] * z[:, 2:],  # an overlap
        lambda z: z[:, ::2] * z[:, 1::2],  # between one another
        lambda z: z[:3] ** 2 + z[3:] * z[3:, :1],  # another slice inside
        lambda z: cr.sum(z[:3] ** 2) + cr.sum(z[:, :2]) + cr.sum(z[3:]),  # along two axes
        lambda z: z[:, 0:2] * z[:, 2:4] * z[:, 4:6] + z[:, 4:6],  # one part twice
    ],
)
def test_other_slices_give_the_same_as_differences(f) -> None:
    z = np.random.default_rng(0).normal(size=(6, 6))
    assert cr.check_gradient(lambda z: cr.sum(f(z)), z)


def recurrent(weight: cr.Tensor, bias: cr.Tensor, rows: cr.Tensor) -> cr.Tensor:
    def step(h, row):
        h = cr.tanh(row + h @ weight + bias)
        return h, h

    _, outputs = cr.scan(step, cr.zeros_like(rows[0]), rows)
    return cr.sum(outputs**2)


def test_a_recurrent_weight_gets_one_product_after_the_loop() -> None:
    specs = cr.Spec((3, 3)), cr.Spec((3,)), cr.Spec((7, 2, 3))
    graph = cr.simplify(cr.make_graph(cr.grad(recurrent, argnums=(0, 1)), *specs))
    backward = [node for node in graph.nodes if node.op.name == "scan"][-1]
    assert backward.attributes["carried"] == 1  # the state's derivative, and no growing sums
    product = [node for node in graph.nodes if node.op.name == "matmul"]
    assert [node.inputs[1].spec.shape for node in product] == [(14, 3)]


def test_what_is_no_sum_of_rows_still_grows_in_the_loop() -> None:
    def f(weight, rows):
        def step(h, row):
            return cr.tanh(row + h * weight), None

        return cr.sum(cr.scan(step, cr.zeros_like(rows[0]), rows)[0])

    rng = np.random.default_rng(1)
    assert cr.check_gradient(f, rng.normal(size=(2, 3)), rng.normal(size=(5, 2, 3)))
