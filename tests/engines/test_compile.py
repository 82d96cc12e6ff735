"""``compile``: one trace per shape, floats as inputs, and composition with transformations."""

import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import OptionError


def test_traces_once_per_shape_type_and_option():
    compiled = cr.compile(lambda x, mode: cr.sum(x) if mode == "sum" else cr.max(x))
    x = cr.tensor([1.0, 2.0])
    assert compiled(x, "sum").item() == 3.0
    assert compiled(x + 1, "sum").item() == 5.0
    assert compiled.trace_count == 1
    assert compiled(x, "max").item() == 2.0
    assert compiled(x.astype("float64"), "sum").dtype == np.float64
    assert compiled(cr.ones(3), "sum").item() == 3.0
    assert compiled.trace_count == 4


def test_floats_are_inputs_in_the_type_of_the_arrays_beside_them():
    compiled = cr.compile(lambda x, rate: x * rate)
    for dtype in (np.float32, np.float64):
        x = np.ones(2, dtype)
        for rate in (0.1, 0.2):
            result = compiled(x, rate)
            assert result.dtype == dtype
            np.testing.assert_array_equal(result.numpy(), x * rate)
    assert compiled.trace_count == 2


def test_integers_are_options():
    compiled = cr.compile(lambda x, axis: cr.sum(x, axis))
    assert compiled(cr.ones((2, 3)), 0).shape == (3,)
    assert compiled(cr.ones((2, 3)), 1).shape == (2,)


def test_takes_and_returns_trees():
    compiled = cr.compile(lambda p: {"b": p["a"][0] + 1, "c": (None, p["a"][1])})
    result = compiled({"a": [cr.ones(2), cr.zeros(1)]})
    assert result["b"].tolist() == [2.0, 2.0]
    assert result["c"][0] is None


def test_captured_arrays_become_inputs():
    matrix = cr.asarray(np.arange(100.0).reshape(10, 10))
    compiled = cr.compile(lambda x: matrix @ x)
    np.testing.assert_allclose(compiled(np.ones(10)).numpy(), matrix.numpy() @ np.ones(10))
    assert "array(" not in str(compiled.graph(np.ones(10)))


def test_transformations_go_through_in_both_directions():
    def f(x):
        return cr.sum(cr.tanh(x) ** 2)

    x = cr.tensor([0.3, -0.4])
    expected = cr.grad(f)(x).numpy()
    np.testing.assert_allclose(cr.grad(cr.compile(f))(x).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(cr.compile(cr.grad(f))(x).numpy(), expected, rtol=1e-6)
    rows = np.ones((4, 2), np.float32)
    assert cr.vmap(cr.compile(f))(rows).shape == (4,)


def test_if_on_a_value_teaches_and_names_the_way_out():
    @cr.compile
    def f(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(TypeError, match=r"cr\.where"):
        f(cr.ones(2))


def test_an_unknown_engine_is_refused():
    with pytest.raises(OptionError, match="interpret"):
        cr.compile(lambda x: x, engine="gpu")


def test_many_threads_get_the_same_answers():
    compiled = cr.compile(lambda x: cr.cumsum(cr.exp(x * 0.01)) + x)
    x = np.random.default_rng(0).standard_normal(2000)
    expected = compiled(x).numpy()
    results: list[bool] = []

    def work():
        results.extend(np.array_equal(compiled(x).numpy(), expected) for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200 and all(results)


def test_calls_like_the_one_before_and_others():
    """The short way for equal specs gives way to tracing where something else arrives."""
    compiled = cr.compile(lambda tree, scale: {"y": tree["a"] * scale, "n": tree["b"].sum()})
    one = {"a": cr.ones(2), "b": cr.ones(3)}
    for _ in range(3):
        assert compiled(one, cr.tensor(2.0))["y"].tolist() == [2.0, 2.0]
    assert compiled.trace_count == 1
    assert compiled({"a": cr.ones(4), "b": cr.ones(3)}, cr.tensor(2.0))["y"].shape == (4,)
    assert compiled(one, 3.0)["y"].tolist() == [3.0, 3.0]
    assert compiled({"a": np.ones(2, "f4"), "b": cr.ones(3)}, cr.tensor(2.0))["y"].shape == (2,)
    double = cr.tree_map(lambda x: x.astype("float64"), one)
    assert compiled(double, cr.tensor(2.0))["y"].dtype == np.float64
    assert compiled(one, cr.tensor(2.0))["n"].item() == 3.0
    assert cr.grad(lambda a: compiled({"a": a, "b": a}, a[0])["n"])(cr.ones(2)).tolist() == [1, 1]
    with pytest.raises(KeyError):
        compiled({"a": cr.ones(2)}, cr.tensor(2.0))
