"""``x[index]`` against NumPy, on concrete and on symbolic tensors."""

from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import DtypeError, ShapeError, SymbolicError
from chainrule.graph.trace import replay


def through_a_graph(x: np.ndarray, index: Any) -> np.ndarray:
    """``x[index]`` with ``x`` and all arrays in ``index`` symbolic."""
    items = index if isinstance(index, tuple) else (index,)
    places = [i for i, item in enumerate(items) if isinstance(item, np.ndarray)]

    def function(x: Any, *tensors: Any) -> Any:
        full = list(items)
        for place, tensor in zip(places, tensors, strict=True):
            full[place] = tensor
        return x[tuple(full)]

    values = [cr.tensor(x), *(cr.tensor(items[i]) for i in places)]
    graph = cr.verify(cr.make_graph(function, *values))
    return replay(graph, values)[0].numpy()  # type: ignore[no-any-return]


@st.composite
def indexed(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    """An array and an index that fits it, as NumPy's users write them."""
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    lengths = draw(arrays.array_shapes(min_dims=0, max_dims=2, max_side=3))
    count = draw(st.integers(0, len(shape)))
    items: list[Any] = []
    for n in shape[:count]:
        options: list[st.SearchStrategy[Any]] = [st.slices(n)]
        if n:
            indices = st.integers(-n, n - 1)
            options += [indices, arrays.arrays(np.int64, lengths, elements=indices)]
        items.append(draw(st.one_of(options)))
    if count < len(shape) and draw(st.booleans()):
        # Beside the dots the rest of the items counts from the last axis.
        fits = [item for item in items if isinstance(item, slice)]
        items.insert(len(items) if len(fits) < len(items) else draw(st.integers(0, count)), ...)
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    return x, items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@given(indexed())
def test_an_index_means_what_it_means_in_numpy(case: tuple[np.ndarray, Any]) -> None:
    x, index = case
    wanted = x[index]
    np.testing.assert_array_equal(cr.tensor(x)[index].numpy(), wanted, strict=True)
    np.testing.assert_array_equal(through_a_graph(x, index), wanted, strict=True)


X = np.arange(24.0).reshape(2, 3, 4)
EXAMPLES = [
    np.s_[1, ::-1],
    np.s_[..., -1],
    np.s_[:, ::-2, 3:0:-1],
    np.s_[1:1],
    np.s_[5:],
    np.s_[-100:100],
    np.s_[np.array([0, -1])],
    np.s_[np.array([0, 1]), np.array([2, 0])],
    np.s_[np.array([0, 1]), :, np.array([2, 0])],
    np.s_[:, np.array([0, 1]), np.array([2, 0])],
    np.s_[0, :, np.array([2, 0])],
    np.s_[:, 1, np.array([[2, 0], [1, 1]])],
    np.s_[np.array([[0], [1]]), np.array([2, 0])],
    np.s_[np.array([0, 1]), None, np.array([2, 0])],
    np.s_[np.array(1)],
    np.s_[[0, 1]],
    np.s_[[]],
    np.s_[(0, 1), 2],
    np.s_[np.array([1, 0], np.uint8)],
    np.s_[np.array([-1, 0], np.int8)],
    np.s_[np.int64(1), np.uint8(2)],
    np.s_[()],
    np.s_[None],
    np.s_[...],
]


@pytest.mark.parametrize("index", EXAMPLES, ids=repr)
def test_examples(index: Any) -> None:
    np.testing.assert_array_equal(cr.tensor(X)[index].numpy(), X[index], strict=True)
    np.testing.assert_array_equal(through_a_graph(X, index), X[index], strict=True)


def test_a_narrow_integer_addresses_a_long_axis() -> None:
    long = np.arange(1000.0)
    indices = np.array([-1, 100], np.int8)
    np.testing.assert_array_equal(cr.tensor(long)[indices].numpy(), long[indices])


@pytest.mark.parametrize(
    "index",
    [X > 7, (slice(None), X[0] > 4), (0, X[0] > 4), X[:, 0, 0] > 3, (..., X[0, 0] > 1)],
    ids=range(5),
)
def test_a_mask_that_is_known_selects_as_in_numpy(index: Any) -> None:
    wanted = X[index]
    np.testing.assert_array_equal(cr.tensor(X)[index].numpy(), wanted, strict=True)
    graph = cr.verify(cr.make_graph(lambda x: x[index], cr.asarray(X)))
    assert graph.output_specs == (cr.Spec(wanted.shape, "float64"),)


def test_the_derivative_of_an_index_goes_to_the_elements() -> None:
    x = cr.tensor(X)
    gradient = cr.grad(lambda x: (x[:, ::-2, 1] * 2).sum())(x).numpy()
    assert gradient.sum() == 8 and (gradient[:, [0, 2], 1] == 2).all()
    twice = cr.grad(lambda x: x[cr.tensor([1, 1, 0])].sum())(x).numpy()
    assert (twice[1] == 2).all() and (twice[0] == 1).all()


def test_refusals() -> None:
    x = cr.tensor(X)
    with pytest.raises(ShapeError, match="-2 <= i < 2"):
        x[2]
    with pytest.raises(ShapeError, match="-3 <= i < 3"):
        x[:, [0, -4]]
    with pytest.raises(ShapeError, match="4 indices"):
        x[0, 0, 0, 0]
    with pytest.raises(ShapeError, match="one `"):
        x[..., 0, ...]
    with pytest.raises(DtypeError, match="integers"):
        x[0.5]
    with pytest.raises(DtypeError, match="integers"):
        x[[0.5]]
    with pytest.raises(ShapeError, match="broadcast"):
        x[[0, 1], [0, 1, 2]]
    with pytest.raises(ShapeError, match="mask"):
        x[True]
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        x[np.array([True, False, True])]
    with pytest.raises(ShapeError, match=r"cr\.where"):
        cr.make_graph(lambda x: x[x > 0], x)
    with pytest.raises(SymbolicError):
        cr.make_graph(lambda x, n: x[: n[0]], x, cr.tensor([1]))
