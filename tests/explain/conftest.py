"""What tests of explanations share: KaTeX, which reads what we call LaTeX."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs
import pytest

KATEX = Path(__file__).parent / "katex"
SOURCES = ("package.json", "package-lock.json", "check.js")

Katex = Callable[[Sequence[str]], list[str]]


@pytest.fixture(scope="session")
def katex(tmp_path_factory: pytest.TempPathFactory) -> Katex:
    """A function from formulas to complaints: those that KaTeX refuses in its strict mode."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: KaTeX cannot be asked")
    folder = _installed(tmp_path_factory.mktemp("katex"))

    def complaints(formulas: Sequence[str]) -> list[str]:
        asked = "\n".join(map(json.dumps, formulas))
        command = [node, str(folder / "check.js")]
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        # Not splitlines: a complaint may quote a character that Python takes for a line's end.
        answers = [json.loads(line) for line in done.stdout.split("\n") if line]
        found = zip(formulas, answers, strict=True)
        return [f"{formula}: {answer}" for formula, answer in found if answer is not None]

    return complaints


def _installed(fresh: Path) -> Path:
    """The folder with KaTeX in it, filled once for each version of our files."""
    contents = {name: (KATEX / name).read_bytes() for name in SOURCES}
    version = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
    folder = platformdirs.user_cache_path("chainrule-tests") / f"katex-{version}"
    if folder.exists():
        return folder
    for name, content in contents.items():
        (fresh / name).write_bytes(content)
    command = [shutil.which("npm") or "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        _cannot(f"npm cannot install KaTeX: {done.stderr.strip()[-300:]}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(fresh, folder.with_name(f"{folder.name}-{os.getpid()}"))
        folder.with_name(f"{folder.name}-{os.getpid()}").rename(folder)
    except OSError:  # another process was faster
        return fresh
    return folder


def _cannot(reason: str) -> None:
    """Without a network a test is left out at home, and fails where all of them must run."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
