"""One formula in three syntaxes is one tree, and what is printed is read back as it was."""

import pytest
from hypothesis import given, settings

from chainrule.explain.claims.reading import counted_from_zero, detect, read
from chainrule.explain.formulas import to_latex, to_python, to_text

from .trees import formulas

KNOWN = {"X": ("n", "d"), "W": ("m", "d"), "w": ("d",), "x": ("d",), "y": ("n",), "A": ("d", "d")}

SAME = [
    (
        "-2/n*sum((y[i] - y_hat[i])*w[j] for i in range(n))",
        "-2/n Σ_{i=1}^n (y_i − ŷ_i) w_j",
        r"-\frac{2}{n}\sum_{i=1}^{n} (y_i-\hat y_i) w_j",
    ),
    ("1/(1 + exp(-z))", "1/(1 + e^{-z})", r"\frac{1}{1+e^{-z}}"),
    ("sigmoid(z)*(1 - sigmoid(z))", "σ(z)(1 − σ(z))", r"\sigma(z)(1-\sigma(z))"),
    ("-2/n*X.T @ (y - X @ w)", "-2/n Xᵀ (y − X w)", r"-\frac{2}{n} X^\top (y - Xw)"),
    ("2*(A + A.T) @ x", "2 (A + Aᵀ) x", r"2 (A + A^{\top}) x"),
    ("norm(y - X @ w)**2", "‖y − X w‖²", r"\lVert y - Xw \rVert^2"),
    (
        "where(z > 0, z, 0)",
        "{ z if z > 0; 0 otherwise",
        r"\begin{cases} z & z>0 \\ 0 & \text{otherwise} \end{cases}",
    ),
    ("1 - tanh(z)**2", "1 − tanh²(z)", r"1 - \tanh^2 z"),
    ("sqrt(2/(n_in + n_out))", "√(2/(n_in + n_out))", r"\sqrt{\frac{2}{n_{in} + n_{out}}}"),
    ("J = mean((t - y)**2)", "J = mean((t − y)²)", r"J = \operatorname{mean}((t-y)^2)"),
    ("dJ/dw = 2*t*u", "dJ/dw = 2 t u", r"\frac{dJ}{dw} = 2tu"),
    ("w*x", "w ⊙ x", r"w \odot x"),
    ("x @ A @ x", "x A x", r"x A x"),
    ("softmax(z)[i]", "softmax(z)_i", r"\operatorname{softmax}(z)_i"),
    ("1[i == j] - p[j]", "δ_ij − p_j", r"\mathbb{1}[i=j] - p_j"),
]


@pytest.mark.parametrize("forms", SAME, ids=[forms[1] for forms in SAME])
def test_three_syntaxes_one_tree(forms):
    python, text, latex = (
        read(form, syntax=syntax, known=KNOWN)
        for form, syntax in zip(forms, ("python", "text", "latex"), strict=True)
    )
    assert python == text == latex


@pytest.mark.parametrize("forms", SAME, ids=[forms[1] for forms in SAME])
def test_the_syntax_is_found_where_it_matters(forms):
    _, text, latex = forms
    for form in forms:
        assert read(form, known=KNOWN) == read(forms[0], syntax="python", known=KNOWN)
    assert detect(text) == "text"
    assert detect(latex) == ("latex" if "\\" in latex else "text")


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("a*b", "python"),
        ("x**2", "python"),
        ("X @ w", "python"),
        ("np.exp(x)", "python"),
        ("x[i]", "python"),
        ("sum(x, axis=0)", "python"),
        ("J = 2*w", "python"),
        ("x if x > 0 else 0", "python"),
        ("lambda*x", "python"),
        ("lambda: 0", "python"),
        ("2*x^2", "text"),
        ("2*x y", "text"),
        ("a + b", "text"),
        ("ab", "text"),
        ("−2*x", "text"),
        ("|x|*2", "text"),
        ("z = w x + b", "text"),
        ("import os", "text"),
        ("$x$", "latex"),
        (r"x \cdot y", "latex"),
        ("x_{ij}", "text"),
    ],
)
def test_the_syntax_is_found(text, syntax):
    assert detect(text) == syntax


# ---------------------------------------------------------------------- printed and read back
@given(formulas)
@settings(max_examples=250)
def test_text_is_read_back(tree):
    assert read(to_text(tree), syntax="text") == tree


@given(formulas)
@settings(max_examples=250)
def test_latex_is_read_back(tree):
    assert read(to_latex(tree, lang="en"), syntax="latex") == tree


@given(formulas)
@settings(max_examples=250)
def test_python_is_read_back(tree):
    assert read(to_python(counted_from_zero(tree)), syntax="python") == tree


DECLARED = {**KNOWN, "z^2": None, "w^1": None, "h_t": ("d",), "h_{t-1}": ("d",), "v": ("d",)}
PRINTED = [
    "(z²)² + z²",
    "w¹₃₁ (w¹₃₂)³",
    "∂z²/∂w¹₃₁",
    "diag(1 − h_t²) Aᵀ",
    "∂h_t/∂h_{t−1}",
    "xᵀ A x",
    "2 x ⊙ v",
    "-2/n Xᵀ (y − X w)",
    "A⁻¹ x",
    "max_i x_i",
    "‖y − X w‖²",
    "[[a, b], [c, d]]",
    "[a, b]ᵀ",
    "J = a/b = c",
    "sum(X, axis=0)",
    "Σ_i Σ_j X_ij",
    "tanh''(z)",
    "x_2 + x_n",
    "{x_1 if x_1 > 0, 0 otherwise}",
    "λ Σ_j |w_j|",
    "softmax(z)_i",
]


@pytest.mark.parametrize("text", PRINTED)
def test_formulas_with_declared_names_are_read_back(text):
    tree = read(text, syntax="text", known=DECLARED)
    assert read(to_text(tree, lang="en"), syntax="text", known=DECLARED) == tree
    assert read(to_latex(tree, lang="en"), syntax="latex", known=DECLARED) == tree
    korean = to_text(tree, lang="ko")
    assert read(korean, syntax="text", known=DECLARED) == tree
