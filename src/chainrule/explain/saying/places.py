"""Places in arrays: indices in letters, ``j``, ``j + 2``, ``4 k + j``, and which letters they take.

A slice moves an index by where it starts; an axis that is split in two (the heads of attention)
makes one index of two letters. Such an index is a whole number plus multiples of letters, and given
the place there is at most one choice of the letters.
"""

from collections.abc import Mapping, Sequence

from chainrule.explain.formulas.tree import Add, Expression, Multiply, Number, Symbol

__all__ = ["Scaled", "index_of", "letters_in", "matched", "taken_apart"]

#: An index: what it begins at, and each letter with how far one more of it moves.
Scaled = tuple[int, tuple[tuple[int, Symbol], ...]]


def taken_apart(index: Expression) -> Scaled:
    """Where an index begins, and its letters with their distances.

    Examples
    --------
    >>> from chainrule.explain.formulas.tree import Add, Number, Symbol
    >>> from chainrule.explain.saying.places import taken_apart
    >>> start, ((distance, letter),) = taken_apart(Add((Symbol("j"), Number(2))))
    >>> start, distance, letter.name
    (2, 1, 'j')
    """
    start, found = 0, []
    for term in index.terms if isinstance(index, Add) else (index,):
        match term:
            case Number(value=value):
                start += int(value)
            case Symbol():
                found.append((1, term))
            case Multiply(factors=(Number(value=value), Symbol() as letter)):
                found.append((int(value), letter))
            case _:
                raise ValueError(term)
    return start, tuple(found)


def index_of(scaled: Scaled) -> Expression:
    """An index from its parts: the letters first, the farthest in front."""
    start, letters = scaled
    terms: list[Expression] = [
        letter if distance == 1 else Multiply((Number(distance), letter))
        for distance, letter in sorted(letters, key=lambda pair: -pair[0])
    ]
    if start or not terms:
        terms.append(Number(start))
    return terms[0] if len(terms) == 1 else Add(tuple(terms))


def letters_in(index: Sequence[Expression]) -> set[Symbol]:
    """The letters that stand in a place."""
    return {letter for part in index for _, letter in taken_apart(part)[1]}


def matched(
    letters: Sequence[Expression], element: Sequence[int], sizes: Mapping[Symbol, int]
) -> dict[Expression, Expression] | None:
    """What the letters are where a place is this element; ``None`` if it never is."""
    found: dict[Expression, Expression] = {}
    for index, place in zip(letters, element, strict=True):
        start, parts = taken_apart(index)
        rest = place - start
        for distance, letter in sorted(parts, key=lambda pair: -pair[0]):
            known, rest = divmod(rest, distance)
            if not 0 <= known < sizes[letter]:
                return None
            if found.setdefault(letter, Number(known)) != Number(known):
                return None
        if rest:
            return None
    return found
