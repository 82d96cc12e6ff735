"""Trees: taken apart, put together, mapped, addressed by path."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import PathError, ShapeError


class Pair(NamedTuple):
    first: Any
    second: Any


class Layer:
    """An inner node by the protocol of trees."""

    def __init__(self, weight: Any, bias: Any, kind: str = "dense") -> None:
        self.weight, self.bias, self.kind = weight, bias, kind

    def tree_flatten(self) -> tuple[tuple[str, ...], tuple[Any, ...], str]:
        return ("weight", "bias"), (self.weight, self.bias), self.kind

    @classmethod
    def tree_unflatten(cls, aux: str, names: tuple[str, ...], children: list[Any]) -> "Layer":
        return cls(*children, kind=aux)


TREE = {"b": [1, (2, None)], "a": Pair(Layer(3, 4), {})}


def test_flatten_and_unflatten() -> None:
    leaves, definition = cr.tree_flatten(TREE)
    assert leaves == [3, 4, 1, 2]
    assert definition.paths == ["a.first.weight", "a.first.bias", "b.0", "b.1.0"]
    assert definition.leaf_count == 4
    again = cr.tree_unflatten(definition, [30, 40, 10, 20])
    assert again["b"] == [10, (20, None)]
    assert isinstance(again["a"], Pair) and again["a"].second == {}
    assert (again["a"].first.weight, again["a"].first.kind) == (30, "dense")


leaves_of_any_kind = st.integers() | st.text(max_size=2) | st.floats(allow_nan=False)
trees = st.recursive(
    leaves_of_any_kind | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=12,
)


@given(trees)
def test_a_tree_comes_back(tree: Any) -> None:
    leaves, definition = cr.tree_flatten(tree)
    assert cr.tree_unflatten(definition, leaves) == tree
    assert cr.tree_map(lambda x: x, tree) == tree
    assert len(leaves) == definition.leaf_count == len(definition.paths)
    assert cr.tree_flatten(cr.tree_map(lambda x: 0, tree))[1] == definition
    assert hash(definition) == hash(cr.tree_flatten(tree)[1])


@pytest.mark.parametrize("leaf", [1, "text", b"", 1.5, {1, 2}, range(3), Layer, cr.zeros(2)])
def test_leaves(leaf: Any) -> None:
    leaves, definition = cr.tree_flatten(leaf)
    assert len(leaves) == 1 and leaves[0] is leaf and definition.paths == [""]


def test_an_iterator_fills_several_trees_in_turn() -> None:
    _, definition = cr.tree_flatten((0, 0))
    numbers = iter(range(5))
    assert cr.tree_unflatten(definition, numbers) == (0, 1)
    assert cr.tree_unflatten(definition, numbers) == (2, 3)
    with pytest.raises(ShapeError, match="2 leaves"):
        cr.tree_unflatten(definition, numbers)


def test_two_dictionaries_with_the_same_keys_have_the_same_shape() -> None:
    assert cr.tree_flatten({"a": 1, "b": 2})[1] == cr.tree_flatten({"b": 2, "a": 1})[1]


def test_map_over_several_trees() -> None:
    assert cr.tree_map(
        lambda a, b, c: a + b + c, [1, {"x": 2}], [10, {"x": 20}], [0, {"x": 0}]
    ) == [
        11,
        {"x": 22},
    ]


MISMATCHES: list[tuple[Any, Any, str]] = [
    ({"a": 1, "b": 2}, {"a": 1, "c": 2}, r"\['b'\] / \['c'\]"),
    ([1, 2], [1], r"\['1'\] / \[\]"),
    ({"a": [1]}, {"a": (1,)}, "list / tuple"),
    ([[], 1], [None, 1], "list / NoneType"),
    (Layer(1, 2), Layer(1, 2, "sparse"), r"Layer\[dense\] / Layer\[sparse\]"),
]


@pytest.mark.parametrize("case", MISMATCHES, ids=range(len(MISMATCHES)))
def test_trees_of_different_shape_are_not_mapped(case: tuple[Any, Any, str]) -> None:
    one, other, words = case
    with pytest.raises(ShapeError, match=words):
        cr.tree_map(lambda a, b: a, one, other)


# ---------------------------------------------------------------------- paths
def test_at_and_replace() -> None:
    assert cr.tree_at(TREE, "a.first.weight") == 3
    assert cr.tree_at(TREE, "b.1") == (2, None)
    assert cr.tree_at(TREE, "") is TREE
    replaced = cr.tree_replace(TREE, "a.first.weight", 99)
    assert replaced["a"].first.weight == 99 and replaced["a"].first.bias == 4
    assert TREE["a"].first.weight == 3  # type: ignore[union-attr]
    assert cr.tree_replace(TREE, "b", "leaf")["b"] == "leaf"
    assert cr.tree_replace(TREE, "b.1.0", 7)["b"] == [1, (7, None)]
    assert cr.tree_replace(5, "", 6) == 6


@given(trees)
def test_every_leaf_is_found_at_its_path(tree: Any) -> None:
    leaves, definition = cr.tree_flatten(tree)
    for path, leaf in zip(definition.paths, leaves, strict=True):
        assert cr.tree_at(tree, path) == leaf
        assert cr.tree_at(cr.tree_replace(tree, path, "new"), path) == "new"


def test_a_key_may_hold_dots() -> None:
    flat = {"hidden.0.weight": 1, "hidden.0": {"bias": 2}}
    assert cr.tree_at(flat, "hidden.0.weight") == 1
    assert cr.tree_at(flat, "hidden.0.bias") == 2
    assert cr.tree_replace(flat, "hidden.0.bias", 3)["hidden.0"] == {"bias": 3}


def test_an_unknown_path_suggests_known_ones() -> None:
    for function in (cr.tree_at, lambda t, p: cr.tree_replace(t, p, 0)):
        with pytest.raises(PathError, match=r"a\.first\.weigth.*Did you mean 'a\.first\.weight'"):
            function(TREE, "a.first.weigth")
    with pytest.raises(PathError):
        cr.tree_at(TREE, "b.0.x")
