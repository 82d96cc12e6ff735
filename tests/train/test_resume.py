"""A training that is killed and resumed is, to the bit, one that was never interrupted."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("killed.py")
#: Seconds between two looks at the files: short beside the time of a checkpoint.
LOOK = 0.0005


def start(kind: str, folder: Path) -> subprocess.Popen:
    """A process that trains; it says so before it begins."""
    names = [str(folder / "training.safetensors"), str(folder / "result.json")]
    process = subprocess.Popen(
        [sys.executable, str(WORKER), kind, *names], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def result_of(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Results of trainings that nobody kills."""
    found = {}
    for kind in ("small", "large"):
        folder = tmp_path_factory.mktemp(kind)
        with start(kind, folder) as process:
            assert process.wait() == 0
        found[kind] = result_of(folder)
    return found


def wait_for_checkpoints(process, folder: Path, count: int) -> None:
    """Until so many have been written, or the process has ended."""
    path, seen = folder / "training.safetensors", set()
    while len(seen) <= count and process.poll() is None:
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
        time.sleep(LOOK)


def test_killed_at_any_moment_and_resumed_it_gives_the_same_bits(undisturbed, tmp_path):
    moments = random.Random(0)
    kills = 0
    for count in (1, 3, 1, 2, 1):
        with start("small", tmp_path) as process:
            wait_for_checkpoints(process, tmp_path, count)
            time.sleep(moments.uniform(0, 0.03))
            process.kill()
        kills += process.returncode != 0
    assert kills >= 3
    with start("small", tmp_path) as process:
        assert process.wait() == 0
    assert result_of(tmp_path) == undisturbed["small"]


def test_killed_while_it_writes_a_large_checkpoint(undisturbed, tmp_path):
    kills = 0
    for delay in (0.0, 0.02):
        with start("large", tmp_path) as process:
            while not (tmp_path / "training.safetensors").exists() or not list(
                tmp_path.glob(".*.tmp")
            ):
                if process.poll() is not None:
                    break
                time.sleep(LOOK)
            time.sleep(delay)
            process.kill()
        kills += bool(list(tmp_path.glob(".*.tmp")))
    assert kills >= 1  # it was killed with a file half-written
    with start("large", tmp_path) as process:
        assert process.wait() == 0
    assert result_of(tmp_path) == undisturbed["large"]
