"""Trees: nested dicts, lists, tuples and modules, with a leaf wherever none of these stands.

Parameters, gradients, optimizer states and batches are trees. A tree is taken apart into a flat
list of leaves and a :class:`TreeDef` that remembers its shape, and is put together again. Every
leaf has a *path*, its name in the tree: ``hidden.0.weight``.

A class becomes an inner node by two methods: ``tree_flatten()`` returns ``(names, children, aux)``
and the class method ``tree_unflatten(aux, names, children)`` builds the object again, without
checks, since a child may stand in for a tensor (a symbolic value, a shape, ``None``).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from chainrule.errors import PathError, ShapeError, suggest

__all__ = [
    "TreeDef",
    "tree_at",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_paths",
    "tree_replace",
    "tree_unflatten",
]


class TreeDef(NamedTuple):
    """The shape of a tree without its leaves; two trees have the same shape if these are equal.

    A tuple, since every compiled step makes and compares some.
    """

    kind: type | None
    names: tuple[Any, ...] = ()
    children: tuple["TreeDef", ...] = ()
    aux: Any = None

    @property
    def leaf_count(self) -> int:
        """How many leaves a tree of this shape has."""
        return 1 if self.kind is None else sum(child.leaf_count for child in self.children)

    @property
    def paths(self) -> list[str]:
        """The paths of the leaves, in order."""
        if self.kind is None:
            return [""]
        return [
            f"{name}.{path}" if path else str(name)
            for name, child in zip(self.names, self.children, strict=True)
            for path in child.paths
        ]

    @property
    def trainable(self) -> list[bool]:
        """For each leaf whether it is trained; modules name the children or leaves that are not."""
        if self.kind is None:
            return [True]
        frozen = self.kind.tree_frozen(self.aux) if hasattr(self.kind, "tree_frozen") else ()
        return [
            trained and name not in frozen and f"{name}.{path}" not in frozen
            for name, child in zip(self.names, self.children, strict=True)
            for path, trained in zip(child.paths, child.trainable, strict=True)
        ]


LEAF = TreeDef(None)


def _open(tree: Any) -> tuple[tuple[Any, ...], Sequence[Any], Any] | None:
    """Names, children and the rest of an inner node; ``None`` for a leaf."""
    if tree is None:
        return (), (), None
    if hasattr(tree, "tree_flatten") and not isinstance(tree, type):
        names, children, aux = tree.tree_flatten()
        return tuple(names), children, aux
    if type(tree) is dict:
        # Sorted, so that two dicts with the same keys have the same shape.
        names = tuple(sorted(tree, key=str))
        return names, [tree[name] for name in names], None
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return tuple(tree._fields), tree, None
    if type(tree) in (list, tuple):
        return tuple(range(len(tree))), tree, None
    return None


def _close(definition: TreeDef, children: list[Any]) -> Any:
    """Build an inner node again: the inverse of :func:`_open`."""
    kind: Any = definition.kind
    if kind is type(None):
        return None
    if kind is dict:
        return dict(zip(definition.names, children, strict=True))
    if kind in (list, tuple):
        return kind(children)
    if hasattr(kind, "tree_unflatten"):
        return kind.tree_unflatten(definition.aux, definition.names, children)
    return kind(*children)  # a named tuple


def tree_flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """Take a tree apart into its leaves and its shape.

    Parameters
    ----------
    tree
        Nested dicts, lists, tuples, named tuples and modules. ``None`` is a tree without leaves.

    Returns
    -------
    leaves, definition
        Such that ``tree_unflatten(definition, leaves)`` is the tree again.

    Examples
    --------
    >>> import chainrule as cr
    >>> leaves, definition = cr.tree_flatten({"w": 1, "b": (2, 3)})
    >>> leaves, definition.paths
    ([2, 3, 1], ['b.0', 'b.1', 'w'])
    """
    leaves: list[Any] = []
    return leaves, _flatten_into(tree, leaves)


def _flatten_into(tree: Any, leaves: list[Any]) -> TreeDef:
    opened = _open(tree)
    if opened is None:
        leaves.append(tree)
        return LEAF
    names, children, aux = opened
    definitions = tuple(_flatten_into(child, leaves) for child in children)
    return TreeDef(type(tree), names, definitions, aux)


def tree_unflatten(definition: TreeDef, leaves: Iterable[Any]) -> Any:
    """Put a tree together from its shape and its leaves: the inverse of :func:`tree_flatten`.

    Parameters
    ----------
    definition
        The shape.
    leaves
        The leaves in order. Of an iterator only as many as needed are taken, so that it can fill
        several trees in turn.

    Raises
    ------
    ShapeError
        If there are too few leaves.

    Examples
    --------
    >>> import chainrule as cr
    >>> leaves, definition = cr.tree_flatten([1, {"a": 2}])
    >>> cr.tree_unflatten(definition, [10, 20])
    [10, {'a': 20}]
    """
    try:
        return _unflatten_from(definition, iter(leaves))
    except StopIteration:
        raise ShapeError("trees.leaves", wanted=definition.leaf_count) from None


def _unflatten_from(definition: TreeDef, leaves: Iterator[Any]) -> Any:
    if definition.kind is None:
        return next(leaves)
    return _close(definition, [_unflatten_from(child, leaves) for child in definition.children])


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in order.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tree_leaves({"w": 1, "b": (2, None)})
    [2, 1]
    """
    return tree_flatten(tree)[0]


def tree_paths(tree: Any) -> list[str]:
    """The paths of the leaves of a tree, in order.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tree_paths({"hidden": [{"weight": 1, "bias": 2}]})
    ['hidden.0.bias', 'hidden.0.weight']
    """
    return tree_flatten(tree)[1].paths


def tree_map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply a function leaf by leaf to trees of the same shape.

    Parameters
    ----------
    function
        Called with one leaf of each tree.
    tree, *rest
        Trees of the same shape.

    Raises
    ------
    ShapeError
        If the trees differ in shape; the message names a path that only one of them has.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tree_map(lambda w, g: w - 0.1 * g, {"w": 1.0}, {"w": 10.0})
    {'w': 0.0}
    """
    leaves, definition = tree_flatten(tree)
    columns = [leaves]
    for other in rest:
        other_leaves, other_definition = tree_flatten(other)
        if other_definition != definition:
            raise ShapeError("trees.mismatch", difference=_difference(definition, other_definition))
        columns.append(other_leaves)
    return tree_unflatten(definition, [function(*row) for row in zip(*columns, strict=True)])


def _difference(one: TreeDef, other: TreeDef) -> str:
    """The first paths that only one of two shapes has, or the types that differ."""
    paths, other_paths = dict.fromkeys(one.paths), dict.fromkeys(other.paths)
    missing = [path for path in paths if path not in other_paths]
    extra = [path for path in other_paths if path not in paths]
    if missing or extra:
        return f"{missing[:3]} / {extra[:3]}"
    while inner := [(a, b) for a, b in zip(one.children, other.children, strict=False) if a != b]:
        one, other = inner[0]
    return f"{_kind_name(one)} / {_kind_name(other)}"


def _kind_name(definition: TreeDef) -> str:
    if definition.kind is None:
        return "leaf"
    name = definition.kind.__name__
    return name if definition.aux is None else f"{name}[{definition.aux}]"


def tree_at(tree: Any, path: str) -> Any:
    """The leaf or subtree of ``tree`` at ``path``.

    Raises
    ------
    PathError
        If there is none; the message suggests near ones.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tree_at({"hidden": [{"weight": 7}]}, "hidden.0.weight")
    7
    """
    node, rest = tree, path
    while rest:
        step = _step(node, rest)
        if step is None:
            known = tree_paths(tree)
            raise PathError("trees.path", path=path, hint=suggest(path, known), known=known[:8])
        _, node, rest = step
    return node


def _step(node: Any, path: str) -> tuple[int, Any, str] | None:
    """The child that a path enters: its number, the child, and the rest of the path.

    A name may hold dots itself, as in a dictionary of parameters by path: the longest name counts.
    """
    names, children, _ = _open(node) or ((), (), None)
    fitting = [
        (len(name), i)
        for i, name in enumerate(map(str, names))
        if path == name or path.startswith(f"{name}.")
    ]
    if not fitting:
        return None
    length, i = max(fitting)
    return i, children[i], path[length + 1 :]


def tree_replace(tree: Any, path: str, value: Any) -> Any:
    """A copy of ``tree`` with ``value`` at ``path``; ``tree`` stays as it is.

    Raises
    ------
    PathError
        If there is no such path.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tree_replace({"a": (1, 2)}, "a.1", 5)
    {'a': (1, 5)}
    """
    tree_at(tree, path)
    return _replaced(tree, path, value)


def _replaced(node: Any, path: str, value: Any) -> Any:
    opened, step = _open(node), _step(node, path)
    if not path or opened is None or step is None:
        return value
    names, children, aux = opened
    i, child, rest = step
    new = [*children[:i], _replaced(child, rest, value), *children[i + 1 :]]
    return _close(TreeDef(type(node), names, (), aux), new)
