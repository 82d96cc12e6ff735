"""``explain``: the derivation of one derivative, with the numbers of the run in it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chainrule.errors import OptionError, suggest
from chainrule.explain.derivation.flow import Factor, Flow, Pulled
from chainrule.explain.derivation.matrix_views import layer_blocks, layer_summary, neuron_blocks
from chainrule.explain.derivation.preparing import prepared
from chainrule.explain.derivation.symbols import Symbols
from chainrule.explain.derivation.target import Target, find_target
from chainrule.explain.derivation.views import scalar_blocks, title
from chainrule.explain.document import Document, Documented
from chainrule.explain.formulas.numbers import DIGITS
from chainrule.explain.formulas.tree import Equation, Expression, Multiply, Number, Partial
from chainrule.explain.walking.walkthrough import Walkthrough
from chainrule.trees import tree_flatten

__all__ = ["Derivation", "View", "explain"]

VIEWS = ("scalar", "neuron", "layer")


def explain(
    function: Callable[..., Any],
    *arguments: Any,
    wrt: str | None = None,
    view: str | None = None,
    lang: str | None = None,
    digits: int = DIGITS,
) -> "Derivation":
    """The derivation of ``∂J/∂w`` for one weight, from the formula over the numbers to the result.

    Parameters
    ----------
    function
        The cost: takes trees of tensors, returns one number. Named functions (``Linear``, ``relu``,
        ``cross_entropy``) are explained as one step each, everything else op by op.
    *arguments
        The point: a model, data. Keep the data small (one row, or a few): they are written out.
    wrt
        By what the cost is differentiated: a path in the first argument, ``hidden.0.weight[3, 1]``,
        or in another one by its name, ``x[0, 2]``. A column ``hidden.0.weight[:, 1]`` (all weights
        of a neuron) or a whole array: then the element with the largest derivative is derived step
        by step. By default the first array of the first argument.
    view
        What is shown: ``"scalar"`` (one weight), ``"neuron"`` (all weights of a neuron, vectors) or
        ``"layer"`` (matrices); by default the first, and the last in short.
    lang
        ``"en"`` or ``"ko"``; by default :func:`chainrule.words.language`.
    digits
        How many digits of a number are printed; everything is computed in double precision from all
        digits.

    Returns
    -------
    Derivation
        Shows itself as text, Markdown, LaTeX and HTML.

    Raises
    ------
    GradientError
        If the function's result is not one number.
    PathError, ShapeError, OptionError
        If ``wrt`` names nothing, does not fit the array's shape, or has no derivative.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> from chainrule.explain import explain
    >>> model = nn.Sequential(nn.Linear.of([[0.5], [-1.0]], [0.25]))
    >>> def cost(model, x, t):
    ...     return nn.mse(model(x), t)
    >>> x, t = cr.tensor([[2.0, 1.0]]), cr.tensor([[1.0]])
    >>> derivation = explain(cost, model, x, t, wrt="layers.0.weight[0, 0]")
    >>> derivation.value
    -3.0
    """
    if view is not None and view not in VIEWS:
        raise OptionError("explain.derive_view", got=view, hint=suggest(str(view), VIEWS))
    if not isinstance(digits, int) or not 1 <= digits <= 15:
        raise OptionError("explain.derive_digits", got=digits)
    symbols = prepared(function, *arguments)
    target = find_target(symbols.walk, wrt)
    frozen = target.value.weight and target.value.path in _frozen(arguments[0])
    return Derivation(symbols, target, view, lang, digits, frozen)


def _frozen(model: Any) -> set[str]:
    """The paths of a model's weights that are not trained."""
    definition = tree_flatten(model)[1]
    pairs = zip(definition.paths, definition.trainable, strict=True)
    return {path for path, trained in pairs if not trained}


@dataclass(frozen=True, eq=False)
class View(Documented):
    """One way to see a derivation: ``"scalar"``, ``"neuron"`` or ``"layer"``."""

    derivation: "Derivation"
    name: str

    def document(self, lang: str | None = None) -> Document:
        """The blocks of this view."""
        d = self.derivation
        lang = lang or d.lang
        blocks = {"scalar": scalar_blocks, "neuron": neuron_blocks, "layer": layer_blocks}
        shown = blocks[self.name](d, lang)
        return Document(shown, title(d, lang), lang=lang, digits=d.digits)


@dataclass(frozen=True, eq=False)
class Derivation(Documented):
    """A derivative, derived; made by :func:`explain`.

    Attributes
    ----------
    symbols
        What everything is called.
    target
        By what the cost is differentiated.
    view
        What is shown, ``None`` for the usual.
    lang, digits
        The language and the number of digits, unless others are asked for.
    frozen
        Whether the weight is not trained.
    """

    symbols: Symbols
    target: Target
    view: str | None = None
    lang: str | None = None
    digits: int = DIGITS
    frozen: bool = False

    @property
    def walk(self) -> Walkthrough:
        """The function, step by step."""
        return self.symbols.walk

    @cached_property
    def flow(self) -> Flow:
        """Chains and sums."""
        return Flow(self.symbols, self.target.element)

    @property
    def value(self) -> float:
        """The derivative."""
        return self.target.element.gradient

    @property
    def symbol(self) -> Partial:
        """``∂J/∂w¹₃₁``."""
        element = self.target.element
        return Partial(self.symbols.cost, self.symbols.element(element.value, element.place))

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The factors of the chosen chain, from the cost to the weight."""
        return tuple(self.flow.factor(link) for link in reversed(self.flow.chain))

    @cached_property
    def contribution(self) -> float:
        """The product of the factors: what the chosen chain contributes to the derivative."""
        product = 1.0
        for factor in self.factors:
            product *= factor.value
        return product

    @cached_property
    def chain(self) -> Expression:
        """The chosen chain in symbols."""
        symbols: tuple[Expression, ...] = tuple(factor.symbol for factor in self.factors)
        if not symbols:
            return Number(0)
        return symbols[0] if len(symbols) == 1 else Multiply(symbols)

    @cached_property
    def sums(self) -> tuple[Pulled, ...]:
        """What backpropagation computes, from the cost to the weight."""
        flow = self.flow
        active = [value for value in reversed(flow.active) if value is not self.walk.cost]
        if self.walk.cost not in flow.active:
            return ()
        return tuple(flow.pulled(flow.representative(value)) for value in active)

    @property
    def deltas(self) -> tuple[Pulled, ...]:
        """The errors ``δˡⱼ = ∂J/∂zˡⱼ`` among them."""
        return tuple(p for p in self.sums if self.symbols.is_weighted_sum(p.element.value))

    @property
    def equation(self) -> Equation:
        """The last step: the derivative from the error, in symbols, in numbers, the result."""
        return self.sums[-1].equation if self.sums else Equation((self.symbol, Number(0)))

    @property
    def scalar(self) -> View:
        """One weight."""
        return View(self, "scalar")

    @property
    def neuron(self) -> View:
        """All weights of a neuron: vectors."""
        return View(self, "neuron")

    @property
    def layer(self) -> View:
        """The layer: matrices."""
        return View(self, "layer")

    def document(self, lang: str | None = None) -> Document:
        """What was asked for; by default the scalar view, and the layer's in short."""
        shown = View(self, self.view or "scalar").document(lang)
        if self.view is not None or not self.sums:
            return shown
        blocks = [*shown.blocks, *layer_summary(self, shown.lang)]
        return Document(blocks, shown.title, lang=shown.lang, digits=self.digits)
