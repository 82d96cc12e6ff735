"""Losses in the form that textbooks give, with weights, label smoothing and any reduction.

What a loss was called with (a reduction, a smoothing, ``δ``) is written into its graph. It is found
by asking the graph itself: its derivative at outputs that are chosen so that the answer shows the
number. Cross-entropy has the derivative ``c (p − q)`` for logits, whatever the options: two
questions give ``c`` and the target ``q`` of every row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from chainrule.explain.formulas.tree import (
    Apply,
    Cases,
    Compare,
    Divide,
    Equation,
    Expression,
    Negative,
    Number,
    Power,
    Symbol,
)
from chainrule.explain.saying.algebra import ONE, negated, number, product, summed, total
from chainrule.explain.saying.reading import letters_for
from chainrule.explain.saying.saying import Index, Occurrence, Place, Saying

__all__ = ["LOSSES", "Loss"]

#: From an array for the outputs to the derivative of the loss by each of them.
Slope: TypeAlias = Callable[[np.ndarray], np.ndarray]
#: Far out: ``σ`` and softmax are 1 and 0 there in double precision.
FAR = 60.0
#: A coefficient is one over a whole number up to here.
EXACT = 1e-9


class Loss:
    """A step that is a loss: which inputs it has, and what its derivative is elsewhere.

    Parameters
    ----------
    names
        Of the inputs, as the loss calls them.
    arrays
        Their values.
    place
        The symbols it is said in.
    slope
        Its derivative by the outputs, at other outputs.
    """

    def __init__(
        self, names: Sequence[str], arrays: Sequence[np.ndarray], place: Place, slope: Slope
    ) -> None:
        self.names, self.arrays, self.place, self.slope = list(names), arrays, place, slope
        self.output = self.names.index("y" if "y" in self.names else "logits")
        self.shape = arrays[self.output].shape
        self.letters = letters_for(self.shape, place.rows, "kjlm")
        self.running = tuple(x for x in self.letters if isinstance(x, Symbol))

    def element(self, index: Index | None = None) -> Expression:
        """An output's symbol."""
        return self.place.inputs[self.output](self.letters if index is None else index)

    def target(self) -> Expression:
        """The symbol of its target."""
        return self.place.inputs[self.names.index("t")](self.letters)

    def said(
        self,
        coefficients: np.ndarray,
        error: Expression,
        derivative: Expression,
        *,
        times: int = 1,
        derived: Mapping[Symbol, np.ndarray] = MappingProxyType({}),
        before: tuple[Equation, ...] = (),
        errors: tuple[Symbol, ...] | None = None,
    ) -> Saying:
        """``Σ c e`` with the derivative ``c e'``; equal coefficients stand in front as ``1/N``.

        ``e'`` is ``times · derivative``; ``errors`` are the letters that the sum of errors runs
        over.
        """
        letters = self.running if errors is None else errors
        symbol, known = _coefficient(coefficients, letters)
        if symbol is None:
            common = float(coefficients.reshape(-1)[0])
            value = product(_share(1, common), summed(error, letters))
            factor = product(_share(times, common), derivative)
        else:
            value = summed(product(symbol, error), letters)
            factor = product(Number(times), symbol, derivative)
        sizes = {
            letter: size
            for letter, size in zip(self.letters, self.shape, strict=True)
            if isinstance(letter, Symbol)
        }
        everything = {**derived, **known}
        occurrences: list[tuple[Occurrence, ...] | None] = [None] * len(self.names)
        occurrences[self.output] = (Occurrence(self.letters, factor),)
        return Saying((), value, tuple(occurrences), sizes, lambda arrays: everything, before)


def _coefficient(
    coefficients: np.ndarray, letters: tuple[Symbol, ...]
) -> tuple[Symbol | None, dict[Symbol, np.ndarray]]:
    """A symbol for how much each error counts, with no more letters than it needs."""
    found = np.squeeze(coefficients)
    while found.ndim and np.allclose(found, found[..., :1], rtol=1e-9, atol=0):
        found = found[..., 0]
    if found.ndim == 0:
        return None, {}
    return Symbol("c", indices=letters[: found.ndim]), {Symbol("c"): found}


def _share(times: int, common: float) -> Expression:
    """``times · common``, as a fraction where ``common`` is one over a whole number."""
    below = round(1 / common) if common else 0
    if not below or abs(below * common - 1) > EXACT:
        return product(Number(times), number(common))
    whole = Number(abs(times)) if below == 1 else Divide(Number(abs(times)), Number(below))
    return whole if times > 0 else negated(whole)


# ---------------------------------------------------------------------- regression
def _mse(loss: Loss) -> Saying:
    y, t = loss.element(), loss.target()
    of_target = loss.arrays[loss.names.index("t")]
    coefficients = loss.slope(of_target + 1.0) / 2
    difference = total(t, negated(y))
    return loss.said(coefficients, Power(difference, Number(2)), difference, times=-2)


def _mae(loss: Loss) -> Saying:
    y, t = loss.element(), loss.target()
    coefficients = loss.slope(loss.arrays[loss.names.index("t")] + 1.0)
    difference = total(t, negated(y))
    error, slope = Apply("abs", (difference,)), Apply("sign", (difference,))
    return loss.said(coefficients, error, slope, times=-1)


def _huber(loss: Loss) -> Saying:
    y, t = loss.element(), loss.target()
    of_target = loss.arrays[loss.names.index("t")]
    small = 1e-6
    coefficients = loss.slope(of_target + small) / small
    heavy = np.unravel_index(int(coefficients.argmax()), coefficients.shape)
    height = loss.slope(of_target + 1e6)[heavy] / coefficients[heavy]
    limit = number(round(float(height), 9))
    difference = total(t, negated(y))
    size = Apply("abs", (difference,))
    near = Compare("<=", size, limit)
    squared = product(Divide(ONE, Number(2)), Power(difference, Number(2)))
    half = Number(limit.value / 2)
    straight = product(limit, total(size, Negative(half)))
    outside = negated(product(limit, Apply("sign", (difference,))))
    return loss.said(
        coefficients,
        Cases((near,), (squared, straight)),
        Cases((near,), (negated(difference), outside)),
    )


# ---------------------------------------------------------------------- classification
def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _cross_entropy(loss: Loss) -> Saying:
    level = np.zeros(loss.shape)
    peak = level.copy()
    peak[..., 0] = FAR
    first, second = loss.slope(level), loss.slope(peak)
    p_first, p_second = _softmax(level), _softmax(peak)
    row = (second - first)[..., 0] / (p_second - p_first)[..., 0]
    counts = np.where(row == 0, 1, row)[..., None]
    target = np.where(row[..., None] == 0, p_first, p_first - first / counts)
    target = _cleaned(target)
    letters = tuple(letter for letter in loss.letters[:-1] if isinstance(letter, Symbol))
    p, q = _own(loss, "p"), _own(loss, _target_name(loss, target))
    last = loss.letters[-1]
    assert isinstance(last, Symbol)
    error = negated(summed(product(q, Apply("log", (p,))), (last,)))
    probabilities = _softmax(loss.arrays[loss.output])
    derived = {_bare(p): probabilities, _bare(q): target}
    inner = Symbol("i")
    exponentials = summed(Apply("exp", (loss.element((*loss.letters[:-1], inner)),)), (inner,))
    shares = Divide(Apply("exp", (loss.element(),)), exponentials)
    before = (Equation((p, shares)),)
    slope = total(p, negated(q))
    said = loss.said(row, error, slope, derived=derived, before=before, errors=letters)
    sizes = {**said.sizes, inner: loss.shape[-1]}
    return replace(said, sizes=sizes)


def _binary_cross_entropy(loss: Loss) -> Saying:
    level = np.zeros(loss.shape)
    first, second = loss.slope(level), loss.slope(level + FAR)
    counts = 2 * (second - first)
    safe = np.where(counts == 0, 1, counts)
    target = _cleaned(np.where(counts == 0, 0.5, 0.5 - first / safe))
    p, q = _own(loss, "p"), _own(loss, _target_name(loss, target))
    probabilities = np.exp(-np.logaddexp(0, -loss.arrays[loss.output]))
    derived = {_bare(p): probabilities, _bare(q): target}
    yes = negated(product(q, Apply("log", (p,))))
    no = negated(product(total(ONE, negated(q)), Apply("log", (total(ONE, negated(p)),))))
    before = (Equation((p, Apply("sigmoid", (loss.element(),)))),)
    return loss.said(counts, total(yes, no), total(p, negated(q)), derived=derived, before=before)


def _own(loss: Loss, name: str) -> Symbol:
    return Symbol(name, indices=loss.running)


def _bare(symbol: Expression) -> Symbol:
    assert isinstance(symbol, Symbol)
    return Symbol(symbol.name)


def _target_name(loss: Loss, target: np.ndarray) -> str:
    """``t`` if the target is what was given, one-hot or as numbers; else ``q``."""
    given = loss.arrays[loss.names.index("t")]
    if given.shape != target.shape:
        given = np.eye(target.shape[-1])[given.astype(int)]
    return "t" if np.allclose(given, target, rtol=1e-9, atol=1e-9) else "q"


def _cleaned(target: np.ndarray) -> np.ndarray:
    """Zeros and ones that came out of a division are whole again."""
    nearest = np.rint(target)
    return np.where(np.abs(target - nearest) < 1e-12, nearest, target)


#: What is said of each loss.
LOSSES: Mapping[str, Callable[[Loss], Saying]] = MappingProxyType(
    {
        "mse": _mse,
        "mae": _mae,
        "huber": _huber,
        "cross_entropy": _cross_entropy,
        "binary_cross_entropy": _binary_cross_entropy,
    }
)
