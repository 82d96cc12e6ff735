"""Applying an op: at once to concrete tensors, or as a new node when one of them is symbolic."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, DtypeError, OptionError
from chainrule.graph.node import Node
from chainrule.graph.spec import SHORT_NAMES, Spec, broadcast_shapes
from chainrule.graph.table import TABLE, Op
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, leaf_types, node_of

__all__ = [
    "apply",
    "apply_many",
    "broadcast_together",
    "elementwise",
    "make_node",
    "pick",
    "promoted",
]


def apply(op: Op, *inputs: Tensor, **attributes: Any) -> Tensor:
    """Apply a row with one output to tensors that have the shapes and types that it takes."""
    arrays = [value._array for value in inputs]
    for array in arrays:
        if array is None:
            return make_node(op, inputs, attributes)
    return Tensor(np.asarray(_value(op, arrays, attributes)))


def apply_many(op: Op, *inputs: Tensor, **attributes: Any) -> tuple[Tensor, ...]:
    """Apply a row with several outputs: ``call``, ``scan`` or ``while``."""
    arrays = [value._array for value in inputs]
    if any(array is None for array in arrays):
        whole = _node(op, inputs, attributes)
        return tuple(pick(whole, i) for i in range(len(whole.specs)))
    return tuple(Tensor(np.asarray(array)) for array in _value(op, arrays, attributes))


@np.errstate(all="ignore")
def _value(op: Op, arrays: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """The NumPy value; what NumPy refuses is said in our words."""
    try:
        return op.value(*arrays, **attributes)
    except (ChainruleError, MemoryError):
        raise
    except Exception as error:
        specs = [Spec(array.shape, array.dtype) for array in arrays]
        if op.family == "elementwise":
            broadcast_shapes(op.name, *(spec.shape for spec in specs))
        else:
            op.rule(*specs, **attributes)
        raise OptionError("graph.refused", op=op.name, reason=error) from error


def make_node(op: Op, inputs: Sequence[Tensor], attributes: dict[str, Any]) -> Tensor:
    """A new node of a row with one output, as a tensor."""
    return Tensor(None, _node(op, inputs, attributes))


def _node(op: Op, inputs: Sequence[Tensor], attributes: dict[str, Any]) -> Node:
    specs = op.rule(*(value.spec for value in inputs), **attributes)
    if isinstance(specs, Spec):
        specs = (specs,)
    return Node(op, tuple(node_of(value) for value in inputs), attributes, specs)


def pick(node: Node, index: int) -> Tensor:
    """One output of a node that has several."""
    return Tensor(None, Node(TABLE["pick"], (node,), {"index": index}, (node.specs[index],)))


# ---------------------------------------------------------------------- broadcasting, promotion
def elementwise(op: Op, *values: ArrayLike) -> Tensor:
    """Apply an elementwise row with NumPy's promotion and broadcasting."""
    tensors = promoted(op.name, op.check.kinds, values)
    return apply(op, *broadcast_together(op.name, tensors))


def broadcast_together(who: str, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Tensors stretched to their common shape, where one of them is symbolic.

    In a graph, broadcasting is explicit, so that every elementwise node has inputs of one shape.
    On concrete tensors NumPy broadcasts by itself.
    """
    if not any(t._array is None for t in tensors):
        return tensors
    shapes = [t.shape for t in tensors]
    if shapes.count(shapes[0]) == len(shapes):
        return tensors
    shape = broadcast_shapes(who, *shapes)
    stretch = TABLE["broadcast_to"]
    return [t if t.shape == shape else make_node(stretch, [t], {"shape": shape}) for t in tensors]


#: Python numbers, also in lists, adapt to the arrays beside them (NEP 50); a sample of each.
WEAK: dict[type, Any] = {bool: False, int: 0, float: 0.0}


def promoted(who: str, kinds: str, values: Sequence[ArrayLike]) -> list[Tensor]:
    """``values`` as tensors of their common type, one of ``kinds``.

    ``kinds`` are any of ``f`` float, ``i`` integer, ``b`` bool.
    """
    types = tuple([x.dtype if isinstance(x, Tensor) else _type_of(x) for x in values])
    dtype = _common_type(who, kinds, types)
    return [asarray(value, dtype) for value in values]


def _type_of(value: Any) -> Any:
    """The number type of a value, or the Python type of a number (the widest of a list's)."""
    if type(value) in WEAK:
        return type(value)
    if isinstance(value, (list, tuple)):
        types = leaf_types(value)
        if types <= WEAK.keys():
            return float if float in types else int if int in types else bool
    return asarray(value).dtype


@cache
def _common_type(who: str, kinds: str, types: tuple[Any, ...]) -> np.dtype[Any]:
    """NumPy's common type, moved up to one that the op takes."""
    dtype = np.result_type(*(WEAK.get(item, item) for item in types))
    alone = all(item in WEAK for item in types)
    floating = np.dtype(np.float32 if alone else np.float64)  # what numbers without a float become
    if alone and dtype.kind == "f":
        dtype = floating
    kind = "i" if dtype.kind == "u" else dtype.kind
    if kind in kinds:
        return dtype
    if kind == "b" and "i" in kinds:
        return np.dtype(np.int64)
    if "f" in kinds:
        return floating
    raise DtypeError("graph.op_dtype", op=who, dtype=SHORT_NAMES[dtype])
