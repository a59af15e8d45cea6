"""The container monitor against the real engine, also through a line that is cut and mended."""

# ruff: noqa: F811 - a fixture and the argument it fills have one name
import shutil
import time

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import Service
from nightshift.monitors import docker as monitor
from nightshift.monitors.testing import ListSink, watching

from .containers import SOCKET, Line, begun, engine, made, of, start  # noqa: F401 - pytest takes fixtures by name

docker = pytest.importorskip("docker")
pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_a_crash_is_told_with_its_last_lines_and_a_clean_end_is_not(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        start("echo fine; exit 0")
        start("echo working; echo 'ValueError: out of stock' >&2; exit 3")
        sink.wait(lambda s: of(s, start))
    [signal] = of(sink, start)
    assert (signal.kind, signal.title) == ("exit", f"container of {start.service} died with exit code 3")
    assert sorted(signal.sample.splitlines()) == ["ValueError: out of stock", "working"]  # two pipes, any order
    assert signal.labels["exit_code"] == "3" and not signal.resolved


def test_stopping_a_container_is_no_crash(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        stopped = start("trap 'exit 5' TERM; while :; do sleep 0.05; done")
        stopped.stop(timeout=5)
        start("while :; do sleep 1; done").kill()
        start("exit 9")
        sink.wait(lambda s: of(s, start))
    assert [s.labels["exit_code"] for s in of(sink, start)] == ["9"]


def test_running_out_of_memory_is_told_once(start):
    sink = ListSink()
    hog = f"exec {shutil.which('python3', path='/usr/bin')} -c 'x = bytearray(256 << 20); print(len(x))'"
    with watching(made(), sink):
        begun(sink)
        start(hog, mem_limit="32m", memswap_limit="32m")
        sink.wait(lambda s: of(s, start))
        start("exit 4")
        sink.wait(lambda s: len(of(s, start)) >= 2)
    assert [(s.kind, s.severity) for s in of(sink, start)] == [("oom", "critical"), ("exit", "error")]


def test_unhealthy_and_healthy_again(start, tmp_path):
    sink = ListSink()
    check = {"test": ["CMD-SHELL", "test ! -e /flag/ill"], "interval": 10**8, "timeout": 10**9, "retries": 1}
    (tmp_path / "ill").touch()
    with watching(made(), sink):
        begun(sink)
        start(
            "while :; do sleep 0.2; done", healthcheck=check,
            mounts=[docker.types.Mount("/flag", str(tmp_path), type="bind", read_only=True)],
        )  # fmt: skip
        sink.wait(lambda s: of(s, start))
        (tmp_path / "ill").unlink()
        sink.wait(lambda s: len(of(s, start)) == 2)
    ill, well = of(sink, start)
    assert (ill.kind, ill.resolved, well.kind, well.resolved) == ("unhealthy", False, "unhealthy", True)
    assert well.key == f"{ill.key}:resolved" and well.title == ill.title


def test_deaths_while_nobody_watched_are_seen_once(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        start("exit 2")
        sink.wait(lambda s: len(of(s, start)) == 1)
    start("exit 6").wait()
    for _ in range(2):
        with watching(made(), sink):
            sink.wait(lambda s: len(of(s, start)) == 2)
            time.sleep(0.3)
    assert [s.labels["exit_code"] for s in of(sink, start)] == ["2", "6"]


def test_deaths_the_engine_has_forgotten_the_events_of(start, engine):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
    start("exit 8").wait()
    idle = start("while :; do sleep 1; done")
    for _ in range(100):  # each exec makes three events; the engine keeps 256
        engine.api.exec_start(engine.api.exec_create(idle.id, ["/bin/true"])["Id"], detach=False)
    with watching(made(), sink):
        sink.wait(lambda s: of(s, start))
    assert [s.labels["exit_code"] for s in of(sink, start)] == ["8"]


def test_our_own_sandboxes_and_strangers_are_looked_past(start):
    sink = ListSink()
    with watching(made(every_container=True), sink):
        begun(sink)
        start("exit 7", labels={"nightshift.sandbox.owner": "x", "nightshift.service": start.service})
        start("exit 3")
        sink.wait(lambda s: of(s, start))
    assert [s.labels["exit_code"] for s in of(sink, start)] == ["3"]
    with watching(made(), sink):
        begun(sink)
        stranger = start("exit 7", labels={})
        stranger.wait()
        start("exit 4")
        sink.wait(lambda s: len(of(s, start)) == 2)
    assert not [s for s in sink.signals if s.labels["container"] == stranger.name]


def test_names_of_services(start):
    names = {"map": f"a{start.service}", "known": f"b{start.service}", "compose": f"c{start.service}"}
    sink = ListSink()
    settings = monitor.Settings(url=f"unix://{SOCKET}", services={names["map"]: "mapped"})
    known = {n: Service(name=n, repo="/none") for n in (names["known"], names["compose"])}
    watched = monitor.create(settings, known, SystemClock())
    with watching(watched, sink):
        begun(sink)
        start("exit 1", labels={}, name=names["map"])
        start("exit 1", labels={}, name=names["known"])
        start("exit 1", labels={"com.docker.compose.service": names["compose"]})
        wanted = {"mapped", names["known"], names["compose"]}
        sink.wait(lambda s: {x.service for x in s.signals} >= wanted)


def test_what_the_store_refused_once_is_delivered_again(start):
    class Stubborn(ListSink):
        refused = 0

        def __call__(self, signals, checkpoints=None):
            if signals and self.refused < 2:
                self.refused += 1
                raise OSError("database is locked")
            super().__call__(signals, checkpoints)

    sink = Stubborn()
    with watching(made(), sink):
        begun(sink)
        start("exit 2")
        sink.wait(lambda s: of(s, start))
    assert sink.refused == 2 and [s.labels["exit_code"] for s in of(sink, start)] == ["2"]


def test_an_engine_that_goes_away_and_comes_back(start, tmp_path, caplog):
    line, sink = Line(str(tmp_path / "engine.sock")), ListSink()
    line.mend()
    with watching(made(url=f"unix://{line.path}"), sink):
        begun(sink)
        start("exit 2")
        sink.wait(lambda s: len(of(s, start)) == 1)
        line.cut()
        start("exit 6").wait()
        deadline = time.monotonic() + 20
        while "engine is away" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        assert caplog.text.count("engine is away") == 1, "one line for one outage"
        line.mend()
        sink.wait(lambda s: len(of(s, start)) == 2)
        start("exit 7")
        sink.wait(lambda s: len(of(s, start)) == 3)
    line.cut()
    assert [s.labels["exit_code"] for s in of(sink, start)] == ["2", "6", "7"]
