"""The contestants of a benchmark: one module for each framework, one process for each contestant.

A module offers jobs: classes with ``reset()``, ``run()``, and ``values()``, numbers by the last of
which we see that all did the same. ``Training(problem, threads, **options)``, ``Prediction(...)``
and ``Generation(...)`` alike; those over sequences are in modules of their own.
:mod:`server` runs jobs in a process of its own, :mod:`client` starts such processes and asks them
for turns.
"""
