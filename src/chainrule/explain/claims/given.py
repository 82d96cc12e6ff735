"""From what a user gives to a :class:`~chainrule.explain.claims.problem.Problem`."""

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, TypeAlias

from chainrule.errors import FormulaError, OptionError, suggest
from chainrule.explain.claims.letters import CUSTOMARY, free_letters, index_letters
from chainrule.explain.claims.meaning import CONSTANTS, Definition, Program
from chainrule.explain.claims.problem import RANDOM, Problem, make_problem, symbols_of
from chainrule.explain.claims.reading import (
    Known,
    Names,
    detect,
    mentioned,
    read,
    read_definitions,
    read_random,
    read_shapes,
    read_symbol,
)
from chainrule.explain.claims.reading.names import declared
from chainrule.explain.claims.reading.products import Products
from chainrule.explain.claims.sizes import ContradictionError
from chainrule.explain.claims.variance import Draw, with_draws
from chainrule.explain.formulas import to_text
from chainrule.explain.formulas.tree import (
    Apply,
    Equation,
    Expression,
    Number,
    Partial,
    Power,
    Symbol,
    walk,
)

__all__ = ["ABOUT", "NAMELESS", "Formula", "Given", "Shapes", "given_from", "problem_of"]

#: A formula as text or as a tree.
Formula: TypeAlias = str | Expression
Shapes: TypeAlias = Mapping[str, str | int | Iterable[str | int]]

ABOUT = ("derivative", "value", "variance", "shape")
#: The symbol of a function that has no name.
NAMELESS = "_f"


@dataclass(frozen=True)
class Given:
    """Everything as it was read.

    Attributes
    ----------
    function
        Its formula, or the program that computes it.
    name
        The symbol that stands for it.
    sides
        What is claimed; more than one where the claim says ``a = b = c``.
    left
        The left side of the claim.
    syntax
        That of the claim.
    wrt
        What the derivative is by.
    shapes, definitions, random, about
        As given.
    """

    function: Expression
    name: Symbol
    sides: tuple[Expression, ...]
    left: Expression | None
    syntax: str
    wrt: Symbol | None
    shapes: Mapping[str, tuple[str | int, ...]]
    definitions: Sequence[tuple[Symbol, Expression]]
    random: Mapping[str, Expression]
    about: str
    notes: tuple[Any, ...] = field(default=())


def given_from(
    function: Formula | Callable[..., Any],
    claim: Formula,
    *,
    wrt: str | None,
    shapes: Shapes | None,
    let: Mapping[str, str] | Sequence[str] | None,
    random: Mapping[str, str | float] | None,
    about: str | None,
    syntax: str | None,
) -> Given:
    """Read everything.

    Raises
    ------
    FormulaError
        If something cannot be read, or says nothing that could be checked.
    OptionError
        If ``about`` is none of the four.
    """
    if about is not None and about not in ABOUT:
        known_abouts = ", ".join(map(repr, ABOUT))
        raise OptionError("claims.about", got=about, known=known_abouts)
    axes = read_shapes(shapes)
    known = _known(shapes)
    for name in random or ():
        if known is not None and declared(name).key not in axes:
            known.setdefault(name, ())
    definitions: list[tuple[Symbol, Expression]] = []
    for one in _one_by_one(let):
        seen_so_far = _with(known, definitions, [body for _, body in definitions])
        definitions += read_definitions(one, syntax=syntax, known=seen_so_far)
    bodies = [body for _, body in definitions]
    mathematical = _with(known, definitions, bodies)
    formula = _read(function, syntax, mathematical)
    own, formula = _named(formula)
    variances = _variances(random, syntax, mathematical)
    seen = [formula, *bodies, *variances.values()]
    everything = [*definitions, *([(own, formula)] if own is not None else [])]
    for_claim = _with(mathematical, everything, seen)
    left: Expression | None = None
    sides: tuple[Expression, ...] = ()
    if about != "shape":
        left, sides = _sides(_read(claim, syntax, for_claim))
    by = read_symbol(wrt, known=for_claim) if wrt is not None else None
    of_claim = syntax or _written_in(function, claim)
    decided = about or _about(by, left, formula, variances)
    if decided != "derivative" and by is not None and about is None:
        decided = "derivative"
    return Given(
        formula, own or Symbol(NAMELESS), sides, left, of_claim, by, axes, definitions,
        variances, decided,
    )  # fmt: skip


def _variances(
    random: Mapping[str, str | float] | None, syntax: str | None, known: Known | None
) -> dict[str, Expression]:
    """The variances; a word that stands alone is a name, and no product of letters."""
    found: dict[str, Expression] = {}
    for name, variance in (random or {}).items():
        is_word = isinstance(variance, str) and variance.isidentifier()
        found |= read_random({name: variance}, syntax="python" if is_word else syntax, known=known)
    return found


def _written_in(function: object, claim: Formula) -> str:
    """The syntax of a claim; one that could be either is taken for what the function is."""
    if not isinstance(claim, str):
        return "text"
    found = detect(claim)
    same = isinstance(function, str) and detect(function) == "python"
    return "python" if same and found == "text" and _could_be_python(claim) else found


def _could_be_python(claim: str) -> bool:
    if not claim.isascii() or set(claim) & set("^_'="):
        return False
    try:
        ast.parse(claim.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _one_by_one(
    let: Mapping[str, str] | Sequence[str] | None,
) -> Iterable[Mapping[str, str] | Sequence[str]]:
    """Definitions apart, so that each is read with the shapes of those before it."""
    if let is None:
        return []
    if isinstance(let, Mapping):
        return [{name: formula} for name, formula in let.items()]
    return [[equation] for equation in ([let] if isinstance(let, str) else let)]


def _known(shapes: Shapes | None) -> dict[str, Any] | None:
    if shapes is None:
        return None
    axes = {name: read_shapes({name: shape})[declared(name).key] for name, shape in shapes.items()}
    sizes = {size for shape in axes.values() for size in shape if isinstance(size, str)}
    return {**dict.fromkeys(sizes, ()), **axes}


def _with(
    known: Mapping[str, Any] | None,
    definitions: Sequence[tuple[Symbol, Expression]],
    seen: Sequence[Expression],
) -> dict[str, Any] | None:
    """What is known to a formula that comes after others."""
    if known is None and not definitions and not seen:
        return None
    found = dict(known or {})
    taken = {declared(name).key for name in found}
    for symbol, body in definitions:
        if symbol.key not in taken:
            own = Products(Names.of(found)).shape(body)
            count = len(symbol.indices)
            found[_written(symbol)] = (count or None) if own is None else ((None,) * count + own)
            taken.add(symbol.key)
    letters = index_letters(seen)
    for formula in seen:
        counts = mentioned(formula)
        for key, symbol in symbols_of([formula]).items():
            if key not in letters | taken and not key.startswith("_"):
                taken.add(key)
                count = counts.get(key, 0)
                found[_written(symbol)] = count or (() if known is not None else None)
    return found


def _written(symbol: Symbol) -> str:
    """The name of a symbol as the reader wants it declared."""
    accent = f"_{symbol.accent}" if symbol.accent else ""
    label = f"_{{{symbol.label}}}" if symbol.label else ""
    layer = f"^{{{symbol.layer}}}" if symbol.layer else ""
    return f"{symbol.name}{accent}{label}{layer}"


def _read(
    formula: Formula | Callable[..., Any], syntax: str | None, known: Known | None
) -> Expression:
    if isinstance(formula, Expression):
        return formula
    if isinstance(formula, str):
        return read(formula, syntax=syntax, known=known)
    if not callable(formula):
        raise FormulaError("claims.no_formula", got=type(formula).__name__)
    names = [declared(name).key for name in inspect.signature(formula).parameters]
    return Program(formula, tuple(names))


def _named(formula: Expression) -> tuple[Symbol | None, Expression]:
    """The symbol that a function defines, and its right side."""
    if not isinstance(formula, Equation):
        return None, formula
    left, *rest = formula.sides
    if not isinstance(left, Symbol):
        raise FormulaError("claims.left_side", part=to_text(left))
    return left, rest[0]


def _sides(said: Expression) -> tuple[Expression | None, tuple[Expression, ...]]:
    if not isinstance(said, Equation):
        return None, (said,)
    return said.sides[0], said.sides[1:]


def _about(
    wrt: Symbol | None,
    left: Expression | None,
    function: Expression,
    random: Mapping[str, Expression],
) -> str:
    if wrt is not None or isinstance(left, Partial):
        return "derivative"
    draws = any(isinstance(node, Apply) and node.function in RANDOM for node in walk(function))
    if random or draws or (isinstance(left, Apply) and left.function == "var"):
        return "variance"
    return "value"


# ---------------------------------------------------------------------- the problem
def problem_of(given: Given, side: int = 0) -> Problem:
    """The problem of one side of what is claimed.

    Raises
    ------
    FormulaError
        If a symbol is unknown, sizes contradict each other, or there is nothing to check.
    """
    claim = given.sides[side] if given.sides else Number(0)
    draws: dict[str, Draw] = {}
    function = given.function
    if given.about == "variance":
        function = with_draws(function, draws)
        draws |= {key: Draw(None, Number(0), var) for key, var in given.random.items()}
        if not draws:
            raise FormulaError("claims.not_random")
    name = _function_symbol(given)
    definitions = _definitions(given, name, function)
    target = _target(given, name, definitions, claim)
    symbols_left = [given.left] if isinstance(given.left, Partial) else []
    bodies = [definition.body for definition in definitions.values()]
    _check_indices(given, [*bodies, target])
    _check_powers([*bodies, claim])
    _check_known(given, claim, bodies, symbols_left)
    try:
        problem = make_problem(
            about=given.about,
            function=name,
            definitions=definitions,
            target=target,
            claim=claim,
            left=given.left,
            shapes=given.shapes,
            python=given.syntax == "python",
            draws=draws,
            counted=[size for draw in draws.values() for size in draw.shape or ()],
            extra=[part for draw in draws.values() for part in (draw.mean, draw.variance)],
        )
    except ContradictionError as found:
        one, other = found.args
        raise FormulaError("claims.sizes", one=one, other=other) from None
    return _with_letters(problem, claim)


def _function_symbol(given: Given) -> Symbol:
    """The function's name; one that only the claim's left side says is taken from there."""
    left = given.left
    if given.name.key == NAMELESS and isinstance(left, Partial) and isinstance(left.of, Symbol):
        key = left.of.key
        others = {symbol.key for symbol, _ in given.definitions} | set(given.shapes)
        used = set(symbols_of([given.function, *(body for _, body in given.definitions)]))
        calls = {n.function for n in walk(given.function) if isinstance(n, Apply)}
        if key not in others | used | calls:
            return replace(left.of, indices=())
    return replace(given.name, indices=())


def _definitions(given: Given, name: Symbol, function: Expression) -> dict[str, Definition]:
    found: dict[str, Definition] = {}
    everything = [*given.definitions, (replace(name, indices=given.name.indices), function)]
    letters = index_letters([symbol for symbol, _ in everything] + [body for _, body in everything])
    letters -= set(given.shapes)
    for symbol, body in everything:
        own = [index.key for index in symbol.indices if isinstance(index, Symbol)]
        if len(own) != len(symbol.indices):
            raise FormulaError("claims.left_side", part=to_text(symbol))
        defined = {other.key for other, _ in everything}
        free = [one for one in free_letters(body, letters) if one not in defined]
        missing = sorted(set(free) - set(own))
        if own and missing:
            raise FormulaError("claims.free_index", index=", ".join(missing), part=to_text(symbol))
        found[symbol.key] = Definition(tuple(own or missing), body)
    return found


def _target(
    given: Given, name: Symbol, definitions: Mapping[str, Definition], claim: Expression
) -> Expression:
    """What the claim must be equal to."""
    letters = definitions[name.key].letters
    whole = replace(name, indices=tuple(Symbol(letter) for letter in letters))
    left = given.left
    if given.about != "derivative":
        if isinstance(left, Symbol) and left.key in definitions:
            return left
        if isinstance(left, Symbol) and len(left.indices) == len(letters):
            return replace(whole, indices=left.indices)
        return whole
    if isinstance(left, Partial):
        if given.wrt is not None and _base(left.by) != _base(given.wrt):
            raise FormulaError("claims.two_wrt", claim=to_text(left.by), wrt=to_text(given.wrt))
        return left
    if given.wrt is None:
        raise FormulaError("claims.no_wrt")
    return Partial(whole, given.wrt)


def _base(symbol: Expression) -> str:
    return symbol.key if isinstance(symbol, Symbol) else ""


def _check_known(
    given: Given,
    claim: Expression,
    bodies: Sequence[Expression],
    left: Sequence[Expression],
) -> None:
    """Refuse symbols in the claim, and a variable, that nobody has said anything of."""
    said = [given.name, *(symbol for symbol, _ in given.definitions)]
    said += [given.wrt] if given.wrt is not None else []
    letters = index_letters([claim, *bodies, *left, *said])
    calls = {node.function for body in bodies for node in walk(body) if isinstance(node, Apply)}
    sizes = {size for shape in given.shapes.values() for size in shape if isinstance(size, str)}
    inside = symbols_of(bodies)
    defined = {symbol.key for symbol, _ in given.definitions} | {given.name.key}
    if isinstance(given.left, Partial) and isinstance(given.left.of, Symbol):
        defined.add(given.left.of.key)
    known = set(inside) | set(given.shapes) | defined | sizes | calls | set(given.random)
    known |= set(symbols_of([given.function, *given.random.values()]))
    always = letters | set(CONSTANTS) | {"delta", "I", "n", "N", "m", "M", "d", "D", "K", "C", "T"}
    for key, symbol in symbols_of([claim, *left]).items():
        if key not in known | always:
            names = [to_text(replace(one, indices=())) for one in inside.values()]
            raise FormulaError(
                "claims.unknown",
                part=to_text(replace(symbol, indices=())),
                known=", ".join(sorted(set(names))),
                hint=suggest(key, known),
            )
    by = given.wrt
    if by is not None and by.key not in known:
        names = sorted({to_text(replace(one, indices=())) for one in inside.values()})
        raise FormulaError(
            "claims.no_such_variable",
            part=to_text(by),
            known=", ".join(names),
            hint=suggest(by.key, known),
        )


def _check_indices(given: Given, formulas: Sequence[Expression]) -> None:
    """Refuse ``x_ij`` where ``x`` was declared as a vector."""
    for node in (node for formula in formulas for node in walk(formula)):
        if not isinstance(node, Symbol):
            continue
        key, count = node.key, len(node.indices)
        if key not in given.shapes and node.label and set(node.label) <= CUSTOMARY:
            # More letters than axes were read as a part of the name.
            key, count = replace(node, label="").key, len(node.label)
        axes = len(given.shapes.get(key, ()))
        if key in given.shapes and count > axes:
            raise FormulaError(
                "claims.too_many_indices", part=to_text(node), count=count, axes=axes
            )


def _check_powers(formulas: Sequence[Expression]) -> None:
    """Refuse ``9**9**9``, which no number of the computer can hold."""
    for node in (node for formula in formulas for node in walk(formula)):
        if isinstance(node, Power) and _plain_number(node) == inf:
            raise FormulaError("claims.too_large", part=to_text(node))


def _plain_number(node: Expression) -> float | None:
    """The value of a power of numbers; infinite if there is no such float."""
    if isinstance(node, Number):
        return float(node.value)
    if not isinstance(node, Power):
        return None
    base, exponent = _plain_number(node.base), _plain_number(node.exponent)
    if base is None or exponent is None:
        return inf if inf in (base, exponent) else None
    try:
        return float(abs(base**exponent))
    except OverflowError:
        return inf
    except ZeroDivisionError:
        return None


def _with_letters(problem: Problem, claim: Expression) -> Problem:
    """Give the variable the indices that the claim has for it: ``∂L/∂w`` claimed with a free j."""
    target = problem.target
    if not isinstance(target, Partial) or not isinstance(target.by, Symbol) or target.by.indices:
        return problem
    free = [one for one in free_letters(claim, problem.letters) if one not in problem.wanted]
    key = target.by.key
    rank = len(problem.inputs.get(key, ()))
    if key in problem.definitions:
        rank = len(problem.definitions[key].letters)
    if not rank or len(free) != rank:
        return problem
    root = problem.sizes.root
    order = []
    for axis in range(rank):
        place = root(("axis", key, axis))
        order.append(next((one for one in free if root(("index", one)) == place
                           and one not in order), None))  # fmt: skip
    if None in order:
        return problem
    by = replace(target.by, indices=tuple(Symbol(one) for one in order if one))
    wanted = problem.wanted | frozenset(free)
    return replace(problem, target=replace(target, by=by), wanted=wanted)
