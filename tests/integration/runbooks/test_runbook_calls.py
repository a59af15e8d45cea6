"""http.request, tls.expiry, process.signal and process.restart on real servers and processes; the certificate book from
its first look to the renewed certificate; and the ways in which a request or a signal could go astray."""

import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run as start
from nightshift.daemon.kit.run import spawn
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.runbooks.actions.tls_expiry import not_after
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import ActionFailed
from nightshift.runbooks.limits import Limits
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord


def book(action, params=None, **arguments):
    steps = [{"name": "do", "action": action, "timeout_s": 5, "with": arguments}]
    data = {"name": "b", "description": "d", "parameters": params or {}, "steps": steps}
    return parse_book(json.dumps(data))


def run(chosen, key="run-1", record=None, commands=(), params=None, **limits):
    context = Context(limits=Limits.model_validate(limits), commands=commands)
    return Runner(context, record).run(chosen, params or {}, key=key)


@pytest.fixture
def site():
    """A server that writes down what it is asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, dict(self.headers.items()), body))
            status = {"/away": 302, "/sick": 503, "/no": 400}.get(self.path, 200)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/secret")
            text = b"x" * 200_000 if self.path == "/huge" else b'{"state": {"queue": [7]}}'
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked, server.at = asked, f"127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    server.server_close()


def test_a_request_carries_its_key_and_gives_its_answer(site):
    chosen = book("http.request", url=f"http://{site.at}/x?a=1", method="POST", body={"n": 1}, headers={"X-Team": "a"})
    result = run(chosen, hosts=[site.at])
    assert result.ok, result
    method, path, headers, body = site.asked[0]
    assert (method, path, json.loads(body)) == ("POST", "/x?a=1", {"n": 1})
    assert headers["Idempotency-Key"] == "run-1/steps/do"
    assert (headers["X-Team"], headers["Host"], headers["Content-Type"]) == ("a", site.at, "application/json")
    assert result.steps[0].values["json"]["state"]["queue"] == [7]


def test_a_token_is_sent_by_name_and_not_shown(site):
    chosen = book("http.request", url=f"http://{site.at}/x", bearer="shop")
    result = run(chosen, hosts=[site.at], tokens={"shop": "sesame-open-123"})
    assert site.asked[0][2]["Authorization"] == "Bearer sesame-open-123"
    assert "sesame" not in str(result)
    assert "there is no token 'shop'" in run(chosen, key="b", hosts=[site.at]).reason


def test_a_token_is_not_sent_in_the_open(site, monkeypatch):
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", site.server_address[1]))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    port = site.server_address[1]
    chosen = book("http.request", url=f"http://shop.example:{port}/x", bearer="shop")
    told = run(chosen, hosts=[f"shop.example:{port}"], tokens={"shop": "sesame-open-123"})
    assert "only sent over https" in told.reason
    assert site.asked == []


@pytest.mark.parametrize(
    "url",
    ["http://{at}@evil.example/", "http://evil.example/{at}", "http://localhost:{port}/", "http://127.1:{port}/",
     "http://2130706433:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://169.254.169.254/latest", "file:///etc/passwd",
     "http://{at}.evil.example/", "gopher://{at}/", "http://user:pw@{at}/", "http://{at}/a b", "http:///x",
     "http://127.0.0.1:1/", "https://{at}:99999/"],
)  # fmt: skip
def test_only_listed_hosts_are_called(site, url):
    port = site.at.rpartition(":")[2]
    result = run(book("http.request", url=url.format(at=site.at, port=port)), hosts=[site.at])
    assert result.status == "failed", result
    assert site.asked == []


def test_a_listed_name_that_leads_to_cloud_metadata_is_not_called(site, monkeypatch):
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    result = run(book("http.request", url="http://shop.example/"), hosts=["shop.example"])
    assert "no server's address" in result.reason


def test_redirects_are_not_followed_and_answers_are_bounded(site):
    assert "answered 302" in run(book("http.request", url=f"http://{site.at}/away"), hosts=[site.at]).reason
    assert len(site.asked) == 1
    huge = run(book("http.request", url=f"http://{site.at}/huge"), key="b", hosts=[site.at])
    assert "larger than" in huge.reason
    with pytest.raises(EnvironmentBroke, match="503"):
        run(book("http.request", url=f"http://{site.at}/sick"), key="c", hosts=[site.at])
    fine = book("http.request", url=f"http://{site.at}/no", statuses=[400], contains="queue")
    assert run(fine, key="d", hosts=[site.at]).ok


@pytest.mark.parametrize("name", ["Host", "Content-Length", "X\r\nY", "Idempotency-Key"])
def test_headers_that_would_change_the_request_are_refused(site, name):
    chosen = book(
        "http.request", {"v": {"pattern": ".*"}}, url=f"http://{site.at}/", headers={"X-V": "${{ params.v }}"}
    )
    assert run(chosen, params={"v": "fine"}, hosts=[site.at]).ok
    with pytest.raises(Exception, match="header"):
        book("http.request", url=f"http://{site.at}/", headers={name: "x"})


class Killed(BaseException):
    """The process dies here."""


class DiesBeforeResult(FileRecord):
    def save(self, key, name, entry):
        if "result" in entry:
            raise Killed
        super().save(key, name, entry)


@pytest.mark.parametrize(("method", "times"), [("PUT", 2), ("POST", 1)])
def test_what_is_not_safe_to_send_twice_is_not(site, tmp_path, method, times):
    chosen = book("http.request", url=f"http://{site.at}/x", method=method)
    with pytest.raises(Killed):
        run(chosen, record=DiesBeforeResult(tmp_path), hosts=[site.at])
    result = run(chosen, record=FileRecord(tmp_path), hosts=[site.at])
    assert result.ok is (method == "PUT")
    assert len(site.asked) == times
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in site.asked}) == 1


# ---------------------------------------------------------------- processes

SLEEPER = """
import os, signal, sys, time
heard = open(sys.argv[1], "a", buffering=1)
for name in ("HUP", "USR1"):
    signal.signal(getattr(signal, "SIG" + name), lambda *_, name=name: heard.write(name + chr(10)))
open(sys.argv[2] + ".new", "w").write(str(os.getpid()))
os.rename(sys.argv[2] + ".new", sys.argv[2])
while True:
    time.sleep(0.05)
"""


def until(done):
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.01)


@pytest.fixture
def sleeper(tmp_path):
    heard, pid_file = tmp_path / "heard", tmp_path / "run.pid"
    child = spawn([sys.executable, "-c", SLEEPER, str(heard), str(pid_file)])
    until(pid_file.exists)
    yield child, pid_file, heard
    child.kill()
    child.wait()


def test_a_signal_reaches_the_process_of_a_listed_pid_file(sleeper):
    child, pid_file, heard = sleeper
    assert run(book("process.signal", pid_file=str(pid_file)), pid_files=[pid_file]).ok
    until(lambda: heard.read_text() == "HUP\n")
    done = run(book("process.signal", pid_file=str(pid_file), signal="TERM", gone_within_s=10), key="b",
               pid_files=[pid_file])  # fmt: skip
    assert done.status in ("done", "failed")
    assert child.wait(10) == -signal.SIGTERM


def test_a_process_that_took_over_the_number_is_not_signalled(sleeper, tmp_path):
    _, pid_file, heard = sleeper

    class DiesBeforeEffect(FileRecord):
        def save(self, key, name, entry):
            if "evidence" in entry:
                super().save(key, name, {"evidence": entry["evidence"] | {"born": "1"}})
                raise Killed
            super().save(key, name, entry)

    chosen = book("process.signal", pid_file=str(pid_file))
    with pytest.raises(Killed):
        run(chosen, record=DiesBeforeEffect(tmp_path / "r"), pid_files=[pid_file])
    assert "is gone" in run(chosen, record=FileRecord(tmp_path / "r"), pid_files=[pid_file]).reason
    assert heard.read_text() == ""


@pytest.mark.parametrize("text", ["1", "0", "-1", "", "12 13", "self", str(2**40), "me"])
def test_a_pid_file_that_names_nothing_to_signal(tmp_path, text):
    pid_file = tmp_path / "run.pid"
    pid_file.write_text(str(os.getpid()) if text == "me" else text)
    result = run(book("process.signal", pid_file=str(pid_file), signal="HUP"), pid_files=[pid_file])
    assert result.status == "failed", result


def test_only_listed_pid_files_and_no_links(sleeper, tmp_path):
    _, pid_file, heard = sleeper
    assert "limits.pid_files" in run(book("process.signal", pid_file=str(pid_file))).reason
    link = tmp_path / "link.pid"
    link.symlink_to(pid_file)
    assert "can't be read" in run(book("process.signal", pid_file=str(link)), key="b", pid_files=[link]).reason
    assert heard.read_text() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user")
def test_a_user_may_not_have_another_user_s_process_signalled(sleeper):
    _, pid_file, heard = sleeper
    os.chown(pid_file, 65534, 65534)
    assert (
        "belongs to the user 65534" in run(book("process.signal", pid_file=str(pid_file)), pid_files=[pid_file]).reason
    )
    assert heard.read_text() == ""


SYSTEMCTL = """#!/bin/sh
# As much of systemctl as the action uses, over processes of its own: $STATE holds one folder for each unit.
while [ "${1#-}" != "$1" ]; do shift; done
verb=$1; for unit; do :; done; unit_dir=$STATE/$unit
case $verb in
show) [ -d "$unit_dir" ] || { echo LoadState=not-found; exit 0; }
  echo LoadState=loaded; echo "InvocationID=$(cat "$unit_dir/invocation")"
  if kill -0 "$(cat "$unit_dir/pid")" 2>/dev/null; then echo ActiveState=active; else echo ActiveState=failed; fi;;
restart) kill "$(cat "$unit_dir/pid")" 2>/dev/null; echo "$(date +%N)$$" > "$unit_dir/invocation"
  echo restarted >> "$unit_dir/log"; [ -f "$unit_dir/broken" ] && exit 1
  setsid sleep 1000 >/dev/null 2>&1 & echo $! > "$unit_dir/pid"
  while ! grep -q sleep "/proc/$!/comm"; do :; done;;
esac
"""


@pytest.fixture
def units(tmp_path, monkeypatch):
    """A program called systemctl: this machine may have no service manager that runs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    state = tmp_path / "units" / "shop.service"
    state.mkdir(parents=True)
    (state / "pid").write_text("999999999")
    (state / "invocation").write_text("first")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("STATE", str(tmp_path / "units"))
    yield state
    with __import__("contextlib").suppress(ProcessLookupError):
        os.kill(int((state / "pid").read_text()), signal.SIGKILL)


def test_a_unit_is_restarted_once(units, tmp_path):
    chosen = book("process.restart", unit="shop.service")
    assert "limits.units" in run(chosen).reason
    with pytest.raises(Killed):
        run(chosen, record=DiesBeforeResult(tmp_path / "r"), units=["shop.service"])
    assert run(chosen, record=FileRecord(tmp_path / "r"), units=["shop.service"]).ok
    assert (units / "log").read_text() == "restarted\n"
    (units / "broken").touch()
    assert "systemctl restart shop.service" in run(chosen, key="run-2", units=["shop.service"]).reason


def test_a_unit_that_is_not_there(units):
    chosen = book("process.restart", unit="other.service")
    assert "there is no unit other.service" in run(chosen, units=["other.service"]).reason


@pytest.mark.parametrize("unit", ["-f", "--root=/x", "a b", "a;b", "../x", ""])
def test_a_unit_s_name_is_no_option(unit):
    with pytest.raises(Exception, match="unit"):
        book("process.restart", unit=unit)


# ---------------------------------------------------------------- certificates

SERVER = """
import os, signal, socket, ssl, sys
folder = sys.argv[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
def load(*_):
    context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
load()
signal.signal(signal.SIGHUP, load)
listening = socket.create_server(("127.0.0.1", int(sys.argv[2])))
open(folder + "/run.pid.new", "w").write(str(os.getpid()))
os.rename(folder + "/run.pid.new", folder + "/run.pid")
while True:
    try:
        plain, _ = listening.accept()
        context.wrap_socket(plain, server_side=True).close()
    except OSError:
        pass
"""
RENEW = """#!/bin/sh
cd {folder} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=shop.example \
  -keyout key.pem -out cert.pem -days {days} 2>/dev/null && echo renewed >> renewals
"""


@pytest.fixture
def https(tmp_path):
    """A server whose certificate is good for two more days, and a program that makes one for ninety."""
    folder = tmp_path / "tls"
    folder.mkdir()
    renew = folder / "renew"
    for days in (2, 90):
        renew.write_text(RENEW.format(folder=folder, days=days))
        renew.chmod(0o755)
        if days == 2:
            assert start([str(renew)], timeout_s=60).ok
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = spawn([sys.executable, "-c", SERVER, str(folder), str(port)])
    until((folder / "run.pid").exists)
    yield folder, port
    child.kill()
    child.wait()


def test_a_certificate_is_renewed_and_shown_to_the_world(https):
    folder, port = https
    chosen, params = load_books()["certificate-expiry"], {
        "host": "127.0.0.1", "port": str(port), "renew": f"{folder}/renew", "pid_file": f"{folder}/run.pid",
    }  # fmt: skip
    allowed = {"hosts": [f"127.0.0.1:{port}"], "pid_files": [f"{folder}/run.pid"]}
    result = run(chosen, params=params, commands=((f"{folder}/renew",),), **allowed)
    assert result.status == "done", result
    assert 1.9 < result.steps[0].values["days"] < 2.1
    assert result.steps[3].values["days"] > 89
    assert (folder / "renewals").read_text() == "renewed\nrenewed\n"
    again = run(chosen, key="run-2", params=params, commands=((f"{folder}/renew",),), **allowed)
    assert [s.status for s in again.steps] == ["done", "skipped", "skipped", "done"]


def test_a_renewal_that_does_not_help_is_told(https):
    folder, port = https
    (folder / "renew").write_text("#!/bin/sh\nexit 0\n")
    text = Path("runbooks/books/certificate-expiry.yaml").read_text().replace("attempts: 15", "attempts: 2")
    chosen = parse_book(text.replace("wait_s: 2", "wait_s: 0"))
    params = {"host": "127.0.0.1", "port": str(port), "renew": f"{folder}/renew"}
    result = run(chosen, params=params, commands=((f"{folder}/renew",),), hosts=[f"127.0.0.1:{port}"])
    assert result.status == "failed"
    assert "at least 20 are wanted" in result.reason


@pytest.mark.parametrize("days", [1, 400, 40_000])
def test_the_end_of_a_certificate_is_read_as_openssl_reads_it(tmp_path, days):
    renew = tmp_path / "renew"
    renew.write_text(RENEW.format(folder=tmp_path, days=days))
    renew.chmod(0o755)
    assert start([str(renew)], timeout_s=60).ok
    told = start(["openssl", "x509", "-in", f"{tmp_path}/cert.pem", "-noout", "-enddate"], timeout_s=20).text().strip()
    wanted = datetime.strptime(told, "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert not_after(ssl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text())) == wanted


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80", b"x" * 100, b"\x30\x02\x30\x00"]
)
def test_bytes_that_are_no_certificate(data):
    with pytest.raises(ActionFailed):
        not_after(data)
