"""Which folders are watched, which paths are ours, what is done when the store is away."""

import pytest
from pydantic import ValidationError

from nightshift.daemon.kit.clock import ManualClock, SystemClock
from nightshift.monitors import logs
from nightshift.monitors.logs.files import Files
from nightshift.monitors.logs.identity import Mark, dump_marks, load_marks
from nightshift.monitors.logs.patterns import root_of, roots
from nightshift.monitors.logs.testing import PLAIN, json_line
from nightshift.monitors.testing import ListSink, watching


def settings(*paths, **values):
    return logs.Settings(files=[logs.LogFile(path=str(p), service="shop") for p in paths], **values)


@pytest.mark.parametrize(("pattern", "root"), [
    ("/var/log/app.log", ("/var/log", False)), ("/var/log/*.log", ("/var/log", False)),
    ("/var/log/*/app.log", ("/var/log", True)), ("/var/log/pods/**/*.log", ("/var/log/pods", True)),
    ("/srv/[ab]/c/x.log", ("/srv", True)),
])  # fmt: skip
def test_the_root_of_a_pattern(pattern, root):
    assert root_of(pattern) == root


def test_one_watch_per_distinct_folder():
    given = ["/var/log/a.log", "/var/log/b.log", "/var/log/pods/*/x.log", "/var/log/pods/y/z.log", "/srv/q.log"]
    assert roots(given) == {"/var/log": False, "/var/log/pods": True, "/srv": False}
    assert roots(["/a/**/x.log", "/a/b/c.log", "/ab/c.log"]) == {"/a": True, "/ab": False}


@pytest.mark.parametrize(("pattern", "path", "ours"), [
    ("/l/a.log", "/l/a.log", True), ("/l/a.log", "/l/a.log.1", False), ("/l/*.log", "/l/a.log", True),
    ("/l/*.log", "/l/b/a.log", False), ("/l/*.log", "/l/.a.log", False), ("/l/**/*.log", "/l/a.log", True),
    ("/l/**/*.log", "/l/b/c/a.log", True), ("/l/*/a?[0-9].log", "/l/b/ax7.log", True), ("/l/**", "/l/b", True),
    ("/l/a+(b).log", "/l/a+(b).log", True), ("/l/*/a+(b).log", "/l/x/aab.log", False),
])  # fmt: skip
def test_paths_match_as_glob_lists_them(pattern, path, ours):
    assert Files(settings(pattern), ManualClock()).concerns(path) is ours


def test_marks_survive_the_store_and_rubbish_is_taken_as_new(tmp_path, caplog):
    mark = Mark(id="log-x", dev=1, inode=2, head="3:abc", generation=4, offset=5, mtime_ns=6)
    assert load_marks(dump_marks(mark, [mark], 7)) == (mark, [mark], 7)
    assert load_marks(dump_marks(None, [], 3)) == (None, [], 3)
    files = Files(settings(tmp_path / "a.log"), ManualClock())
    for rubbish in ("", "[]", "3", '{"x": 1}', '{"older": [3]}', "{"):
        files.load({f"logs:{tmp_path}/a.log": rubbish, "other:key": "x"})
        assert files.paths() == []
    assert len(caplog.records) == 6


class FailingSink(ListSink):
    """A store that is away for the first calls that carry signals."""

    def __init__(self, failures):
        super().__init__()
        self.failures = failures

    def __call__(self, signals, checkpoints=None):
        if signals and self.failures:
            self.failures -= 1
            raise ConnectionError("the store is away")
        super().__call__(signals, checkpoints)


def test_signals_wait_for_the_store_and_no_offset_overtakes_them(tmp_path):
    path, sink = tmp_path / "app.log", FailingSink(10**6)
    path.write_text(PLAIN)
    with watching(logs.create(settings(path, from_start=True), {}, SystemClock()), sink):
        sink.failures = 1
        sink.wait(lambda s: s.received)
    away = FailingSink(10**6)
    with watching(logs.create(settings(path, from_start=True), {}, SystemClock()), away):
        pass
    assert away.received == []
    away.failures = 0
    with watching(logs.create(settings(path, from_start=True), {}, SystemClock()), away):
        away.wait(lambda s: s.received)
    assert len(away.signals) == 1


def test_an_unreadable_path_is_said_once_and_hurts_nobody(tmp_path, caplog):
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    path, sink = tmp_path / "app.log", ListSink()
    path.write_text(json_line(PLAIN))
    names = (tmp_path / "loop.log", tmp_path / "folder.log", path)
    with watching(logs.create(settings(*names, from_start=True, reconcile_s=0.05), {}, SystemClock()), sink):
        sink.wait(lambda s: s.received)
    assert len([r for r in caplog.records if "loop.log" in r.getMessage()]) == 1


def test_settings_refuse_what_they_do_not_know():
    with pytest.raises(ValidationError):
        logs.Settings(files=[{"path": "x", "service": "y", "format": "xml"}])
    with pytest.raises(ValidationError):
        logs.Settings(file="x")
