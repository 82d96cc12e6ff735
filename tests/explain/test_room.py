"""The room and its main function share a name."""

import subprocess
import sys

import chainrule as cr
from chainrule import nn
from chainrule.explain import Derivation


def test_the_room_can_be_called():
    model = nn.Linear(1, 1, rng=0)
    derived = cr.explain(lambda m, x: m(x).sum(), model, cr.ones((1, 1)), wrt="weight[0, 0]")
    assert isinstance(derived, Derivation) and derived.value == 1.0
    assert callable(cr.explain.trace)


def test_it_is_imported_when_it_is_asked_for():
    looks = "'chainrule.explain' in sys.modules, callable(cr.explain)"
    code = f"import sys, chainrule as cr; print({looks})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_unknown_names_stay_unknown():
    assert not hasattr(cr, "explained")
