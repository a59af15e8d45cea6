"""Runs of containers, each with its own end: loops, exceptions, memory, health, and an engine far away, for real."""

# ruff: noqa: F811 - a fixture and the argument it fills have one name
import shutil
import socket
import ssl
import threading
import time

import pytest

from nightshift.daemon.kit.run import run
from nightshift.monitors import docker as monitor
from nightshift.monitors.testing import ListSink, watching

from .containers import IMAGE, SOCKET, begun, engine, made, of, start  # noqa: F401 - pytest takes fixtures by name

pytestmark = [pytest.mark.engine, pytest.mark.slow]
PYTHON = shutil.which("python3", path="/usr/bin") or ""
RETRY = {"Name": "on-failure", "MaximumRetryCount": 5}
CRASH = f"""exec {PYTHON} -c 'def sell(stock): return stock["lamp"]
sell({{}})'"""


def ended(container):
    """Until the engine does not start it again."""
    deadline = time.monotonic() + 60
    while container.status != "exited":
        assert time.monotonic() < deadline, container.status
        time.sleep(0.1)
        container.reload()


def test_a_restart_loop_is_counted_not_told_death_by_death(start):
    sink = ListSink()
    with watching(made(loop_deaths=2, loop_every_s=600), sink):
        begun(sink)
        ended(start("echo run; exit 3", restart_policy=RETRY))
        sink.wait(lambda s: len(of(s, start)) == 2)
        time.sleep(0.5)
    told = of(sink, start)
    assert [s.count for s in told] == [1, 1, 4] and len({(s.title, s.kind) for s in told}) == 1
    assert "restarts in a loop: 6 deaths within 600 s" in told[-1].message and told[-1].severity == "critical"
    assert told[-1].at_ms < told[-1].last_at_ms


def test_a_loop_is_told_again_while_it_goes_on(start):
    sink = ListSink()
    with watching(made(loop_deaths=1, loop_every_s=2), sink):
        begun(sink)
        container = start("sleep 0.05; exit 3", restart_policy={"Name": "always"})
        sink.wait(lambda s: len([x for x in of(s, start) if "in a loop" in x.message]) >= 2)
        container.remove(force=True)
    assert len({s.key for s in of(sink, start)}) == len(of(sink, start))


def test_each_run_has_its_own_log_and_its_exception(start):
    sink = ListSink()
    with watching(made(loop_deaths=10), sink):
        begun(sink)
        ended(start(f"echo begins; {CRASH}", restart_policy={"Name": "on-failure", "MaximumRetryCount": 2}))
        sink.wait(lambda s: len(of(s, start)) == 3)
    for signal in of(sink, start):
        assert (signal.exception, signal.message) == ("KeyError", "'lamp'")
        assert [f.function for f in signal.frames] == ["<module>", "sell"]
        assert signal.sample.count("begins") == 1 and "died with exit code 1" in signal.labels["state"]


def test_a_terminal_s_trace_is_read_too(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        start(CRASH, tty=True)
        sink.wait(lambda s: of(s, start))
    [signal] = of(sink, start)
    assert (signal.exception, signal.message) == ("KeyError", "'lamp'") and "\r" not in signal.sample


def test_a_trace_torn_apart_by_the_other_stream_is_found_in_its_own(start):
    noise = "while :; do echo noise; sleep 0.001; done & "
    sink = ListSink()
    with watching(made(log_lines=5000, log_bytes=1 << 20), sink):
        begun(sink)
        start(f"{noise} {PYTHON} -c 'sell()'; kill $!; exit 1")
        sink.wait(lambda s: of(s, start))
    assert of(sink, start)[0].exception == "NameError"


def test_a_child_that_is_killed_for_memory_and_the_parent_s_own_end_later(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        container = start(
            f"sleep 0.5; {PYTHON} -c 'bytearray(64 << 20)'; while ! test -e /tmp/end; do sleep 0.1; done; exit 4",
            mem_limit="16m", memswap_limit="16m",
        )  # fmt: skip
        sink.wait(lambda s: of(s, start))
        container.exec_run(["/usr/bin/touch", "/tmp/end"])
        sink.wait(lambda s: len(of(s, start)) == 2)
    starved, died = of(sink, start)
    assert (starved.kind, died.kind, died.labels["exit_code"]) == ("oom", "exit", "4")


def test_a_container_that_is_removed_while_its_log_is_read(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        start("i=0; while test $i -lt 3000; do echo line; i=$((i+1)); done; exit 6", auto_remove=True)
        sink.wait(lambda s: of(s, start))
    assert of(sink, start)[0].labels["exit_code"] == "6"


def test_release_and_commit(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        start("exit 3", labels={"nightshift.service": start.service, "nightshift.commit": "abc123"})
        sink.wait(lambda s: of(s, start))
    assert {"image": IMAGE, "release": "empty", "commit": "abc123"}.items() <= of(sink, start)[0].labels.items()


ILL = {"test": ["CMD-SHELL", "echo the pump is stuck; exit 1"], "interval": 10**8, "timeout": 10**9, "retries": 1}


def test_an_ill_container_that_is_removed_while_nobody_watched_is_over(start):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        container = start("while :; do sleep 0.2; done", healthcheck=ILL)
        sink.wait(lambda s: of(s, start))
    container.remove(force=True)
    with watching(made(), sink):
        sink.wait(lambda s: len(of(s, start)) == 2)
    ill, over = of(sink, start)
    assert "the pump is stuck" in ill.message and over.resolved
    assert (over.key, over.labels, over.title) == (f"{ill.key}:resolved", ill.labels, ill.title)


def test_an_illness_from_before_is_seen_once(start, engine):
    container = start("while :; do sleep 0.2; done", healthcheck=ILL)
    while engine.api.inspect_container(container.id)["State"]["Health"]["Status"] != "unhealthy":
        time.sleep(0.1)
    sink = ListSink()
    for _ in range(2):
        with watching(made(), sink):
            sink.wait(lambda s: of(s, start))
            time.sleep(0.5)
    assert [s.kind for s in of(sink, start)] == ["unhealthy"]


def test_restarts_that_only_the_counter_tells_of(start, engine):
    sink = ListSink()
    with watching(made(), sink):
        begun(sink)
        container = start(
            "test -e /tmp/$(ls /tmp | wc -l) ; touch /tmp/$(ls /tmp | wc -l); test $(ls /tmp | wc -l) -ge 4 || exit 5;"
            " while :; do sleep 0.2; done",
            labels={}, restart_policy=RETRY,
        )  # fmt: skip
        time.sleep(0.3)
    idle = start("while :; do sleep 1; done")
    while engine.api.inspect_container(container.id)["RestartCount"] < 3:
        time.sleep(0.1)
    for _ in range(100):  # each exec makes three events; the engine keeps 256
        engine.api.exec_start(engine.api.exec_create(idle.id, ["/bin/true"])["Id"], detach=False)
    known = made(services={container.name: start.service})
    with watching(known, sink):
        sink.wait(lambda s: of(s, start))
    [signal] = of(sink, start)
    assert (signal.kind, signal.count) == ("exit", 3) and "was restarted" in signal.title


def test_only_those_that_are_chosen(start):
    sink, mine = ListSink(), {"nightshift.service": start.service, "team": "lamps"}
    with watching(made(labels=("team=lamps",), names=(f"{start.service}-*",)), sink):
        begun(sink)
        start("exit 2", labels=mine)
        start("exit 3", labels={**mine, "team": "chairs"}, name=f"{start.service}-a")
        start("exit 4", labels=mine, name=f"{start.service}-b")
        sink.wait(lambda s: of(s, start))
    assert [s.labels["exit_code"] for s in of(sink, start)] == ["4"]


# ---------------------------------------------------------------- an engine behind TLS


def certificates(folder):
    """An authority, a server and a client, as people make them."""
    made_ = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    assert run(["openssl", *made_, "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj",
                "/CN=127.0.0.1", *name], timeout_s=60).ok  # fmt: skip
    shutil.copy(f"{folder}/cert.pem", f"{folder}/ca.pem")


def serve(folder):
    """TLS in front of the engine's socket, for clients with the certificate; returns the listener."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    context.load_verify_locations(f"{folder}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def accept():
        while True:
            try:
                near = context.wrap_socket(listener.accept()[0], server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(SOCKET)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_an_engine_elsewhere_behind_tls(start, tmp_path, caplog):
    certificates(tmp_path)
    listener = serve(tmp_path)
    url, sink = f"tcp://127.0.0.1:{listener.getsockname()[1]}", ListSink()
    try:
        assert monitor.reachable(monitor.Settings(url=url, certificates=tmp_path)).startswith("Docker ")
        with watching(made(url, certificates=tmp_path), sink):
            begun(sink)
            start("exit 3")
            sink.wait(lambda s: of(s, start))
    finally:
        listener.close()
    with watching(made(url, certificates=tmp_path / "none"), sink):
        deadline = time.monotonic() + 20
        while "certificates can't be used" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "certificates can't be used" in caplog.text
