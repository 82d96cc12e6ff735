"""What can be written with a tensor: operators and methods, with NumPy's names and rules.

Every one calls the function of its name. These stand in modules that need the tensor, so they enter
themselves here (:func:`tensor_function`) instead of being imported.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self, SupportsIndex, TypeAlias, TypeVar, cast

__all__ = ["TENSOR_FUNCTIONS", "Axis", "Operators", "tensor_function"]

Axis: TypeAlias = int | Sequence[int] | None
Function = TypeVar("Function", bound=Callable[..., Any])

TENSOR_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def tensor_function(function: Function) -> Function:
    """Enter a function under its name, so that operators and methods of a tensor reach it."""
    TENSOR_FUNCTIONS[function.__name__] = function
    return function


class Operators:
    """The operators and methods of :class:`chainrule.Tensor`."""

    __slots__ = ()
    __array_ufunc__ = None  # so that ndarray + Tensor comes to Tensor.__radd__

    def _call(self, name: str, *arguments: Any) -> Self:
        return cast(Self, TENSOR_FUNCTIONS[name](*arguments))

    # ------------------------------------------------------------------ arithmetic
    def __add__(self, other: Any) -> Self:
        return self._call("add", self, other)

    def __radd__(self, other: Any) -> Self:
        return self._call("add", other, self)

    def __sub__(self, other: Any) -> Self:
        return self._call("subtract", self, other)

    def __rsub__(self, other: Any) -> Self:
        return self._call("subtract", other, self)

    def __mul__(self, other: Any) -> Self:
        return self._call("multiply", self, other)

    def __rmul__(self, other: Any) -> Self:
        return self._call("multiply", other, self)

    def __truediv__(self, other: Any) -> Self:
        return self._call("divide", self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self._call("divide", other, self)

    def __floordiv__(self, other: Any) -> Self:
        return self._call("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self._call("floor_divide", other, self)

    def __mod__(self, other: Any) -> Self:
        return self._call("remainder", self, other)

    def __rmod__(self, other: Any) -> Self:
        return self._call("remainder", other, self)

    def __pow__(self, other: Any) -> Self:
        return self._call("power", self, other)

    def __rpow__(self, other: Any) -> Self:
        return self._call("power", other, self)

    def __matmul__(self, other: Any) -> Self:
        return self._call("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return self._call("matmul", other, self)

    def __neg__(self) -> Self:
        return self._call("negative", self)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return self._call("abs", self)

    # ------------------------------------------------------------------ bits and comparisons
    def __invert__(self) -> Self:
        return self._call("bitwise_not", self)

    def __and__(self, other: Any) -> Self:
        return self._call("bitwise_and", self, other)

    def __or__(self, other: Any) -> Self:
        return self._call("bitwise_or", self, other)

    def __xor__(self, other: Any) -> Self:
        return self._call("bitwise_xor", self, other)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    __hash__ = None  # type: ignore[assignment]  # == is elementwise, as in NumPy

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._call("equal", self, other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._call("not_equal", self, other)

    def __lt__(self, other: Any) -> Self:
        return self._call("less", self, other)

    def __le__(self, other: Any) -> Self:
        return self._call("less_equal", self, other)

    def __gt__(self, other: Any) -> Self:
        return self._call("less", other, self)

    def __ge__(self, other: Any) -> Self:
        return self._call("less_equal", other, self)

    # ------------------------------------------------------------------ shape and elements
    def __getitem__(self, index: Any) -> Self:
        return self._call("getitem", self, index)

    @property
    def T(self) -> Self:  # noqa: N802
        """All axes in reverse order."""
        return self._call("transpose", self)

    @property
    def mT(self) -> Self:  # noqa: N802
        """The last two axes swapped."""
        return self._call("swapaxes", self, -1, -2)

    def reshape(self, *shape: Any) -> Self:
        """The same elements in another shape; one length may be -1."""
        return self._call("reshape", self, _several(shape))

    def transpose(self, *axes: Any) -> Self:
        """Axes in another order; reversed by default."""
        return self._call("transpose", self, _several(axes) or None)

    def swapaxes(self, first: int, second: int) -> Self:
        """Two axes exchanged."""
        return self._call("swapaxes", self, first, second)

    def ravel(self) -> Self:
        """All elements in one axis."""
        return self._call("reshape", self, (-1,))

    def flatten(self) -> Self:
        """All elements in one axis; as :meth:`ravel`, since what is immutable needs no copy."""
        return self._call("reshape", self, (-1,))

    def squeeze(self, axis: Axis = None) -> Self:
        """Without axes of length 1."""
        return self._call("squeeze", self, axis)

    def take(self, indices: Any, axis: int | None = None) -> Self:
        """Slices at integer indices along an axis, or elements of the flattened tensor."""
        return self._call("take", self, indices, axis)

    def repeat(self, count: int, axis: int | None = None) -> Self:
        """Every slice along an axis (or every element) several times in a row."""
        return self._call("repeat", self, count, axis)

    def astype(self, dtype: Any) -> Self:
        """The values in another number type."""
        return self._call("astype", self, dtype)

    # ------------------------------------------------------------------ reductions
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Sum over axes."""
        return self._call("sum", self, axis, keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Product over axes."""
        return self._call("prod", self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Arithmetic mean over axes."""
        return self._call("mean", self, axis, keepdims)

    def var(self, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Self:
        """Variance over axes."""
        return self._call("var", self, axis, keepdims, correction)

    def std(self, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Self:
        """Standard deviation over axes."""
        return self._call("std", self, axis, keepdims, correction)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Largest element over axes."""
        return self._call("max", self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Smallest element over axes."""
        return self._call("min", self, axis, keepdims)

    def argmax(self, axis: int | None = None) -> Self:
        """Index of the (first) largest element."""
        return self._call("argmax", self, axis)

    def argmin(self, axis: int | None = None) -> Self:
        """Index of the (first) smallest element."""
        return self._call("argmin", self, axis)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Whether every element holds."""
        return self._call("all", self, axis, keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Whether some element holds."""
        return self._call("any", self, axis, keepdims)

    def cumsum(self, axis: int | None = None) -> Self:
        """Cumulative sum along an axis, or of the flattened tensor."""
        return self._call("cumsum", self, axis)

    # ------------------------------------------------------------------ elementwise and products
    def clip(self, low: Any = None, high: Any = None) -> Self:
        """Kept between two bounds."""
        return self._call("clip", self, low, high)

    def round(self) -> Self:
        """The nearest integers, ties to even."""
        return self._call("round", self)

    def dot(self, other: Any) -> Self:
        """The product with a vector or a matrix."""
        return self._call("dot", self, other)


def _several(numbers: tuple[Any, ...]) -> Any:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    alone = len(numbers) == 1 and not isinstance(numbers[0], SupportsIndex)
    return numbers[0] if alone else numbers
