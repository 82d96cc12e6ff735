"""Which symbol is meant: what of a name is a label, a layer, an index.

A name that is declared is read as it was declared. Otherwise:

* **Below.** ``i``, ``j``, ``k``, ``l`` (and ``m`` beside one of them) and every letter that a ``Σ``
  runs over are indices: ``x_ij``, ``p_c`` beside ``Σ_c``. On a symbol with axes, as many letters or
  digits as it has axes are indices, too. Digits on a symbol without are part of its name
  (``W_1``), as are words (``W_hh``, ``n_in``) and ``t`` (``h_t``, ``h_{t-1}``). ``δ_ij`` is 1
  where i = j.
* **Above.** A number is a power. It is a layer's number if that name is declared, if it is 1
  (``w¹``: no one writes that power), if another symbol of the formula with that letter has a 1
  there, or if digits below follow it (``w²₃₁``; but ``w₃₁²`` is a square). In parentheses it is a
  label: ``w^(1)``; an index letter in parentheses is the first index: ``x^(i)``.
* **Letters.** ``y_hat``, ``yhat`` and ``ŷ`` are one symbol, as are ``w1``, ``w_1`` and ``W₁``.

Indices count from one, as on paper; Python's count from zero and are moved when they are read.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from chainrule.explain.claims.reading.letters import LOWERED, RAISED, composed, letter, spelled
from chainrule.explain.formulas.names import GREEK
from chainrule.explain.formulas.tree import Add, Dots, Expression, Negative, Number, Symbol

__all__ = ["Known", "Names", "Shape", "declared", "index", "named", "segments"]

#: The sizes of the axes; ``None`` is a size that nobody said.
Shape = tuple[str | int | None, ...]

#: Declared names and their shapes, number of axes, or ``None`` if nothing is known of these.
Known = Mapping[str, "Sequence[str | int | None] | int | None"]

#: The most letters that are read as a product without spaces.
LONGEST = 24
#: Greek letters as they are cut short where ``lambda`` is a word of the language.
SHORTENED = frozenset(("lam", "eps"))
INDEX_LETTERS = frozenset("ijkl")
_ACCENTED = re.compile(
    rf"([A-Za-z]|{'|'.join(sorted(GREEK, key=len, reverse=True))})_?(hat|bar|tilde)"
)
_NUMBERED = re.compile(r"([A-Za-z]+?)([0-9]+)")
_SCRIPTED = re.compile(r"([_^])(\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\]|[A-Za-z0-9]+)")
_RAISED = re.compile(f"[{re.escape(''.join(RAISED))}]+")
_LOWERED = re.compile(f"[{re.escape(''.join(LOWERED))}]+")
_INDEX = re.compile(r"([A-Za-z]|\d+)(?:([+-])([A-Za-z]|\d+))?")


@dataclass(slots=True)
class Names:
    """The names of one formula: those declared outside of it, and what it says itself.

    Attributes
    ----------
    shapes
        Declared names (:attr:`Symbol.key`) and their shapes.
    complete
        Whether every array is declared, so that everything else is a number.
    bound
        The letters that a ``Σ`` of the formula runs over.
    layered
        The letters whose superscripts are layers' numbers.
    loose
        Names that the formula itself shows to be such: a letter that stands alone, what a
        formula defines, what a ``∂`` stands before.
    """

    shapes: dict[str, Shape | None] = field(default_factory=dict)
    complete: bool = False
    bound: set[str] = field(default_factory=set)
    layered: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    _words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, known: Known | None) -> "Names":
        """The names that somebody declared; ``None`` if nobody did."""
        shapes = {declared(name).key: _shape(axes) for name, axes in (known or {}).items()}
        for size in {size for shape in shapes.values() for size in shape or ()}:
            if isinstance(size, str):
                shapes.setdefault(declared(size).key, ())
        layered = {Symbol(declared(name).name).key for name in known or () if declared(name).layer}
        return cls(shapes, known is not None, layered=layered)

    def declares(self, symbol: Symbol) -> bool:
        """Whether this very name, apart from indices, was declared."""
        return symbol.key in self.shapes

    def has(self, word: str) -> bool:
        """Whether a word is declared, so that it is nothing else: no function, no d, no e."""
        return named(word).key in self.shapes

    def is_name(self, word: str) -> bool:
        """Whether a word is one name and no row of them."""
        return self.has(word) or word in self.loose or word in SHORTENED

    def shape(self, symbol: Symbol) -> Shape | None:
        """The shape of a symbol with its indices; ``None`` if it is not known."""
        if symbol.key in self.shapes:
            whole = self.shapes[symbol.key]
            if whole is None:
                return () if symbol.indices else None
            picked = zip(whole, symbol.indices, strict=False)
            kept = [size for size, index in picked if isinstance(index, Dots)]
            return (*kept, *whole[len(symbol.indices) :])
        return () if self.complete or symbol.indices else None

    def identifier(self, word: str) -> Symbol:
        """The symbol of a name in Python: ``x_ij``, ``y_hat_i``, ``learning_rate``, ``lambda_``."""
        first, *parts = word.strip("_").split("_") or [word]
        symbol = named(first or word)
        for part in filter(None, parts):
            symbol = self.below(symbol, part)
        return symbol

    def below(self, base: Symbol, text: str, upright: bool = False) -> Symbol:
        """The symbol with an accent that is spelled out, or with what stands below."""
        if text in ("hat", "bar", "tilde") and not base.accent and not base.indices:
            return replace(base, accent=text)
        return self.lowered(base, text, upright)

    def row(self, word: str) -> list[str] | None:
        """The names that a word is a row of; ``None`` if it is none."""
        if not self._words:
            keys = {key.replace("_", "") for key in self.shapes if "^" not in key}
            self._words = frozenset(keys | self.loose | SHORTENED | {*GREEK})
        return segments(word, self._words)

    def raised(self, base: Symbol, text: str, digits_follow: bool) -> Symbol | None:
        """The symbol with a label above, or ``None`` if the superscript is a power."""
        labelled = replace(base, layer=base.layer + text)
        if self.declares(labelled) or (text.startswith("[") and text.endswith("]")):
            return labelled
        if text.startswith("(") and text.endswith(")"):
            inner = text[1:-1]
            if inner in INDEX_LETTERS | self.bound:
                return replace(base, indices=(*base.indices, Symbol(inner)))
            return labelled if re.fullmatch(r"\d+|[a-zA-Z]([+-]\d+)?", inner) else None
        if not text.isdigit() or self.declares(base):
            return None
        layered = text == "1" or base.name in self.layered or (digits_follow and not base.indices)
        return labelled if layered else None

    def lowered(self, base: Symbol, text: str, upright: bool = False) -> Symbol:
        """The symbol with what stands below: an index or more, or a part of its name."""
        labelled = replace(base, label=f"{base.label}_{text}" if base.label else text)
        if self.declares(labelled):
            return labelled
        found = None if upright else self._indices(base, text)
        return labelled if found is None else replace(base, indices=(*base.indices, *found))

    def picked(self, text: str, first: int = 1) -> tuple[Expression, ...] | None:
        """What picks an element of a formula that is no symbol, counted from ``first``."""
        units = _units(text, None, layered=False)
        if all(len(unit) == 1 and unit.isalpha() for unit in units) and len(units) > 1:
            units = units if set(units) <= INDEX_LETTERS | self.bound | {"m", "n"} else [text]
        found = [index(unit, first) for unit in units]
        return None if None in found else tuple(each for each in found if each is not None)

    def _indices(self, base: Symbol, text: str) -> tuple[Expression, ...] | None:
        shape = self.shapes.get(base.key)
        free = None if not shape else len(shape) - len(base.indices)
        units = _units(text, free, layered=bool(base.layer))
        if not units or (free is not None and len(units) > free):
            return None
        letters = re.findall(r"[A-Za-z]", "".join(units))
        sure = INDEX_LETTERS | self.bound
        if free is None:
            strong = [each for each in letters if each in sure]
            if any(each not in sure and not (each == "m" and strong) for each in letters):
                return None
            if not letters and not base.layer and "," not in text:
                return None
        found = [index(unit) for unit in units]
        return None if None in found else tuple(each for each in found if each is not None)


def index(text: str, first: int = 1) -> Expression | None:
    """An index: ``i``, ``3``, ``i+1``, ``:``; ``None`` if it is something else.

    Numbers are counted from ``first`` in the text, and from one in the formula.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.names import index
    >>> index("i"), index("hh")
    (Symbol(name='i', accent='', layer='', label='', indices=()), None)
    """
    if text in (":", "·", "*", "•"):
        return Dots()
    found = _INDEX.fullmatch(text)
    if not found:
        return None
    head, sign, second = found.groups()
    if not sign:
        return Number(int(head) + 1 - first) if head.isdigit() else Symbol(head)
    return Add((_unit(head), Negative(_unit(second)) if sign == "-" else _unit(second)))


@cache
def named(word: str) -> Symbol:
    """The symbol of one word without scripts: ``yhat``, ``w1``, ``ŷ``, ``alpha``, ``loss``."""
    if found := _ACCENTED.fullmatch(word):
        return Symbol(found[1], accent=found[2])
    if found := _NUMBERED.fullmatch(word):
        return Symbol(found[1], label=found[2])
    if len(word) == 1:
        name, accent = letter(word)
        return Symbol(name, accent=accent)
    if len(word) == 2 and letter(word)[1]:  # an accent that Unicode has no single character for
        name, accent = letter(word)
        return Symbol(name, accent=accent)
    return Symbol(word)


@cache
def declared(text: str) -> Symbol:
    r"""The symbol that a declaration names; what stands below is always part of the name.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.names import declared
    >>> [declared(text).key for text in ("ŷ", "y_hat", "W_hh", "z²", "z^2", r"\hat{y}", "h_{t-1}")]
    ['y_hat', 'y_hat', 'W_hh', 'z^2', 'z^2', 'y_hat', 'h_t-1']
    """
    plain = _plain(text)
    start = re.match(r"[^_^\s]+", plain)
    symbol = named(start[0] if start else plain)
    for mark, content in _SCRIPTED.findall(plain):
        bare = content[1:-1] if content.startswith("{") else content
        if mark == "^":
            symbol = replace(symbol, layer=symbol.layer + bare)
        elif bare in ("hat", "bar", "tilde") and not symbol.accent:
            symbol = replace(symbol, accent=bare)
        else:
            symbol = replace(symbol, label=f"{symbol.label}_{bare}" if symbol.label else bare)
    return symbol


def _plain(text: str) -> str:
    """A name with ``^`` and ``_`` for every script, without the commands of LaTeX."""
    text = re.sub(r"\\(hat|bar|tilde)\s*\{?\\?([A-Za-z]+)\}?", r"\2_\1", composed(text).strip())
    text = re.sub(r"\\(?:mathbf|mathrm|text|mathit|boldsymbol|bm)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\([A-Za-z]+)\s*", r"\1", text)
    text = _RAISED.sub(lambda found: f"^{{{spelled(found[0])}}}", text)
    text = _LOWERED.sub(lambda found: f"_{{{spelled(found[0])}}}", text)
    head = re.match(r"[^_^\s]+", text)
    start = head.end() if head else 0
    first = letter(text[:start])[0] if start == 1 and not letter(text[0])[1] else text[:start]
    return first + spelled(text[start:])


def _shape(axes: Sequence[str | int | None] | int | None) -> Shape | None:
    if isinstance(axes, int):
        return (None,) * axes
    if isinstance(axes, str):
        return tuple(part.strip() for part in axes.split(",") if part.strip())
    return None if axes is None else tuple(axes)


def _units(text: str, free: int | None, layered: bool) -> list[str]:
    """What stands below, index by index."""
    if "," in text:
        return text.split(",")
    if not re.fullmatch(r"[A-Za-z0-9]+", text):
        return [text]
    if text.isdigit() and not layered and (free is None or len(text) != free):
        return [text]
    return list(text)


def _unit(text: str) -> Expression:
    return Number(int(text)) if text.isdigit() else Symbol(text)


def segments(word: str, names: Collection[str]) -> list[str] | None:
    """A word as a row of names, as few as possible; ``None`` if it is none, or too long.

    Examples
    --------
    >>> from chainrule.explain.claims.reading.names import segments
    >>> segments("wx", ["w", "x"]), segments("ab", ["a"])
    (['w', 'x'], None)
    """
    if len(word) > LONGEST:
        return None
    found: list[list[str] | None] = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            before, best = found[start], found[end]
            if before is None or word[start:end] not in names:
                continue
            if best is None or len(before) + 1 < len(best):
                found[end] = [*before, word[start:end]]
    return found[-1]
