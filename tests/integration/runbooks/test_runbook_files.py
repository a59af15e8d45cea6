"""File actions on real files, the disk-full book on a real full file system where there may be one, and every way out
of the roots."""

import os
import stat
import tempfile
import threading
import time
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run as start
from nightshift.runbooks.context import Context
from nightshift.runbooks.limits import Limits
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord

HOUR_S = 3600


def book(action, **arguments):
    import json

    step = {"name": "do", "action": action, "with": arguments}
    return parse_book(json.dumps({"name": "b", "description": "d", "steps": [step]}))


def run(base, chosen, key="run-1", roots=None, record=None, **params):
    context = Context(limits=Limits(roots=roots or (base,)))
    return Runner(context, record).run(chosen, params, key=key)


def aged(path, hours, size=4096, text=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if text is not None else os.urandom(size))
    then = time.time() - hours * HOUR_S
    os.utime(path, (then, then))
    return path


def fill_up(path):
    with path.open("ab") as writer:
        while True:
            os.write(writer.fileno(), b"x" * 65536)


@pytest.fixture
def small_disk():
    """A file system of 8 MiB."""
    with tempfile.TemporaryDirectory(prefix="nightshift-disk-") as folder:
        done = start(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], timeout_s=20)
        if not done.ok:
            pytest.skip(f"no file system can be mounted here: {done.why()}")
        try:
            yield Path(folder)
        finally:
            start(["umount", "-l", folder], timeout_s=20)


def test_a_full_disk_gets_room_again(small_disk):
    log = small_disk / "app.log"
    for at in range(6):
        aged(small_disk / "logs" / f"app.log.{at}", 48 + at, 1 << 20)
    with pytest.raises(OSError, match="space"):
        fill_up(log)
    params = {"folder": str(small_disk), "log": str(log), "used_percent": "70", "free_percent": "100",
              "keep_newest": "4"}  # fmt: skip
    result = run(small_disk, load_books()["disk-full"], **params)
    assert result.status == "done", result
    assert [s.status for s in result.steps] == ["done"] * 5
    assert sorted(p.name for p in (small_disk / "logs").iterdir()) == [f"app.log.{at}" for at in range(4)]
    assert 1 << 20 >= log.stat().st_size > 0
    (small_disk / "new").write_bytes(b"x" * (1 << 20))


def test_the_oldest_go_first_and_no_more_than_needed(small_disk):
    for at in range(7):
        aged(small_disk / f"app.log.{at}", 48 + at, 1 << 20)
    result = run(small_disk, load_books()["disk-full"], folder=str(small_disk), free_percent="40", keep_newest="0")
    assert result.status == "done", result
    assert sorted(p.name for p in small_disk.iterdir()) == [f"app.log.{at}" for at in range(4)]


def test_a_disk_that_stays_full_is_a_failure(small_disk):
    (small_disk / "data").write_bytes(b"x" * (7 << 20))
    result = run(small_disk, load_books()["disk-full"], folder=str(small_disk))
    assert result.status == "failed"
    assert "allowed are 85 %" in result.reason


def test_cleaning_goes_by_the_rule_and_nowhere_else(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    aged(outside / "old.log.1", 99)
    for name in ("a.log.1", "b.log.2", "keep.txt", "deep/c.log.3"):
        aged(root / name, 48)
    aged(root / "young.log.1", 0)
    (root / "link.log.1").symlink_to(outside / "old.log.1")
    (root / "far").symlink_to(outside)
    rule = {"folder": str(root), "names": ["*.log.*"], "older_than_s": HOUR_S}
    result = run(root, book("file.clean", **rule))
    assert result.steps[0].values["files"] == 2, result
    assert {p.name for p in root.iterdir()} == {"keep.txt", "deep", "young.log.1", "link.log.1", "far"}
    assert run(root, book("file.clean", **rule, below=True), key="b").steps[0].values["files"] == 1
    assert (outside / "old.log.1").exists()


def test_a_rule_that_fits_too_much_deletes_nothing(tmp_path):
    for at in range(5):
        aged(tmp_path / f"{at}.log.1", 48)
    result = run(tmp_path, book("file.clean", folder=str(tmp_path), names=["*"], at_most=4))
    assert "5 files fit the rule" in result.reason
    assert len(list(tmp_path.iterdir())) == 5


def test_rotating_keeps_numbers_mode_and_owner_and_is_done_once(tmp_path):
    log = aged(tmp_path / "app.log", 0, text=b"new\n")
    log.chmod(0o640)
    for at in (1, 2, 3):
        aged(tmp_path / f"app.log.{at}", at, text=f"old {at}\n".encode())
    rotate = book("file.rotate", path=str(log), keep=3)
    record = FileRecord(tmp_path / "runs")
    assert run(tmp_path, rotate, record=record).ok
    assert run(tmp_path, rotate, record=record).steps[0].resumed
    texts = [(tmp_path / f"app.log.{at}").read_text() for at in (1, 2, 3)]
    assert texts == ["new\n", "old 1\n", "old 2\n"]
    assert log.read_text() == ""
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


class Killed(BaseException):
    """The process dies here."""


class DiesBeforeResult(FileRecord):
    def save(self, key, name, entry):
        if "result" in entry:
            raise Killed
        super().save(key, name, entry)


def test_a_rotation_that_was_cut_off_is_not_done_again(tmp_path):
    log = aged(tmp_path / "app.log", 0, text=b"new\n")
    rotate, folder = book("file.rotate", path=str(log)), tmp_path / "runs"
    with pytest.raises(Killed):
        run(tmp_path, rotate, record=DiesBeforeResult(folder))
    log.write_text("newer\n")
    assert run(tmp_path, rotate, record=FileRecord(folder)).ok
    assert log.read_text() == "newer\n"
    assert (tmp_path / "app.log.1").read_text() == "new\n"
    assert not (tmp_path / "app.log.2").exists()


def test_a_failed_run_puts_the_rotated_file_back(tmp_path):
    import json

    log = aged(tmp_path / "app.log", 0, text=b"new\n")
    steps = [{"name": "r", "action": "file.rotate", "with": {"path": str(log)}}]
    verify = [{"name": "v", "action": "assert", "with": {"value": False}}]
    made = parse_book(json.dumps({"name": "b", "description": "d", "steps": steps, "verify": verify}))
    assert run(tmp_path, made).status == "rolled_back"
    assert log.read_text() == "new\n"
    assert not (tmp_path / "app.log.1").exists()


def test_truncating_keeps_the_end_under_an_open_writer(tmp_path):
    log = tmp_path / "app.log"
    with log.open("ab") as writer:
        writer.write(b"a" * 10_000 + b"the end\n")
        writer.flush()
        result = run(tmp_path, book("file.truncate", path=str(log), keep_bytes=8))
        writer.write(b"more\n")
    assert result.steps[0].values["freed"] == 10_000
    assert log.read_bytes() == b"the end\nmore\n"


@pytest.mark.parametrize("action", ["file.truncate", "file.rotate"])
@pytest.mark.parametrize(
    "make",
    [
        lambda root, outside: str(outside / "secret"),
        lambda root, outside: f"{root}/../outside/secret",
        lambda root, outside: f"{root}/far/secret",
        lambda root, outside: f"{root}/link",
        lambda root, outside: f"{root}/hard",
        lambda root, outside: f"{root}/pipe",
        lambda root, outside: f"{root}/deep",
        lambda root, outside: f"{root}",
        lambda root, outside: "secret",
        lambda root, outside: f"{root}x/secret",
        lambda root, outside: f"/proc/self/root{outside}/secret",
    ],
    ids=[
        "outside",
        "dots",
        "linked-folder",
        "link",
        "hard-link",
        "fifo",
        "folder",
        "root",
        "relative",
        "prefix",
        "proc",
    ],
)
def test_no_way_out_of_the_roots(tmp_path, action, make):
    root, outside = tmp_path / "root", tmp_path / "outside"
    aged(outside / "secret", 1, text=b"secret")
    aged(tmp_path / "rootx" / "secret", 1, text=b"secret")
    (root / "deep").mkdir(parents=True)
    (root / "far").symlink_to(outside)
    (root / "link").symlink_to(outside / "secret")
    aged(outside / "other", 1, text=b"secret")  # another one: a second name would protect the first from every way in
    os.link(outside / "other", root / "hard")
    os.mkfifo(root / "pipe")
    path = make(root, outside)
    result = run(root, book(action, path=path))
    assert result.status == "failed", result
    assert (outside / "secret").read_bytes() == (outside / "other").read_bytes() == b"secret"
    assert (tmp_path / "rootx" / "secret").read_bytes() == b"secret"
    assert sorted(p.name for p in root.iterdir()) == ["deep", "far", "hard", "link", "pipe"]


def test_without_roots_nothing_may_be_touched(tmp_path):
    log = aged(tmp_path / "app.log", 1)
    context = Context()
    for chosen in (book("file.truncate", path=str(log)), book("file.clean", folder=str(tmp_path), names=["*"])):
        result = Runner(context).run(chosen, {}, key="k" + chosen.steps[0].action)
        assert "runbooks.limits.roots" in result.reason
    assert log.stat().st_size == 4096


def test_a_folder_that_turns_into_a_link_again_and_again_leads_nowhere(tmp_path):
    """Somebody who may write in the root swaps a folder for a link to outside while actions walk through it."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for number in range(400):
        aged(outside / f"{number}.log.1", 48, text=b"secret")
    (root / "swap").mkdir(parents=True)
    over = threading.Event()

    def swap():
        while not over.is_set():
            os.rename(root / "swap", root / "aside")
            os.symlink(outside, root / "swap")
            os.unlink(root / "swap")
            os.rename(root / "aside", root / "swap")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(200):
            path = f"{root}/swap/{number}.log.1"
            run(root, book("file.truncate", path=path), key=f"t{number}")
            run(root, book("file.clean", folder=f"{root}/swap", names=["*"]), key=f"c{number}")
            run(root, book("file.clean", folder=str(root), names=["*.log.*"], below=True), key=f"d{number}")
    finally:
        over.set()
        thread.join()
    assert {p.read_bytes() for p in outside.iterdir()} == {b"secret"}
    assert len(list(outside.iterdir())) == 400
