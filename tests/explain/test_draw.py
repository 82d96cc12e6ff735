"""Drawings: valid SVG, nothing overlaps, nothing is cut, every number is the computed one."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font, LoadFlags

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError
from chainrule.explain import draw, trace
from chainrule.explain.drawing.facts import number
from chainrule.explain.drawing.layout import Box, Edge, Group, lay_out
from chainrule.explain.drawing.svg import clipped, text_width
from chainrule.explain.formulas.numbers import read_number

SVG = "{http://www.w3.org/2000/svg}"


def mse(model, x, t):
    return nn.mse(model(x), t)


def cross_entropy(model, x, t):
    return nn.cross_entropy(model(x), t)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Residual(nn.Module):
    first: nn.Linear
    second: nn.Linear

    def __init__(self, size):
        self.first = nn.Linear(size, size, rng=0)
        self.second = nn.Linear(size, size, rng=1)

    def __call__(self, x):
        return x + self.second(cr.tanh(self.first(x)))


class Twice(nn.Module):
    layer: nn.Linear

    def __init__(self, size):
        self.layer = nn.Linear(size, size, rng=0)

    def __call__(self, x):
        return self.layer(cr.tanh(self.layer(x)))


def recurrent(weight, x, t):
    state, _ = cr.scan(lambda h, row: (cr.tanh(row + h @ weight), None), 0 * x[0], x)
    return nn.mse(state, t)


def scalar(w, x, b, t):
    return (w * x + b - t) ** 2


SMALL = (nn.MLP(2, [3], 1, rng=0), numbers(1, 2), numbers(1, 1))
EIGHT = (nn.MLP(8, [8, 8], 8, activation="tanh", rng=0), numbers(1, 8), np.array([1]))
BLOCKS = (nn.Sequential(Residual(3), Residual(3), nn.Linear(3, 1, rng=2)), numbers(1, 3), SMALL[2])
DRAWINGS = {
    "scalar": lambda lang: draw(scalar, 1.5, 2.0, 0.3, 1.0, lang=lang),
    "2-3-1": lambda lang: draw(mse, *SMALL, lang=lang),
    "2-3-1 structure": lambda lang: draw(SMALL[0], lang=lang),
    "2-3-1 graph": lambda lang: draw(mse, *SMALL, view="graph", lang=lang),
    "2-3-1 ops": lambda lang: draw(mse, *SMALL, view="graph", detail="op", lang=lang),
    "3-3-3-3": lambda lang: draw(
        cross_entropy,
        nn.MLP(3, [3, 3], 3, activation="tanh", rng=0),
        numbers(1, 3),
        np.array([1]),
        lang=lang,
    ),
    "4-4-1": lambda lang: draw(mse, nn.MLP(4, [4], 1, rng=0), numbers(1, 4), SMALL[2], lang=lang),
    "8-8-8-8": lambda lang: draw(cross_entropy, *EIGHT, lang=lang),
    "64-128-10": lambda lang: draw(
        cross_entropy, nn.MLP(64, [128], 10, rng=0), numbers(8, 64), np.arange(8), lang=lang
    ),
    "ten layers": lambda lang: draw(
        cross_entropy,
        nn.MLP(64, [32] * 10, 10, activation="sigmoid", rng=0),
        numbers(8, 64),
        np.arange(8),
        lang=lang,
    ),
    "residual": lambda lang: draw(
        mse, nn.Sequential(Residual(3), nn.Linear(3, 1, rng=2)), *BLOCKS[1:], lang=lang
    ),
    "residual graph": lambda lang: draw(mse, *BLOCKS, view="graph", lang=lang),
    "residual layers": lambda lang: draw(mse, *BLOCKS, view="layers", lang=lang),
    "shared": lambda lang: draw(mse, Twice(3), numbers(1, 3), numbers(1, 3), lang=lang),
    "shared graph": lambda lang: draw(
        mse, Twice(3), numbers(1, 3), numbers(1, 3), view="graph", lang=lang
    ),
    "scan": lambda lang: draw(recurrent, numbers(2, 2), numbers(5, 2), numbers(2), lang=lang),
}


@cache
def drawing(name, lang="en"):
    return DRAWINGS[name](lang)


@pytest.fixture(params=DRAWINGS)
def name(request):
    return request.param


# ---------------------------------------------------------------------- where text stands
FONT = FT2Font(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")))


@cache
def advance(character):
    """The width of a character of size 1 in DejaVu Sans, which is wider than most."""
    if not FONT.get_char_index(ord(character)):
        return 1.0
    glyph = FONT.load_char(ord(character), flags=LoadFlags.NO_SCALE)
    return glyph.horiAdvance / FONT.units_per_EM


class Label:
    """The rectangle that a text covers."""

    def __init__(self, element):
        self.text = element.text
        size = float(element.get("font-size", 12))
        width = sum(map(advance, self.text)) * size
        x, y = float(element.get("x")), float(element.get("y"))
        left = {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor", "start")]
        corners = [(x - left, y - 0.75 * size), (x - left + width, y + 0.1 * size)]
        (x0, y0), (x1, y1) = corners
        self.corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        self.angle = 0.0
        if turned := element.get("transform"):
            degrees, about_x, about_y = map(float, re.findall(r"-?[\d.]+", turned))
            self.angle = math.radians(degrees)
            self.corners = [self._turned(c, about_x, about_y) for c in self.corners]

    def _turned(self, corner, x, y):
        dx, dy = corner[0] - x, corner[1] - y
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return x + dx * cos - dy * sin, y + dx * sin + dy * cos

    def along(self, angle):
        reach = [x * math.cos(angle) + y * math.sin(angle) for x, y in self.corners]
        return min(reach), max(reach)

    def overlaps(self, other):
        (x, y), (other_x, other_y) = self.corners[0], other.corners[0]
        if abs(x - other_x) + abs(y - other_y) > 800:
            return False
        angles = [a + turn for a in (self.angle, other.angle) for turn in (0, math.pi / 2)]
        return all(
            min(self.along(a)[1], other.along(a)[1]) - max(self.along(a)[0], other.along(a)[0])
            > 0.5
            for a in angles
        )


def labels(svg):
    return [Label(element) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_no_labels_overlap(name):
    assert_nothing_overlaps(drawing(name))
    assert_nothing_is_cut(drawing(name))


@pytest.mark.parametrize("name", ["scalar", "2-3-1", "2-3-1 graph", "ten layers"])
def test_no_korean_labels_overlap(name):
    assert_nothing_overlaps(drawing(name, "ko"))
    assert_nothing_is_cut(drawing(name, "ko"))


def assert_nothing_overlaps(picture):
    found = labels(picture.svg)
    assert len(found) > 5
    overlapping = [(a.text, b.text) for a, b in combinations(found, 2) if a.overlaps(b)]
    assert overlapping == []


def assert_nothing_is_cut(picture):
    root = ElementTree.fromstring(picture.svg)
    width, height = float(root.get("width")), float(root.get("height"))
    for label in labels(picture.svg):
        assert label.along(0)[0] >= 0 and label.along(0)[1] <= width, label.text
        assert label.along(math.pi / 2)[0] >= 0 and label.along(math.pi / 2)[1] <= height, (
            label.text
        )


def test_no_text_is_tiny(name):
    for element in ElementTree.fromstring(drawing(name).svg).iter(f"{SVG}text"):
        assert float(element.get("font-size", 12)) >= 11


def test_text_fits_its_circle():
    """Numbers inside of neurons."""
    root = ElementTree.fromstring(drawing("8-8-8-8").svg)
    circles = [tuple(float(c.get(k)) for k in ("cx", "cy", "r")) for c in root.iter(f"{SVG}circle")]
    inside = 0
    for label in labels(drawing("8-8-8-8").svg):
        x, y = (sum(c[i] for c in label.corners) / 4 for i in (0, 1))
        for cx, cy, r in circles:
            if math.hypot(x - cx, y - cy) < r * 0.6:
                inside += 1
                assert label.along(0)[1] - label.along(0)[0] <= 2 * r - 2, label.text
    assert inside == 8 + 2 * 16 + 8 + 1


def test_estimated_widths_are_no_narrower_than_the_widest_font():
    for text in ("hidden.0", "−0.0123", "z¹₀, a¹₀", "‖∂J/∂w¹‖ = 1.2·10⁻⁷", "MLP(2, [3], 1)"):
        real = sum(map(advance, text)) * 12
        assert real <= text_width(text) * 1.02
        assert text_width(text) <= real * 1.35


def test_clipped_text_says_so():
    assert clipped("short", 100) == "short"
    cut = clipped("a very long name of a layer", 60)
    assert cut.endswith("…") and text_width(cut) <= 60


# ---------------------------------------------------------------------- what it says
def texts(svg, kind):
    root = ElementTree.fromstring(svg)
    return [e.text for e in root.iter(f"{SVG}text") if kind in (e.get("class") or "").split()]


def test_the_circuit_of_a_scalar_function():
    """J = (w x + b − t)² at w = 1.5, x = 2, b = 0.3, t = 1: u = 2.3, ∂J/∂u = 4.6."""
    svg = drawing("scalar").svg
    forward = Counter(text for text in texts(svg, "forward") if text != "values, forward")
    assert forward == Counter(["1.5", "2", "3", "0.3", "3.3", "1", "2.3", "5.29"])
    backward = texts(svg, "backward")
    products = [text for text in backward if re.match(r"[−\d]", text)]
    assert Counter(products) == Counter(["9.2", "6.9", "4.6", "4.6", "4.6", "−4.6", "4.6", "1"])
    factors = {text for text in backward if text.startswith("=")}
    assert factors == {"= 4.6 · 2", "= 4.6 · 1.5", "= 4.6 · 1", "= 4.6 · (−1)", "= 1 · 4.6"}


def test_every_number_of_a_network_is_the_computed_one():
    model, x, t = SMALL
    found = trace(mse, model, x, t, inputs=True)
    svg = drawing("2-3-1").svg
    weights = [
        w for layer in (*model.hidden, model.output) for w in layer.weight.numpy().reshape(-1)
    ]
    on_edges = [e for e in texts(svg, "label") if e in texts(svg, "forward")]
    assert Counter(on_edges) == Counter(number(float(w)) for w in weights)
    slopes = [g for path, g in found.gradient.items() if path.endswith("weight")]
    slopes = [number(g) for array in slopes for g in array.reshape(-1)]
    under_edges = [e for e in texts(svg, "label") if e in texts(svg, "backward")]
    assert Counter(under_edges) == Counter(slopes)
    values = {number(v) for v in x.reshape(-1)}
    values |= {number(v) for _, array in found.forward for v in array.reshape(-1)}
    in_circles = {
        text
        for text in texts(svg, "forward")
        if text not in on_edges and re.fullmatch(r"[−\d.·⁻⁰-⁹]+", text)
    }
    assert in_circles <= values
    assert number(found.cost) in in_circles


@pytest.mark.parametrize("case", ["64-128-10", "ten layers", "residual layers"])
def test_every_number_of_a_box_is_the_computed_one(case):
    arguments = {
        "64-128-10": (cross_entropy, nn.MLP(64, [128], 10, rng=0), numbers(8, 64), np.arange(8)),
        "ten layers": (
            cross_entropy,
            nn.MLP(64, [32] * 10, 10, activation="sigmoid", rng=0),
            numbers(8, 64),
            np.arange(8),
        ),
        "residual layers": (mse, *BLOCKS),
    }[case]
    found = trace(*arguments, inputs=True)
    norms = {number(float(np.linalg.norm(g))) for g in found.gradient.values()}
    shown = [text.split(" = ")[1] for text in texts(drawing(case).svg, "backward") if " = " in text]
    assert norms <= set(shown)
    for text in shown:
        assert math.isfinite(read_number(text))


def test_tooltips_say_all_numbers():
    """Where labels do not fit, every edge still says its weight and its derivative."""
    root = ElementTree.fromstring(drawing("8-8-8-8").svg)
    titles = [e.text for e in root.iter(f"{SVG}title")]
    weight = EIGHT[0].hidden[1].weight.numpy()
    slope = trace(cross_entropy, *EIGHT).gradient["hidden.1.weight"]
    hint = next(text for text in titles if "hidden.1.weight[3, 5]" in text)
    assert hint.splitlines()[1:] == [
        f"w²₃₅ = {number(weight[3, 5])}",
        f"∂J/∂w²₃₅ = {number(slope[3, 5])}",
    ]
    assert sum("weight[" in text for text in titles) == 3 * 64


def test_signs_and_sizes_of_weights_are_seen():
    model = nn.Sequential(nn.Linear.of([[1.0, -2.0]]))
    root = ElementTree.fromstring(draw(model, np.ones((1, 1), "f")).svg)
    lines = [e for e in root.iter(f"{SVG}path") if e.get("stroke-width") and "L" in e.get("d")]
    found = {e.get("class"): float(e.get("stroke-width")) for e in lines}
    assert found.keys() == {"more", "less"}
    assert found["less"] > found["more"]


def test_a_shared_weight_is_drawn_once_in_the_graph():
    assert texts(drawing("shared graph").svg, "").count("w¹") == 0  # no class at all
    root = ElementTree.fromstring(drawing("shared graph").svg)
    assert [e.text for e in root.iter(f"{SVG}text")].count("w¹") == 1
    hints = [e.text for e in root.iter(f"{SVG}title") if e.text.startswith("w¹ → ")]
    assert len(hints) == 2


def test_the_parts_of_a_shared_weight_add_up():
    model, x, t = Twice(3), numbers(1, 3), numbers(1, 3)
    steps = [s for s in trace(mse, model, x, t) if "w^1" in s.product]
    whole = trace(mse, model, x, t).gradient["layer.weight"]
    np.testing.assert_allclose(sum(s.product["w^1"] for s in steps), whole, rtol=1e-12)
    root = ElementTree.fromstring(drawing("shared").svg)
    hints = [e.text for e in root.iter(f"{SVG}title") if "layer.weight[0, 2]" in e.text]
    parts = {
        line.split(": ")[1] for text in hints for line in text.splitlines() if "of this" in line
    }
    assert parts == {number(step.product["w^1"][0, 2]) for step in steps}


def test_a_skipped_layer_has_a_line_of_its_own():
    assert "x: each neuron to its own" in texts(drawing("residual").svg, "quiet")


def test_containers_are_frames():
    frames = texts(drawing("residual graph").svg, "quiet")
    assert sum(text.startswith("Residual(") for text in frames) == 2
    assert sum(text.startswith("Sequential(") for text in frames) == 1


# ---------------------------------------------------------------------- the choice of a view
@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("scalar", "graph"),
        ("2-3-1", "neurons"),
        ("8-8-8-8", "neurons"),
        ("64-128-10", "layers"),
        ("ten layers", "layers"),
        ("scan", "graph"),
    ],
)
def test_the_view_that_can_be_read(name, view):
    assert drawing(name).view == view


def test_a_model_of_specs_has_no_numbers():
    found = draw(nn.MLP(3, [2], 1, rng=0), cr.Spec((5, 3)))
    assert texts(found.svg, "forward") == texts(found.svg, "backward") == []
    assert "w¹₀₁" in texts(found.svg, "label")


def test_a_model_with_its_input_has_values_but_no_gradients():
    found = draw(SMALL[0], SMALL[1])
    assert texts(found.svg, "backward") == []
    assert number(SMALL[0](SMALL[1]).item()) in texts(found.svg, "forward")


def test_the_row_that_is_drawn():
    x, t = numbers(4, 2), numbers(4, 1)
    first, third = (draw(mse, SMALL[0], x, t, row=row) for row in (0, 2))
    assert number(float(x[0, 0])) in texts(first.svg, "forward")
    assert number(float(x[2, 0])) in texts(third.svg, "forward")
    with pytest.raises(OptionError, match="0 <= row < 4"):
        draw(mse, SMALL[0], x, t, row=4)


# ---------------------------------------------------------------------- the file
def test_the_svg_is_harmless_and_accessible(name):
    svg = drawing(name).svg
    root = ElementTree.fromstring(svg)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {
        "svg",
        "title",
        "desc",
        "style",
        "rect",
        "g",
        "path",
        "text",
        "circle",
        "polygon",
    }
    assert root.get("role") == "img"
    named = root.get("aria-labelledby").split()
    assert [root.find(f"{SVG}{tag}").get("id") for tag in ("title", "desc")] == named
    assert root.find(f"{SVG}desc").text
    assert "prefers-color-scheme: dark" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_hostile_names_are_text():
    hostile = '<script>alert("&")</script>'

    def cost(weights, x):
        return (weights[hostile] * x) ** 2

    found = draw(cost, {hostile: 2.0}, 3.0, title=hostile)
    assert "<script" not in found.svg
    assert "&lt;script&gt;" in found.svg
    assert "<script" not in found.to_html()
    root = ElementTree.fromstring(found.svg)
    assert root.find(f"{SVG}title").text == hostile


def test_ways_to_show_it(tmp_path):
    found = drawing("2-3-1")
    assert found._repr_svg_() == found.to_svg() == found.svg
    assert found.svg in found._repr_html_()
    for name in ("net.svg", "net.html"):
        found.save(tmp_path / name)
        assert "<svg" in (tmp_path / name).read_text(encoding="utf-8")
    with pytest.raises(OptionError, match=r"\.html"):
        found.save(tmp_path / "net.bmp")


def test_korean():
    svg = drawing("2-3-1", "ko").svg
    assert 'lang="ko"' in svg
    assert "가중치" in svg and "weight &gt;" not in svg


# ---------------------------------------------------------------------- what cannot be drawn
def test_only_functions_are_drawn():
    with pytest.raises(OptionError, match="a cost or a model"):
        draw(3.0)
    with pytest.raises(OptionError, match="needs the arguments"):
        draw(scalar)
    with pytest.raises(OptionError, match="cannot know what"):
        draw(nn.Sequential(nn.relu))


def test_options_that_are_not_there():
    for options in ({"view": "tree"}, {"detail": "all"}):
        with pytest.raises(OptionError, match="no option"):
            draw(scalar, 1.0, 2.0, 3.0, 4.0, **options)


def test_neurons_that_cannot_be_read():
    with pytest.raises(OptionError, match="view='layers'"):
        draw(nn.MLP(40, [3], 1, rng=0), view="neurons")
    with pytest.raises(OptionError, match="something else"):
        draw(recurrent, numbers(2, 2), numbers(5, 2), numbers(2), view="neurons")


def test_graphs_that_cannot_be_read():
    def long(x):
        for _ in range(400):
            x = cr.tanh(x)
        return x

    with pytest.raises(OptionError, match="400 steps"):
        draw(long, 1.0)


# ---------------------------------------------------------------------- the layout
def test_boxes_do_not_overlap_and_edges_run_forward():
    rng = np.random.default_rng(0)
    for _ in range(20):
        boxes = [Box(*rng.uniform(10, 60, 2), rank=i) for i in range(30)]
        pairs = {tuple(sorted(rng.choice(30, 2, replace=False))) for _ in range(40)}
        edges = [Edge(boxes[a], boxes[b]) for a, b in pairs]
        inner = Group(0, 0, members=boxes[10:20], heading=20, padding=10)
        root = Group(0, 0, members=[*boxes[:10], inner, *boxes[20:]])
        lay_out(root, edges)
        for a, b in combinations(boxes, 2):
            apart = (
                abs(a.x - b.x) >= (a.width + b.width) / 2 - 1e-6
                or abs(a.y - b.y) >= (a.height + b.height) / 2 - 1e-6
            )
            assert apart
        for box in boxes[10:20]:
            assert abs(box.x - inner.x) <= (inner.width - box.width) / 2
            assert abs(box.y - inner.y) <= (inner.height - box.height) / 2
        for edge in edges:
            xs = [x for x, _ in edge.points]
            assert xs == sorted(xs)
            assert edge.points[0] == (edge.source.x + edge.source.width / 2, edge.source.y)
            assert edge.points[-1] == (edge.target.x - edge.target.width / 2, edge.target.y)
