"""A document as LaTeX."""

import re
from collections.abc import Sequence
from types import MappingProxyType

from chainrule.explain.document.blocks import Cell, Grid, Heading, Items, Picture, Prose
from chainrule.explain.document.writer import Writer
from chainrule.explain.formulas import Expression, to_latex
from chainrule.explain.formulas.names import ESCAPED, GREEK, clean

__all__ = ["LatexWriter", "whole_file"]

HEADINGS = ("section*", "subsection*", "subsubsection*")
#: What the usual font of LaTeX has no letter for.
SYMBOLS = MappingProxyType(
    {letter: rf"\ensuremath{{\{name}}}" for name, letter in GREEK.items() if name != "omicron"}
    | {digit: rf"\textsuperscript{{{place}}}" for place, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {digit: rf"\textsubscript{{{place}}}" for place, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")}
    | {
        sign: rf"\ensuremath{{{command}}}"
        for sign, command in {
            "−": "-", "·": r"\cdot", "×": r"\times", "÷": r"\div", "±": r"\pm", "≤": r"\le",
            "≥": r"\ge", "≠": r"\ne", "≈": r"\approx", "→": r"\to", "←": r"\leftarrow",
            "↔": r"\leftrightarrow", "⇒": r"\Rightarrow", "∂": r"\partial", "∇": r"\nabla",
            "√": r"\surd", "∞": r"\infty", "∈": r"\in", "⊙": r"\odot", "‖": r"\Vert",
        }.items()
    }
)  # fmt: skip
#: Korean, Chinese and Japanese letters need fonts of their own.
EAST_ASIAN = re.compile("[\u1100-\u11ff\u3000-\u30ff\u3130-\u318f\u4e00-\u9fff\uac00-\ud7a3]")


def whole_file(fragment: str) -> str:
    """A file around a fragment, for XeLaTeX or LuaLaTeX."""
    korean = "\\usepackage{kotex}\n" if EAST_ASIAN.search(fragment) else ""
    return (
        "% To be compiled with xelatex or lualatex.\n"
        "\\documentclass[11pt,a4paper]{article}\n"
        "\\usepackage[margin=25mm]{geometry}\n"
        "\\usepackage{amsmath,amssymb}\n"
        "\\usepackage{fontspec}\n"
        f"{korean}"
        "\\setlength{\\parindent}{0pt}\n"
        "\\setlength{\\parskip}{6pt}\n"
        "\\begin{document}\n"
        f"{fragment}"
        "\\end{document}\n"
    )


class LatexWriter(Writer):
    """LaTeX with amsmath."""

    def words(self, text: str) -> str:
        """A text with nothing in it that LaTeX reads as a command."""
        return "".join(ESCAPED.get(c) or SYMBOLS.get(c, c) for c in clean(text))

    def strong(self, text: str) -> str:
        """Words in bold."""
        return rf"\textbf{{{self.words(text)}}}"

    def code(self, text: str) -> str:
        """Letters of equal width."""
        return rf"\texttt{{{self.words(text)}}}"

    def inline_formula(self, expression: Expression) -> str:
        """A formula between dollars."""
        return f"${to_latex(expression, self.digits, self.lang)}$"

    def heading(self, block: Heading) -> str:
        """A heading without a number."""
        return f"\\{HEADINGS[block.level - 1]}{{{self.words(block.text)}}}"

    def prose(self, block: Prose) -> str:
        """A paragraph."""
        return self.line(block.parts)

    def formula(self, expression: Expression) -> str:
        """A formula on lines of its own."""
        return f"\\[\n{to_latex(expression, self.digits, self.lang, display=True)}\n\\]"

    def items(self, block: Items) -> str:
        """A list."""
        kind = "enumerate" if block.numbered else "itemize"
        # {} keeps LaTeX from taking a bracket for the item's own mark.
        entries = "\n".join(f"\\item {{}}{self.line(entry.parts)}" for entry in block.entries)
        return f"\\begin{{{kind}}}\n{entries}\n\\end{{{kind}}}"

    def grid(self, block: Grid) -> str:
        """A table below its caption."""
        columns = "".join("r" if numeric else "l" for numeric in block.numeric)
        lines = [self.words(block.caption), ""] if block.caption else []
        lines += [
            f"\\begin{{tabular}}{{{columns}}}",
            f"{self._row(block.headers)} \\hline",
            *map(self._row, block.rows),
            r"\end{tabular}",
        ]
        return "\n".join(lines)

    def _row(self, cells: Sequence[Cell]) -> str:
        # {} keeps LaTeX from taking a bracket in the next row for the space between rows.
        return " & ".join(f"{{}}{self.cell(cell)}" for cell in cells) + r" \\"

    def picture(self, block: Picture) -> str:
        """What is to be seen on a drawing, which LaTeX cannot read."""
        return rf"\emph{{{self.words(block.caption)}}}"
