"""Edits that keep a part and put something around it: a sign, a factor, a term, a function."""

from collections.abc import Iterator

from chainrule.explain.claims.search.edit import Edit, followed, times
from chainrule.explain.claims.search.materials import ACTIVATIONS, Materials
from chainrule.explain.claims.search.places import Place
from chainrule.explain.claims.values import Value
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Compare,
    Divide,
    Expression,
    MatMul,
    Multiply,
    Negative,
    Number,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["wrappers"]

HALF = Divide(Number(1), Number(2))


def wrappers(place: Place, node: Expression, value: Value, materials: Materials) -> Iterator[Edit]:
    """Edits that keep the node and put something around it."""
    parent = place.parent
    if isinstance(parent, Compare):
        return
    is_number = isinstance(node, Number)
    if not _passes(parent):
        if not isinstance(node, Negative):
            yield Edit("sign", node, Negative(node), 1.0)
        if not is_number or not place.path:
            yield from _scaled(node, value, materials)
    if not is_number and not _collects(parent):
        yield from _with_factor(place, node, value, materials)
    if not is_number and not isinstance(parent, Add):
        yield from _with_term(place, node, value, materials)
    if isinstance(node, Number):
        if isinstance(node.value, int) and node.value > 1 and not isinstance(parent, Power):
            yield Edit("root", node, Apply("sqrt", (node,)), 1.2)
        if abs(node.value) != 1 and not isinstance(parent, Power):
            yield Edit("square", node, Power(node, Number(2)), 1.1)
        return
    if not isinstance(parent, Power):
        yield Edit("square", node, Power(node, Number(2)), 1.05)
    yield Edit("root", node, Apply("sqrt", (node,)), 1.08)
    if not isinstance(node, Divide):
        yield Edit("inverse", node, Divide(Number(1), node), 1.25)
    yield Edit("complement", node, Add((Number(1), Negative(node))), 1.2)
    yield from _applied(node, value, materials)
    yield from _summed(place, node, value, materials)
    turns = value.rank == 2 or (value.rank == 1 and materials.rows and isinstance(parent, MatMul))
    if turns and not isinstance(node, Transpose):
        yield Edit("transpose", node, Transpose(node), 1.0)
    if value.rank == 1:
        yield Edit("diag", node, Apply("diag", (node,)), 1.05)


def _passes(parent: Expression | None) -> bool:
    """Whether a sign or a number is the same before the parent as before the part."""
    return isinstance(parent, Multiply | Negative | Divide | MatMul | Transpose) or (
        isinstance(parent, Big) and parent.kind in ("sum", "mean")
    )


def _collects(parent: Expression | None) -> bool:
    """Whether the parent is a product, which takes new factors itself."""
    return isinstance(parent, Multiply | Negative | Divide)


def _scaled(node: Expression, value: Value, materials: Materials) -> Iterator[Edit]:
    """Twice, half, n times, an n-th: by numbers and by sizes."""
    two = Number(2)
    yield Edit("factor", node, times(two, node), 1.1, two)
    yield Edit("factor", node, Divide(node, two), 1.1, HALF)
    for number in materials.constants:
        yield Edit("factor", node, times(number, node), 1.11, number)
        yield Edit("factor", node, Divide(node, number), 1.15, Divide(Number(1), number))
    for symbol in materials.counts:
        yield Edit("factor", node, times(symbol, node), 1.12, symbol)
        inverse = Divide(Number(1), symbol)
        yield Edit("factor", node, Divide(node, symbol), 1.12, inverse)
    for symbol in materials.numbers:
        yield Edit("factor", node, times(symbol, node), 1.2, symbol)
        inverse = Divide(Number(1), symbol)
        yield Edit("factor", node, Divide(node, symbol), 1.25, inverse)


def _with_factor(
    place: Place, node: Expression, value: Value, materials: Materials
) -> Iterator[Edit]:
    for divisor, found, cost in materials.divisors(place.bound):
        if found.rank <= value.rank:
            quotient = Divide(node, divisor)
            inverse = Divide(Number(1), divisor)
            yield Edit("missing factor", node, quotient, 1.1 + cost, inverse)
    for factor, found, cost in materials.factors(place.bound):
        arrays = bool(found.rank and value.rank)
        if found.rank and not value.rank and materials.matrices and place.path:
            continue
        yield Edit("missing factor", node, followed(node, factor, arrays), 1.1 + cost, factor)
        if found.rank and value.rank and materials.matrices:
            bare = node.operand if isinstance(node, Negative) else node
            turned = found.rank == 2 and value.rank == 1 and not isinstance(factor, Transpose)
            first = _before(Transpose(factor), bare) if turned else MatMul(bare, factor)
            for product in (first, _before(factor, bare)):
                whole = product if bare is node else Negative(product)
                yield Edit("missing factor", node, whole, 1.15 + cost, factor)


def _before(matrix: Expression, node: Expression) -> Expression:
    """``matrix · node``, behind the numbers that the node begins with."""
    if isinstance(node, Multiply) and not node.arrays:
        return Multiply((*node.factors[:-1], MatMul(matrix, node.factors[-1])))
    return MatMul(matrix, node)


def _with_term(
    place: Place, node: Expression, value: Value, materials: Materials
) -> Iterator[Edit]:
    for term, found, cost in materials.terms(place.bound):
        if found.rank > value.rank:
            continue
        head = node.terms if isinstance(node, Add) else (node,)
        yield Edit("missing term", node, Add((*head, term)), 1.4 + cost, term)
        yield Edit("missing term", node, Add((*head, Negative(term))), 1.4 + cost, term)
    for number in (Number(1), Number(-1)):
        head = node.terms if isinstance(node, Add) else (node,)
        sign = Number(1) if number.value > 0 else Negative(Number(1))
        yield Edit("missing term", node, Add((*head, sign)), 1.45, number)

    if value.rank == 2 and value.array.shape[-1] == value.array.shape[-2]:
        yield Edit("missing term", node, Add((node, Transpose(node))), 1.2, Transpose(node))


def _applied(node: Expression, value: Value, materials: Materials) -> Iterator[Edit]:
    names = [*materials.functions, *(materials.whole_functions if value.rank else ())]
    for name in names:
        if isinstance(node, Apply) and node.function == name:
            continue
        yield Edit("missing function", node, Apply(name, (node,)), 1.2, Symbol(name))
        if name in ACTIVATIONS:
            for slope in materials.slope_of(Apply(name, (node,))):
                yield Edit("missing function", node, slope, 1.25, Symbol(name))


def _summed(place: Place, node: Expression, value: Value, materials: Materials) -> Iterator[Edit]:
    for letter in sorted(materials.layout.depends(value) - place.bound - materials.wanted):
        index = Symbol(letter)
        total = Big("sum", node, index)
        yield Edit("missing sum", node, total, 1.0, index)
        for count in materials.count_of(letter):
            mean = Multiply((Divide(Number(1), count), total))
            yield Edit("missing mean", node, mean, 1.1, index)
    if value.rank:
        yield Edit("missing sum", node, Apply("sum", (node,)), 1.0)
        yield Edit("missing mean", node, Apply("mean", (node,)), 1.0)
    if value.rank == 2:
        for axis in (0, 1):
            yield Edit("missing sum", node, Apply("sum", (node,), axis), 1.05)
