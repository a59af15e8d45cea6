"""Detectors on a real Prometheus over backfilled metrics: every planted fault is found, every healthy twin is left."""

import shutil

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.kit.run import run
from nightshift.monitors import prometheus
from nightshift.monitors.prometheus.client import Prometheus
from nightshift.monitors.prometheus.detectors import DETECTORS
from nightshift.monitors.prometheus.monitor import PrometheusMonitor
from nightshift.monitors.prometheus.testing import openmetrics, scenes
from nightshift.monitors.testing import ListSink

from .test_prometheus_real import Server

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool"),
]
END_S = 1_790_000_040


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    with (folder / "metrics.txt").open("w") as file:
        file.writelines(openmetrics(scenes(), END_S))
    argv = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "metrics.txt"), str(folder / "data")]
    assert run(argv, timeout_s=120).code == 0
    server = Server(folder, 9, retention="100y")
    server.start()
    yield server.url
    server.kill()


def found(url, name, **settings):
    """Jobs a detector speaks of, with what it says, after three rounds a minute apart."""
    given = prometheus.Settings.model_validate({"url": url, "detectors": {name: settings}})
    monitor, server, sink = PrometheusMonitor(given, ManualClock()), Prometheus(given), ListSink()
    for ago_s in (120, 60, 0):
        detector = getattr(given.detectors, name).model_copy(update={"for_s": 120})
        monitor.detect(name, detector, server, sink, (END_S - ago_s) * 1000)
    server.close()
    return {signal.labels["job"]: signal for signal in sink.signals}


@pytest.mark.parametrize("name", DETECTORS)
def test_faults_are_found_and_healthy_twins_are_left(url, name):
    mine = [scene for scene in scenes() if scene.detector == name]
    seen = found(url, name)
    assert {scene.job for scene in mine if scene.fault} <= set(seen), seen.keys()
    assert not {scene.job for scene in mine if not scene.fault} & set(seen), {j: s.message for j, s in seen.items()}
    assert all(any(char.isdigit() for char in signal.message) for signal in seen.values())


def test_the_leak_says_when(url):
    assert "out of memory in 3." in found(url, "leak")["leaking"].message


def test_what_is_over_is_said_once(url):
    given = prometheus.Settings.model_validate({"url": url})
    monitor, server, sink = PrometheusMonitor(given, ManualClock()), Prometheus(given), ListSink()
    detector = given.detectors.absent.model_copy(update={"selector": 'job="down"', "for_s": 0, "clear_s": 120,
                                                         "remembered": "1s"})  # fmt: skip
    for at_s in (END_S - 600, END_S - 60, END_S, END_S + 3600, END_S + 3660, END_S + 3720, END_S + 3780):
        monitor.detect("absent", detector, server, sink, at_s * 1000)
    server.close()
    assert [s.resolved for s in sink.signals] == [False, True]
    assert sink.signals[1].key == sink.signals[0].key.replace(":firing", ":resolved")
