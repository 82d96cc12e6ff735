"""The derivation of one weight on the page of a run."""

import numpy as np
import pytest

from chainrule import nn, report, words
from chainrule.explain import explain


def facts(lang, derivation):
    return report.Facts("iris", "classification", lang=lang, derivation=derivation)


def cost(model, x, t):
    return nn.cross_entropy(model(x), t)


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_the_derivation_stands_on_the_page(lang):
    model = nn.MLP(3, [4], 2, rng=0)
    x, t = np.array([[1.0, 2.0, 3.0]], "f"), np.array([1])
    derived = explain(cost, model, x, t, wrt="hidden.0.weight[2, 1]")
    page = report.render(facts(lang, derived.document(lang)))
    assert words.text("report.derivation", lang) in page
    section = page.split('id="derivation"')[1].split("</section>")[0]
    assert "<summary>" in section and section.count("<math") > 10
    assert "<h1" not in section and section.count("<h2") == 1
    assert ".explanation .formula" in page
    assert "<script" not in page


def test_a_page_without_one_has_no_such_section():
    page = report.render(facts("en", None))
    assert 'id="derivation"' not in page and ".explanation .formula" not in page
