r"""What a symbol and a function are called in Unicode and in LaTeX.

``alpha`` is ``α`` and ``\alpha``; ``y`` with a hat is ``ŷ`` and ``\hat{y}``. Superscripts and
subscripts are written with the small characters of Unicode where it has all of them, and with
``^`` and ``_`` where it has not: ``wₖ``, but ``w_b``.
"""

import re
import unicodedata
from keyword import iskeyword
from types import MappingProxyType

__all__ = [
    "ACCENTS",
    "ESCAPED",
    "FUNCTIONS",
    "GREEK",
    "LATEX_FUNCTIONS",
    "SUBSCRIPTS",
    "SUPERSCRIPTS",
    "clean",
    "identifier",
    "latex_words",
    "name_latex",
    "name_text",
    "subscript",
    "superscript",
]

#: Greek letters by their English names.
GREEK = MappingProxyType(
    {
        "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
        "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ",
        "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ", "sigma": "σ",
        "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
        "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
        "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    }
)  # fmt: skip
ENGLISH = MappingProxyType({letter: name for name, letter in GREEK.items()})

#: How functions are called in print, where not as in code.
FUNCTIONS = MappingProxyType(
    {
        "binary_cross_entropy": "BCE",
        "cross_entropy": "CE",
        "elu": "ELU",
        "gelu": "GELU",
        "huber": "Huber",
        "identity": "Identity",
        "leaky_relu": "LeakyReLU",
        "mae": "MAE",
        "maximum": "max",
        "minimum": "min",
        "mse": "MSE",
        "relu": "ReLU",
        "sigmoid": "σ",
        "silu": "SiLU",
        "trace": "tr",
        "var": "Var",
    }
)
#: Functions that LaTeX has a command for.
LATEX_FUNCTIONS = frozenset(
    {"cos", "cosh", "det", "exp", "log", "max", "min", "sin", "sinh", "tan", "tanh"}
)

ACCENTS = MappingProxyType({"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"})
WIDE = MappingProxyType({"hat": "widehat", "bar": "overline", "tilde": "widetilde"})
SUPERSCRIPTS = MappingProxyType(
    dict(
        zip(
            "0123456789+−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWαβγδθφχ′",
            "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵅᵝᵞᵟᶿᵠᵡ′",
            strict=True,
        )
    )
)
SUBSCRIPTS = MappingProxyType(
    dict(
        zip(
            "0123456789+−=()aehijklmnoprstuvxβγρφχ,",
            "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ,",
            strict=True,
        )
    )
)

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
#: Characters that turn the direction of writing: with them a name rewrites the text around it.
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: What LaTeX would not take for a letter.
ESCAPED = MappingProxyType(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\textdollar{}", "&": r"\&",
        "#": r"\#", "_": r"\_", "%": r"\%", "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", "`": "'",
    }
)  # fmt: skip
#: What KaTeX has no letter for: all but Latin, Cyrillic, Japanese, Chinese, Korean, and a few more.
UNWRITABLE = re.compile(
    "[^ -~\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u04ff"
    "\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3–—‘’“”…°£©®]"
)


def clean(text: str) -> str:
    r"""A text on one line, without control characters, halves of pairs and turned writing.

    Examples
    --------
    >>> from chainrule.explain.formulas.names import clean
    >>> clean("price\x00\nin €")
    'price� in €'
    """
    if text.isascii() and text.isprintable():
        return text
    spaced = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", text))
    return "".join(UNKNOWN if _is_unprintable(c) else c for c in spaced)


def name_text(name: str, accent: str = "") -> str:
    """A name in Unicode; a longer one says its accent in letters, as in ``score_hat``.

    Examples
    --------
    >>> from chainrule.explain.formulas.names import name_text
    >>> name_text("alpha"), name_text("y", "hat"), name_text("score", "hat")
    ('α', 'ŷ', 'score_hat')
    """
    letters = GREEK.get(name) or clean(name)
    if not accent:
        return letters
    if len(letters) > 1:
        return f"{letters}_{accent}"
    return unicodedata.normalize("NFC", letters + ACCENTS[accent])


def name_latex(name: str, accent: str = "") -> str:
    r"""A name in LaTeX: one letter in italics, more of them upright.

    Examples
    --------
    >>> from chainrule.explain.formulas.names import name_latex
    >>> print(name_latex("alpha"), name_latex("y", "hat"), name_latex("score", "hat"))
    \alpha \hat{y} \widehat{\mathrm{score}}
    """
    letters = _letters_latex(name)
    if not accent:
        return letters
    wide = len(name) > 1 and name not in GREEK
    command = (
        {"hat": "widehat", "tilde": "widetilde", "bar": "overline"}[accent] if wide else accent
    )
    return rf"\{command}{{{letters}}}"


def superscript(text: str) -> str | None:
    """A text in small raised characters, if Unicode has them all.

    Examples
    --------
    >>> from chainrule.explain.formulas.names import superscript
    >>> superscript("−1"), superscript("(t)"), superscript("Q")
    ('⁻¹', '⁽ᵗ⁾', None)
    """
    return _small(text, SUPERSCRIPTS)


def subscript(text: str) -> str | None:
    """A text in small lowered characters, if Unicode has them all; it has no small comma.

    Examples
    --------
    >>> from chainrule.explain.formulas.names import subscript
    >>> subscript("ij"), subscript("t − 1"), subscript("3,12"), subscript("b")
    ('ᵢⱼ', 'ₜ₋₁', '₃,₁₂', None)
    """
    return _small(text, SUBSCRIPTS)


def latex_words(text: str) -> str:
    r"""A text for the inside of ``\text{}``, with nothing in it that LaTeX reads as a command.

    What KaTeX has no letter for becomes a question mark.

    Examples
    --------
    >>> from chainrule.explain.formulas.names import latex_words
    >>> print(latex_words(r"100 % of \input{x}"), latex_words("가격 😀"))
    100 \% of \textbackslash{}input\{x\} 가격 ?
    """
    known = UNWRITABLE.sub("?", clean(text))
    return "".join(ESCAPED.get(c, c) for c in known)


def identifier(name: str) -> str:
    """A name that Python can read.

    Examples
    --------
    >>> from chainrule.explain.formulas.names import identifier
    >>> identifier("lambda"), identifier("net price"), identifier("2nd")
    ('lambda_', 'net_price', '_2nd')
    """
    letters = "".join(c if f"_{c}".isidentifier() else "_" for c in name) or "_"
    letters = letters if letters.isidentifier() else f"_{letters}"
    return f"{letters}_" if iskeyword(letters) else letters


def _letters_latex(name: str) -> str:
    name = ENGLISH.get(name, name)
    if name in GREEK:
        return "o" if name == "omicron" else rf"\{name}"
    if name.isascii() and name.isalnum():
        return name if len(name) == 1 else rf"\mathrm{{{name}}}"
    return rf"\text{{{latex_words(name)}}}"


def _small(text: str, characters: MappingProxyType[str, str]) -> str | None:
    small = [characters.get(c) for c in text.replace("-", "−") if c != " "]
    return None if None in small else "".join(c for c in small if c)


def _is_unprintable(character: str) -> bool:
    code = ord(character)
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn")
        or character in TURNING
        or character in "\u2028\u2029"
        or (code & 0xFFFE) == 0xFFFE
    )
