"""What is said about a claim: right, right under a condition, or wrong, and what makes it right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule import words
from chainrule.explain.claims.counterexample import Counterexample
from chainrule.explain.claims.sentences import (
    CONDITIONS,
    EDITS,
    MENDS,
    PROOFS,
    STATUSES,
    TRUTHS,
)
from chainrule.explain.document import Code, Document, Documented, Formula, Items, Prose, Strong
from chainrule.explain.document.blocks import Block, Inline
from chainrule.explain.formulas import to_text
from chainrule.explain.formulas.tree import Equation, Expression, Number, Symbol

__all__ = ["Condition", "Edit", "Verdict"]

#: How many numbers of a vector are written out.
SHOWN = 3


@dataclass(frozen=True)
class Edit:
    """One change that helps to make a claim right.

    Attributes
    ----------
    kind
        What kind of slip it mends: ``"symbol"``, ``"sign"``, ``"missing sum"``, …
    before, after
        The part as it was claimed, and as it shall be.
    about
        The symbol or the factor in question, where there is one.
    """

    kind: str
    before: Expression
    after: Expression
    about: Expression | None = None

    @property
    def sentence(self) -> str:
        """What to change, in the language that is set."""
        return " ".join(map(str, _plain(self.said(None))))

    def said(self, lang: str | None) -> Prose:
        """What to change, as a part of a document."""
        about = self.about if self.about is not None else self.after
        fields = {"before": self.before, "after": self.after, "about": about}
        return Prose.say(EDITS[self.kind], lang, **fields)


@dataclass(frozen=True)
class Condition:
    """A condition under which a claim holds: a formula, or a way to read the claim."""

    formula: Expression | None = None
    key: str = ""

    def said(self, lang: str | None) -> tuple[Inline, ...]:
        """Its parts, to be put into a sentence."""
        if self.formula is not None:
            return (self.formula,)
        return (words.text(CONDITIONS[self.key], lang),)

    def __str__(self) -> str:
        return (
            to_text(self.formula)
            if self.formula is not None
            else "".join(map(str, self.said(None)))
        )


@dataclass(frozen=True)
class Verdict(Documented):
    """The answer to a claim; true in an ``if`` unless the claim is wrong.

    Attributes
    ----------
    status
        ``"right"``, ``"conditional"`` or ``"wrong"``.
    about
        ``"derivative"``, ``"value"``, ``"variance"`` or ``"shape"``.
    conditions
        Under which it is right; formulas such as ``z ≠ 0`` or sentences.
    counterexample
        A point at which the claim fails, with both numbers.
    mend
        The whole claim as it is right; ``None`` if no small edit makes it right.
    mended
        The same in the syntax of the claim.
    edits
        What was changed for that.
    alternatives
        Other mends of the same size.
    mended_function
        A function for which the claim would be right, where the mistake may be there.
    proof
        ``"symbolic"``, ``"rule"``, ``"sampled"``, or at how many random points it was tried.
    """

    status: str
    about: str
    conditions: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    mend: Expression | None = None
    mended: str = ""
    edits: tuple[Edit, ...] = ()
    alternatives: tuple[Expression, ...] = ()
    mended_function: str = ""
    proof: str | int = 0
    said_conditions: tuple[Condition, ...] = field(default=(), repr=False)
    notes: tuple[tuple[str, tuple[tuple[str, object], ...]], ...] = field(default=(), repr=False)
    function_edits: tuple[Edit, ...] = field(default=(), repr=False)
    lang: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self.status != "wrong"

    def __str__(self) -> str:
        return self.to_text()

    def document(self, lang: str | None = None) -> Document:
        """The verdict in words, in a language; by default that of the check."""
        lang = lang or self.lang
        return Document(list(self._blocks(lang)), lang=lang)

    def _blocks(self, lang: str | None) -> Iterator[Block]:
        head: list[Inline] = [Strong(words.text(STATUSES[self.status], lang))]
        if self.said_conditions:
            head.append(" ")
            head += _joined("claims.where", "conditions", lang, self.said_conditions)
        if self.counterexample is not None:
            head += [" ", *self._compared(self.counterexample, lang)]
        yield Prose(*head)
        for key, values in self.notes:
            yield Prose.say(key, lang, **dict(values))
        yield from self._mends(lang)
        yield Prose(self._proven(lang))

    def _compared(self, at: Counterexample, lang: str | None) -> Sequence[Inline]:
        key = "claims.at_point" if np.isfinite(at.claimed) else "claims.at_point_nothing"
        element = ""
        if at.element:
            named = [f"{name} = {position}" if name else str(position)
                     for name, position in at.element]  # fmt: skip
            element = words.text("claims.at_element", lang, element=", ".join(named))
        what = words.text(TRUTHS[self.about], lang)
        mark = "\x01"
        text = words.text(
            key, lang, point=mark, claimed=_number(at.claimed), true=_number(at.true),
            what=what, element=element,
        )  # fmt: skip
        before, _, after = text.partition(mark)
        return (before, *_point(at), after)

    def _mends(self, lang: str | None) -> Iterator[Block]:
        if self.mend is not None:
            intro = words.text(MENDS[len(self.edits)], lang)
            yield from _explained(intro, self.edits, lang)
            yield Formula(self.mend)
            if self.alternatives:
                yield Prose(words.text("claims.alternatives", lang))
                for other in self.alternatives:
                    yield Formula(other)
        elif self.status == "wrong" and not self.mended_function:
            yield Prose(words.text("claims.no_mend", lang))
        if self.mended_function:
            yield from _explained(
                words.text("claims.mended_function", lang), self.function_edits, lang
            )
            yield Prose(Code(self.mended_function))

    def _proven(self, lang: str | None) -> str:
        if isinstance(self.proof, int):
            return words.text("claims.proof_points", lang, count=self.proof)
        return words.text(PROOFS[self.proof], lang)


def _explained(intro: str, edits: Sequence[Edit], lang: str | None) -> Iterator[Block]:
    """What is mended, and each edit: one goes on in the line, more are a list."""
    if len(edits) == 1:
        yield Prose(intro, " ", *edits[0].said(lang).parts)
        return
    yield Prose(intro)
    if edits:
        yield Items([edit.said(lang) for edit in edits], numbered=True)


def _joined(
    key: str, field_name: str, lang: str | None, conditions: Sequence[Condition]
) -> Sequence[Inline]:
    """A sentence with a list of conditions in the place of a field."""
    mark = "\x01"
    before, _, after = words.text(key, lang, **{field_name: mark}).partition(mark)
    parts: list[Inline] = [before]
    for position, condition in enumerate(conditions):
        if position:
            parts.append(words.text("claims.and", lang))
        parts += condition.said(lang)
    return [*parts, after]


def _point(at: Counterexample) -> Iterator[Inline]:
    """``w = 1.3, x = (0.4, 2.1, …)``."""
    for position, (key, value) in enumerate(at.values.items()):
        if position:
            yield ", "
        symbol = at.symbols.get(key, Symbol(key))
        if np.ndim(value) == 0:
            yield Equation((symbol, Number(_rounded(float(value)))))
        else:
            yield symbol
            yield f" = {_array(np.asarray(value))}"


def _array(array: np.ndarray) -> str:
    shown = [_array(row) if row.ndim else _number(float(row)) for row in array[:SHOWN]]
    return "(" + ", ".join(shown + ["…"] * (len(array) > SHOWN)) + ")"


def _number(x: float) -> str:
    return to_text(Number(_rounded(x))) if np.isfinite(x) else "–"


def _rounded(x: float) -> float | int:
    rounded = float(f"{x:.4g}") if np.isfinite(x) else x
    return int(rounded) if np.isfinite(rounded) and rounded == int(rounded) else rounded


def _plain(prose: Prose) -> Iterator[str]:
    text = ""
    for part in prose.parts:
        if isinstance(part, Expression):
            text += to_text(part)
        else:
            text += part if isinstance(part, str) else part.text
    yield text
