"""Indices counted from zero, as Python does, and from one, as mathematics does."""

from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Compare,
    Dots,
    Expression,
    Negative,
    Number,
    Symbol,
)

__all__ = ["counted_from_one", "counted_from_zero"]

_ONE = Number(1)


def counted_from_zero(tree: Expression) -> Expression:
    """A formula that was read, to be printed in Python: indices and ranges begin with zero.

    Examples
    --------
    >>> from chainrule.explain.claims.reading import counted_from_zero, read
    >>> from chainrule.explain.formulas import to_text
    >>> to_text(counted_from_zero(read("Σ_{i=1}^n i x_i w_1", known={"w": 1})))
    'Σᵢ₌₀ⁿ⁻¹ (i + 1) · xᵢ · w₀'
    """
    return _moved(tree, -1)


def counted_from_one(tree: Expression) -> Expression:
    """The way back.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.counting import counted_from_one, counted_from_zero
    >>> from chainrule.explain.claims.reading import read
    >>> tree = read("Σ_{i=1}^n i x_i")
    >>> counted_from_one(counted_from_zero(tree)) == tree
    True
    """
    return _moved(tree, 1)


def shifted(tree: Expression, step: int) -> Expression:
    """``tree + step``, without a sum where the number in it can be changed."""
    match tree:
        case Number(value=value):
            return Number(value + step)
        case Negative(operand=Number(value=value)):
            return shifted(Number(-value), step)
        case Add(terms=(*terms, Number(value=value))):
            rest = value + step
        case Add(terms=(*terms, Negative(operand=Number(value=value)))):
            rest = step - value
        case _:
            terms, rest = [tree], step
    if rest:
        terms = [*terms, Number(rest) if rest > 0 else Negative(Number(-rest))]
    return terms[0] if len(terms) == 1 else Add(tuple(terms))


def _moved(tree: Expression, step: int, running: frozenset[str] = frozenset()) -> Expression:
    """Every index moved by ``step``; what a sum runs over is moved with it."""
    match tree:
        case Compare(left=left, right=right) if _runs(left, LETTERS) and _runs(right, LETTERS):
            return tree  # both are moved
        case Symbol() if _runs(tree, running):
            return shifted(tree, -step)
        case Add(terms=terms) if own := [each for each in terms if _runs(each, running)]:
            parts = (each if each in own else _moved(each, step, running) for each in terms)
            return shifted(Add(tuple(parts)), -step * len(own))
        case Symbol(indices=indices):
            return tree.with_children([_index(each, step, running) for each in indices])
        case Apply(function="element", arguments=(base, *indices)):
            moved = _moved(base, step, running)
            return Apply("element", (moved, *(_index(each, step, running) for each in indices)))
        case Big(index=Symbol(name=name)):
            inner = running | {name}
            body = _moved(tree.body, step, inner)
            lower, upper = (
                None if bound is None else shifted(_moved(bound, step, running), step)
                for bound in (tree.lower, tree.upper)
            )
            return Big(tree.kind, body, tree.index, lower, upper)
    if not tree.children:
        return tree
    return tree.with_children([_moved(part, step, running) for part in tree.children])


def _runs(tree: Expression, running: frozenset[str]) -> bool:
    """Whether this is the letter that a sum runs over."""
    return isinstance(tree, Symbol) and not tree.indices and tree.key in running


def _index(index: Expression, step: int, running: frozenset[str]) -> Expression:
    """``x_3`` and ``x_n`` are moved; ``x_i`` and ``x_{i+1}`` are where i is."""
    if isinstance(index, Dots):
        return index
    letters = {part.name for part in (index, *index.children) if isinstance(part, Symbol)}
    if letters & (running | LETTERS):
        return index
    return shifted(index, step)


#: Letters that are an index where no sum runs over them.
LETTERS = frozenset("ijklmt")
