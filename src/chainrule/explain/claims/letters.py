"""Index letters: which ones a formula leaves free, and which ones its sums use up."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Compare,
    Dots,
    Expression,
    Number,
    Symbol,
    walk,
)

__all__ = [
    "CUSTOMARY",
    "as_written",
    "compared_letters",
    "free_letters",
    "index_letters",
    "indices_of",
    "renamed",
]

#: Letters that are indices even where nothing carries them: in ``1[i = j]``.
CUSTOMARY = frozenset("ijkl")


def indices_of(node: Expression) -> tuple[Expression, ...]:
    """The indices that a node carries: of ``x_ij`` and of ``softmax(z)_i``."""
    if isinstance(node, Symbol):
        return node.indices
    if isinstance(node, Apply) and node.function == "element":
        return node.arguments[1:]
    return ()


def index_letters(formulas: Iterable[Expression]) -> set[str]:
    """All letters that are used as an index somewhere.

    Examples
    --------
    >>> from chainrule.explain.claims.letters import index_letters
    >>> from chainrule.explain.formulas import Symbol
    >>> index_letters([Symbol("x", indices=(Symbol("i"), Symbol("j")))]) == {"i", "j"}
    True
    """
    found: set[str] = set()
    compared: list[tuple[str, str]] = []
    for formula in formulas:
        for node in walk(formula):
            compared += compared_letters(node)
            for index in indices_of(node):
                found |= {part.key for part in walk(index) if isinstance(part, Symbol)}
            if isinstance(node, Big) and node.index is not None:
                found.add(node.index.key)
    for pair in compared:
        if set(pair) <= found | CUSTOMARY:
            found |= set(pair)
    return found


def compared_letters(node: Expression) -> list[tuple[str, str]]:
    """The two letters of ``1[i = j]``; an empty list for all other nodes."""
    if not isinstance(node, Compare) or node.relation not in ("==", "!="):
        return []
    sides = [one for one in (node.left, node.right) if isinstance(one, Symbol) and not one.indices]
    letters = [one.key for one in sides if len(one.key) == 1]
    return [(letters[0], letters[1])] if len(letters) == 2 else []


def free_letters(formula: Expression, letters: Iterable[str]) -> list[str]:
    """The index letters on which a formula depends, in the order in which they first occur."""
    known = set(letters)
    found: list[str] = []

    def visit(node: Expression, bound: frozenset[str]) -> None:
        letter = node.key if isinstance(node, Symbol) and not node.indices else ""
        if letter in known - bound and letter not in found:
            found.append(letter)
        if isinstance(node, Big) and node.index is not None:
            bound = bound | {node.index.key}
        for child in node.children:
            if not isinstance(child, Number | Dots):
                visit(child, bound)

    visit(formula, frozenset())
    return found


def renamed(formula: Expression, names: Mapping[str, str]) -> Expression:
    """The formula with other letters for those that its sums run over."""
    if isinstance(formula, Symbol):
        indices = tuple(renamed(index, names) for index in formula.indices)
        if not formula.indices and formula.key in names:
            return Symbol(names[formula.key])
        return replace(formula, indices=indices)
    return formula.with_children([renamed(child, names) for child in formula.children])


def as_written(formula: Expression) -> Expression:
    """The formula with the letters that the user wrote, where they were renamed inside.

    Examples
    --------
    >>> from chainrule.explain.claims.letters import as_written
    >>> from chainrule.explain.formulas import Symbol
    >>> as_written(Symbol("j~L")).key
    'j'
    """
    keys = {node.key for node in walk(formula) if isinstance(node, Symbol) and not node.indices}
    return renamed(formula, {key: key.partition("~")[0] for key in keys if "~" in key})
