"""The slips that a search tries to undo: every way to change one part of a formula.

An edit has a cost: the lower, the more natural the slip. A wrong symbol, a sign, ``f`` for ``f'``,
a sum too many or too few cost least; a term that is missing altogether costs most.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from chainrule.explain.claims.elementwise import ELEMENTWISE
from chainrule.explain.claims.search.around import wrappers
from chainrule.explain.claims.search.edit import Edit, followed, times
from chainrule.explain.claims.search.materials import ACTIVATIONS, Materials
from chainrule.explain.claims.search.places import Place
from chainrule.explain.claims.values import Value
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Expression,
    MatMul,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["edits_at", "replacements"]

PAIRS = {
    "sin": ("cos",), "cos": ("sin",), "exp": ("log",), "log": ("exp",), "max": ("min",),
    "min": ("max",), "maximum": ("minimum",), "minimum": ("maximum",), "sum": ("mean",),
    "mean": ("sum",), "softmax": ("sigmoid", "log_softmax"), "log_softmax": ("softmax",),
    "sinh": ("cosh",), "cosh": ("sinh",), "var": ("std",), "std": ("var",), "abs": ("sign",),
    "sign": ("abs",), "trace": ("sum",), "prod": ("sum",), "ones": ("eye",), "eye": ("ones",),
}  # fmt: skip
RELATIONS = {"<": (">", "<="), ">": ("<", ">="), "<=": (">=", "<"), ">=": ("<=", ">"),
             "==": ("!=",), "!=": ("==",)}  # fmt: skip


def edits_at(place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    """Every edit of the part at a place, whose value is given."""
    yield from replacements(place, value, materials)
    yield from wrappers(place, place.node, value, materials)


def replacements(place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    """Edits that change what the node is."""
    rule = RULES.get(type(place.node))
    if rule is not None:
        yield from rule(place.node, place, value, materials)


# ---------------------------------------------------------------------- kinds of nodes
def _symbol(node: Symbol, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    for symbol, _, cost in materials.symbols(place.bound, node):
        if symbol != node:
            same = isinstance(symbol, Symbol) and symbol.key == node.key
            kind = "index" if same else "symbol"
            yield Edit(kind, node, symbol, 1.0 + cost, symbol)
    slopes = [(each, cost) for each, found, cost in materials.slopes(place.bound)]
    slopes += [(each, cost) for each, _, cost in materials.inner_factors(place.bound)]
    for each, cost in slopes:
        yield Edit("symbol", node, each, 1.2 + cost, each)


def _number(node: Number, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    x = node.value
    seen = {float(x)}
    is_exponent = isinstance(place.parent, Power) and place.path[-1] == 1
    candidates = [-x, 2 * x, Fraction(x).limit_denominator(10**6) / 2, x + 1, x - 1, 1, 2, 3]
    if is_exponent:
        candidates += [Fraction(1, 2), Fraction(-1, 2), -1, -2, Fraction(3, 2)]
    for other in candidates:
        if float(other) in seen or (other == 0):
            continue
        seen.add(float(other))
        yield Edit("number", node, _said_number(other), 1.02, _said_number(other))
    for symbol in materials.counts if not is_exponent else ():
        yield Edit("number", node, symbol, 1.2, symbol)
    if x != 1 and isinstance(place.parent, Multiply):
        yield Edit("extra factor", node, Number(1), 1.05, node)
    for measure in materials.measures:
        if measure != node:
            yield Edit("number", node, measure, 1.05, measure)
    if not is_exponent:
        yield from _in_place_of_number(node, place, materials)


def _in_place_of_number(node: Expression, place: Place, materials: Materials) -> Iterator[Edit]:
    """What a number may stand for: ``1`` where ``1[i = j]`` or ``σ(z)`` belongs."""
    for factor, _, cost in materials.factors(place.bound):
        alone = isinstance(factor, Compare) and not place.path
        whole = Apply("indicator", (factor,)) if alone else factor
        yield Edit("symbol", node, whole, 1.15 + cost, whole)


def _said_number(x: int | float | Fraction) -> Expression:
    if isinstance(x, Fraction) and x.denominator == 1:
        x = int(x)
    if isinstance(x, Fraction):
        size = Divide(Number(abs(x.numerator)), Number(x.denominator))
        return Negative(size) if x < 0 else size
    return Negative(Number(-x)) if x < 0 else Number(x)


def _negative(node: Negative, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    yield Edit("sign", node, node.operand, 1.0)
    if isinstance(node.operand, Number) and not place.path:
        yield from _in_place_of_number(node, place, materials)


def _add(node: Add, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    terms = node.terms
    for position, term in enumerate(terms):
        rest = (*terms[:position], *terms[position + 1 :])
        left = rest[0] if len(rest) == 1 else Add(rest)
        yield Edit("extra term", node, left, 1.15, term)
        if position == 0 and not isinstance(term, Negative):
            turned: Expression = Negative(term)
        else:
            turned = term.operand if isinstance(term, Negative) else Negative(term)
        changed = Add((*terms[:position], turned, *terms[position + 1 :]))
        yield Edit("sign of term", node, changed, 1.01, term)
    if len(terms) == 2:
        first, second = terms
        plain = second.operand if isinstance(second, Negative) else second
        yield Edit("product for sum", node, Multiply((first, plain)), 1.3)
        if isinstance(second, Negative):
            cost = 0.99 if isinstance(plain, Number) else 1.05 if isinstance(first, Number) else 1.0
            yield Edit("order", node, Add((plain, Negative(first))), cost)


def _multiply(node: Multiply, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    factors = node.factors
    for position, factor in enumerate(factors):
        rest = (*factors[:position], *factors[position + 1 :])
        left = rest[0] if len(rest) == 1 else Multiply(rest, node.arrays)
        yield Edit("extra factor", node, left, 1.05, factor)
        yield Edit("quotient", node, Divide(left, factor), 1.1, factor)
        if isinstance(factor, Big) and len(factors) > 1:
            inside = followed(factor.body, left, node.arrays)
            yield Edit("scope", node, replace(factor, body=inside), 1.02, factor)
    if len(factors) == 2:
        yield Edit("sum for product", node, Add(factors), 1.3)
        yield Edit("power", node, Power(*factors), 1.15)
        if materials.matrices:
            yield Edit("matrix product", node, MatMul(*factors), 1.1)
            yield Edit("matrix product", node, MatMul(*reversed(factors)), 1.15)
            yield Edit("matrix product", node, Apply("outer", factors), 1.2)
    yield from _chains(node, factors, materials)


def _chains(
    node: Expression, factors: tuple[Expression, ...], materials: Materials
) -> Iterator[Edit]:
    """Chains of derivatives: other links, one at a time, or the true path altogether."""
    links = [factor for factor in factors if isinstance(factor, Partial)]
    if len(links) >= 2 and len(links) == len(factors):
        for chain in materials.chains(links[0].of, links[-1].by):
            yield Edit("path", node, chain, 1.0, chain)
    for position, factor in enumerate(factors):
        if isinstance(factor, Partial):
            for other in materials.partials(factor):
                changed = (*factors[:position], other, *factors[position + 1 :])
                yield Edit("partial", node, Multiply(changed), 1.1, other)


def _matmul(node: MatMul, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    left, right = node.left, node.right
    yield Edit("order", node, MatMul(right, left), 1.05)
    yield Edit("transpose", node, MatMul(_both_ways(right)[1], _both_ways(left)[1]), 0.99)
    yield Edit("elementwise", node, Multiply((left, right), True), materials.apart(left, right))
    yield Edit("extra factor", node, left, 1.1, right)
    yield Edit("extra factor", node, right, 1.1, left)
    for a in _both_ways(left):
        for b in _both_ways(right):
            if (a, b) != (left, right):
                single = a == left or b == right
                yield Edit("transpose", node, MatMul(a, b), 1.0 if single else 1.6)
                yield Edit("order", node, MatMul(b, a), 1.3)
    for name in ("outer",):
        yield Edit("matrix product", node, Apply(name, (left, right)), 1.2)
        yield Edit("matrix product", node, Apply(name, (right, left)), 1.25)
    if isinstance(left, Partial) and isinstance(right, Partial):
        yield from _chains(node, (left, right), materials)
    chain = _flat(node)
    if len(chain) > 2 and all(isinstance(each, Partial) for each in chain):
        yield from _chains(node, chain, materials)


def _flat(node: Expression) -> tuple[Expression, ...]:
    return (*_flat(node.left), *_flat(node.right)) if isinstance(node, MatMul) else (node,)


def _both_ways(node: Expression) -> tuple[Expression, Expression]:
    return (node, node.operand if isinstance(node, Transpose) else Transpose(node))


def _divide(node: Divide, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    above, below = node.numerator, node.denominator
    yield Edit("extra factor", node, above, 1.05, Divide(Number(1), below))
    if above != Number(1):
        yield Edit("extra factor", node, Divide(Number(1), below), 1.1, above)
        yield Edit("inverse", node, Divide(below, above), 1.15)
        yield Edit("product for quotient", node, Multiply((above, below)), 1.1)
    else:
        yield Edit("inverse", node, below, 1.1)
    for factor in materials.numbers + materials.counts:
        yield Edit("factor", node, Divide(above, times(factor, below)), 1.2,
                   Divide(Number(1), factor))  # fmt: skip


def _power(node: Power, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    yield Edit("extra power", node, node.base, 1.0, node.exponent)
    yield Edit("no power", node, Multiply((node.exponent, node.base)), 1.15)
    inside = _into_sum(node.base, node.exponent)
    if inside is not None:
        yield Edit("power inside", node, inside, 1.0)
    if not isinstance(node.exponent, Number):
        less = Add((node.exponent, Negative(Number(1))))
        yield Edit("number", node, Power(node.base, less), 1.05, less)
        more = Add((node.exponent, Number(1)))
        yield Edit("number", node, Power(node.base, more), 1.1, more)


def _into_sum(node: Expression, exponent: Expression) -> Expression | None:
    """A sum of powers from the sum whose power was taken; factors of the sum stay outside."""
    match node:
        case Big(body=body):
            return replace(node, body=Power(body, exponent))
        case Apply(function="sum" | "mean", arguments=(body,)):
            return replace(node, arguments=(Power(body, exponent),))
        case Divide(above, below):
            inside = _into_sum(above, exponent)
            return None if inside is None else Divide(inside, below)
        case Multiply(factors):
            inside = _into_sum(factors[-1], exponent)
            return None if inside is None else Multiply((*factors[:-1], inside), node.arrays)
    return None


def _out_of_sum(node: Big | Apply, body: Expression) -> Iterator[Edit]:
    """The power of a sum from a sum of powers."""
    if isinstance(body, Power):
        inside = node.with_children([body.base, *node.children[1:]])
        yield Edit("power outside", node, Power(inside, body.exponent), 1.0)


def _transpose(node: Transpose, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    yield Edit("transpose", node, node.operand, 1.0)


def _apply(node: Apply, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    name, arguments = node.function, node.arguments
    if len(arguments) == 1:
        plain = name in ("sum", "mean", "sqrt", "diag", "trace", "softmax")
        cost = 1.0 if plain else 1.05 if name in ACTIVATIONS else 1.15
        yield Edit("extra function", node, arguments[0], cost, Symbol(name))
    if name in ELEMENTWISE or name in materials.unknown:
        if name in materials.differentiable:
            for slope in materials.slope_of(node):
                yield Edit("derivative", node, slope, 1.0)
        if node.primes:
            yield Edit("derivative", node, replace(node, primes=node.primes - 1), 1.0)
    others = PAIRS.get(name, ())
    if name in ACTIVATIONS:
        others = tuple(sorted((ACTIVATIONS | {"sign"}) - {name}))
    if name == "sigmoid" and value.rank:
        others = (*others, "softmax")
    for other in others:
        cost = 1.05 if other in materials.functions else 1.2
        yield Edit("function", node, replace(node, function=other), cost, Symbol(other))
    if name in ("sum", "mean", "max", "softmax", "log_softmax", "norm", "std", "var"):
        for axis in (None, 0, 1, -1):
            if axis != node.axis and not (axis is None and name.endswith("softmax")):
                yield Edit("axis", node, replace(node, axis=axis), 0.99)
    if len(arguments) == 2 and name != "element":
        yield Edit("order", node, replace(node, arguments=arguments[::-1]), 1.1)
    if name == "mean":
        for count in materials.counts:  # of a mean, each number has its share
            yield Edit("kind of sum", node, Divide(arguments[0], count), 1.05)
    if name in ("sum", "mean"):
        yield from _out_of_sum(node, arguments[0])
    if name == "softmax" and len(arguments) == 1:
        yield from _softmax_scope(node, materials)


def _softmax_scope(node: Apply, materials: Materials) -> Iterator[Edit]:
    """The softmax of one number, of which every number of its row was meant."""
    (argument,) = node.arguments
    for letter, twin in materials.twins.items():
        other = _relettered(argument, letter, twin)
        if other != argument:
            e = Apply("exp", (argument,))
            total = Big("sum", Apply("exp", (other,)), Symbol(twin))
            yield Edit("softmax", node, Divide(e, total), 1.0, Symbol(letter))


def _relettered(node: Expression, letter: str, other: str) -> Expression:
    if isinstance(node, Symbol):
        if not node.indices:
            return Symbol(other) if node.key == letter else node
        return replace(node, indices=tuple(_relettered(i, letter, other) for i in node.indices))
    return node.with_children([_relettered(child, letter, other) for child in node.children])


def _big(node: Big, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    yield Edit("extra sum", node, node.body, 1.0, node.index)
    if node.kind in ("sum", "mean"):
        yield from _out_of_sum(node, node.body)
    for kind in ("sum", "mean", "product"):
        if kind != node.kind:
            cost = 1.05 if kind == "mean" or node.kind == "mean" else 1.2
            yield Edit("kind of sum", node, replace(node, kind=kind), cost)
    for letter in materials.layout.letters:
        if node.index is not None and letter != node.index.key and letter not in place.bound:
            other = replace(node, index=Symbol(letter))
            yield Edit("index", node, other, 1.1, Symbol(letter))
    if node.lower is not None and isinstance(node.lower, Number):
        other = replace(node, lower=Number(1 - int(node.lower.value)))
        yield Edit("index", node, other, 1.3, other.lower)


def _compare(node: Compare, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    for relation in RELATIONS[node.relation]:
        yield Edit("relation", node, replace(node, relation=relation), 1.08)


def _cases(node: Cases, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    if len(node.values) == 2:
        yield Edit("order", node, replace(node, values=node.values[::-1]), 1.0)
    for position, case in enumerate(node.values):
        for number in (Number(0), Number(1), *materials.measures):
            if case != number:
                values = (*node.values[:position], number, *node.values[position + 1 :])
                yield Edit("case", node, replace(node, values=values), 1.1, number)


def _partial(node: Partial, place: Place, value: Value, materials: Materials) -> Iterator[Edit]:
    if isinstance(place.parent, Multiply | MatMul):
        return
    for other in materials.partials(node):
        yield Edit("partial", node, other, 1.05, other)


RULES: dict[type, Callable[..., Iterator[Edit]]] = {
    Symbol: _symbol,
    Number: _number,
    Negative: _negative,
    Add: _add,
    Multiply: _multiply,
    MatMul: _matmul,
    Divide: _divide,
    Power: _power,
    Transpose: _transpose,
    Apply: _apply,
    Big: _big,
    Compare: _compare,
    Cases: _cases,
    Partial: _partial,
}
