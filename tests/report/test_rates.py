"""The figure of a learning-rate range test, and the section about it."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule import nn, report, storage, words
from chainrule.errors import DataError, OptionError
from chainrule.report.rates import rates
from chainrule.train import RateTest, find_learning_rate

from .conftest import rate_test

SVG = "{http://www.w3.org/2000/svg}"


def section(**changes):
    return rates(report.Facts("x", "regression", rate_test=rate_test(**changes)))


def texts(svg):
    return re.findall(r">([^<]+)</text>", svg)


# ---------------------------------------------------------------------- the figure
def test_the_figure_marks_the_rates_that_stand_out():
    drawn = texts(report.rate_figure(rate_test(), "en"))
    marks = ["explodes: 2", "lowest: 0.5", "suggested: 0.01", "steepest: 0.008"]
    assert [text for text in drawn if ": " in text] == marks
    assert "learning rate" in drawn and "loss (logarithmic)" in drawn


def test_marks_stand_where_their_rates_are():
    """On a logarithmic axis: 1, 0.01 and 0.0001 are equally far apart."""
    found = rate_test(halfway=0.01, steepest=0.0001, lowest=1.0, diverges=None)
    svg = ElementTree.fromstring(report.rate_figure(found))
    lines = [one.get("d", "").split() for one in svg.iter(f"{SVG}path")]
    upright = {float(d[1]) for d in lines if len(d) == 6 and d[1] == d[4]}
    left, middle, right = sorted(upright)
    assert right - middle == pytest.approx(middle - left, abs=0.05)


def test_single_errors_are_pale():
    svg = ElementTree.fromstring(report.rate_figure(rate_test()))
    curves = [one.get("style", "") for one in svg.iter(f"{SVG}path") if len(one.get("d", "")) > 500]
    pale, smoothed = curves
    assert "var(--network)" in pale and "stroke-opacity: 0.45" in pale
    assert "var(--network)" in smoothed and "opacity" not in smoothed


def test_the_last_errors_do_not_flatten_the_rest():
    """They explode: an axis that held them all would show nothing else."""
    calm = rate_test()
    losses = np.array(calm["losses"])
    losses[-3:] = 1e30
    heights = []
    for found in (calm, rate_test(losses=losses.tolist())):
        svg = ElementTree.fromstring(report.rate_figure(found))
        drawn = [one.get("d", "") for one in svg.iter(f"{SVG}path")]
        smoothed = [d for d in drawn if len(d) > 500][1]
        y = [float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", smoothed)]
        heights.append(max(y) - min(y))
    assert heights[1] == pytest.approx(heights[0], rel=0.1)


def test_a_figure_stands_by_itself():
    """With names of its own, and every colour: a notebook has no style sheet of ours."""
    first = report.rate_figure(rate_test(), "ko")
    other = report.rate_figure(rate_test(losses=[1.0] * 60), "ko")
    svg = ElementTree.fromstring(first)
    assert svg.tag == f"{SVG}svg"
    style = svg.get("style", "")
    for name in re.findall(r"var\((--\w+)\)", first):
        assert f"{name}: " in style
    one, two = (set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, other))
    assert one and two and one.isdisjoint(two)
    assert "추천: 0.01" in texts(first)
    assert report.rate_figure(rate_test(), "ko") == first


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_without_a_language_it_speaks_that_of_the_messages(monkeypatch, lang):
    monkeypatch.setenv(words.ENVIRONMENT_VARIABLE, lang)
    assert report.rate_figure(rate_test()) == report.rate_figure(rate_test(), lang)


def test_what_the_test_returns_is_drawn_and_kept_as_plain_data(tmp_path):
    x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]

    def cost(model, x, t):
        return nn.mse(model(x), t)

    found = find_learning_rate(nn.Linear(1, 1, rng=0), cost, (x, 2 * x), steps=40, batch_size=None)
    assert isinstance(found, RateTest)
    storage.write_json(tmp_path / "rates.json", vars(found))
    again = storage.read_json(tmp_path / "rates.json")
    assert report.rate_figure(again) == report.rate_figure(found)
    facts = report.Facts("x", "regression", rate_test=again)
    assert rates(facts).blocks[0].items == [str(found)]


# ---------------------------------------------------------------------- the section
def test_the_section_says_and_shows_what_was_found(make_facts, page_of):
    page = page_of("regression", "en")
    said = page.words("rates")
    assert "Suggested learning rate: 0.01. The error falls fastest at 0.008" in said
    assert "it explodes at 2" in said
    assert "rate-test" in page.figures
    assert "추천 학습률: 0.01" in page_of("regression", "ko").words("rates")


def test_where_no_rate_helps_nothing_is_marked():
    none = dict.fromkeys(("halfway", "steepest", "valley", "lowest", "diverges"))
    said, drawn, _ = section(losses=[1.0] * 60, smoothed=[1.0] * 60, **none).blocks
    assert "No learning rate from 0.0001 on lowers the error" in said.items[0]
    assert not [text for text in texts(drawn.svg) if ": " in text]


def test_a_test_that_exploded_at_once_has_no_curve():
    none = dict.fromkeys(("halfway", "steepest", "valley", "lowest"))
    once = {"rates": [50.0], "losses": [], "smoothed": [], **none, "diverges": 50.0}
    (said,) = section(**once).blocks
    assert "explodes at 50" in said.items[0]
    with pytest.raises(DataError, match="at least 2 steps, but training exploded after 0"):
        report.rate_figure(rate_test(**once))


def test_negative_errors_have_no_logarithm():
    shifted = {name: [x - 3.0 for x in rate_test()[name]] for name in ("losses", "smoothed")}
    drawn = texts(report.rate_figure(rate_test(**shifted), "en"))
    assert "loss" in drawn and "loss (logarithmic)" not in drawn


def test_a_long_test_stays_small():
    steps = np.geomspace(1e-4, 1, 20_000)
    svg = report.rate_figure(rate_test(rates=steps, losses=1 / steps, smoothed=1 / steps))
    assert len(svg) < 30_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": None}, r"one number per step, but got shapes \(\), \(60,\), \(60,\)"),
        ({"losses": ["a"] * 60}, "numbers rates, losses, smoothed"),
        ({"losses": [10**400] * 60}, "numbers rates, losses, smoothed"),
        ({"halfway": "fast"}, "numbers or None"),
        ({"losses": [1.0]}, r"shapes \(60,\), \(1,\), \(60,\)"),
        ({"losses": [[1.0]] * 60}, r"\(60, 1\)"),
        ({"losses": 1.0}, r"shapes \(60,\), \(\), \(60,\)"),
        ({"rates": [0.0] * 60}, "rates above 0"),
        ({"diverges": -1.0}, "rates above 0"),
        ({"smoothed": [float("nan")] * 60}, "finite"),
    ],
)
def test_a_result_that_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        report.Facts("x", "regression", rate_test=rate_test(**changes))
    with pytest.raises(DataError, match=message):
        report.rate_figure(rate_test(**changes))


def test_what_is_no_result_is_refused():
    for nothing in ({}, {"rates": [1.0]}, [1.0, 2.0], "rates"):
        with pytest.raises(DataError, match="expects the numbers rates, losses, smoothed"):
            report.rate_figure(nothing)
    with pytest.raises(OptionError, match="'fr'"):
        report.rate_figure(rate_test(), "fr")
