"""Errors: languages, suggestions, and the way between processes."""

import copy
import io
import pickle

import numpy as np
import pytest

from chainrule import nn
from chainrule.errors import ChainruleError, ShapeError, suggest


def misfit():
    with pytest.raises(ShapeError) as caught:
        nn.MLP(4, [3], 2, rng=0)(np.zeros((5, 7), "float32"))
    return caught.value


def test_an_error_says_the_same_in_another_process():
    error = misfit()
    assert str(error).startswith("hidden.0: Linear(4, 3) expects x.shape[-1] == 4")
    for again in (pickle.load(io.BytesIO(pickle.dumps(error))), copy.copy(error)):
        assert type(again) is ShapeError and str(again) == str(error)


def test_an_error_speaks_the_language_of_the_moment(monkeypatch):
    error = misfit()
    monkeypatch.setenv("CHAINRULE_LANG", "ko")
    assert "이어야" in str(error)


def test_every_error_is_also_one_that_python_knows():
    kinds = ChainruleError.__subclasses__()
    assert kinds
    for kind in kinds:
        assert any(base.__module__ == "builtins" for base in kind.__bases__), kind


def test_suggestions_name_the_nearest_or_nothing():
    assert "'output.bias'" in suggest("output.bia", ["hidden.0.weight", "output.bias"])
    assert suggest("zzz", ["hidden.0.weight"]) == ""
