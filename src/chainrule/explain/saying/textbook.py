"""Activations in the form that textbooks give: ``ReLU' = 1[z > 0]``, ``softplus' = σ(z)``.

The library computes some of them in another form, for the sake of rounding. Whether the two forms
agree is not believed but measured (:mod:`chainrule.explain.saying`): a function of a user's own
that is called ``relu`` does not get ReLU's formula.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from chainrule.explain.formulas.tree import Apply, Expression, Number, Symbol
from chainrule.explain.saying.algebra import (
    ONE,
    ZERO,
    compared,
    divided,
    negated,
    powered,
    product,
    summed,
    total,
)
from chainrule.explain.saying.saying import Elements, Occurrence, Place, Saying

__all__ = ["TEXTBOOK"]

Form = tuple[Expression, Expression]


def _apply(name: str, *parts: Expression) -> Apply:
    return Apply(name, parts)


def _identity(z: Expression, a: Expression) -> Form:
    return _apply("identity", z), ONE


def _relu(z: Expression, a: Expression) -> Form:
    return _apply("relu", z), compared(">", z, ZERO)


def _softplus(z: Expression, a: Expression) -> Form:
    return _apply("log", total(ONE, _apply("exp", z))), _apply("sigmoid", z)


def _gelu(z: Expression, a: Expression) -> Form:
    normal = _apply("Phi", z)
    two_pi = _apply("sqrt", product(Number(2), Symbol("pi")))
    density = divided(_apply("exp", divided(negated(powered(z, Number(2))), Number(2))), two_pi)
    return product(z, normal), total(normal, product(z, density))


def _silu(z: Expression, a: Expression) -> Form:
    s = _apply("sigmoid", z)
    return product(z, s), product(s, total(ONE, product(z, total(ONE, negated(s)))))


def elementwise(form: Callable[[Expression, Expression], Form]) -> Callable[[Place], Saying]:
    """What is said of a function that works element by element."""

    def said(place: Place) -> Saying:
        z, a = place.inputs[0](place.letters), place.output(place.letters)
        value, derivative = form(z, a)
        occurrence = Occurrence(place.letters, derivative)
        return Saying(place.letters, value, ((occurrence,),), _sizes(place))

    return said


def _sizes(place: Place) -> dict[Symbol, int]:
    return {
        letter: size
        for letter, size in zip(place.letters, place.shape, strict=True)
        if isinstance(letter, Symbol)
    }


def _over_last(
    place: Place, form: Callable[[Expression, Expression, Expression, Expression], Form]
) -> Saying:
    """A function of the numbers along the last axis; ``i`` counts them in sums, ``k`` beside."""
    letters, inner, other = place.letters, Symbol("i"), Symbol("r")
    if not letters or not isinstance(letters[-1], Symbol):
        raise ValueError("nothing to sum over")

    def at(element: Elements, letter: Expression) -> Expression:
        return element((*letters[:-1], letter))

    sizes = {**_sizes(place), inner: place.shape[-1], other: place.shape[-1]}
    exponentials = summed(_apply("exp", at(place.inputs[0], inner)), (inner,))
    z, a = at(place.inputs[0], letters[-1]), at(place.output, letters[-1])
    value, derivative = form(z, exponentials, a, at(place.output, other))
    return Saying(letters, value, ((Occurrence((*letters[:-1], other), derivative),),), sizes)


def _softmax(place: Place) -> Saying:
    same = compared("==", place.letters[-1], Symbol("r"))

    def form(z: Expression, total_: Expression, a: Expression, other: Expression) -> Form:
        return divided(_apply("exp", z), total_), product(a, total(same, negated(other)))

    return _over_last(place, form)


def _log_softmax(place: Place) -> Saying:
    same = compared("==", place.letters[-1], Symbol("r"))

    def form(z: Expression, total_: Expression, a: Expression, other: Expression) -> Form:
        return (
            total(z, negated(_apply("log", total_))),
            total(same, negated(_apply("exp", other))),
        )

    return _over_last(place, form)


#: What is said of a named function, in the letters of a place.
TEXTBOOK: Mapping[str, Callable[[Place], Saying]] = MappingProxyType(
    {
        "identity": elementwise(_identity),
        "relu": elementwise(_relu),
        "softplus": elementwise(_softplus),
        "gelu": elementwise(_gelu),
        "silu": elementwise(_silu),
        "softmax": _softmax,
        "log_softmax": _log_softmax,
    }
)
