"""The list of public names is written out by hand, so it is compared with what there is."""

import importlib
import pkgutil
from types import ModuleType

import pytest

import chainrule as cr
import chainrule.graph
from chainrule.graph import functions, ops

ROOMS = [
    importlib.import_module(f"{package.__name__}.{found.name}")
    for package in (functions, ops)
    for found in pkgutil.iter_modules(package.__path__)
]
INTERNAL = {"CALL", "PICK", "SCAN", "WHILE", "evaluate", "philox"}


@pytest.mark.parametrize("module", ROOMS, ids=lambda module: module.__name__)
def test_every_public_function_is_exported(module: ModuleType) -> None:
    for name in set(module.__all__) - INTERNAL:
        assert getattr(cr, name) is getattr(chainrule.graph, name) is getattr(module, name)
        assert name in chainrule.graph.__all__


def test_nothing_is_exported_twice_or_in_vain() -> None:
    exported = chainrule.graph.__all__
    assert len(exported) == len(set(exported))
    assert all(hasattr(cr, name) for name in exported)


def test_every_export_is_documented_with_an_example() -> None:
    plain = set(chainrule.graph.__all__) - {"TABLE", "Graph", "Node", "random"}
    without = [name for name in plain if ">>> " not in (getattr(cr, name).__doc__ or "")]
    assert without == []
    assert all(">>> " in getattr(cr.random, name).__doc__ for name in cr.random.__all__)
