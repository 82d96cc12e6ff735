"""The tensor: a NumPy array, or the handle of a node in a graph that is being traced.

There are no modes and no tapes. An operation whose inputs are all concrete runs at once; if one
input is symbolic, the operation becomes a node (:mod:`chainrule.graph.apply`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np

from chainrule import words
from chainrule.errors import DtypeError, ShapeError, SymbolicError
from chainrule.graph.node import Literal, Node, Op
from chainrule.graph.spec import Shape, Spec, checked_dtype
from chainrule.graph.table import add_row

__all__ = [
    "ArrayLike",
    "Tensor",
    "asarray",
    "from_dlpack",
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


class Tensor:
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
    __array_priority__ = 1000.0  # so that ndarray + Tensor comes to Tensor.__radd__
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]  # == is elementwise, as in NumPy

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
        return self.spec.size

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("graph.no_length")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if self._array is None:
            return f"Tensor {self.spec!r} {words.text('graph.not_concrete_repr')}"
        head = f"Tensor {self.spec!r}"
        body = np.array2string(self._array, precision=4, suppress_small=True, threshold=60)
        return f"{head} {body}" if self.ndim < 2 else f"{head}\n{body}"

    # ------------------------------------------------------------------ out to Python and NumPy
    def numpy(self) -> np.ndarray:
        """The values as a read-only NumPy array that shares memory."""
        if self._array is None:
            raise SymbolicError("graph.symbolic_value", spec=self.spec)
        view = self._array.view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy:
            return np.array(self.numpy(), dtype=dtype)
        return np.asarray(self.numpy(), dtype=dtype)

    def __dlpack__(self, **keywords: Any) -> Any:
        if self._array is None:
            raise SymbolicError("graph.symbolic_value", spec=self.spec)
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU

    def item(self) -> float | int | bool:
        """The only element as a Python number."""
        if self.size != 1:
            raise ShapeError("graph.item", shape=self.shape)
        return self.numpy().item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self.numpy().tolist()

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
        return bool(self.item())

    def __format__(self, specification: str) -> str:
        if self._array is not None and self.size == 1 and specification:
            return format(self.item(), specification)
        return repr(self)

    # ------------------------------------------------------------------ operators
    def __add__(self, other: "ArrayLike") -> "Tensor":
        return _function("add")(self, other)

    def __radd__(self, other: "ArrayLike") -> "Tensor":
        return _function("add")(other, self)

    def __sub__(self, other: "ArrayLike") -> "Tensor":
        return _function("subtract")(self, other)

    def __rsub__(self, other: "ArrayLike") -> "Tensor":
        return _function("subtract")(other, self)

    def __mul__(self, other: "ArrayLike") -> "Tensor":
        return _function("multiply")(self, other)

    def __rmul__(self, other: "ArrayLike") -> "Tensor":
        return _function("multiply")(other, self)

    def __truediv__(self, other: "ArrayLike") -> "Tensor":
        return _function("divide")(self, other)

    def __rtruediv__(self, other: "ArrayLike") -> "Tensor":
        return _function("divide")(other, self)

    def __floordiv__(self, other: "ArrayLike") -> "Tensor":
        return _function("floor_divide")(self, other)

    def __rfloordiv__(self, other: "ArrayLike") -> "Tensor":
        return _function("floor_divide")(other, self)

    def __mod__(self, other: "ArrayLike") -> "Tensor":
        return _function("remainder")(self, other)

    def __rmod__(self, other: "ArrayLike") -> "Tensor":
        return _function("remainder")(other, self)

    def __pow__(self, other: "ArrayLike") -> "Tensor":
        if isinstance(other, (int, float)) and other in NAMED_POWERS and self.dtype.kind == "f":
            return _function(NAMED_POWERS[other])(self)
        return _function("power")(self, other)

    def __rpow__(self, other: "ArrayLike") -> "Tensor":
        return _function("power")(other, self)

    def __neg__(self) -> "Tensor":
        return _function("negative")(self)

    def __pos__(self) -> "Tensor":
        return self

    def __abs__(self) -> "Tensor":
        return _function("abs")(self)

    def __invert__(self) -> "Tensor":
        return _function("bitwise_not")(self)

    def __and__(self, other: "ArrayLike") -> "Tensor":
        return _function("bitwise_and")(self, other)

    __rand__ = __and__

    def __or__(self, other: "ArrayLike") -> "Tensor":
        return _function("bitwise_or")(self, other)

    __ror__ = __or__

    def __xor__(self, other: "ArrayLike") -> "Tensor":
        return _function("bitwise_xor")(self, other)

    __rxor__ = __xor__

    def __eq__(self, other: object) -> "Tensor":  # type: ignore[override]
        return _function("equal")(self, other)

    def __ne__(self, other: object) -> "Tensor":  # type: ignore[override]
        return _function("not_equal")(self, other)

    def __lt__(self, other: "ArrayLike") -> "Tensor":
        return _function("less")(self, other)

    def __le__(self, other: "ArrayLike") -> "Tensor":
        return _function("less_equal")(self, other)

    def __gt__(self, other: "ArrayLike") -> "Tensor":
        return _function("less")(other, self)

    def __ge__(self, other: "ArrayLike") -> "Tensor":
        return _function("less_equal")(other, self)

    def __matmul__(self, other: "ArrayLike") -> "Tensor":
        return _function("matmul")(self, other)

    def __rmatmul__(self, other: "ArrayLike") -> "Tensor":
        return _function("matmul")(other, self)

    def __getitem__(self, index: Any) -> "Tensor":
        return _function("getitem")(self, index)

    # ------------------------------------------------------------------ methods, as in NumPy
    @property
    def T(self) -> "Tensor":  # noqa: N802
        """All axes in reverse order."""
        return _function("transpose")(self)

    @property
    def mT(self) -> "Tensor":  # noqa: N802
        """The last two axes swapped."""
        return _function("swapaxes")(self, -1, -2)

    def reshape(self, *shape: Any) -> "Tensor":
        """The same elements in another shape; one length may be -1."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], SupportsIndex) else shape
        return _function("reshape")(self, wanted)

    def transpose(self, *axes: Any) -> "Tensor":
        """Axes in another order."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], SupportsIndex) else axes
        return _function("transpose")(self, order or None)

    def astype(self, dtype: Any) -> "Tensor":
        """The values in another number type."""
        return _function("astype")(self, dtype)

    def sum(self, axis: "Axis" = None, keepdims: bool = False) -> "Tensor":
        """Sum over axes."""
        return _function("sum")(self, axis, keepdims)

    def mean(self, axis: "Axis" = None, keepdims: bool = False) -> "Tensor":
        """Arithmetic mean over axes."""
        return _function("mean")(self, axis, keepdims)

    def max(self, axis: "Axis" = None, keepdims: bool = False) -> "Tensor":
        """Largest element over axes."""
        return _function("max")(self, axis, keepdims)

    def min(self, axis: "Axis" = None, keepdims: bool = False) -> "Tensor":
        """Smallest element over axes."""
        return _function("min")(self, axis, keepdims)

    def argmax(self, axis: int | None = None) -> "Tensor":
        """Index of the largest element."""
        return _function("argmax")(self, axis)


ArrayLike: TypeAlias = Any  # a Tensor, a NumPy array, a (nested sequence of) Python number(s)
Axis: TypeAlias = int | Sequence[int] | None

NAMED_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal"}

# Functions that methods and operators of Tensor call by name; each enters itself by
# ``tensor_function``, since they stand in modules that import this one.
_FUNCTIONS: dict[str, Any] = {}


def tensor_function(function: Any) -> Any:
    """Enter a function under its name, so that methods of :class:`Tensor` reach it."""
    _FUNCTIONS[function.__name__.rstrip("_")] = function
    return function


def _function(name: str) -> Any:
    return _FUNCTIONS[name]


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
        return data if dtype is None or data.dtype == np.dtype(dtype) else data.astype(dtype)
    if isinstance(data, (list, tuple)) and _contains_tensor(data):
        return _function("stack")([asarray(item, dtype) for item in data])  # type: ignore[no-any-return]
    try:
        array = np.asarray(data, dtype)
    except ValueError:
        raise ShapeError("graph.ragged") from None
    if dtype is None and not isinstance(data, (np.ndarray, np.generic)) and array.dtype.kind == "f":
        if not hasattr(data, "__array__") and not hasattr(data, "__dlpack__"):
            array = array.astype(np.float32)
    checked_dtype(array.dtype)
    return Tensor(array)


def from_dlpack(data: Any) -> Tensor:
    """A tensor that shares memory with another library's CPU array (PyTorch, JAX, CuPy, …).

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> cr.from_dlpack(np.ones(2))
    Tensor f64[2] [1. 1.]
    """
    return asarray(np.from_dlpack(data))


def _contains_tensor(data: Any) -> bool:
    return any(
        isinstance(item, Tensor) or (isinstance(item, (list, tuple)) and _contains_tensor(item))
        for item in data
    )


def placeholder(spec: Spec) -> Tensor:
    """A fresh symbolic tensor: an input of the graph that is being traced."""
    return Tensor(None, Node(INPUT, (), {"spec": spec}, (spec,)))


def spec_of(value: ArrayLike) -> Spec:
    """Shape and type that ``value`` has, or would have as a tensor."""
    return value if isinstance(value, Spec) else asarray(value).spec


def node_of(value: Tensor) -> Node:
    """The node of a tensor; a concrete one gets a constant node, always the same."""
    if value._node is None:
        assert value._array is not None
        literal = Literal(value._array)
        value._node = Node(CONSTANT, (), {"value": literal}, (value.spec,))
    return value._node
