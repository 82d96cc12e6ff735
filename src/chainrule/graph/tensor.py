"""The tensor: a NumPy array, or the handle of a node in a graph that is being traced.

There are no modes and no tapes. An operation whose inputs are all concrete runs at once; if one
input is symbolic, the operation becomes a node (:mod:`chainrule.graph.apply`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule import words
from chainrule.errors import DtypeError, ShapeError, SymbolicError
from chainrule.graph.node import Literal, Node
from chainrule.graph.operators import TENSOR_FUNCTIONS, Axis, Operators, tensor_function
from chainrule.graph.spec import SHORT_NAMES, Shape, Spec, checked_dtype
from chainrule.graph.table import Op, add_row

__all__ = [
    "CONSTANT",
    "INPUT",
    "ArrayLike",
    "Axis",
    "Tensor",
    "asarray",
    "from_dlpack",
    "leaf_types",
    "node_of",
    "placeholder",
    "spec_of",
    "tensor",
    "tensor_function",
]


def _constant_rule(value: Literal) -> Spec:
    return Spec(value.array.shape, value.array.dtype)


def _input_rule(spec: Spec) -> Spec:
    return spec


def _no_value(spec: Spec) -> Any:
    raise AssertionError("an input is given from outside")


CONSTANT = add_row(Op("constant", "structure", _constant_rule, lambda value: value.array))
INPUT = add_row(Op("input", "structure", _input_rule, _no_value))


class Tensor(Operators):
    """An n-dimensional array of numbers, immutable; concrete or symbolic.

    Operators and methods have NumPy's names and rules. Make one with :func:`tensor` (copies) or
    :func:`asarray` (shares memory); turn one back with ``numpy()``, ``np.asarray`` or DLPack.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x @ x.T + 1
    Tensor f32[2, 2]
    [[ 6. 12.]
     [12. 26.]]
    """

    __slots__ = ("_array", "_node")

    _array: np.ndarray | None
    _node: Node | None

    def __init__(self, array: np.ndarray | None, node: Node | None = None) -> None:
        self._array = array
        self._node = node

    # ------------------------------------------------------------------ what it is
    @property
    def is_symbolic(self) -> bool:
        """True for the handle of a node: a value that is not there yet."""
        return self._array is None

    @property
    def spec(self) -> Spec:
        """Shape and number type."""
        if self._array is None:
            assert self._node is not None
            return self._node.specs[0]
        return Spec(self._array.shape, self._array.dtype)

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self.spec.shape if self._array is None else self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The number type."""
        return self.spec.dtype if self._array is None else self._array.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.spec.size if self._array is None else self._array.size

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("graph.no_length")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        head = f"Tensor {self.spec!r}"
        if self._array is None:
            return f"{head} {words.text('graph.symbolic_repr')}"
        body = np.array2string(self._array, precision=4, threshold=60)
        return f"{head} {body}" if self.ndim < 2 else f"{head}\n{body}"

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if specification else repr(self)

    # ------------------------------------------------------------------ out to Python and NumPy
    def _concrete(self) -> np.ndarray:
        if self._array is None:
            raise SymbolicError("graph.symbolic_value", spec=self.spec)
        return self._array

    def numpy(self) -> np.ndarray:
        """The values as a read-only NumPy array that shares memory.

        Raises
        ------
        SymbolicError
            If the tensor is symbolic.
        """
        view = self._concrete().view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **keywords: Any) -> Any:
        array = self._concrete()
        # Not every library can import memory that is marked as read-only.
        return (array if array.flags.writeable else array.copy()).__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._concrete().__dlpack_device__()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._concrete(),)  # without the node: pickle and deepcopy want numbers

    def item(self) -> float | int | bool:
        """The only element as a Python number.

        Raises
        ------
        ShapeError
            If there are more elements, or none.
        """
        array = self._concrete()
        if array.size != 1:
            raise ShapeError("graph.item", shape=array.shape)
        return array.item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self._concrete().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DtypeError("graph.index_dtype", spec=self.spec)
        return int(self.item())

    def __bool__(self) -> bool:
        if self._array is None:
            raise SymbolicError("graph.symbolic_if", spec=self.spec)
        if self._array.size != 1:
            raise ShapeError("graph.truth", shape=self.shape)
        return bool(self._array.item())


#: A tensor, an array, a Python number, or nested sequences of these. (A type checker could not say
#: more of "has ``__array__`` or ``__dlpack__``" than that.)
ArrayLike: TypeAlias = Tensor | np.ndarray | np.generic | float | Sequence[Any]


# ---------------------------------------------------------------------- making tensors
def tensor(data: ArrayLike, dtype: Any = None) -> Tensor:
    """Make a tensor; copies ``data``.

    Parameters
    ----------
    data
        A number, a nested sequence, an array, or a tensor. Arrays keep their type; Python floats
        become float32 and Python integers int64.
    dtype
        The wanted number type.

    Raises
    ------
    DtypeError
        For text, objects, complex numbers and other types that the library does not compute with.
    ShapeError
        For rows of different length.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.tensor([1.0, 2.0])
    Tensor f32[2] [1. 2.]
    """
    made = asarray(data, dtype)
    return made if made.is_symbolic else Tensor(np.array(made._array))


def asarray(data: ArrayLike, dtype: Any = None) -> Tensor:
    """Like :func:`tensor`, but shares memory with an array; do not change that array afterwards.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> cr.asarray(np.arange(3.0))
    Tensor f64[3] [0. 1. 2.]
    """
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype == dtype else data.astype(dtype)
    types = leaf_types(data)
    if Tensor in types:
        return asarray(TENSOR_FUNCTIONS["stack"](data), dtype)
    if types & NOT_NUMBERS:
        raise DtypeError("graph.dtype", dtype=" / ".join(t.__name__ for t in types & NOT_NUMBERS))
    array = _as_array(data, None if dtype is None else checked_dtype(dtype))
    if dtype is None and types <= PYTHON_NUMBERS and array.dtype == np.float64:
        array = _as_array(array, np.dtype(np.float32))
    return Tensor(array)


PYTHON_NUMBERS = {bool, int, float}
#: NumPy would turn these into NaN, or parse them, where a number type is asked for.
NOT_NUMBERS = {type(None), str, bytes, complex}


def leaf_types(data: Any) -> set[type]:
    """The types of the elements of nested lists and tuples."""
    if not isinstance(data, (list, tuple)):
        return {type(data)}
    types: set[type] = set()
    for item in data:
        types |= leaf_types(item)
    return types


@np.errstate(all="ignore")  # a float that is too large for float32 is infinite there
def _as_array(data: Any, dtype: np.dtype[Any] | None) -> np.ndarray:
    """A NumPy array of a type that the library computes with, in the machine's byte order."""
    if hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
        data = np.from_dlpack(data)
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise DtypeError("graph.masked", count=int(np.ma.getmaskarray(data).sum()))
    try:
        array = np.asarray(data, dtype)
    except OverflowError:
        raise DtypeError("graph.overflow", data=data, dtype=dtype) from None
    except ValueError:
        raise ShapeError("graph.ragged") from None
    except RuntimeError as error:  # of a tensor of PyTorch that wants a gradient
        raise DtypeError("graph.foreign", type=type(data).__name__, error=error) from error
    if array.dtype in SHORT_NAMES:
        return array
    return array.astype(checked_dtype(array.dtype.newbyteorder("=")))


def from_dlpack(data: Any) -> Tensor:
    """A tensor that shares memory with another library's CPU array (PyTorch, JAX, CuPy, …).

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> cr.from_dlpack(np.ones(2))
    Tensor f64[2] [1. 1.]
    """
    return asarray(np.from_dlpack(data))


def placeholder(spec: Spec) -> Tensor:
    """A fresh symbolic tensor: an input of the graph that is being traced."""
    return Tensor(None, Node(INPUT, (), {"spec": spec}, (spec,)))


def spec_of(value: ArrayLike | Spec) -> Spec:
    """Shape and type that ``value`` has, or would have as a tensor."""
    return value if isinstance(value, Spec) else asarray(value).spec


def node_of(value: Tensor) -> Node:
    """The node of a tensor; a concrete one gets a constant node, always the same."""
    if value._node is None:
        array = value._concrete()
        value._node = Node(CONSTANT, (), {"value": Literal(array)}, (value.spec,))
    return value._node
