"""A claim and all that is needed to decide it, put together from formulas that were read.

A :class:`Problem` knows what the claim must be equal to (``target``), what every symbol is, which
sizes belong together, and makes situations: the same formulas with numbers in them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.explain.claims.elementwise import ELEMENTWISE
from chainrule.explain.claims.letters import free_letters, index_letters, renamed
from chainrule.explain.claims.meaning import CONSTANTS, Definition, Program, Situation
from chainrule.explain.claims.sizes import Place, Sizes, axis_of, tied
from chainrule.explain.claims.smooth import smooth_function
from chainrule.explain.claims.values import Layout
from chainrule.explain.formulas.tree import Apply, Big, Expression, Power, Symbol, walk

__all__ = ["RANDOM", "Problem", "make_problem", "symbols_of"]

#: Functions whose values are random, and the functions of whole arrays that meanings know.
RANDOM = frozenset({"randn", "rand", "uniform"})
_WHOLE = (
    "sum prod max min mean var std norm softmax log_softmax mse mae huber binary_cross_entropy "
    "cross_entropy diag trace inverse outer dot transpose ones zeros eye element shape"
)
KNOWN = frozenset(ELEMENTWISE) | RANDOM | frozenset(_WHOLE.split())
#: What data are called where nobody says that they are vectors.
DATA = frozenset((*"xytuvzpqrsaho", *"XYT"))
#: Whole numbers, by custom, where they are exponents or stand alone.
COUNTS = frozenset("nNmMKT")
_OF_VECTORS = (
    "sum mean prod var std max min norm softmax log_softmax cross_entropy mse mae huber "
    "binary_cross_entropy"
)
VECTOR_FUNCTIONS = frozenset(_OF_VECTORS.split())


@dataclass(frozen=True)
class Problem:
    """See the module.

    Attributes
    ----------
    about
        ``"derivative"``, ``"value"`` or ``"variance"``.
    target
        What the claim must be equal to.
    claim
        What is claimed, without the left side of an equation.
    left
        The left side of the claim, if it has one.
    function
        The symbol that stands for the function.
    definitions, inputs
        What symbols stand for; and the sizes of those that stand for nothing.
    sizes, letters, wanted
        Sizes; index letters; those that the answer has.
    counts
        Symbols that are sizes.
    twins
        For letters of the answer: a letter that nobody uses, to run over the same values.
    calls, functions
        Unknown functions.
    python
        Whether the claim is in Python's notation.
    vectors
        Symbols that were taken for vectors though nobody said so.
    draws
        Symbols that stand for random numbers: the variance of each.
    """

    about: str
    target: Expression
    claim: Expression
    left: Expression | None
    function: Symbol
    definitions: Mapping[str, Definition]
    inputs: Mapping[str, tuple[Place, ...]]
    sizes: Sizes
    letters: tuple[str, ...]
    wanted: frozenset[str]
    counts: frozenset[str]
    twins: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, Apply] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    python: bool = False
    vectors: tuple[str, ...] = ()
    draws: Mapping[str, Any] = field(default_factory=dict)

    def shapes(self, way: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs with the sizes of one of the ways to choose them."""
        numbers = self.sizes.numbers(way)
        root = self.sizes.root
        return {
            key: tuple(numbers[root(axis)] for axis in axes) for key, axes in self.inputs.items()
        }

    def situation(self, way: int, inputs: Mapping[str, np.ndarray]) -> Situation:
        """The situation in which the inputs have these values, one row per point."""
        numbers, root = self.sizes.numbers(way), self.sizes.root
        return Situation(
            layout=Layout(self.letters),
            extents={letter: numbers[root(("index", letter))] for letter in self.letters},
            inputs=inputs,
            definitions=self.definitions,
            counts={key: float(numbers[root(("size", key))]) for key in self.counts},
            functions=self.functions,
            calls=self.calls,
            wanted=self.wanted,
            rows=not self.python,
        )

    def situation_of_twos(self, inputs: Mapping[str, np.ndarray]) -> Situation:
        """The situation in which every size is two that is not a number by itself."""
        fixed = self.sizes.fixed
        if any(size != 2 for size in fixed.values()):
            raise ValueError("sizes are given")
        situation = self.situation(0, inputs)
        return replace(
            situation,
            extents=dict.fromkeys(situation.extents, 2),
            counts=dict.fromkeys(situation.counts, 2.0),
        )

    def with_claim(self, claim: Expression, left: Expression | None = None) -> "Problem":
        """The same with another claim."""
        return replace(self, claim=claim, left=self.left if left is None else left)


def make_problem(
    *,
    about: str,
    function: Symbol,
    definitions: Mapping[str, Definition],
    target: Expression,
    claim: Expression,
    left: Expression | None = None,
    shapes: Mapping[str, tuple[str | int, ...]],
    python: bool = False,
    draws: Mapping[str, Any] | None = None,
    counted: Iterable[Expression] = (),
    extra: Iterable[Expression] = (),
) -> Problem:
    """Find out what every symbol is and which sizes belong together.

    Raises
    ------
    ContradictionError
        If a size would have to be two different ones.
    """
    bodies = [definition.body for definition in definitions.values()]
    formulas = [*bodies, target, claim, *([left] if left else [])]
    definitions = _apart(definitions, [target, claim, *([left] if left else [])], formulas)
    bodies = [definition.body for definition in definitions.values()]
    counted = list(counted)
    formulas = [*bodies, target, claim, *([left] if left else []), *extra, *counted]
    letters = index_letters(formulas) - set(shapes) - set(definitions)
    calls, functions = _unknown_functions(formulas)
    ranks = _ranks(formulas, definitions, shapes, letters, calls)
    sizes_named = {size for shape in shapes.values() for size in shape if isinstance(size, str)}
    vectors = _vectors(bodies, ranks, shapes, definitions) if not letters else ()
    for key in vectors:
        ranks[key] = 1
    alone = {
        key for key, rank in ranks.items()
        if rank == 0 and key not in shapes and key not in definitions
    }  # fmt: skip
    trusted = [formula for formula in formulas if formula is not claim]
    sizes = tied(trusted, letters, shapes, alone | sizes_named, [claim])
    _tie_definitions(sizes, definitions)
    named = {size.key for size in counted if isinstance(size, Symbol)}
    for key in sorted((_counted(formulas) | named) & alone):
        sizes.root(("size", key))
    if vectors:
        sizes.root(("axis", vectors[0], 0))
        for key in vectors[1:]:
            sizes.tie(("axis", vectors[0], 0), ("axis", key, 0))
        name = next((name for name in "nNm" if name in alone), None)
        if name is not None and ("size", name) not in sizes.parent:
            sizes.tie(("size", name), ("axis", vectors[0], 0))
    counts = {key for key in alone | sizes_named if ("size", key) in sizes.parent}
    inputs = {
        key: tuple(("axis", key, axis) for axis in range(rank))
        for key, rank in ranks.items()
        if key not in counts
    }
    for axes in inputs.values():
        for axis in axes:
            sizes.root(axis)
    for letter in sorted(letters):
        sizes.root(("index", letter))
    wanted = free_letters(target, letters)
    unused = [name for name in "kjlmpqrs" if name not in letters | set(ranks) | counts]
    twins = dict(zip(wanted, unused, strict=False))
    for letter, twin in twins.items():
        sizes.tie(("index", letter), ("index", twin))
    return Problem(
        about=about,
        target=target,
        claim=claim,
        left=left,
        function=function,
        definitions=definitions,
        inputs=inputs,
        sizes=sizes,
        letters=(*sorted(letters), *twins.values()),
        wanted=frozenset(wanted),
        twins=twins,
        counts=frozenset(counts),
        calls=calls,
        functions=functions,
        python=python,
        vectors=vectors,
        draws=draws or {},
    )


def symbols_of(formulas: Iterable[Expression]) -> dict[str, Symbol]:
    """All symbols by their keys, without those that are only an index; programs' parameters too."""
    found: dict[str, Symbol] = {}

    def visit(node: Expression) -> None:
        if isinstance(node, Program):
            found.update({name: Symbol(name) for name in node.parameters if name not in found})
        elif isinstance(node, Symbol):
            found.setdefault(node.key, node)
        elif isinstance(node, Apply) and node.function == "element":
            visit(node.arguments[0])
        elif isinstance(node, Big):
            visit(node.body)
            for end in (node.lower, node.upper):
                if end is not None:
                    visit(end)
        else:
            for child in node.children:
                visit(child)

    for formula in formulas:
        visit(formula)
    return found


# ---------------------------------------------------------------------- what symbols are
def _apart(
    definitions: Mapping[str, Definition], said: list[Expression], formulas: list[Expression]
) -> dict[str, Definition]:
    """The definitions with letters of their own for their sums, where sizes could clash.

    A ``Σ_j`` in the function and a ``Σ_j`` in the claim may run over different sizes.
    """
    used = index_letters(said)
    result = {}
    for key, definition in definitions.items():
        bound = {
            node.index.key
            for node in walk(definition.body)
            if isinstance(node, Big) and node.index is not None
        }
        names = {
            letter: f"{letter}~{key}"
            for letter in bound - set(definition.letters)
            if letter in used
        }
        free = set(free_letters(definition.body, bound))
        names = {old: new for old, new in names.items() if old not in free}
        result[key] = (
            replace(definition, body=renamed(definition.body, names)) if names else definition
        )
    return result


def _unknown_functions(
    formulas: list[Expression],
) -> tuple[dict[str, Apply], dict[str, Callable[..., Any]]]:
    """Functions that are in no table: the first call of each, and a smooth function for it."""
    calls: dict[str, Apply] = {}
    for formula in formulas:
        for node in walk(formula):
            if isinstance(node, Apply) and node.function not in KNOWN:
                calls.setdefault(node.function, node)
    made = {name: smooth_function(name, len(call.arguments)) for name, call in calls.items()}
    return calls, made


def _ranks(
    formulas: list[Expression],
    definitions: Mapping[str, Definition],
    shapes: Mapping[str, tuple[str | int, ...]],
    letters: set[str],
    calls: Mapping[str, Apply],
) -> dict[str, int]:
    """How many axes every input has."""
    ranks = {key: len(shape) for key, shape in shapes.items()}
    for formula in formulas:
        for node in walk(formula):
            names = node.parameters if isinstance(node, Program) else ()
            for name in names:
                ranks.setdefault(name, 0)
            if not isinstance(node, Symbol) or node.key in shapes:
                continue
            if node.key in letters and not node.indices:
                continue
            if node.key == "delta" and len(node.indices) == 2:
                continue
            ranks[node.key] = max(ranks.get(node.key, 0), len(node.indices))
    for key in [*definitions, *calls]:
        ranks.pop(key, None)
    if "I" not in shapes and ranks.get("I") == 0:
        del ranks["I"]
    for key in CONSTANTS:
        if key not in shapes and ranks.get(key) == 0 and _is_constant(key, formulas):
            del ranks[key]
    return ranks


def _is_constant(key: str, formulas: list[Expression]) -> bool:
    """Whether π is π, and e the base of a power everywhere."""
    if key == "pi":
        return True
    bases = sum(
        isinstance(node, Power) and node.base == Symbol(key) for f in formulas for node in walk(f)
    )
    every = sum(node == Symbol(key) for f in formulas for node in walk(f))
    return bases == every


def _vectors(
    bodies: list[Expression],
    ranks: Mapping[str, int],
    shapes: Mapping[str, tuple[str | int, ...]],
    definitions: Mapping[str, Definition],
) -> tuple[str, ...]:
    """Undeclared symbols in ``mean(…)`` and the like, which says nothing of single numbers."""
    found: list[str] = []
    for body in bodies:
        for node in walk(body):
            if isinstance(node, Big) and node.index is None:
                inside = symbols_of([node.body])
            elif isinstance(node, Apply) and node.function in VECTOR_FUNCTIONS:
                inside = symbols_of(node.arguments)
            else:
                continue
            inside = _opened(inside, definitions)
            if any(ranks.get(key) for key in inside):
                continue
            free = [key for key in inside if key in ranks and key not in shapes]
            data = [key for key in free if key.split("_")[0].split("^")[0] in DATA]
            found += [key for key in data or free if key not in found]
    return tuple(found)


def _counted(formulas: Iterable[Expression]) -> set[str]:
    """Symbols that stand where a size must stand: in ``ones(n)``, or alone."""
    found = set()
    for formula in formulas:
        for node in walk(formula):
            if isinstance(node, Apply) and node.function in ("ones", "zeros", "eye"):
                found |= {part.key for part in node.arguments if isinstance(part, Symbol)}
    return found


def _opened(
    symbols: Mapping[str, Symbol], definitions: Mapping[str, Definition]
) -> dict[str, Symbol]:
    """The symbols that stay when definitions are followed."""
    found: dict[str, Symbol] = {}
    waiting, seen = dict(symbols), set[str]()
    while waiting:
        key, symbol = waiting.popitem()
        if key in definitions and key not in seen:
            seen.add(key)
            waiting.update(symbols_of([definitions[key].body]))
        elif key not in definitions:
            found[key] = symbol
    return found


# ---------------------------------------------------------------------- sizes
def _tie_definitions(sizes: Sizes, definitions: Mapping[str, Definition]) -> None:
    """The axes of what is defined are those of what it stands for."""
    for key, definition in definitions.items():
        count = len(definition.letters)
        for axis, letter in enumerate(definition.letters):
            sizes.tie(("axis", key, axis), ("index", letter))
        for axis in range(2):
            own = axis_of(definition.body, axis)
            here: Place = ("axis", key, count + axis)
            if own is not None and own in sizes.parent and here in sizes.parent:
                sizes.tie(own, here)
