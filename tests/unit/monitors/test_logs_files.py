"""Which folders are watched, which paths are ours, what is done when the store is away."""

import glob
import os

import pytest
from pydantic import ValidationError

from nightshift.daemon.kit.clock import ManualClock, SystemClock
from nightshift.monitors import logs
from nightshift.monitors.logs.files import Files
from nightshift.monitors.logs.identity import Mark, Past, Saved, dump_marks, load_marks
from nightshift.monitors.logs.observe import Watches
from nightshift.monitors.logs.origin import origin
from nightshift.monitors.logs.patterns import Matcher, root_of
from nightshift.monitors.logs.rotated import bases_of
from nightshift.monitors.logs.testing import PLAIN, json_line
from nightshift.monitors.logs.walk import Walk
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


@pytest.mark.parametrize(("pattern", "path", "ours"), [
    ("/l/a.log", "/l/a.log", True), ("/l/a.log", "/l/a.log.1", False), ("/l/*.log", "/l/a.log", True),
    ("/l/*.log", "/l/b/a.log", False), ("/l/*.log", "/l/.a.log", False), ("/l/**/*.log", "/l/a.log", True),
    ("/l/**/*.log", "/l/b/c/a.log", True), ("/l/*/a?[0-9].log", "/l/b/ax7.log", True), ("/l/**", "/l/b", True),
    ("/l/a+(b).log", "/l/a+(b).log", True), ("/l/*/a+(b).log", "/l/x/aab.log", False),
])  # fmt: skip
def test_paths_match_as_glob_lists_them(pattern, path, ours):
    assert Matcher(pattern)(path) is ours


PATTERNS = [
    "*.log",
    "*/app.log",
    "**/*.log",
    "a/**/x?.log",
    "[ab]/*/app.log",
    "**",
    "a/app.log",
    "*/*/*.log",
    ".h/*.log",
]
TREE = [
    "app.log",
    "x.log.1",
    "a/app.log",
    "a/x1.log",
    "a/b/x2.log",
    "a/b/c/x3.log",
    "b/d/app.log",
    ".h/app.log",
    "b/.i/app.log",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_walk_finds_what_glob_finds_and_enters_nothing_in_vain(pattern, tmp_path):
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    walk = Walk([f"{tmp_path}/{pattern}"])
    folders = list(walk.folders())
    found = [path for folder in folders for path in walk.files(folder)]
    wanted = [p for p in glob.glob(f"{tmp_path}/{pattern}", recursive=True) if os.path.isfile(p)]
    assert sorted(found) == sorted(wanted) and len(folders) == len(set(folders))
    if "**" not in pattern:
        depth = f"{tmp_path}/{pattern}".count("/")
        assert all(folder.count("/") < depth for folder in folders)
    for folder in folders:
        assert next(walk.below(folder)) == folder


def test_a_walk_does_not_follow_links_in_circles(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "app.log").touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    walk = Walk([f"{tmp_path}/**/app.log"])
    assert [path for folder in walk.folders() for path in walk.files(folder)] == [f"{tmp_path}/a/app.log"]


@pytest.mark.parametrize(("name", "bases"), [
    ("app.log.1", ["app.log"]), ("app.log-20261120", ["app.log"]), ("app.log.1.gz", ["app.log"]),
    ("app.log-20261120.1", ["app.log-20261120", "app.log"]), ("app.log.old", ["app.log"]), ("app.log", []),
    ("0.log.20261120-030000", ["0.log.20261120", "0.log"]), ("app.log.web", []), (".1", []),
])  # fmt: skip
def test_the_names_a_rotated_name_may_come_from(name, bases):
    assert list(bases_of(f"/l.1/{name}")) == [f"/l.1/{base}" for base in bases]


ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(("paths", "labels"), [
    (["/var/log/pods/shop_web-7_d3-a/app/0.log"], {"namespace": "shop", "pod": "web-7", "container": "app"}),
    ([f"/var/log/containers/web-7_shop_app-{ID}.log", "/var/log/pods/shop_web-7_d3-a/app/0.log"],
     {"namespace": "shop", "pod": "web-7", "container": "app", "container_id": ID}),
    ([f"/var/lib/docker/containers/{ID}/{ID}-json.log"], {"container_id": ID}),
    (["/var/log/pods/x.log", "/containers/a.log"], {}),
])  # fmt: skip
def test_what_a_path_says_about_its_writer(paths, labels):
    assert origin(*paths) == labels


def test_marks_survive_the_store_and_rubbish_is_taken_as_new(tmp_path, caplog):
    mark = Mark(id="log-x", dev=1, inode=2, head="3:abc", generation=4, offset=5, mtime_ns=6)
    linked = Mark(id="log-y", dev=1, inode=2, head="0:", generation=4, offset=5, real="/x", copy=True)
    past = Past(inode=3, head="4:x", size=9, rewritten=True)
    for saved in (Saved(current=mark, older=(mark, linked), past=(past,), generation=7), Saved(current=None)):
        assert load_marks(dump_marks(saved)) == saved
    earlier = '{"id": "x", "dev": 1, "inode": 2, "head": "3:a", "generation": 4, "offset": 5, "older": []}'
    assert load_marks(earlier).current.offset == 5
    files = Files(settings(tmp_path / "a.log"), ManualClock(), Watches(Walk([])))
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
