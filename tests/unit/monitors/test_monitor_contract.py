"""Every monitor is a module with `Settings` and `create`; what `create` makes keeps the port's promises."""

import importlib
import sys

import pytest
from pydantic import BaseModel

from nightshift.daemon.kit.clock import ManualClock, SystemClock
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import Signal
from nightshift.monitors import alertmanager, docker, kubernetes, logs, probes, prometheus
from nightshift.monitors.all_monitors import MONITORS
from nightshift.monitors.testing import ListSink, ScriptedMonitor, watching

MINE = ("alertmanager", "docker", "kubernetes", "logs", "probes", "prometheus")


def away(tmp_path):
    """Each monitor with a world that is not there."""
    rule = prometheus.Rule(name="r", expr="up", threshold=1)
    clock = SystemClock()
    return {
        "scripted": ScriptedMonitor("scripted", []),
        "alertmanager": alertmanager.create(
            alertmanager.Settings(poll_url="http://127.0.0.1:9", poll_timeout_s=1), {}, clock
        ),
        "docker": docker.create(docker.Settings(url=f"unix://{tmp_path}/none.sock"), {}, clock),
        "kubernetes": kubernetes.create(kubernetes.Settings(kubeconfig=tmp_path / "none"), {}, clock),
        "logs": logs.create(
            logs.Settings(files=[logs.LogFile(path=f"{tmp_path}/none/*/x.log", service="s")]), {}, clock
        ),
        "probes": probes.create(
            probes.Settings(checks=[{"name": "n", "kind": "tcp", "service": "s", "host": "127.0.0.1", "port": 9}]),
            {},
            clock,
        ),
        "prometheus": prometheus.create(
            prometheus.Settings(url="http://127.0.0.1:9", rules=(rule,), timeout_s=1), {}, clock
        ),
    }


@pytest.mark.parametrize("name", ["scripted", *MINE])
def test_a_world_that_is_away_neither_ends_nor_crashes_a_monitor_and_stop_ends_it(name, tmp_path):
    monitor, sink = away(tmp_path)[name], ListSink()
    with watching(monitor, sink, stop_within_s=10):
        assert monitor.name == name
    assert sink.received == []


@pytest.mark.parametrize("name", sorted(MONITORS))
def test_settings_are_frozen_closed_and_documented(name):
    module = importlib.import_module(MONITORS[name])
    assert issubclass(module.Settings, BaseModel) and module.Settings.__doc__
    assert module.Settings.model_config["frozen"] and module.Settings.model_config["extra"] == "forbid"


@pytest.mark.parametrize("name", sorted(MONITORS))
def test_importing_a_monitor_loads_no_client_library(name):
    heavy = ["docker", "kubernetes", "prometheus_api_client", "requests", "pandas", "yaml"]
    code = f"import sys, {MONITORS[name]}; print([m for m in {heavy} if m in sys.modules])"
    done = run([sys.executable, "-c", code], timeout_s=60)
    assert done.text().strip() == "[]", done.why()


def test_the_scripted_monitor_resumes_behind_what_was_delivered():
    batches = [[Signal(key=str(n), source="s", service="x", title="t", at_ms=n)] for n in range(3)]
    sink = ListSink()
    with watching(ScriptedMonitor("s", batches[:2]), sink):
        sink.wait(lambda s: len(s.received) == 2)
    with watching(ScriptedMonitor("s", batches), sink):
        sink.wait(lambda s: len(s.received) == 3)
    assert [s.key for s in sink.received] == ["0", "1", "2"]


def test_the_sink_counts_a_key_once():
    sink = ListSink()
    signal = Signal(key="k", source="s", service="x", title="t", at_ms=ManualClock().now_ms())
    sink([signal], {"a": "1"})
    sink([signal], {"a": "2"})
    assert len(sink.signals) == 1 and sink.checkpoints == {"a": "2"}
