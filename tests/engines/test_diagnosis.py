"""The first value that is not finite is found and named in the user's words."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines import first_nonfinite


class Root(nn.Module):
    scale: cr.Tensor

    def __call__(self, x):
        return cr.sqrt(x * self.scale)

    def __repr__(self):
        return "Root()"


class Model(nn.Module):
    first: Root
    second: Root

    def __call__(self, x):
        return self.second(self.first(x))


def arrays_of(*trees):
    return [np.asarray(leaf) for leaf in cr.tree_leaves(trees)]


def test_finite_graphs_give_nothing():
    graph = cr.make_graph(cr.exp, cr.Spec((2,)))
    assert first_nonfinite(graph, [np.zeros(2, np.float32)]) is None


def test_names_the_calls_around_the_op():
    model = Model(Root(cr.tensor(1.0)), Root(cr.tensor(-1.0)))
    x = cr.tensor([1.0, 4.0, 0.0])
    graph = cr.make_graph(lambda m, x: m(x).sum(), model, x)
    found = first_nonfinite(graph, arrays_of(model, x))
    assert (found.op, found.bad, found.spec.shape) == ("sqrt", 2, (3,))
    assert found.place[1:] == ("Root()",)
    assert found.ranges == ((-2.0, 0.0),)
    assert "sqrt" in str(found) and "Root()" in str(found)


def test_finds_the_backward_op():
    # The value is finite at 0, its derivative is not.
    graph = cr.make_graph(cr.grad(lambda x: cr.sqrt(x).sum()), cr.Spec((1,)))
    found = first_nonfinite(graph, [np.zeros(1, np.float32)])
    assert found.op == "divide"


def test_descends_into_the_step_of_a_scan():
    graph = cr.make_graph(
        lambda x: cr.scan(lambda s, row: (s + cr.log(row), s), 0.0, x)[0], cr.Spec((4,))
    )
    found = first_nonfinite(graph, [np.array([1, 2, -1, 3], np.float32)])
    assert found.op == "log" and "scan[2]" in found.place


def test_an_input_that_is_not_finite_is_to_blame_itself():
    graph = cr.make_graph(lambda p: p["w"] * 2, {"w": cr.Spec((2,))})
    found = first_nonfinite(graph, [np.array([1, np.nan], np.float32)])
    assert found.op == "input" and found.place == ("w",)


@pytest.mark.parametrize(("lang", "word"), [("en", "elements"), ("ko", "원소")])
def test_speaks_both_languages(monkeypatch, lang, word):
    monkeypatch.setenv("CHAINRULE_LANG", lang)
    graph = cr.make_graph(cr.log, cr.Spec((1,)))
    assert word in str(first_nonfinite(graph, [np.zeros(1, np.float32)]))
