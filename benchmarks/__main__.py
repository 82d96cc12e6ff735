"""``python -m benchmarks NAME``: run one benchmark, or list them."""

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.timing import check_environment

names = sorted(
    module.name
    for module in pkgutil.iter_modules(benchmarks.__path__)
    if module.name not in ("__main__", "timing")
)
if len(sys.argv) < 2 or sys.argv[1] not in names:
    raise SystemExit(f"Usage: python -m benchmarks NAME, where NAME is one of {', '.join(names)}.")
check_environment()
importlib.import_module(f"benchmarks.{sys.argv[1]}").main()
