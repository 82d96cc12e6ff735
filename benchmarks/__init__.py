"""Benchmarks: ``python -m benchmarks NAME``. The method is in ``timing``; tests time nothing."""
