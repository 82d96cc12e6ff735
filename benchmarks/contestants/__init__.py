"""The contestants of a benchmark: one module for each framework, one process for each contestant.

A module offers jobs: classes with ``reset()``, ``run()``, and ``value()``, a number by which we see
that all did the same. ``Training(problem, threads, **options)`` and ``Prediction(...)`` alike.
:mod:`server` runs jobs in a process of its own, :mod:`client` starts such processes and asks them
for turns.
"""
