"""What several tests of the native engine need."""

import pytest

from chainrule.engines.cpus import cpu_limit
from chainrule.engines.native import workers


def _forget():
    cpu_limit.cache_clear()
    workers._start_afresh()


@pytest.fixture
def eight_threads(monkeypatch):
    """Eight threads may be used, whatever the machine has."""
    monkeypatch.setenv("CHAINRULE_THREADS", "8")
    _forget()
    yield
    _forget()
