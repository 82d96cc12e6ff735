"""One thread for small products, and the setting of before afterwards."""

import pytest
from threadpoolctl import threadpool_info

import chainrule as cr
from chainrule.engines import one_thread, threads_that_pay
from chainrule.engines.threads import LARGE_PRODUCT, largest_product


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_nests_and_restores_what_was_set():
    before = blas_threads()
    with one_thread():
        assert blas_threads() == {1}
        with one_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_restores_after_an_error():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), one_thread():
        1 / 0  # noqa: B018
    assert blas_threads() == before


def test_a_large_product_keeps_its_threads():
    n = round((LARGE_PRODUCT / 2) ** (1 / 3))
    before = blas_threads()
    for size, threads in ((n // 2, {1}), (n + 1, before)):
        graph = cr.make_graph(lambda x: cr.tanh(x @ x), cr.Spec((size, size)))
        with threads_that_pay(graph):
            assert blas_threads() == threads


def test_products_in_calls_and_loops_count():
    def loop(w, x):
        return cr.scan(lambda h, row: (h @ w + row, None), cr.zeros((4, 8)), x)[0]

    graph = cr.make_graph(cr.named(loop), cr.Spec((8, 8)), cr.Spec((5, 4, 8)))
    assert largest_product(graph) == 2 * 4 * 8 * 8
