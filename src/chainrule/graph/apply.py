"""Applying an op: at once to concrete tensors, or as a new node when one of them is symbolic."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, DtypeError
from chainrule.graph.node import Node, Op
from chainrule.graph.spec import SHORT_NAMES, Spec, broadcast_shapes
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import ArrayLike, Tensor, asarray, node_of

__all__ = ["apply", "broadcast_together", "elementwise", "make_node", "pick", "promoted"]


def apply(op: Op, *inputs: Tensor, **attributes: Any) -> Any:
    """Apply a row of the table to tensors that already have the shapes and types that it takes.

    Returns one tensor, or a tuple of tensors for an op with several outputs.
    """
    arrays = [value._array for value in inputs]
    if any(array is None for array in arrays):
        return make_node(op, inputs, attributes)
    try:
        with np.errstate(all="ignore"):
            result = op.value(*arrays, **attributes)
    except ChainruleError:
        raise
    except Exception:
        op.rule(*(value.spec for value in inputs), **attributes)  # teaches, if the shapes are wrong
        raise
    if isinstance(result, tuple):
        return tuple(Tensor(np.asarray(array)) for array in result)
    return Tensor(np.asarray(result))


def make_node(op: Op, inputs: Sequence[Tensor], attributes: dict[str, Any]) -> Any:
    """A node that applies ``op``, as a tensor (or a tuple of them)."""
    specs = op.rule(*(value.spec for value in inputs), **attributes)
    nodes = tuple(node_of(value) for value in inputs)
    if isinstance(specs, Spec):
        return Tensor(None, Node(op, nodes, attributes, (specs,)))
    whole = Node(op, nodes, attributes, specs)
    return tuple(pick(whole, i) for i in range(len(specs)))


def pick(node: Node, index: int) -> Tensor:
    """One output of a node that has several."""
    picked = Node(TABLE["pick"], (node,), {"index": index}, (node.specs[index],))
    return Tensor(None, picked)


def elementwise(op: Op, values: Sequence[ArrayLike]) -> Tensor:
    """Apply an elementwise row with NumPy's promotion and broadcasting."""
    dtype = promoted(op.name, op.check.kinds, values)
    return apply(op, *broadcast_together(op.name, [asarray(value, dtype) for value in values]))  # type: ignore[no-any-return]


def broadcast_together(who: str, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Tensors stretched to their common shape, where one of them is symbolic.

    In a graph, broadcasting is explicit, so that every elementwise node has inputs of one shape.
    On concrete tensors NumPy broadcasts by itself.
    """
    shape = tensors[0].shape
    if all(t._array is not None for t in tensors) or all(t.shape == shape for t in tensors):
        return tensors
    shape = broadcast_shapes(who, *(t.shape for t in tensors))
    stretch = TABLE["broadcast_to"]
    return [t if t.shape == shape else make_node(stretch, [t], {"shape": shape}) for t in tensors]


def promoted(who: str, kinds: str, values: Sequence[ArrayLike]) -> np.dtype[Any]:
    """The common type of ``values`` among ``kinds`` (``f`` float, ``i`` integer, ``b`` bool)."""
    # NumPy reads Python numbers as weak: they adapt to the arrays beside them (NEP 50).
    weak = [isinstance(value, (bool, int, float)) for value in values]
    dtype = np.result_type(
        *(
            value if is_weak else getattr(value, "dtype", None) or asarray(value).dtype
            for value, is_weak in zip(values, weak, strict=True)
        )
    )
    if all(weak) and dtype.kind == "f":
        dtype = np.dtype(np.float32)
    kind = "i" if dtype.kind == "u" else dtype.kind
    if kind in kinds:
        return dtype
    if kind == "b" and "i" in kinds:
        return np.dtype(np.int64)
    if kind in "bi" and "f" in kinds:
        return np.dtype(np.float64)
    raise DtypeError("graph.op_dtype", op=who, dtype=SHORT_NAMES.get(dtype, str(dtype)))
