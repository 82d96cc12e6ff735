"""A page about a training run: one file of HTML that opens anywhere, in English or Korean.

    report.write("report.html", report.Facts("digits", "classification", …))

Figures are matplotlib's and the page is jinja2's: the extra ``chainrule[report]``.
"""

from chainrule.report.facts import Facts, Layer, Outcomes
from chainrule.report.page import render, write
from chainrule.report.rates import rate_figure

__all__ = ["Facts", "Layer", "Outcomes", "rate_figure", "render", "write"]
