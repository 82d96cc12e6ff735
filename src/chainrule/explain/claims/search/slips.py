"""Around the search: left sides of equations, and edits as they are told."""

from collections.abc import Iterator, Mapping

from chainrule.explain.claims.problem import Problem
from chainrule.explain.claims.search.edit import Edit as Slip
from chainrule.explain.claims.search.materials import Materials
from chainrule.explain.claims.verdict import Edit
from chainrule.explain.formulas.tree import Apply, Expression, Partial, Symbol

__all__ = ["as_edit", "left_sides", "undrawn"]


def as_edit(slip: Slip) -> Edit:
    """An edit of the search as it is told to the user."""
    return Edit(slip.kind, slip.old, slip.new, slip.said)


def left_sides(problem: Problem, materials: Materials) -> Iterator[Partial]:
    """Other derivatives that an equation may begin with, first those of the function itself."""
    target = problem.target
    if not isinstance(target, Partial):
        return
    seen: list[Partial] = []
    starts = [target]
    has_name = not problem.function.key.startswith("_")
    if has_name and not _is_of(target, problem.function):
        starts.append(Partial(problem.function, target.by, target.total))
    for start in starts:
        for other in (start, *materials.partials(start)):
            if other != target and other not in seen and other.of != other.by:
                seen.append(other)
    own = [one for one in seen if _is_of(one, problem.function)]
    yield from [*own, *(one for one in seen if one not in own)]


def _is_of(partial: Partial, function: Symbol) -> bool:
    return isinstance(partial.of, Symbol) and partial.of.key == function.key


def undrawn(formula: Expression, draws: Mapping[str, Apply | None]) -> Expression:
    """The formula with ``randn(…)`` where a symbol stood for it."""
    if isinstance(formula, Symbol):
        call = draws.get(formula.key)
        return formula if call is None else call
    if not formula.children:
        return formula
    return formula.with_children([undrawn(child, draws) for child in formula.children])
