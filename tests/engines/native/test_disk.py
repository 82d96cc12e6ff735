"""Code on disk: found again, never trusted further than it can be checked."""

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native import disk
from chainrule.engines.native.disk import digest
from chainrule.engines.native.program import Design, NativeProgram
from chainrule.engines.native.target import Target, host


def graph(factor=2.0):
    return cr.make_graph(lambda x: cr.tanh(x) * factor, cr.Spec((5,)))


X = np.linspace(-1, 1, 5, dtype=np.float32)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch):
    """How often something was compiled."""
    made = []
    artifact = Design.artifact

    def counted(self):
        made.append(self)
        return artifact(self)

    monkeypatch.setattr(Design, "artifact", counted)
    return made


def run(g=None):
    (y,) = NativeProgram(g or graph())([X])
    np.testing.assert_allclose(y, np.tanh(X) * 2, rtol=1e-6)


def test_the_second_program_is_read_from_disk(place, compiled):
    run()
    run()
    assert len(compiled) == 1 and len(list(place.glob("*"))) == 1


def test_the_next_process_finds_it(place, compiled):
    run()
    code = (
        "import numpy as np, chainrule as cr\n"
        "from chainrule.engines.native import program\n"
        "program.Design.artifact = None\n"
        "g = cr.make_graph(lambda x: cr.tanh(x) * 2.0, cr.Spec((5,)))\n"
        "print(program.NativeProgram(g)([np.linspace(-1, 1, 5, dtype='f4')])[0].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    np.testing.assert_allclose(eval(done.stdout), np.tanh(X) * 2, rtol=1e-6)


def test_graphs_cpus_and_ways_have_names_of_their_own():
    cpu = Target(32, 16, "a", "+b")
    one = digest(graph(), ("program",), cpu)
    assert one == digest(graph(), ("program",), Target(32, 16, "a", "+b"))
    others = [
        digest(graph(3.0), ("program",), cpu),
        digest(graph(), ("loop", 1), cpu),
        digest(graph(), ("program",), Target(32, 16, "a", "+b,+c")),
        digest(cr.make_graph(lambda x: cr.tanh(x) * 2.0, cr.Spec((6,))), ("program",), cpu),
    ]
    assert len({one, *others}) == 5


def test_large_constants_and_loops_count():
    def looped(value):
        def f(x):
            return cr.scan(lambda h, _: (h * value, None), x, None, length=3)[0]

        return cr.make_graph(f, cr.Spec((2,)))

    names = {digest(looped(value), (), host()) for value in (1.5, 2.5)}
    assert len(names) == 2


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "another entry", "directory"])
def test_a_damaged_entry_is_made_anew(place, compiled, damage):
    run()
    (path,) = place.glob("*")
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "another entry":
        NativeProgram(graph(3.0))
        (other,) = set(place.glob("*")) - {path}
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()
        path.mkdir()
    before = len(compiled)
    run()
    assert len(compiled) == before + 1


def test_a_directory_that_others_can_write_to_is_not_used(place, compiled):
    run()
    place.chmod(0o777)
    run()
    assert len(compiled) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_no_obstacle(place, compiled):
    place.mkdir(mode=0o500)
    run()
    assert len(compiled) == 1


def test_a_file_in_place_of_the_directory_is_no_obstacle(place, compiled):
    place.write_text("not a directory")
    run()
    assert len(compiled) == 1


def test_nothing_is_kept_if_the_user_says_so(place, compiled, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE", "")
    run()
    run()
    assert len(compiled) == 2 and not place.exists()


def test_the_longest_unused_go_first(place, monkeypatch):
    monkeypatch.setattr(disk, "FILES", 2)
    for i in range(3):
        NativeProgram(graph(float(i)))
        ages = sorted(place.glob("*"), key=lambda p: p.stat().st_mtime)
        for age, path in enumerate(ages):
            os.utime(path, (1000 + age, 1000 + age))
    names = {path.stem for path in place.glob("*")}
    assert names == {digest(graph(float(i)), ("program",), host()) for i in (1, 2)}


def _write_and_run(_):
    for _ in range(3):
        run(graph())
    return True


def test_many_processes_write_at_once(place):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert all(pool.map(_write_and_run, range(6)))
    assert [path.suffix for path in place.glob("*")] == [".safetensors"]
