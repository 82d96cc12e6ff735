"""float32 and float64 as the elementary functions see them: limits, constants and polynomials.

The polynomials are minimax in the relative error of their function, found by Remez exchange. Those
for float32 were rounded coefficient by coefficient, with the remaining ones fitted again.
"""

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

__all__ = ["FLOAT32", "FLOAT64", "Format", "format_of"]


@dataclass(frozen=True)
class Format:
    """What the algorithms have to know about a floating-point type.

    Attributes
    ----------
    bits, mantissa, bias
        Width of the type, stored bits of the mantissa, and the exponent's bias.
    ln2, pi_2
        ``ln 2`` and ``π/2`` as sums of numbers of the type, the largest first.
    exp_low, exp_high
        Below and above, ``e^x`` is 0 and infinite.
    expm1_low, tanh_high, erf_high
        Beyond, the function has rounded to its limit.
    trigonometric_limit
        Largest ``|x|`` whose multiple of π/2 the three parts subtract exactly enough.
    expm1, log, erf, sin, cos, arctan
        Polynomials, highest power first.
    """

    bits: int
    mantissa: int
    ln2: tuple[float, float]
    pi_2: tuple[float, float, float]
    exp_low: float
    exp_high: float
    expm1_low: float
    tanh_high: float
    erf_high: float
    trigonometric_limit: float
    expm1: tuple[float, ...]  # (e^r - 1 - r) / r²
    log: tuple[float, ...]  # (log(1 + f) - f + f²/2) / f³
    erf: tuple[tuple[float, ...], tuple[float, ...]]  # (w - 4u / 3√π) / u³ in u², see vmath.erf
    sin: tuple[float, ...]  # (sin r - r) / r³ in r²
    cos: tuple[float, ...]  # (cos r - 1 + r²/2) / r⁴ in r²
    arctan: tuple[float, ...]  # (arctan q - q) / q³ in q²

    @property
    def bias(self) -> int:
        """The stored exponent of 1."""
        return (1 << (self.bits - self.mantissa - 2)) - 1

    @property
    def half_range(self) -> int:
        """Half of the exponent range: ``2^±half_range`` squared is at the edge of the range."""
        return (self.bias + 1) // 2

    @property
    def rounder(self) -> float:
        """Adding it rounds to an integer, which then stands in the lowest bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def smallest_normal(self) -> float:
        """Numbers below it have lost digits."""
        return 2.0 ** (1 - self.bias)

    @property
    def negligible(self) -> float:
        """``x²`` does not change ``x`` below this magnitude."""
        return 2.0 ** -(self.mantissa + 2)


# fmt: off
FLOAT32 = Format(
    bits=32,
    mantissa=23,
    ln2=(0.6931471824645996, -1.9046542121259336e-09),
    pi_2=(1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    exp_low=-104.0,
    exp_high=89.0,
    expm1_low=-20.0,
    tanh_high=9.1,
    erf_high=3.95,
    trigonometric_limit=2.0**17,
    expm1=(1.38711149e-3, 8.36626533e-3, 4.16674316e-2, 1.66665465e-1, 4.99999970e-1),
    log=(6.74913153e-2, -1.16700023e-1, 1.18835434e-1, -1.24062419e-1, 1.42203599e-1,
         -1.66679889e-1, 2.00020716e-1, -2.50000089e-1, 3.33333135e-1),
    erf=((4.956299e-7, -2.3781664e-4, -3.0703216e-3, -6.5379426e-2),
         (2.9624777e-4, 8.023779e-3, 1.03391245e-1, 6.006102e-1)),
    sin=(-1.95182845e-4, 8.33218917e-3, -1.66666552e-1),
    cos=(2.44323273e-5, -1.38873095e-3, 4.16666456e-2),
    arctan=(2.91943760e-3, -1.63632445e-2, 4.32047993e-2, -7.55166411e-2, 1.06657699e-1,
            -1.42110020e-1, 1.99937671e-1, -3.33331525e-1),
)

FLOAT64 = Format(
    bits=64,
    mantissa=52,
    ln2=(0.6931471805599453, 2.3190468138462996e-17),
    pi_2=(1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
    exp_low=-746.0,
    exp_high=710.0,
    expm1_low=-40.0,
    tanh_high=19.1,
    erf_high=5.95,
    trigonometric_limit=2.0**30,
    expm1=(2.087632816892272e-09, 2.510904404262097e-08, 2.755739988268094e-07,
           2.7557244202772904e-06, 2.4801587175204785e-05, 0.0001984126988611933,
           0.0013888888888961314, 0.008333333333321638, 0.04166666666666651,
           0.16666666666666677, 0.5),
    log=(0.026148989601190237, -0.05981542366600968, 0.06503559300135855, -0.05677869917313955,
         0.0566837597826457, -0.06196661184377274, 0.06684587316581332, -0.0714944126664617,
         0.07691530106132487, -0.08332913441100748, 0.09090923912191701, -0.10000015209480968,
         0.1111111114816568, -0.12499999691384898, 0.14285714280080242, -0.16666666669826422,
         0.20000000000066723, -0.24999999999987974, 0.3333333333333314),
    erf=((-2.2429369428588137e-16, -3.874996866800367e-12, -2.447700120584218e-10,
          -1.1532185900414083e-08, -3.3421035924952834e-07, -8.480513876734859e-06,
          -0.00012825059101526174, -0.0018954585224093955, -0.013233715169265943,
          -0.10885492829269844),
         (5.457525974633785e-12, 4.051185723645495e-10, 1.8607632567643397e-08,
          6.118840126440108e-07, 1.4854893685677738e-05, 0.0002704147383010884,
          0.003685641344817474, 0.03648280327466239, 0.24674771092731013, 1.0)),
    sin=(1.5896197711706884e-10, -2.505074722009819e-08, 2.755731361803442e-06,
         -0.00019841269829580234, 0.008333333333322108, -0.1666666666666663),
    cos=(-1.1358514060358174e-11, 2.0875700418189477e-09, -2.755731417625533e-07,
         2.480158728884145e-05, -0.001388888888887304, 0.041666666666666595),
    arctan=(1.322990349003713e-05, -0.0001522103460374468, 0.0008315567527805736,
            -0.0028856039201483733, 0.007197878891695121, -0.01390257334422346,
            0.021987075766000425, -0.02990574686553561, 0.03664316014278384,
            -0.04219243617883468, 0.047223483973328755, -0.05253526800857339,
            0.058805298155651525, -0.06666404425284905, 0.07692279889254053,
            -0.09090907007837189, 0.11111111007344644, -0.14285714282588183,
            0.1999999999995175, -0.3333333333333307),
)
# fmt: on


def format_of(x: Any) -> Format:
    """The format of a value's elements."""
    element = x.type.element if isinstance(x.type, ir.VectorType) else x.type
    return FLOAT32 if isinstance(element, ir.FloatType) else FLOAT64
