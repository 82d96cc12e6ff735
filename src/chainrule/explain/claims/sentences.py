"""Which message of the catalogue says what."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CONDITIONS", "EDITS", "MENDS", "PROOFS", "STATUSES", "TRUTHS"]

STATUSES: Mapping[str, str] = MappingProxyType(
    {
        "right": "claims.verdict_right",
        "conditional": "claims.verdict_conditional",
        "wrong": "claims.verdict_wrong",
    }
)
#: In what sense a claim of another form is right.
CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "row": "claims.condition_row",
        "column": "claims.condition_column",
        "constant": "claims.condition_constant",
    }
)
#: What the true number is, by what the claim is about.
TRUTHS: Mapping[str, str] = MappingProxyType(
    {
        "derivative": "claims.truth_derivative",
        "value": "claims.truth_value",
        "variance": "claims.truth_variance",
    }
)
MENDS: Mapping[int, str] = MappingProxyType({1: "claims.mend_1", 2: "claims.mend_2"})
PROOFS: Mapping[str, str] = MappingProxyType(
    {
        "symbolic": "claims.proof_symbolic",
        "rule": "claims.proof_rule",
        "sampled": "claims.proof_sampled",
    }
)
#: What was wrong, by the kind of the edit that mends it.
EDITS: Mapping[str, str] = MappingProxyType(
    {
        "symbol": "claims.edit_symbol",
        "index": "claims.edit_index",
        "number": "claims.edit_number",
        "sign": "claims.edit_sign",
        "sign of term": "claims.edit_sign_of_term",
        "factor": "claims.edit_factor",
        "missing factor": "claims.edit_missing_factor",
        "extra factor": "claims.edit_extra_factor",
        "missing term": "claims.edit_missing_term",
        "extra term": "claims.edit_extra_term",
        "missing sum": "claims.edit_missing_sum",
        "extra sum": "claims.edit_extra_sum",
        "missing mean": "claims.edit_missing_mean",
        "kind of sum": "claims.edit_kind_of_sum",
        "scope": "claims.edit_scope",
        "missing function": "claims.edit_missing_function",
        "extra function": "claims.edit_extra_function",
        "function": "claims.edit_function",
        "derivative": "claims.edit_derivative",
        "transpose": "claims.edit_transpose",
        "diag": "claims.edit_diag",
        "square": "claims.edit_square",
        "root": "claims.edit_root",
        "extra power": "claims.edit_extra_power",
        "power": "claims.edit_power",
        "no power": "claims.edit_no_power",
        "power inside": "claims.edit_power_inside",
        "power outside": "claims.edit_power_outside",
        "inverse": "claims.edit_inverse",
        "complement": "claims.edit_complement",
        "order": "claims.edit_order",
        "quotient": "claims.edit_quotient",
        "product for quotient": "claims.edit_product_for_quotient",
        "product for sum": "claims.edit_product_for_sum",
        "sum for product": "claims.edit_sum_for_product",
        "matrix product": "claims.edit_matrix_product",
        "elementwise": "claims.edit_elementwise",
        "axis": "claims.edit_axis",
        "softmax": "claims.edit_softmax",
        "relation": "claims.edit_relation",
        "case": "claims.edit_case",
        "path": "claims.edit_path",
        "partial": "claims.edit_partial",
        "left side": "claims.edit_left_side",
        "shape": "claims.edit_shape",
    }
)
