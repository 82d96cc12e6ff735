"""Claims about shapes: of a formula, and of the Jacobian of ``f: Rⁿ → Rᵐ``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.errors import FormulaError
from chainrule.explain.claims.decide import Truth
from chainrule.explain.claims.given import Formula, Given, problem_of
from chainrule.explain.claims.points import trial_of
from chainrule.explain.claims.problem import Problem
from chainrule.explain.claims.reading import read_mapping, read_shape
from chainrule.explain.claims.sizes import Sizes
from chainrule.explain.formulas.tree import Expression, Matrix, Number, Symbol

__all__ = ["ShapeFinding", "mapping_of", "of_formula", "of_mapping"]


@dataclass(frozen=True)
class ShapeFinding:
    """A claimed shape and the true one.

    Attributes
    ----------
    claimed, true
        Sizes, as they are called.
    function
        A function for which the claim would be right, as text.
    """

    claimed: tuple[str | int, ...]
    true: tuple[str | int, ...]
    function: str = ""

    @property
    def right(self) -> bool:
        """Whether they are the same."""
        return self.claimed == self.true

    @property
    def mended(self) -> Expression:
        """The true shape as a formula."""
        sizes = tuple(Number(s) if isinstance(s, int) else Symbol(s) for s in self.true)
        return Matrix((sizes,)) if sizes else Number(1)


def mapping_of(function: object) -> tuple[str, tuple[str | int, ...], tuple[str | int, ...]] | None:
    """What ``f: Rⁿ → Rᵐ`` says, if it is that."""
    return read_mapping(function) if isinstance(function, str) else None


def of_mapping(function: str, claim: Formula) -> ShapeFinding:
    """The Jacobian of a mapping has a row for every output and a column for every input."""
    mapping = read_mapping(function)
    assert mapping is not None
    name, domain, image = mapping
    claimed = read_shape(_text(claim))
    mended = ""
    if len(claimed) == 2 and len(domain) <= 1 and len(image) <= 1:
        rows, columns = claimed
        mended = f"{name}: R^{columns} -> R^{rows}"
        if function.strip().startswith(("jacobian", "Jacobian")):
            mended = f"jacobian({mended})"
    return ShapeFinding(claimed, (*image, *domain), mended)


def of_formula(given: Given, claim: Formula, rng: np.random.Generator) -> ShapeFinding:
    """The shape of a formula, with sizes called as they were declared."""
    claimed = read_shape(_text(claim))
    problem = problem_of(given)
    truth_of = Truth(problem, rng)
    shapes = []
    for way in range(3):
        trial = trial_of(problem, way, 1, rng, truth_of)
        lead = trial.situation.layout.lead
        letters = sorted(problem.wanted)
        free = [trial.situation.extents[letter] for letter in letters]
        shapes.append((*free, *trial.truth.array.shape[lead:]))
    names = {size for size in claimed if isinstance(size, str)}
    unknown = [name for name in names if ("size", name) not in problem.sizes.parent]
    if unknown:
        known = sorted(problem.counts)
        raise FormulaError("claims.unknown_size", part=unknown[0], known=", ".join(known))
    return ShapeFinding(claimed, _called(problem, shapes, claimed))


def _called(
    problem: Problem, shapes: Sequence[tuple[int, ...]], claimed: Sequence[str | int]
) -> tuple[str | int, ...]:
    """Sizes by their names: those that agree in every way to choose sizes."""
    sizes: Sizes = problem.sizes
    numbers = [sizes.numbers(way) for way in range(3)]
    found: list[str | int] = []
    preferred = [size for size in claimed if isinstance(size, str)]
    for axis, values in enumerate(zip(*shapes, strict=True)):
        names = [*preferred, *sorted(problem.counts)]
        if axis < len(claimed) and isinstance(claimed[axis], str):
            names.insert(0, str(claimed[axis]))
        fitting = (
            name for name in names
            if tuple(each[sizes.root(("size", name))] for each in numbers) == values
        )  # fmt: skip
        found.append(next(fitting, values[0]))
    return tuple(found)


def _text(claim: Formula) -> str:
    if not isinstance(claim, str):
        raise FormulaError("claims.shape_as_text")
    return claim
