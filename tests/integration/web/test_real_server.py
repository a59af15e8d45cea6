"""The application behind a real uvicorn on a real socket, and the command line talking to it."""

import contextlib
import socket
import threading

import httpx
import pytest
from pydantic import SecretStr

from nightshift.daemon.cli import main
from nightshift.daemon.model import Incident, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.store import Store
from nightshift.daemon.web.server import listening
from nightshift.daemon.web.testing import EchoReceiver, FakeApi

TOKEN = "a-token-of-the-real-server"


@pytest.fixture
def api(tmp_path):
    store = Store.open(tmp_path / "state" / "nightshift.db")
    signal = Signal(key="k", source="logs", service="shop", title="KeyError", at_ms=1)
    store.incidents.add(Incident(id="inc-abcd", fingerprint="f", service="shop", title="KeyError: 'x'", count=1,
                                 severity=Severity.ERROR, state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1,
                                 signal=signal))  # fmt: skip
    store.missions.ensure(Mission(id="mis-abcd", incident="inc-abcd", service="shop", stage=Stage.AWAITING_APPROVAL))
    yield FakeApi(
        store=store, token=SecretStr(TOKEN), running=frozenset({"mis-abcd"}), receivers={"echo": EchoReceiver()}
    )
    store.close()


@pytest.fixture
def port(api):
    with listening(api, host="127.0.0.1", port=0) as port:
        yield port


@pytest.fixture
def config(tmp_path, port):
    path = tmp_path / "nightshift.yaml"
    (tmp_path / "token").write_text(TOKEN)
    path.write_text(f"state_dir: state\nhttp: {{port: {port}, token: 'file:token'}}\n")
    return path


def test_it_answers_and_says_nothing_about_itself(port):
    answer = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert answer.json()["status"] == "ok"
    assert "server" not in answer.headers
    assert answer.headers["x-frame-options"] == "DENY"


def test_a_rebound_name_is_refused_on_the_wire(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(b"GET /api/incidents HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert wire.recv(4096).startswith(b"HTTP/1.1 421 ")


def test_a_request_without_a_host_is_refused(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(b"GET /api/incidents HTTP/1.0\r\n\r\n")
        assert wire.recv(4096).startswith(b"HTTP/1.1 421 ")


def test_a_declared_body_that_is_too_large_is_refused_without_being_sent(port, api):
    head = b"POST /hooks/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(head)
        assert wire.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert api.taken == []


def test_many_at_once_are_all_counted(port, api):
    def send(number):
        httpx.post(f"http://127.0.0.1:{port}/hooks/echo", content=f'["k{number}"]', trust_env=False, timeout=60)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {signal.key for signal in api.taken} == {f"k{number}" for number in range(20)}


def test_what_waits_when_it_stops_is_stored_and_answered_or_not_answered(api):
    """Also with a store that is slow to commit."""
    gate, begun, answered = threading.Event(), threading.Event(), set()
    store = api.take

    def take(signals):
        begun.set()
        gate.wait(10)
        store(signals)

    def send(port, number):
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.post(f"http://127.0.0.1:{port}/hooks/echo", content=f'["k{number}"]', trust_env=False)
            answered.add(f"k{number}") if answer.status_code == 202 else None

    api.take = take
    with listening(api, host="127.0.0.1", port=0) as port:
        threads = [threading.Thread(target=send, args=(port, number)) for number in range(10)]
        for thread in threads:
            thread.start()
        assert begun.wait(10)
        threading.Timer(0.3, gate.set).start()
    for thread in threads:
        thread.join()
    assert answered and answered <= {signal.key for signal in api.taken}


def test_after_the_block_the_port_is_free_again(api):
    with listening(api, host="127.0.0.1", port=0) as port:
        pass
    with listening(api, host="127.0.0.1", port=port) as again:
        assert again == port


def test_a_taken_port_is_told(api, port):
    with (
        pytest.raises(EnvironmentBroke, match=rf"can't listen on 127.0.0.1:{port}.*http.port"),
        listening(api, host="127.0.0.1", port=port),
    ):
        pass


def test_the_command_line_tells_missions(config, api, capsys):
    assert main(["approve", "inc-abcd", "-c", str(config), "--actor", "ada", "-m", "fine"]) == 0
    assert api.said == [("mis-abcd", "approve", "ada", "fine")]
    assert capsys.readouterr().out == "mis-abcd: approve sent\n"


def test_a_free_port_is_found_through_the_state_folder(tmp_path, api, capsys):
    (tmp_path / "token").write_text(TOKEN)
    config = tmp_path / "nightshift.yaml"
    config.write_text("state_dir: state\nhttp: {port: 0, token: 'file:token'}\n")
    with listening(api, host="127.0.0.1", port=0, port_file=tmp_path / "state" / "http.port"):
        assert main(["pause", "mis-abcd", "-c", str(config)]) == 0
    assert main(["pause", "mis-abcd", "-c", str(config)]) == 3
    assert "is not running" in capsys.readouterr().err


def test_the_command_line_passes_refusals_on(config, api, capsys):
    assert main(["resume", "mis-abcd", "-c", str(config)]) == 1
    assert capsys.readouterr().err == "say why it may go on\n"
    assert main(["pause", "nope", "-c", str(config)]) == 1
    assert "no mission 'nope'" in capsys.readouterr().err


def test_the_command_line_runs_runbooks(config, api, capsys):
    assert main(["runbook", "run", "restart", "-c", str(config), "-p", "container=shop", "--dry-run"]) == 0
    assert capsys.readouterr().out == "run-1: done\n"
    assert (api.runs["run-1"]["params"], api.runs["run-1"]["dry_run"]) == ({"container": "shop"}, True)
    assert main(["runbook", "run", "restart", "-c", str(config), "-p", "container=shop", "--no-wait"]) == 0
    assert capsys.readouterr().out == "run-2\n"
    assert main(["runbook", "run", "restart", "-c", str(config)]) == 1
    assert "container" in capsys.readouterr().err
    assert main(["runbook", "run", "nope", "-c", str(config)]) == 1
    assert "no runbook 'nope'" in capsys.readouterr().err


def test_a_wrong_token_is_told(config, api, capsys):
    (config.parent / "token").write_text("wrong-token-wrong-token")
    assert main(["approve", "mis-abcd", "-c", str(config)]) == 1
    assert "the token is wrong or missing" in capsys.readouterr().err
    assert api.said == []


def test_a_token_that_can_not_be_read_here_is_told(config, api, capsys):
    (config.parent / "token").unlink()
    assert main(["approve", "mis-abcd", "-c", str(config)]) == 2
    assert "http.token" in capsys.readouterr().err
