"""Files are written whole or not at all."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chainrule import storage
from chainrule.errors import StorageError


def test_a_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    storage.write_bytes(path, b"old")
    storage.write_bytes(path, b"new")
    assert storage.read_bytes(path) == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notes"
    storage.write_bytes(path, b"old")

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


FILL = """
import resource, sys
from chainrule import storage
from chainrule.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    storage.write_bytes(sys.argv[1], bytes(2 << 20))
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    old = os.urandom(1 << 19)
    path.write_bytes(old)
    told = subprocess.run(
        [sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True
    )
    assert f"Cannot write {path}: File too large." in told.stdout
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import sys
from chainrule import storage
content = [bytes([value]) * (16 << 20) for value in range(2)]
print("ready", flush=True)
while True:
    for version in content:
        storage.write_bytes(sys.argv[1], version)
"""


def test_a_killed_process_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for delay in (0.02, 0.05, 0.09):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while not path.exists():
                assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(delay)
            process.kill()
        content = path.read_bytes()
        assert len(content) == 16 << 20
        assert content in (bytes(16 << 20), b"\1" * (16 << 20))


def test_only_what_killed_processes_have_left_is_removed(tmp_path: Path) -> None:
    names = [".0123456789abcdef.tmp", ".fedcba9876543210.tmp", ".notes.tmp", "notes"]
    for name in names:
        (tmp_path / name).write_bytes(b"content")
    for name in (names[0], *names[2:]):
        os.utime(tmp_path / name, (0, 0))
    storage.remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
    storage.remove_leftovers(tmp_path / "missing")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")
def test_permissions_are_kept_and_links_followed(tmp_path: Path) -> None:
    path, link = tmp_path / "private", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o600)
    link.symlink_to(path)
    storage.write_bytes(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_longest_name_that_the_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    storage.write_bytes(path, b"content")
    assert storage.read_bytes(path) == b"content"


@pytest.mark.parametrize("name", ["missing", "missing/inside", "\0"])
def test_what_is_not_there_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match=r"Cannot read .*(missing|null)"):
        storage.read_bytes(tmp_path / name)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="regular file"):
        storage.read_bytes(tmp_path)
    with pytest.raises(StorageError, match="regular file"):
        storage.write_bytes(tmp_path, b"")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StorageError, match="regular file"):
        storage.read_bytes(pipe)
    with pytest.raises(StorageError, match="regular file"):
        storage.write_bytes(pipe, b"")


def test_numbered_directories_continue_after_the_highest(tmp_path: Path) -> None:
    for taken in ("digits-002", "digits-010", "digits-x", "digits-more-900", "iris-077"):
        (tmp_path / taken).mkdir()
    assert storage.make_numbered_directory(tmp_path, "digits").name == "digits-011"
    (tmp_path / "digits-999").mkdir()
    assert storage.make_numbered_directory(tmp_path, "digits").name == "digits-1000"
    assert storage.make_numbered_directory(tmp_path, "digits").name == "digits-1001"


def test_no_two_ask_for_one_numbered_directory(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: storage.make_numbered_directory(tmp_path, "run"), range(64)))
    assert sorted(path.name for path in made) == [f"run-{n:03d}" for n in range(1, 65)]


def test_a_numbered_directory_inside_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="Cannot write"):
        storage.make_numbered_directory(tmp_path / "runs", "digits")
