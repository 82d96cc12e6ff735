"""What edits may put into a claim: symbols, slopes and derivatives of the problem."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise, product

import numpy as np

from chainrule.explain.claims.derivatives import depends_on
from chainrule.explain.claims.elementwise import ELEMENTWISE
from chainrule.explain.claims.letters import free_letters, renamed
from chainrule.explain.claims.meaning import Meaning
from chainrule.explain.claims.problem import Problem, symbols_of
from chainrule.explain.claims.search.chain import factors_of, inner_slopes, terms_of
from chainrule.explain.claims.search.slopes import written_slope
from chainrule.explain.claims.values import Layout, Value
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Compare,
    Divide,
    Expression,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
    walk,
)

__all__ = ["Materials"]

Found = tuple[Expression, Value, float]
_ACTIVATIONS = "sigmoid tanh relu leaky_relu elu gelu silu softplus identity"
ACTIVATIONS = frozenset(_ACTIVATIONS.split())
SMOOTH = (ACTIVATIONS - {"identity"}) | {"sin", "cos", "exp", "log", "sqrt"}
MOST_SYMBOLS = 40
#: Functions that go with others: the derivative of one holds the other.
COMPANIONS = {
    "log_softmax": "softmax",
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
    "softplus": "sigmoid",
}
#: What a claim may need whole: ``norm(x)`` as a divisor, ``mean(x)`` as a term.
PIECES = ("norm", "mean", "sum", "var", "std", "exp", "sqrt", "softmax", "cosh", "sinh")


@dataclass
class Materials:
    """See the module.

    Attributes
    ----------
    problem, meaning
        The problem, and the values at the points of the search.
    formulas
        The function, the definitions and the claim.
    """

    problem: Problem
    meaning: Meaning
    formulas: Sequence[Expression]

    @property
    def layout(self) -> Layout:
        """The index letters."""
        return self.meaning.layout

    @property
    def wanted(self) -> frozenset[str]:
        """The letters of the answer."""
        return self.problem.wanted

    @cached_property
    def free(self) -> frozenset[str]:
        """Letters that may stand in the claim outside of all sums: the answer's, and its own."""
        return self.wanted | frozenset(free_letters(self.problem.claim, self.layout.letters))

    @property
    def twins(self) -> dict[str, str]:
        """Letters that nobody uses, by those whose values they run over."""
        return dict(self.problem.twins)

    @property
    def rows(self) -> bool:
        """Whether the transpose of a vector is a row."""
        return not self.problem.python

    @cached_property
    def known(self) -> dict[str, Symbol]:
        """All symbols that stand for something, in the order in which they occur."""
        found = symbols_of(self.formulas)
        problem = self.problem
        keys = [key for key in found if key in problem.inputs or key in problem.definitions]
        keys += [key for key in problem.inputs if key not in keys]
        drawn = {key for key, draw in problem.draws.items() if draw.call is not None}
        keys = [key for key in keys if not key.startswith("_") and key not in drawn]
        return {key: replace(found.get(key, Symbol(key)), indices=()) for key in keys}

    @cached_property
    def counts(self) -> list[Expression]:
        """Sizes that have names in the formulas."""
        found = symbols_of(self.formulas)
        problem = self.problem
        return [found.get(key, Symbol(key)) for key in sorted(problem.counts)]

    @cached_property
    def constants(self) -> list[Expression]:
        """Whole numbers beyond two that may have become a factor: exponents of the function."""
        nodes = [node for formula in self.formulas for node in walk(formula)]
        found = {node.value for node in nodes if isinstance(node, Number)} | {3}
        return [Number(one) for one in sorted(found, key=float)
                if isinstance(one, int) and 2 < one < 100]  # fmt: skip

    @cached_property
    def measures(self) -> list[Expression]:
        """Numbers of the function that are not whole: the slope 0.01; 12 of a uniform variance."""
        nodes = [node for body in self._bodies for node in walk(body)]
        found = {node.value for node in nodes if isinstance(node, Number)}
        numbers = [Number(one) for one in sorted(found, key=float)
                   if not isinstance(one, int)]  # fmt: skip
        names = {node.function for node in nodes if isinstance(node, Apply)}
        draws = [draw.call for draw in self.problem.draws.values() if draw.call is not None]
        names |= {call.function for call in draws}
        return [*numbers, *([Number(12)] if names & {"rand", "uniform"} else [])]

    def count_of(self, letter: str) -> list[Expression]:
        """The name of the number of values of a letter, if it has one."""
        root, sizes = self.problem.sizes.root, self.problem.sizes
        place = root(("index", letter))
        return [one for one in self.counts
                if isinstance(one, Symbol) and sizes.root(("size", one.key)) == place]  # fmt: skip

    @cached_property
    def numbers(self) -> list[Expression]:
        """Symbols that are numbers."""
        return [one for key, one in self.known.items() if not self._rank(key)]

    @cached_property
    def functions(self) -> list[str]:
        """Functions of one number that occur in the problem."""
        nodes = [node for formula in self.formulas for node in walk(formula)]
        names = {node.function for node in nodes if isinstance(node, Apply)}
        names |= {COMPANIONS[name] for name in names if name in COMPANIONS}
        return sorted(name for name in names if name in SMOOTH)

    @cached_property
    def whole_functions(self) -> list[str]:
        """Functions of vectors that occur in the problem."""
        nodes = [node for formula in self.formulas for node in walk(formula)]
        names = {node.function for node in nodes if isinstance(node, Apply)}
        names |= {COMPANIONS[name] for name in names if name in COMPANIONS}
        return sorted(names & {"softmax", "log_softmax", "norm", "trace", "inverse"})

    @cached_property
    def unknown(self) -> frozenset[str]:
        """Functions that nothing is known of."""
        return frozenset(self.problem.functions)

    @cached_property
    def differentiable(self) -> frozenset[str]:
        """Functions that may get a prime: activations, and unknown functions of one argument."""
        single = {name for name, call in self.problem.calls.items() if len(call.arguments) == 1}
        return ACTIVATIONS | {"log"} | single

    @cached_property
    def matrices(self) -> bool:
        """Whether vectors or matrices stand in the formulas without indices."""
        return any(self._bare(key) and self._rank(key) for key in self.known)

    # ---------------------------------------------------------------------- symbols

    def _rank(self, key: str) -> int:
        if key in self.problem.inputs:
            return len(self.problem.inputs[key])
        return len(self._whole(key)) - 1

    def _whole(self, key: str) -> tuple[int, ...]:
        try:
            return tuple(self.meaning.whole(key).shape)
        except (ValueError, KeyError):
            return (1,)

    @cached_property
    def _indexed(self) -> dict[str, int]:
        """How many indices each symbol has where it has most."""
        found: dict[str, int] = {}
        for formula in self.formulas:
            for node in walk(formula):
                if isinstance(node, Symbol):
                    found[node.key] = max(found.get(node.key, 0), len(node.indices))
        for key, definition in self.problem.definitions.items():
            found[key] = max(found.get(key, 0), len(definition.letters))
        return found

    def _bare(self, key: str) -> bool:
        return self._indexed.get(key, 0) < self._rank(key) or not self._rank(key)

    def symbols(self, bound: frozenset[str], like: Symbol | None = None) -> Iterator[Found]:
        """The forms that symbols can take where the letters in ``bound`` run.

        ``like`` is the symbol to be replaced: what resembles it comes cheaper.
        """
        scope = sorted(bound | self.free)
        for key, symbol in self.known.items():
            for indices in self._index_choices(key, scope, like):
                form = replace(symbol, indices=indices)
                value = self._value(form)
                if value is not None:
                    yield form, value, _unlike(form, like)
            if self._rank(key) == 2 and self._bare(key):
                turned = Transpose(symbol)
                value = self._value(turned)
                if value is not None:
                    yield turned, value, 0.35

    def _index_choices(
        self, key: str, scope: list[str], like: Symbol | None
    ) -> Iterator[tuple[Expression, ...]]:
        count = self._indexed.get(key, 0)
        if self._bare(key) or not count:
            yield ()
        if not count:
            return
        fitting = [self._fitting(key, axis, scope) for axis in range(count)]
        for letters in product(*fitting):
            yield tuple(Symbol(letter) for letter in letters)
        same = like is not None and len(like.indices) == count
        if like is not None and same and not all(isinstance(i, Symbol) for i in like.indices):
            yield like.indices

    def _fitting(self, key: str, axis: int, scope: list[str]) -> list[str]:
        """The letters that can stand at an axis."""
        shape = self._whole(key)
        if axis + 1 >= len(shape):
            return []
        extents = self.meaning.situation.extents
        return [letter for letter in scope if extents[letter] == shape[axis + 1]]

    def _value(self, form: Expression) -> Value | None:
        try:
            return self.meaning.fresh(form)
        except (ValueError, KeyError, LookupError):
            return None

    def apart(self, left: Expression, right: Expression) -> float:
        """What it costs to multiply two parts entry by entry: more if their ranks differ."""
        first, second = self._value(left), self._value(right)
        alike = first is not None and second is not None and first.rank == second.rank
        return 1.1 if alike else 1.5

    # ---------------------------------------------------------------------- more

    def factors(self, bound: frozenset[str]) -> list[Found]:
        """What may have been forgotten as a factor."""
        key = ("factors", bound)
        if key not in self._made:
            found = [*self.symbols(bound), *self.slopes(bound), *self.differences(bound)]
            found += [*self.units(bound), *self.inner_factors(bound)]
            self._made[key] = found[: 3 * MOST_SYMBOLS]
        return self._made[key]

    def terms(self, bound: frozenset[str]) -> list[Found]:
        """What may have been forgotten as a term."""
        key = ("terms", bound)
        if key not in self._made:
            plain = [one for one in self.slopes(bound) if getattr(one[0], "primes", 1) == 0]
            found = [*plain, *self.units(bound), *self.symbols(bound)]
            found = [*found[:MOST_SYMBOLS], *self.inner_terms(bound)]
            self._made[key] = found[: 2 * MOST_SYMBOLS]
        return self._made[key]

    def divisors(self, bound: frozenset[str]) -> list[Found]:
        """What may have been forgotten below a fraction bar: ``norm(x)``, ``var(x) + ε``."""
        key = ("divisors", bound)
        if key not in self._made:
            squares = [Power(one, Number(2)) for one in self._pieces if _is(one, "norm")]
            below = [
                node.denominator
                for formula in self.formulas
                for node in walk(formula)
                if isinstance(node, Divide) and not isinstance(node.denominator, Number)
            ]
            forms = [*self._pieces, *squares, *below]
            self._made[key] = list(self._found(forms, bound, 0.1))[:MOST_SYMBOLS]
        return self._made[key]

    @cached_property
    def _made(self) -> dict[tuple[str, frozenset[str]], list[Found]]:
        return {}

    @cached_property
    def _bodies(self) -> list[Expression]:
        return [definition.body for definition in self.problem.definitions.values()]

    @cached_property
    def _pieces(self) -> list[Expression]:
        """Functions of the problem that are taken whole."""
        return [node for body in self._bodies for node in walk(body)
                if isinstance(node, Apply) and node.function in PIECES]  # fmt: skip

    @cached_property
    def _inner(self) -> list[Expression]:
        """The derivatives of the function's parts by the variable, and those of a product."""
        target = self.problem.target
        if not isinstance(target, Partial) or not isinstance(target.by, Symbol):
            return []
        definitions = self.problem.definitions
        return [slope for body in self._bodies
                for slope in inner_slopes(body, target.by.key, definitions)]  # fmt: skip

    def inner_factors(self, bound: frozenset[str]) -> Iterator[Found]:
        """What the chain rule multiplies by: derivatives of inner functions, and their factors."""
        parts = [part for slope in self._inner for part in (slope, *factors_of(slope))]
        yield from self._found(parts, bound, 0.06)

    def inner_terms(self, bound: frozenset[str]) -> Iterator[Found]:
        """The terms of inner derivatives (product rule); means; ``p pᵀ``; ``1/n``."""
        terms = [term for slope in self._inner for term in (slope, *terms_of(slope))]
        softmaxes = [one for one in self._pieces if _is(one, "softmax")]
        outer = [Apply("outer", (one, one)) for one in softmaxes]
        shares = [Divide(Number(1), count) for count in self.counts]
        yield from self._found([*terms, *self._pieces, *outer, *shares], bound, 0.06)

    def _found(
        self, forms: Iterable[Expression], bound: frozenset[str], cost: float
    ) -> Iterator[Found]:
        """Formulas once each, with letters that stand for something here, and their values."""
        seen: list[Expression] = []
        for form in (one for each in forms for one in self._lettered(each, bound)):
            if form in seen:
                continue
            seen.append(form)
            value = self._value(form)
            if value is not None and not self._is_truth(value):
                yield form, value, cost + 0.005 * sum(1 for _ in walk(form))

    def _is_truth(self, value: Value) -> bool:
        """Whether a value is the whole answer but for its sign: a mend never pastes that."""
        if self.problem.about != "derivative":
            return False
        true = self._value(self.problem.target)
        return (
            true is not None
            and true.array.shape == value.array.shape
            and np.allclose(np.abs(true.array), np.abs(value.array), equal_nan=True)
        )

    def units(self, bound: frozenset[str]) -> Iterator[Found]:
        """``1[i = j]`` for letters that run over the same values."""
        extents = self.meaning.situation.extents
        for one, other in combinations(sorted(bound | self.free), 2):
            if extents[one] == extents[other]:
                unit = Compare("==", Symbol(one), Symbol(other))
                value = self._value(unit)
                if value is not None:
                    yield unit, value, 0.1

    def slopes(self, bound: frozenset[str]) -> Iterator[Found]:
        """``f'(z)`` for every ``f(z)`` of the problem, and ``1[z > 0]`` for ``relu(z)``."""
        seen: list[Expression] = []
        for formula in self.formulas:
            for node in walk(formula):
                if not isinstance(node, Apply) or node.function not in self._sloped:
                    continue
                options = list(self.slope_of(node))
                if node.primes == 0 and node.function not in ("relu", "leaky_relu", "identity"):
                    options.append(node)
                if node.function == "sigmoid":
                    options.append(Add((Number(1), Negative(replace(node, primes=0)))))
                if node.function == "relu":
                    options.insert(0, Compare(">", node.arguments[0], Number(0)))
                for option in (form for one in options for form in self._lettered(one, bound)):
                    if option in seen:
                        continue
                    seen.append(option)
                    value = self._value(option)
                    if value is not None:
                        yield option, value, 0.05

    def slope_of(self, node: Apply) -> Iterator[Expression]:
        """The derivative of a function as one writes it; Python has no primes."""
        explicit = written_slope(node)
        if node.primes:
            yield node if not self.problem.python else replace(node, primes=0)
        elif node.function in ("sin", "cos", "log", "abs"):
            assert explicit is not None
            yield explicit
        elif not self.problem.python and node.function not in ("exp", "sqrt"):
            yield replace(node, primes=1)
        elif explicit is not None:
            yield explicit

    @cached_property
    def _sloped(self) -> frozenset[str]:
        return (frozenset(ELEMENTWISE) & SMOOTH) | {"abs"} | self.differentiable

    def differences(self, bound: frozenset[str]) -> Iterator[Found]:
        """``y − t``: differences of two symbols that the function has, and ``1 − p``."""
        seen: list[Expression] = []
        for formula in self.formulas:
            for node in walk(formula):
                if isinstance(node, Add) and len(node.terms) == 2 and node not in seen:
                    simple = all(
                        isinstance(term, Symbol | Negative | Number) for term in node.terms
                    )
                    if simple and self._in_scope(node, bound):
                        seen.append(node)
                        value = self._value(node)
                        if value is not None:
                            yield node, value, 0.15

    def _lettered(self, node: Expression, bound: frozenset[str]) -> Iterator[Expression]:
        """A formula with letters that stand for something here: ``exp(z_k)`` as ``exp(z_j)``."""
        scope = bound | self.free
        strange = [one for one in free_letters(node, self.layout.letters) if one not in scope]
        if not strange:
            yield node
        elif len(strange) == 1:
            extents = self.meaning.situation.extents
            for letter in sorted(scope):
                if extents[letter] == extents[strange[0]]:
                    yield renamed(node, {strange[0]: letter})

    def _in_scope(self, node: Expression, bound: frozenset[str]) -> bool:
        return set(free_letters(node, self.layout.letters)) <= bound | self.free

    # ---------------------------------------------------------------------- derivatives

    def partials(self, node: Partial) -> Iterator[Partial]:
        """Derivatives of other symbols, or by others."""
        named = [one for key, one in self.known.items()]
        function = self.problem.function
        if not function.key.startswith("_") and function.key not in self.known:
            named.insert(0, function)
        if isinstance(node.by, Symbol):
            for symbol in named:
                by = replace(symbol, indices=self._adapted(symbol, node.by))
                if by != node.by:
                    yield replace(node, by=by)
        if isinstance(node.of, Symbol):
            for symbol in named:
                of = replace(symbol, indices=self._adapted(symbol, node.of))
                if of != node.of:
                    yield replace(node, of=of)

    def _adapted(self, symbol: Symbol, like: Symbol) -> tuple[Expression, ...]:
        count = self._indexed.get(symbol.key, 0)
        return like.indices if count and len(like.indices) == count else ()

    def chains(self, of: Expression, by: Expression) -> Iterator[Expression]:
        """``∂L/∂a · ∂a/∂z · ∂z/∂w``: the ways from ``of`` to ``by`` through definitions."""
        if isinstance(of, Symbol) and isinstance(by, Symbol):
            for path in self._paths(of.key, by.key, ()):
                symbols = [of, *(self.known.get(key, Symbol(key)) for key in path[1:-1]), by]
                links = [Partial(a, b) for a, b in pairwise(symbols)]
                if len(links) > 1:
                    yield Multiply(tuple(links))

    def _paths(self, key: str, goal: str, before: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        path = (*before, key)
        if key == goal:
            yield path
            return
        definition = self.problem.definitions.get(key)
        if definition is None or len(path) > 12:
            return
        for inner in symbols_of([definition.body]):
            reaches = inner == goal or (
                inner in self.problem.definitions
                and depends_on(self.meaning.situation, self.problem.definitions[inner].body, goal)
            )
            if reaches and inner not in path:
                yield from self._paths(inner, goal, path)


def _unlike(form: Symbol, like: Symbol | None) -> float:
    """How far a symbol is from the one that it replaces."""
    if like is None:
        return 0.0
    if form.key == like.key:
        return 0.0 if len(form.indices) == len(like.indices) else 0.1
    same_letter = form.name == like.name
    same_indices = form.indices == like.indices
    return (0.0 if same_letter else 0.02) + (0.0 if same_indices else 0.06)


def _is(node: Expression, name: str) -> bool:
    return isinstance(node, Apply) and node.function == name
