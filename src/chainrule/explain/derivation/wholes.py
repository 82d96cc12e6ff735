"""Formulas of whole arrays: ``δ¹ = δ² W²ᵀ ⊙ (1 − a¹²)``, ``∂J/∂W¹ = xᵀ δ¹``.

They are made from what is said of single elements: an elementwise formula is the same without its
letters, a sum over products of elements is a product of matrices.
"""

from dataclasses import replace

from chainrule.explain.derivation.flow import Flow
from chainrule.explain.formulas.tree import (
    Apply,
    Big,
    Compare,
    Expression,
    MatMul,
    Multiply,
    Partial,
    Symbol,
    Transpose,
    walk,
)
from chainrule.explain.saying import Occurrence, Saying
from chainrule.explain.saying.algebra import ONE, total
from chainrule.explain.walking.forms import whole_form
from chainrule.explain.walking.passing import role
from chainrule.explain.walking.walkthrough import Step, Value

__all__ = ["Wholes"]


class Wholes:
    """The formulas of a flow, array by array."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.symbols = flow, flow.symbols

    def name(self, value: Value) -> Expression:
        """What a whole value is called: a weight matrix in capitals."""
        if value.constant:
            return self.symbols.elements(value).symbol
        symbol = self.symbols.symbol(value)
        if value.weight and value.array.ndim == 2 and symbol.name in ("w", "u"):
            return replace(symbol, name=symbol.name.upper())
        return symbol

    def upstream(self, value: Value) -> Expression:
        """``δˡ`` or ``∂J/∂aˡ``."""
        found = self.symbols.upstream_whole(value)
        return Partial(found.of, self.name(value)) if isinstance(found, Partial) else found

    # ------------------------------------------------------------------ forward
    def value(self, step: Step) -> Expression | None:
        """The formula of a step's output, if it has one without letters."""
        pairs = self.products(step)
        if pairs:
            taken = {value for pair in pairs for value in pair}
            products = [MatMul(self.name(left), self.name(right)) for left, right in pairs]
            rest = [self.name(v) for v in step.inputs if v not in taken and v.array.ndim]
            return total(*products, *rest)
        known = whole_form(step, self.name)
        if known is not None:
            return known
        said = self.symbols.saying(step)
        if step.name in ("softmax", "log_softmax"):
            return Apply(step.name, (self.name(step.inputs[0]),))
        return None if said is None else self.stripped(said, said.value)

    # ------------------------------------------------------------------ backward
    def pulled(self, value: Value) -> Expression:
        """The derivative of the cost for a value, from those behind it."""
        terms = [self._term(*use) for use in self.flow.uses(value)]
        return total(*terms)

    def _term(self, step: Step, position: int, output: Value) -> Expression:
        found = self._product(step, position, output) or self._elementwise(step, position, output)
        if found is not None:
            return found
        local = Partial(self.name(output), self.name(step.inputs[position]))
        if output is self.flow.walk.cost:
            return local
        return MatMul(self.upstream(output), local)

    def _product(self, step: Step, position: int, output: Value) -> Expression | None:
        """Of ``x W``: ``δ Wᵀ`` for ``x`` and ``xᵀ δ`` for ``W``; of a bias the sum over rows."""
        value, upstream = step.inputs[position], self.upstream(output)
        factors = self.factors(step, value)
        if factors is None:
            return None
        left, right = factors
        if value is left and value is not right:
            return MatMul(upstream, Transpose(self.name(right)))
        if value is right:
            return MatMul(Transpose(self.name(left)), upstream)
        if output.array.size == value.array.size:
            return upstream
        bare = Symbol("n")
        if isinstance(upstream, Symbol):
            return Big("sum", replace(upstream, indices=(bare,)), bare)
        return None

    def products(self, step: Step) -> list[tuple[Value, Value]]:
        """The pairs of matrices that a step multiplies: of a recurrent layer there are two."""
        if step.name == "recurrent_sum":
            own = {role(step, i): value for i, value in enumerate(step.inputs)}
            pairs = (("x", "weight"), ("h", "recurrent"))
            return [(own[left], own[right]) for left, right in pairs if left in own]
        found = self._factors(step)
        return [] if found is None else [found]

    def factors(self, step: Step, value: Value | None = None) -> tuple[Value, Value] | None:
        """The two factors of a step that is a product of matrices, with or without a bias.

        Of several products that with ``value``, else the first.
        """
        pairs = self.products(step)
        chosen = [pair for pair in pairs if any(part is value for part in pair)]
        return next(iter(chosen or pairs), None)

    def _factors(self, step: Step) -> tuple[Value, Value] | None:
        if step.name == "matmul" and all(value.array.ndim == 2 for value in step.inputs):
            return step.inputs[0], step.inputs[1]
        said = self.symbols.saying(step)
        if step.kind is None or step.kind.family != "layer" or said is None:
            return None
        matrices = [v for v in step.inputs if v.array.ndim == 2 and self._is_factor(step, said, v)]
        if len(matrices) != 2:
            return None
        inner = [v.shape[0] == step.output.shape[0] for v in matrices]
        right = [v for v in matrices if v.weight and v.shape[-1] == step.output.shape[-1]]
        if not right or not any(inner):
            return None
        left = next(v for v in matrices if v is not right[-1])
        return left, right[-1]

    def _is_factor(self, step: Step, said: Saying, value: Value) -> bool:
        """Whether the derivative by it is an element of another input, as in a product."""
        occurrences = said.occurrences[step.inputs.index(value)] or ()
        return any(isinstance(o.factor, Symbol) for o in occurrences)

    def _elementwise(self, step: Step, position: int, output: Value) -> Expression | None:
        said = self.symbols.saying(step)
        occurrences = None if said is None else said.occurrences[position]
        if said is None or occurrences is None or len(occurrences) != 1:
            return None
        (occurrence,) = occurrences
        is_cost = output is self.flow.walk.cost
        if occurrence.index != said.letters and not is_cost:
            return None
        if step.inputs[position].shape != output.shape and not is_cost:
            return None  # a slice: it is no function of the whole
        factor = self.stripped(said, occurrence.factor, occurrence)
        if factor is None:
            return None
        if is_cost:
            return factor
        if factor == ONE:
            return self.upstream(output)
        return Multiply((self.upstream(output), factor), arrays=True)

    def stripped(
        self, said: Saying, formula: Expression, occurrence: Occurrence | None = None
    ) -> Expression | None:
        """An elementwise formula without letters; ``None`` if it is not one."""
        places = said.letters if occurrence is None else occurrence.index
        letters = [letter for letter in places if isinstance(letter, Symbol)]
        for part in walk(formula):
            if isinstance(part, Big):
                return None
            if isinstance(part, Compare) and (part.left in letters or part.right in letters):
                return None
            if (
                isinstance(part, Symbol)
                and part.indices
                and not self._is_whole(part, letters, said)
            ):
                return None
        return _as_arrays(self._renamed(formula))

    def _is_whole(self, part: Symbol, letters: list[Symbol], said: Saying) -> bool:
        """Whether an element stands at the same place, and all of its array is meant."""
        array = self.symbols.numbers.arrays.get(replace(part, indices=()))
        sizes = tuple(said.sizes.get(i) for i in part.indices if isinstance(i, Symbol))
        return _aligned(part, letters) and (array is None or array.shape == sizes)

    def _renamed(self, formula: Expression) -> Expression:
        if isinstance(formula, Symbol) and formula.indices:
            return replace(formula, indices=())
        if not formula.children:
            return formula
        return formula.with_children([self._renamed(child) for child in formula.children])


def _aligned(symbol: Symbol, letters: list[Symbol]) -> bool:
    """Whether the element that a symbol names stands at the same place, as far as it has axes."""
    return list(symbol.indices) == [letter for letter in letters if letter in symbol.indices]


def _as_arrays(formula: Expression) -> Expression:
    """Products of arrays are written with ``⊙``, squares with ``²``."""
    if not formula.children:
        return formula
    parts = [_as_arrays(child) for child in formula.children]
    found = formula.with_children(parts)
    if isinstance(found, Multiply) and sum(map(_is_array, found.factors)) > 1:
        numbers = [part for part in found.factors if not _is_array(part)]
        arrays = Multiply(tuple(p for p in found.factors if _is_array(p)), arrays=True)
        return Multiply((*numbers, arrays)) if numbers else arrays
    return found


def _is_array(part: Expression) -> bool:
    return any(isinstance(inner, Symbol) for inner in walk(part))
