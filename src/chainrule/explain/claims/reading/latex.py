r"""The tokens of a formula in LaTeX.

Fonts, spaces and the sizes of brackets say nothing and are dropped; ``\mathrm{in}`` and
``\text{in}`` are one word. What LaTeX sets small without braces is one sign: ``x^23`` is ``x²·3``
and ``w_ij`` is ``w_i·j``, as it looks in print.
"""

import re

from chainrule.errors import suggest
from chainrule.explain.claims.reading.functions import FUNCTIONS
from chainrule.explain.claims.reading.problems import LEVELS, unreadable
from chainrule.explain.claims.reading.text import Lexer
from chainrule.explain.claims.reading.tokens import Token
from chainrule.explain.formulas.names import GREEK

__all__ = ["latex_tokens"]

_COMMAND = re.compile(r"\\([A-Za-z]+\*?|.)", re.DOTALL)
_LETTERS = re.compile(r"[A-Za-z]+")
_WORDS = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)((?:\\?_[A-Za-z0-9]+)*)\s*")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+\*?)\}")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FONTS = _set(
    "mathbf boldsymbol bm mathit mathsf mathcal mathscr mathfrak mathbb mathbbm mathds "
    "mathop vec underline boldmath mathnormal bf rm it"
)
_WORD_FONTS = _set("mathrm text textrm textit textbf operatorname operatorname* mbox")
_ACCENTS = {
    "hat": "hat", "widehat": "hat", "bar": "bar", "overline": "bar", "tilde": "tilde",
    "widetilde": "tilde",
}  # fmt: skip
_FRACTIONS = _set("frac dfrac tfrac cfrac")
_WORDS_OF = {
    **{name: name for name in GREEK},
    **{f"var{name}": name for name in ("epsilon", "theta", "phi", "rho", "sigma", "pi", "kappa")},
    **{name: name for name in _set("exp log ln sin cos tan tanh sinh cosh max min sum prod")},
    "ell": "l", "top": "T", "intercal": "T",
}  # fmt: skip
_SIGNS = {
    "cdot": "·", "times": "×", "odot": "⊙", "circ": "⊙", "ast": "*", "div": "/", "bullet": "·",
    "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=",
    "ne": "!=", "neq": "!=", "lt": "<", "gt": ">", "partial": "∂", "nabla": "∇", "prime": "'",
    "ldots": "…", "cdots": "…", "dots": "…", "vdots": "…", "ddots": "…", "dotsc": "…",
    "mid": "|", "vert": "|", "lvert": "|", "rvert": "|", "Vert": "‖", "lVert": "‖", "rVert": "‖",
    "|": "‖", "{": "{", "}": "}", "lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]",
    "colon": ":", "coloneqq": "=", "lparen": "(", "rparen": ")", "langle": "(", "rangle": ")",
}  # fmt: skip
_SILENT = _set(
    ", ; : ! ( ) [ ] quad qquad space displaystyle textstyle limits nolimits left "
    "right middle big Big bigl bigr Bigl Bigr bigg Bigg biggl biggr Biggl Biggr "
    "nonumber thinspace"
) | {" ", "\n", "\t", "\\"}
_OPEN_ENVIRONMENTS = _set("equation equation* align align* aligned split gather gather* gathered")
_MATRICES = _set("matrix pmatrix bmatrix Bmatrix smallmatrix array")
_COMMANDS = _FONTS | _WORD_FONTS | _FRACTIONS | {*_ACCENTS, *_WORDS_OF, *_SIGNS, "sqrt", "begin"}


def latex_tokens(source: str) -> tuple[Token, ...]:
    """The tokens of a formula, the last of which is its end.

    Raises
    ------
    FormulaError
        At a command that is not known here, and at a brace without its partner.
    """
    found = _Latex(source, 0, len(source)).all()
    return (*found, Token("end", "", len(source), len(source)))


class _Latex(Lexer):
    """Reads ``source[start:end]``."""

    def read(self) -> None:
        """Read one token, or drop what says nothing."""
        here = self.source[self.at]
        if here == "\\":
            self._command()
        elif here in "$&~":
            self.at += 1
        elif here == "{":
            self._group()
        elif here == "}":
            raise unreadable("claims.unopened", self.source, self.at, bracket="}")
        elif here in "^_":
            self._script("above" if here == "^" else "below")
        elif letters := _LETTERS.match(self.source, self.at, self.end):
            self.add("word", letters[0], len(letters[0]))
        else:
            super().read()

    def _command(self) -> None:
        start = self.at
        found = _COMMAND.match(self.source, start, self.end)
        name = found[1] if found else ""
        after = found.end() if found else start + 1
        if name in _WORDS_OF:
            kind = "big" if name in ("sum", "prod") else "word"
            self.add(kind, _WORDS_OF[name], after - start)
            self.found[-1] = self.found[-1].set_upright()
        elif name in _SIGNS:
            self.add("operator", _SIGNS[name], after - start)
        elif name in _SILENT:
            self._silent(name, after)
        elif name in _FONTS:
            self._font(after)
        elif name in _WORD_FONTS:
            self._words(after)
        elif name in _ACCENTS:
            self._with_parts("accent", _ACCENTS[name], after, 1)
        elif name in _FRACTIONS:
            self._with_parts("fraction", name, after, 2)
        elif name == "sqrt":
            self._root(after)
        elif name == "begin":
            self._environment()
        else:
            near = suggest(f"\\{name[:40]}", [f"\\{known}" for known in sorted(_COMMANDS)])
            raise unreadable("claims.command", self.source, start, after, suggestion=near)

    def _silent(self, name: str, after: int) -> None:
        self.at = after
        if name in ("left", "right", "middle") and self.source[after : after + 1] == ".":
            self.at += 1  # \left. is a bracket that is not seen

    def _font(self, after: int) -> None:
        start = self.at
        inner, self.at = self._argument(after)
        if [token.text for token in inner] == ["1"]:
            self.found.append(Token("one", "1", start, self.at))
        else:
            self.found += inner

    def _words(self, after: int) -> None:
        """Upright words: a name, a function, or "if" and "otherwise"."""
        start, stop, self.at = self._place(after)
        if (name := self.source[start:stop].replace("\\_", "_").strip()) in FUNCTIONS:
            self.found.append(Token("word", name, start, stop, upright=True))
            return
        if found := _WORDS.fullmatch(self.source, start, stop):
            self.found.append(Token("word", found[1], start, stop, upright=True))
            if label := found[2].replace("\\", "")[1:]:
                inner = Token("word", label, start, stop, upright=True)
                self.found.append(
                    Token("below", label, start, stop, upright=True, parts=((inner,),))
                )
            return
        for token in self.inside(start, stop):
            self.found.append(token.set_upright() if token.kind == "word" else token)

    def _with_parts(self, kind: str, text: str, after: int, count: int) -> None:
        start, parts = self.at, []
        for _ in range(count):
            part, after = self._argument(after)
            parts.append(part)
        self.at = start
        self.add(kind, text, after - start, *parts)

    def _root(self, after: int) -> None:
        degree: tuple[tuple[Token, ...], ...] = ()
        if self.source[after : after + 1] == "[":
            stop = self.source.find("]", after, self.end)
            if stop < 0:
                raise unreadable("claims.unclosed", self.source, after, bracket="]")
            degree = (self.inside(after + 1, stop),)
            after = stop + 1
        body, after = self._argument(after)
        self.add("root", "sqrt", after - self.at, body, *degree)

    def _group(self) -> None:
        """Braces: a part of its own, which needs no brackets if it is one sign."""
        start, stop, after = self._place(self.at)
        inner = self.inside(start, stop)
        if len(inner) > 1:
            opening = Token("operator", "(", self.at, self.at + 1)
            inner = (opening, *inner, Token("operator", ")", stop, after))
        self.found += inner
        self.at = after

    def _script(self, kind: str) -> None:
        start = self.at
        inner, after = self._argument(start + 1)
        if not inner:
            raise unreadable("claims.subscript", self.source, start, after)
        if all(token.text == "'" for token in inner):
            self.found += inner
            self.at = after
            return
        upright = all(token.upright and token.kind == "word" for token in inner)
        self.add(kind, self.source[start + 1 : after], after - start, inner)
        if upright:
            self.found[-1] = self.found[-1].set_upright()

    def _argument(self, at: int) -> tuple[tuple[Token, ...], int]:
        """What a command or a script applies to, and where it ends: a group, or one sign."""
        start, stop, after = self._place(at)
        if self.source[start:stop].startswith("\\") and start == stop - 1:
            raise unreadable("claims.argument", self.source, start)
        return self.inside(start, stop), after

    def _place(self, at: int, level: int = 0) -> tuple[int, int, int]:
        """Where the inside of an argument begins and ends, and where it is left."""
        while at < self.end and self.source[at].isspace():
            at += 1
        if at >= self.end:
            raise unreadable("claims.argument", self.source, self.at, self.end)
        if self.source[at] == "{":
            stop = self._matching(at)
            return at + 1, stop, stop + 1
        if self.source[at] != "\\":
            return at, at + 1, at + 1
        # A command as the argument takes its own: ``^\mathrm{T}``, ``\hat\mathbf{y}``.
        found = _COMMAND.match(self.source, at, self.end)
        stop = found.end() if found else at + 1
        name = found[1] if found else ""
        if level > LEVELS:
            raise unreadable("claims.deep", self.source, at, levels=LEVELS)
        for _ in range(_arguments(name)):
            stop = self._place(stop, level + 1)[2]
        return at, stop, stop

    def _matching(self, start: int) -> int:
        level, at = 0, start
        while at < self.end:
            if self.source[at] == "\\":
                at += 2
                continue
            level += (self.source[at] == "{") - (self.source[at] == "}")
            if level == 0:
                return at
            at += 1
        raise unreadable("claims.unclosed", self.source, start, bracket="}")

    def _environment(self) -> None:
        r"""``\begin{cases} … \end{cases}``: rows of cells."""
        start = self.at
        opening = _ENVIRONMENT.match(self.source, start, self.end)
        if not opening:
            raise unreadable("claims.command", self.source, start, start + 6, suggestion="")
        name, body, level = opening[2], opening.end(), 1
        for each in _ENVIRONMENT.finditer(self.source, body, self.end):
            level += 1 if each[1] == "begin" else -1
            if level == 0:
                break
        else:
            bracket = f"\\end{{{name}}}"
            raise unreadable("claims.unclosed", self.source, start, body, bracket=bracket)
        stop = each.start()
        if name in _OPEN_ENVIRONMENTS:
            self.found += self.inside(body, stop)
        elif name == "cases" or name in _MATRICES:
            if name == "array":
                body = self._place(body)[2]
            self._table("cases" if name == "cases" else "matrix", body, stop, each.end())
            return
        else:
            raise unreadable("claims.command", self.source, start, body, suggestion="")
        self.at = each.end()

    def _table(self, kind: str, start: int, stop: int, after: int) -> None:
        """Rows of cells; the text says how many cells each row has."""
        rows = [row for row in self._rows(start, stop) if any(row)]
        widths = ",".join(str(len(row)) for row in rows)
        self.add(kind, widths, after - self.at, *(cell for row in rows for cell in row))

    def _rows(self, start: int, stop: int) -> list[list[tuple[Token, ...]]]:
        rows: list[list[tuple[Token, ...]]] = [[]]
        level, at, first = 0, start, start
        while at <= stop:
            pair = self.source[at : at + 2] if at < stop else "\\\\"
            outside = level == 0
            if outside and (pair == "\\\\" or pair[:1] == "&"):
                rows[-1].append(self.inside(first, at))
                first = at + (2 if pair == "\\\\" else 1)
                if pair == "\\\\":
                    rows.append([])
            elif environment := _ENVIRONMENT.match(self.source, at, stop):
                level += 1 if environment[1] == "begin" else -1
                at = environment.end()
                continue
            level += (pair[:1] == "{") - (pair[:1] == "}")
            at += 2 if pair[:1] == "\\" else 1
        return rows


def _arguments(name: str) -> int:
    """How many arguments a command takes."""
    if name in _FRACTIONS:
        return 2
    return int(name in _FONTS or name in _WORD_FONTS or name in _ACCENTS or name == "sqrt")
