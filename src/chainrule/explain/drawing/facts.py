"""What a drawing says about a function: names, numbers and tooltips, in one language."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chainrule import words
from chainrule.explain.drawing.svg import SMALL, text_width
from chainrule.explain.formulas import Expression, Number, Symbol, to_text
from chainrule.explain.formulas.arrays import as_formula, is_small, shape_text
from chainrule.explain.walking.naming import element_of, names_of
from chainrule.explain.walking.passing import Passed, passed
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough

__all__ = ["DIGITS", "Facts", "norm", "number"]

#: The digits of a number in a drawing.
DIGITS = 3
#: An array with a longer text is told by its shape and length.
LONGEST = 20


@dataclass(frozen=True, eq=False)
class Facts:
    """A walkthrough, and what of it is shown.

    Attributes
    ----------
    walk
        The function.
    steps
        What is drawn of it.
    outputs
        What comes out: the cost, or what the model returns.
    shows_values, shows_gradients
        Whether there are numbers; without them only the structure is drawn.
    row
        The row of a batch whose neurons are drawn.
    lang
        The language.
    """

    walk: Walkthrough
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]
    shows_values: bool
    shows_gradients: bool
    row: int
    lang: str

    @cached_property
    def symbols(self) -> dict[Value, Symbol]:
        """The names."""
        return names_of(self.walk)

    @cached_property
    def _pieces(self) -> dict[Step, tuple[Passed, ...]]:
        return {step: passed(step) for step in self.steps} if self.shows_gradients else {}

    # ------------------------------------------------------------------ names
    def name(self, value: Value) -> str:
        """A value's symbol as text; a constant is its number."""
        return to_text(self.symbol(value), DIGITS)

    def symbol(self, value: Value) -> Expression:
        """A value's symbol."""
        found = self.symbols.get(value)
        return as_formula(value.array) if found is None else found

    def element(self, value: Value, place: tuple[int, ...]) -> str:
        """The symbol of one element: ``w¹₃₁``."""
        return to_text(element_of(self.symbols[value], place))

    def say(self, key: str, **values: object) -> str:
        """A message in the drawing's language."""
        return words.text(key, self.lang, **values)

    # ------------------------------------------------------------------ numbers
    def piece(self, step: Step, place: int) -> Passed | None:
        """What a step passes back to one of its inputs."""
        return next((p for p in self._pieces.get(step, ()) if p.place == place), None)

    def short(self, array: np.ndarray) -> str:
        """The numbers of a small array, of a larger one shape and length."""
        if is_small(array):
            text = to_text(as_formula(array), DIGITS)
            if len(text) <= LONGEST:
                return text
        return f"{shape_text(array.shape)}, ‖·‖ {norm(array)}"

    def hints(self, value: Value) -> list[str]:
        """All about a value, for the pointer."""
        name = self.name(value)
        lines = [value.path, f"{name}: {shape_text(value.shape)}" if value.shape else ""]
        if self.shows_values:
            lines.append(f"{name} = {self.short(value.array)}")
        if self.shows_gradients and value.gradient is not None:
            lines.append(f"∂J/∂{name} = {self.short(value.gradient)}")
        return [line for line in lines if line]


def number(value: float | np.generic | np.ndarray, room: float = np.inf) -> str:
    """A number as drawings write it, with fewer digits where there is little room.

    Examples
    --------
    >>> from chainrule.explain.drawing.facts import number
    >>> number(0.123456), number(-2.0)
    ('0.123', '−2')
    """
    plain = np.asarray(value).item()
    exact = Number(int(plain) if isinstance(plain, bool) else plain)
    texts = [to_text(exact, digits) for digits in range(DIGITS, 0, -1)]
    return next((text for text in texts if text_width(text, SMALL) <= room), texts[-1])


def norm(array: np.ndarray) -> str:
    """The root of the sum of squares."""
    return number(float(np.linalg.norm(array.astype(np.float64).reshape(-1))))
