"""How long ``check_claim`` takes: the distribution over right claims and slips of every kind.

Run it with ``python benchmarks/claims.py``; files of claims (TOML, one table ``[[claim]]`` each
with ``function``, ``claim``, ``wrt``, ``shapes``, ``let``, ``random``, ``about``) may be given
instead of the built-in ones.
"""

import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.explain.claims import check_claim

LEAST = {"shapes": {"X": "n, d", "w": "d", "y": "n"}, "wrt": "w"}
LINE = {"let": {"ŷ_i": "Σ_j x_ij w_j + b"}, "wrt": "w_j"}
NETWORK = {
    "shapes": {"x": "d", "W_1": "d, h", "W_2": "h, m", "t": "m"},
    "let": {"z": "x W_1", "a": "relu(z)", "y": "a W_2"},
}
CLAIMS: list[tuple[str, str, dict[str, Any]]] = [
    ("mean((t - (w*x + b))**2)", "-2*mean((t - (w*x + b))*x)", {"wrt": "w"}),
    ("mean((t - (w*x + b))**2)", "-2*mean((t - (w*x + b))*w)", {"wrt": "w"}),
    ("1/n Σ_i (y_i − ŷ_i)²", "−2/n Σ_i (y_i − ŷ_i) w_j", LINE),
    ("1/n Σ_i (y_i − ŷ_i)²", "2/n Σ_i (y_i − ŷ_i) w_j", LINE),
    ("‖y − X w‖²", "−2 Xᵀ (y − X w)", LEAST),
    ("‖y − X w‖²", "−2 X (y − X w)", LEAST),
    ("‖y − X w‖²", "2 X (y − X w)", LEAST),
    ("L = ‖y − t‖²", "∂L/∂W_1 = 2 x ((W_2 (y − t)) ⊙ relu'(z))ᵀ", NETWORK),
    ("L = ‖y − t‖²", "∂L/∂W_1 = x (W_2 (y − t))ᵀ", NETWORK),
    ("sigmoid(z)", "sigmoid(z)*(1 + sigmoid(z))", {"wrt": "z"}),
    ("relu(z)", "1", {"wrt": "z"}),
    ("sin(x**2)", "x*cos(x)", {"wrt": "x"}),
    ("x**2", "exp(exp(x))*7 + sin(x)*cos(x)", {"wrt": "x"}),
    ("randn(d_in, d_out) / sqrt(d_in + d_out)", "2/(d_in + d_out)", {"about": "variance"}),
]


def read(path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """The claims of a file."""
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("claim", [])
    names = ("wrt", "shapes", "let", "random", "about")
    return [
        (row["function"], row["claim"], {name: row[name] for name in names if row.get(name)})
        for row in rows
    ]


def main() -> None:
    claims = [one for path in sys.argv[1:] for one in read(Path(path))] or CLAIMS
    seconds = []
    for function, claim, options in claims:
        start = time.perf_counter()
        try:
            status = check_claim(function, claim, **options).status
        except ChainruleError:
            status = "refused"
        seconds.append(time.perf_counter() - start)
        print(f"{seconds[-1] * 1e3:7.0f} ms  {status:12} {claim}")
    quantiles = np.quantile(seconds, [0.5, 0.9, 1.0]) * 1e3
    print("median {:.0f} ms, 90 % {:.0f} ms, longest {:.0f} ms".format(*quantiles))


if __name__ == "__main__":
    main()
