"""The page as a whole: sound, self-contained, complete in both languages, always the same."""

import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from chainrule import report, words
from chainrule.errors import OptionError, StorageError
from chainrule.report.page import SECTIONS
from chainrule.report.text import clean, number, score

TASKS = ("classification", "regression")
every_task = pytest.mark.parametrize("task", TASKS)
both_languages = pytest.mark.parametrize("lang", words.LANGUAGES)


@every_task
@both_languages
def test_a_page_is_sound(page_of, task, lang):
    page = page_of(task, lang)
    assert page.text.startswith("<!DOCTYPE html>")
    assert page.root.get("lang") == lang
    ids = [element.get("id") for element in page if element.get("id")]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    for element in page:
        for target in (element.get("aria-labelledby") or "").split():
            assert target in ids
        if element.tag == "a" or element.tag == "use":
            assert element.get("href", "").removeprefix("#") in ids
    for target in re.findall(r"url\(([^)]*)\)", page.text):
        assert target.removeprefix("#") in ids


@every_task
def test_a_page_needs_no_network_and_runs_nothing(page_of, task):
    page = page_of(task)
    assert "//" not in page.text
    assert {"script", "link", "img", "image", "iframe", "object", "a:href"}.isdisjoint(page.tags)
    (policy,) = (one for one in page if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.get("content", "").startswith("default-src 'none'")
    for element in page:
        assert not [name for name in element.keys() if name.startswith("on")]  # noqa: SIM118
        assert (element.get("href") or "#").startswith("#")
        assert element.get("src") is None


@every_task
def test_figures_and_tables_can_be_heard(page_of, task):
    page = page_of(task)
    figures = [one for one in page if one.get("role") == "img"]
    assert len(figures) == len(page.figures) > 5
    for figure in figures:
        title, description = figure[0], figure[1]
        assert (title.tag, description.tag) == ("title", "desc")
        assert title.text and description.text
    for table in page.root.iter("table"):
        assert table.get("aria-label")
        assert {head.get("scope") for head in table.iter("th")} == {"col", "row"}


@every_task
def test_text_in_figures_is_text_in_the_page_s_font(page_of, task):
    text = page_of(task).text
    svg = "".join(re.findall(r"<svg viewBox.*?</svg>", text, flags=re.DOTALL))
    assert ">epoch</text>" in svg
    assert "font-family" not in svg
    assert "#0000" not in svg, "a colour that is no colour of the page"
    assert min(map(float, re.findall(r"font-size: ([\d.]+)px", svg))) >= 11


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_colours_can_be_told_from_the_paper(page_of):
    """4.5 : 1 for all that is read, 3 : 1 for the lines of layers; light and dark."""
    light, dark = re.findall(r":root \{(.*?)\}", page_of("regression").text, flags=re.DOTALL)
    for theme in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        for ground in ("paper", "panel"):
            below = luminance(colours[ground])
            for name in set(colours) - {"paper", "panel", "rule"}:
                low, high = sorted([below, luminance(colours[name])])
                assert (high + 0.05) / (low + 0.05) >= (3 if "layer" in name else 4.5), name


ALL = {
    "classification": ["answer", "learning", "rates", "classes", "layers", "record", "worst"],
    "regression": ["answer", "learning", "rates", "residuals", "layers", "record", "worst"],
}
UNKNOWN = {
    "outcomes": (None, {"answer", "classes", "residuals", "worst"}),
    "history": ((), {"learning"}),
    "rate_test": (None, {"rates"}),
    "layers": ((), set()),  # the statistics know the layers too
    "statistics": ((), set()),
    "notes": ((), set()),
    "settings": ({}, set()),
}


@every_task
def test_all_that_is_known_is_there(page_of, task):
    assert page_of(task).sections == ALL[task]


@pytest.mark.parametrize(
    ("task", "missing"),
    [("regression", "outcomes"), *(("classification", name) for name in UNKNOWN)],
)
def test_a_section_without_facts_is_left_out(make_facts, parse, task, missing):
    nothing, gone = UNKNOWN[missing]
    # One epoch has no curves, which take long to draw.
    few = {"history": make_facts().history[:1], "statistics": make_facts().statistics[:1]}
    page = parse(report.render(make_facts(task, **{**few, missing: nothing})))
    assert page.sections == [name for name in ALL[task] if name not in gone]


@every_task
def test_a_name_and_a_task_are_enough(parse, task):
    page = parse(report.render(report.Facts("bare", task)))
    assert page.sections == []
    assert "bare" in page.text


def test_a_score_without_rows_is_an_answer(parse):
    scores = {"network": 0.875, "linear_model": 0.75}
    page = parse(report.render(report.Facts("bare", "classification", scores=scores)))
    assert page.sections == ["answer"]
    assert page.table("The same rows for every model") == [
        ["this network", "0.875"],
        ["linear model", "0.750"],
    ]


# ---------------------------------------------------------------------- numbers
def test_numbers_are_those_of_the_facts(make_facts, parse):
    facts = make_facts("classification", scores={"network": 0.9125, "svm": 0.7}, statistics=())
    page = parse(report.render(facts))
    assert page.words("answer").startswith("Result 0.912 accuracy on 90 test rows")
    assert ["svm", "0.700", "", "", ""] in page.table("The same rows for every model")
    record = page.words("record")
    assert "Rows: 495 (360 for training, 45 for validation, 90 for the test)." in record
    assert "learning_rate" in record and "0.001" in record
    assert "chainrule train people.csv" in record
    assert "lowest in epoch 30, at 0.07" in page.words("learning")
    assert "The training steps took 15 s." in page.words("learning")


def test_layers_and_their_latest_statistics(make_facts, page_of):
    facts, page = make_facts(), page_of("classification")
    latest = facts.statistics[-1]["layers"]["hidden.0"]
    first, second = page.table("Layers: 2; parameters: 51")
    assert first == [
        *("hidden.0", "Linear", "2 → 8", "24"),
        *(number(latest[name]) for name in ("weight_norm", "gradient_norm", "update_ratio")),
        *("0.25", "1.5", "0.5", "12%", "0%"),
    ]
    assert second[4] == "8"
    assert "In hidden.0, 12% of the units are dead" in page.words("layers")
    assert "statistic-dead" in page.figures
    assert "statistic-saturated" not in page.figures, "an empty chart"


def test_the_worst_rows_are_the_worst(make_facts, page_of):
    facts = make_facts("classification")
    outcomes = facts.outcomes
    truth = outcomes.probabilities[np.arange(90), outcomes.t]
    wrong = np.flatnonzero(outcomes.predicted != outcomes.t)
    worst = wrong[np.argsort(truth[wrong])]
    rows = page_of("classification").table("The worst predictions")
    assert [int(row[0]) - 100 for row in rows] == worst[:8].tolist()
    assert rows[0][1] == facts.class_names[outcomes.t[worst[0]]]
    assert rows[0][5] == str(outcomes.inputs["age"][worst[0]])


def test_the_worst_values_are_the_worst(make_facts, page_of):
    facts = make_facts("regression")
    t, predicted = facts.outcomes.t, facts.outcomes.predicted
    row, target = divmod(int((abs(t - predicted) / t.std(axis=0)).argmax()), 2)
    first = page_of("regression").table("The worst predictions")[0]
    residual = number(t[row, target] - predicted[row, target])
    assert first[:2] == [str(100 + row), facts.target_names[target]]
    assert first[4] == residual


def test_where_nothing_is_wrong_the_least_certain_rows_are_shown(make_facts, parse):
    t = np.arange(40) % 2
    sure = np.eye(2)[t] * 0.5 + 0.25
    sure[7] = [0.4, 0.6]
    outcomes = report.Outcomes(t, t, sure)
    facts = report.Facts("x", "classification", outcomes=outcomes, class_names=["no", "yes"])
    page = parse(report.render(facts))
    rows = page.table("The least certain predictions")
    assert rows[0] == ["7", "yes", "yes", "60%", "60%"]


# ---------------------------------------------------------------------- hostile names
HARD = st.sampled_from(
    [
        "</style><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "'; --",
        "]]></svg><!--",
        "{{ 7 * 7 }}{% raw %}",
        "{name}",
        "$x_{",
        "\\frac{a}{",
        "a\x00b\x1b[31m\r\n\tc",
        "\ud800",
        "\u202egnp.exe",
        "ﬁ&amp;&#60;",
        "-->",
        "나이 <세>",
        "x" * 500,
        "😀" * 50,
    ]
)


#: Few figures, since they take long; and no list of features, which depends on their length.
BARE = {"history": (), "feature_names": ["age"]}


@pytest.fixture(scope="module")
def page_of_bare(make_facts, parse):
    @cache
    def page(task):
        facts = make_facts(task, statistics=make_facts().statistics[:1], **BARE)
        return parse(report.render(facts))

    return page


@every_task
@settings(max_examples=3)
@given(st.lists(st.one_of(HARD, st.text(min_size=1, max_size=20)), min_size=3, max_size=8))
def test_a_name_is_only_ever_text(make_facts, parse, page_of_bare, task, hard):
    """The same elements as with harmless names, in the same order: nothing got out."""

    def hostile(name: str) -> str:
        return f"{name} {hard[len(name) % len(hard)]}"

    harmless = page_of_bare(task)
    statistics = make_facts(task, names=hostile).statistics[:1]
    facts = make_facts(task, names=hostile, statistics=statistics, **BARE)
    page = parse(report.render(facts))
    assert page.tags == harmless.tags
    attributes = [sorted(element.keys()) for element in page]
    assert attributes == [sorted(element.keys()) for element in harmless]
    (heading,) = page.root.iter("h1")
    assert heading.text == clean(hostile("people"))
    page.text.encode()


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_names_may_be_template_code(parse, lang):
    page = parse(report.render(report.Facts("{{ 7 * 7 }} {lang}", "regression", lang)))
    (heading,) = page.root.iter("h1")
    assert heading.text == "{{ 7 * 7 }} {lang}"


# ---------------------------------------------------------------------- languages
@every_task
@both_languages
def test_a_page_speaks_one_language(make_facts, monkeypatch, task, lang):
    """Every message is asked for in the language of the facts, whatever the terminal speaks."""
    other = {"en": "ko", "ko": "en"}[lang]
    monkeypatch.setenv(words.ENVIRONMENT_VARIABLE, other)
    asked = []
    original = words.text

    def recorded(key: str, lang: str | None = None, /, **values: object) -> str:
        asked.append(lang)
        return original(key, lang, **values)

    monkeypatch.setattr(words, "text", recorded)
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: file.write(b"<svg />"))
    for section in SECTIONS:
        section(make_facts(task, lang=lang))
    assert set(asked) == {lang}


@every_task
def test_a_korean_page_holds_no_english(make_facts, parse, task):
    facts = make_facts(task, names=lambda name: "이름", lang="ko")
    page = parse(report.render(facts))
    (body,) = page.root.iter("body")
    latin = set(re.findall(r"[A-Za-z]{2,}", " ".join(body.itertext())))
    assert latin <= {"chainrule", "ECE", "RMSE"}


# ---------------------------------------------------------------------- always the same
@every_task
def test_the_same_facts_give_the_same_bytes(make_facts, page_of, task):
    first = page_of(task).text
    with matplotlib.rc_context({"lines.linewidth": 9.0, "font.size": 30.0, "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        assert report.render(make_facts(task)) == first
        assert dict(matplotlib.rcParams) == before


def test_a_page_is_small(make_facts):
    facts = make_facts("regression", rows=20_000)
    assert len(report.render(facts).encode()) < 400_000


# ---------------------------------------------------------------------- files and libraries
def test_write_writes_what_render_gives(make_facts, tmp_path: Path):
    path = tmp_path / "보고서.html"
    facts = make_facts(lang="ko", statistics=(), outcomes=None)
    report.write(path, facts)
    assert path.read_text(encoding="utf-8") == report.render(facts)
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_page_stays_where_a_new_one_fails(make_facts, tmp_path: Path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OptionError):
        report.write(path, make_facts())
    assert path.read_text() == "old"
    with pytest.raises(StorageError):
        report.write(tmp_path / "missing" / "report.html", report.Facts("x", "regression"))


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
@both_languages
def test_a_missing_library_is_named(make_facts, monkeypatch, library, lang):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setenv(words.ENVIRONMENT_VARIABLE, lang)
    with pytest.raises(OptionError) as caught:
        report.render(make_facts())
    assert library in str(caught.value)
    assert "chainrule[report]" in str(caught.value)


def test_each_target_is_scored(make_facts, page_of):
    facts, page = make_facts("regression"), page_of("regression")
    rows = page.table("Each target, in its own units")
    for k, row in enumerate(rows):
        t, predicted = facts.outcomes.t[:, k], facts.outcomes.predicted[:, k]
        error = t - predicted
        assert row[:4] == [
            facts.target_names[k],
            score(1 - (error**2).sum() / ((t - t.mean()) ** 2).sum()),
            number(np.sqrt((error**2).mean())),
            number(abs(error).mean()),
        ]
