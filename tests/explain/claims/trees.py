"""Formulas by hand in few characters, and random ones, in the form that the reader makes."""

from hypothesis import strategies as st

from chainrule.explain.claims.reading.building import chosen, free_indices
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Expression,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
)

# ---------------------------------------------------------------------- by hand
a, b, c, d, e, f, n, p, q, t, w, x, y, z = map(
    Symbol, ["a", "b", "c", "d", "e", "f", "n", "p", "q", "t", "w", "x", "y", "z"]
)
A, B, J, L, W, X = map(Symbol, "ABJLWX")
i, j, k = map(Symbol, "ijk")
one, two, three = map(Number, (1, 2, 3))
y_hat = Symbol("y", accent="hat")


def at(symbol, *indices):
    """``x_ij``; whole numbers count from one."""
    found = tuple(Number(each) if isinstance(each, int) else each for each in indices)
    return Symbol(symbol.name, symbol.accent, symbol.layer, symbol.label, found)


def labelled(name, label):
    return Symbol(name, label=label)


def layered(name, layer, *indices):
    return Symbol(name, layer=layer, indices=tuple(map(Number, indices)))


def call(name, *arguments, axis=None, primes=0):
    return Apply(name, arguments, axis, primes)


def times(*factors):
    return Multiply(factors)


def plus(*terms):
    return Add(terms)


def minus(tree):
    return Negative(tree)


def less(left, right):
    return plus(left, minus(right))


def square(tree):
    return Power(tree, two)


# ---------------------------------------------------------------------- random
LETTERS = ["a", "b", "c", "p", "q", "r", "u", "v", "w", "x", "y", "z"]
GREEK = ["alpha", "beta", "theta", "lambda", "mu"]
FUNCTIONS = ["exp", "log", "tanh", "sin", "relu", "softplus", "abs", "sqrt", "norm", "softmax"]

indices = st.lists(st.sampled_from("ijk"), max_size=2, unique=True).map(
    lambda letters: tuple(map(Symbol, letters))
)
symbols = st.one_of(
    st.builds(Symbol, st.sampled_from(LETTERS + GREEK), indices=indices),
    st.builds(Symbol, st.sampled_from(LETTERS), st.sampled_from(["hat", "bar", "tilde"])),
    st.builds(Symbol, st.sampled_from(LETTERS), label=st.sampled_from(["hh", "in", "1", "12"])),
)
numbers = st.one_of(
    st.integers(0, 99).map(Number),
    st.sampled_from([0.5, 0.25, 12.5, 0.001]).map(Number),
)


def _sum(terms: list[Expression]) -> Expression:
    return Add(tuple(part for term in terms for part in getattr(term, "terms", (term,))))


def _product(factors: list[Expression]) -> Expression:
    head, *others = factors
    rest = [part for each in others for part in _plain(each)]
    if isinstance(head, Negative):
        return Negative(_product([head.operand, *rest]))
    if isinstance(head, Multiply):
        return Multiply((*head.factors, *rest))
    return Multiply((head, *rest))


def _plain(factor: Expression) -> list[Expression]:
    """Factors without brackets: printers write products from the left."""
    match factor:
        case Negative(operand=inner) | Divide(numerator=inner):
            return _plain(inner)
        case Multiply(factors=factors):
            return [part for each in factors for part in _plain(each)]
    return [factor]


def _fraction(above: Expression, below: Expression) -> Expression:
    if isinstance(above, Negative):
        return Negative(_fraction(above.operand, below))
    return Divide(above, below)


def _reduction(name: str, body: Expression) -> Expression:
    return Big(name, body) if free_indices(body) else Apply(name, (body,))


def _applied(name: str, argument: Expression) -> Expression:
    # Two bars in a row are those of a norm.
    barred = name == "abs" and isinstance(argument, Apply) and argument.function == "abs"
    return argument if barred else Apply(name, (argument,))


def _choice(condition: Expression, value: Expression, other: Expression) -> Expression:
    return chosen((condition,), (value, other))


def _larger(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    comparisons = st.builds(
        Compare, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), parts, parts
    )
    return st.one_of(
        st.builds(Negative, parts),
        st.lists(parts, min_size=2, max_size=3).map(_sum),
        st.lists(parts, min_size=2, max_size=3).map(_product),
        st.builds(_fraction, parts, parts),
        st.builds(Power, parts, st.one_of(symbols, parts).filter(_can_be_raised)),
        st.builds(_applied, st.sampled_from(FUNCTIONS), parts),
        st.builds(_reduction, st.sampled_from(["sum", "mean"]), parts),
        st.builds(Apply, st.just("maximum"), st.tuples(parts, parts)),
        st.builds(Apply, st.sampled_from(["tanh", "relu"]), st.tuples(parts), primes=st.just(1)),
        st.builds(Big, st.sampled_from(["sum", "product"]), parts, st.just(Symbol("i"))),
        st.builds(
            Big,
            st.just("sum"),
            parts,
            st.just(Symbol("j")),
            st.just(Number(1)),
            st.just(Symbol("n")),
        ),
        comparisons,
        st.builds(_choice, comparisons, parts, parts),
        st.builds(Partial, symbols, symbols),
    )


def _can_be_raised(tree: Expression) -> bool:
    """Whether it is an exponent: a raised 1 is a layer's number, and braces are those of ``^``."""
    return tree != Number(1) and not isinstance(tree, Cases)


def _says_no_equation(tree: Expression) -> bool:
    """Whether its outermost sign is no ``=``, which would make an equation of it."""
    return not (isinstance(tree, Compare) and tree.relation == "==")


formulas = st.recursive(st.one_of(symbols, numbers), _larger, max_leaves=12).filter(
    _says_no_equation
)
