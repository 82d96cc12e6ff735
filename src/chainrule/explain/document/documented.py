"""``Documented``: whatever can be written as a document shows itself everywhere."""

from abc import ABC, abstractmethod
from pathlib import Path

from chainrule import storage
from chainrule.errors import OptionError
from chainrule.explain.document.document import Document
from chainrule.explain.document.html import style

__all__ = ["Documented"]

SUFFIXES = (".html", ".md", ".tex", ".txt")
#: The columns of a text in a file.
FILE_WIDTH = 88


class Documented(ABC):
    r"""Gives a class that says what it has to say once all the ways to show it.

    ``print`` and the terminal show text, a notebook shows HTML, :meth:`save` writes what the file's
    name asks for.

    Examples
    --------
    >>> from chainrule.explain.document import Document, Documented, Prose
    >>> from chainrule.explain.formulas import Number, Power, Symbol
    >>> class Square(Documented):
    ...     def document(self, lang=None):
    ...         return Document([Prose("Here is ", Power(Symbol("x"), Number(2)))], lang=lang)
    >>> print(Square())
    Here is x²
    >>> Square().to_markdown()
    'Here is $x^{2}$\n'
    """

    @abstractmethod
    def document(self, lang: str | None = None) -> Document:
        """All of it, in a language; by default :func:`chainrule.words.language`."""

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, width: int | None = None, lang: str | None = None) -> str:
        """Text for a terminal of ``width`` columns; by default the terminal's own, at most 100."""
        return self.document(lang).to_text(width)

    def to_markdown(self, lang: str | None = None) -> str:
        """Markdown with formulas between dollars."""
        return self.document(lang).to_markdown()

    def to_latex(self, lang: str | None = None, *, complete: bool = False) -> str:
        """LaTeX to be put into a document, or a ``complete`` one for XeLaTeX or LuaLaTeX."""
        return self.document(lang).to_latex(complete=complete)

    def to_html(self, lang: str | None = None, *, complete: bool = False) -> str:
        """HTML to be put into a page, or a ``complete`` page that needs nothing else."""
        return self.document(lang).to_html(complete=complete)

    def save(self, path: str | Path, lang: str | None = None) -> None:
        """Write it to a file, whole or not at all: ``.html``, ``.md``, ``.tex`` or ``.txt``.

        Raises
        ------
        OptionError
            If the file's name ends in something else.
        StorageError
            If the file cannot be written.
        """
        document, suffix = self.document(lang), Path(path).suffix.lower()
        match suffix:
            case ".html":
                content = document.to_html(complete=True)
            case ".md":
                content = document.to_markdown()
            case ".tex":
                content = document.to_latex(complete=True)
            case ".txt":
                content = document.to_text(FILE_WIDTH) + "\n"
            case _:
                known = ", ".join(SUFFIXES)
                raise OptionError("explain.suffix", path=str(path), known=known)
        storage.write_bytes(path, content.encode())

    def _repr_html_(self) -> str:
        return f"<style>{style()}</style>\n{self.to_html()}"

    def _repr_latex_(self) -> str:
        return self.to_latex()
