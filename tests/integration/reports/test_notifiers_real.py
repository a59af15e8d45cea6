"""Notifiers against real HTTP receivers: one shaped like Slack, one that checks signatures, and ones that misbehave."""

import contextlib
import hashlib
import hmac
import http.server
import json
import queue
import re
import shutil
import socket
import ssl
import threading

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.kit.run import run
from nightshift.daemon.ports import EnvironmentBroke, Notice, Refused
from nightshift.daemon.reports import file, slack, webhook
from nightshift.daemon.reports.all_notifiers import NOTIFIERS
from nightshift.daemon.reports.notice import report_notice
from nightshift.daemon.reports.testing import a_night

NOTICE = Notice(
    key="mis-1:escalated", title="It is <!channel> & broken", text="first\n\nsecond <@U123>", severity="error"
)


def bad_slack_message(message):
    """What Slack's API would refuse a message for ('' when it takes it), from Block Kit's reference."""
    blocks = message.get("blocks") or []
    if not 1 <= len(blocks) <= 50:
        return "invalid_blocks: number"
    for block in blocks:
        if block["type"] == "actions":
            if not 1 <= len(block["elements"]) <= 25 or any(map(_bad_button, block["elements"])):
                return "invalid_blocks: actions"
            continue
        texts = block.get("elements", [block.get("text")])
        limit = {"header": 150, "section": 3000, "context": 3000}.get(block["type"], 0)
        for text in texts:
            if not limit or text is None or not 1 <= len(text["text"]) <= limit:
                return f"invalid_blocks: {block['type']}"
            if block["type"] == "header" and text["type"] != "plain_text":
                return "invalid_blocks: header type"
    if not message.get("text") or len(message["text"]) > 40_000:
        return "no_text"
    return ""


def _bad_button(button):
    return (
        button["type"] != "button" or button["text"]["type"] != "plain_text" or len(button["text"]["text"]) > 75
        or len(button["action_id"]) > 255 or len(button["value"]) > 2000 or button["style"] not in ("primary", "danger")
    )  # fmt: skip


class Receiver:
    """A server whose answers are scripted; keeps every request."""

    def __init__(self):
        self.requests, self.answers = queue.Queue(), []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.put((self.path, dict(self.headers), body))
                status, answer, headers = receiver.answer(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self):
                receiver.requests.put(("GET " + self.path, dict(self.headers), b""))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, body):
        if self.answers:
            return self.answers.pop(0)
        wrong = bad_slack_message(json.loads(body)) if b'"blocks"' in body else ""
        return (400, wrong.encode(), {}) if wrong else (200, b"ok", {})

    def seen(self):
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.requests.get_nowait())
        return found


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def slack_to(url, **more):
    return slack.create(slack.Settings(url=url, allow_private=True, **more), ManualClock())


def webhook_to(url, **more):
    raw = {"url": url, "secret": "a-shared-secret", "allow_private": True, **more}
    return webhook.create(webhook.Settings(**raw), ManualClock(1_767_323_045_000))


MAKERS = {"slack": slack_to, "webhook": webhook_to}


@pytest.mark.parametrize("name", MAKERS)
def test_the_night_s_report_is_taken(receiver, name):
    MAKERS[name](receiver.url + "/services/T0/B0/x").send(report_notice(a_night()))
    [(path, _, body)] = receiver.seen()
    assert path == "/services/T0/B0/x" and b"nightshift approve mis-abcdefghijkl" in body
    assert b"hunter2" not in body and b"\\u001b" not in body


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(receiver, name, status):
    receiver.answers = [(status, b"later", {"Retry-After": "1"})]
    notifier = MAKERS[name](receiver.url)
    with pytest.raises(EnvironmentBroke, match=str(status)):
        notifier.send(NOTICE)
    notifier.send(NOTICE)
    assert len(receiver.seen()) == 2


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_will_never_pass_is_not(receiver, name, status):
    receiver.answers = [(status, b"no_service", {})]
    with pytest.raises(Refused, match=str(status)):
        MAKERS[name](receiver.url).send(NOTICE)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver, name, status):
    receiver.answers = [(status, b"", {"Location": f"{receiver.url}/elsewhere"})]
    with pytest.raises(Refused, match=str(status)):
        MAKERS[name](receiver.url).send(NOTICE)
    assert [path for path, _, _ in receiver.seen()] == ["/"]


@pytest.mark.parametrize("name", MAKERS)
def test_nobody_there(name):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(EnvironmentBroke, match="not reachable"):
        MAKERS[name](url).send(NOTICE)


@pytest.mark.parametrize("name", MAKERS)
def test_somebody_who_says_nothing(name):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EnvironmentBroke, match="not reachable"):
            MAKERS[name](url, timeout_s=1).send(NOTICE)


@pytest.mark.parametrize("name", MAKERS)
def test_private_addresses_need_to_be_allowed(receiver, name):
    strict = {
        "slack": lambda url: slack.create(slack.Settings(url=url), ManualClock()),
        "webhook": lambda url: webhook.create(webhook.Settings(url=url, secret="another-shared-secret"), ManualClock()),
    }[name]
    for url in (receiver.url, receiver.url.replace("http:", "https:")):
        with pytest.raises(Refused, match=r"plain http|loopback"):
            strict(url).send(NOTICE)
    assert receiver.seen() == []


@pytest.mark.parametrize("name", MAKERS)
def test_probe_says_what_is_wrong_without_sending(receiver, name):
    assert MAKERS[name](receiver.url).probe().ok
    health = MAKERS[name]("http://169.254.169.254/").probe()
    assert not health.ok and "link-local" in health.detail and health.fix
    assert receiver.seen() == []


def test_the_receiver_can_check_the_signature_and_the_key(receiver):
    webhook_to(receiver.url + "/hook?x=1").send(NOTICE)
    [(path, headers, body)] = receiver.seen()
    assert path == "/hook?x=1" and headers["Host"] == receiver.url.removeprefix("http://")
    stamp = headers["X-Nightshift-Timestamp"]
    wanted = hmac.new(b"a-shared-secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Nightshift-Signature"] == f"sha256={wanted}" and stamp == "1767323045"
    assert headers["X-Nightshift-Key"] == "mis-1:escalated"
    assert json.loads(body) == {
        "key": NOTICE.key, "title": NOTICE.title, "text": NOTICE.text, "severity": "error", "data": {},
    }  # fmt: skip


def test_a_name_is_resolved_once_and_still_told_to_the_server(receiver):
    port = receiver.url.rpartition(":")[2]
    webhook_to(f"http://localhost:{port}/").send(NOTICE)
    [(_, headers, _)] = receiver.seen()
    assert headers["Host"] == f"localhost:{port}"


class Tls(Receiver):
    """The same over TLS; entering gives the port."""

    def __init__(self, certificate, key):
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.handle_error = lambda *args: None

    def __enter__(self):
        return self.server.server_address[1]

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for a name, as (certificate and key in one file)."""

    def make(name):
        path = tmp_path / f"{name}.pem"
        subject = [
            "-subj",
            f"/CN={name}",
            "-addext",
            f"subjectAltName=DNS:{name}",
            "-addext",
            "basicConstraints=CA:TRUE",
        ]
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
        done = run([*argv, "-keyout", f"{path}.key", "-out", str(path)], timeout_s=60)
        assert done.ok, done.why()
        return path

    return make


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_the_certificate_is_checked_against_the_name_not_the_pinned_address(certificate):
    names = {"localhost": None, "other.example": "CERTIFICATE_VERIFY_FAILED"}
    for name, expected in names.items():
        path = certificate(name)
        with Tls(path, f"{path}.key") as port:
            notifier = webhook_to(f"https://localhost:{port}/", ca_file=path)
            with pytest.raises(EnvironmentBroke, match=expected) if expected else contextlib.nullcontext():
                notifier.send(NOTICE)
    with Tls(path, f"{path}.key") as port, pytest.raises(EnvironmentBroke, match="CERTIFICATE_VERIFY_FAILED"):
        webhook_to(f"https://localhost:{port}/").send(NOTICE)


def test_a_webhook_s_json_survives_redaction(receiver):
    nasty = 'password=abc\\" and "token": "s3cr3tvalue"'
    webhook_to(receiver.url).send(Notice(key="k", title="t", text=nasty, data={"deep": [{"x": nasty}]}))
    body = json.loads(receiver.seen()[0][2])
    assert "abc" not in body["text"] and "s3cr3t" not in body["data"]["deep"][0]["x"]


def test_slack_shows_text_and_pings_nobody(receiver):
    slack_to(receiver.url).send(NOTICE)
    message = json.loads(receiver.seen()[0][2])
    assert not re.search(r"<[!@#]", json.dumps(message))
    assert message["blocks"][0]["text"]["text"].endswith("It is &lt;!channel&gt; &amp; broken")
    assert [b["text"]["text"] for b in message["blocks"][1:]] == ["first", "second &lt;@U123&gt;"]


@pytest.mark.parametrize(
    "text",
    ["x" * 10_000, "<" * 9_000, "\n\n".join(["p" * 10] * 200), "\n\n".join(["&" * 4_000] * 40), ""],
)
def test_slack_s_limits_are_kept_and_nothing_is_cut_in_half(receiver, text):
    slack_to(receiver.url).send(Notice(key="k", title="T<" * 400, text=text))
    message = json.loads(receiver.seen()[0][2])
    assert bad_slack_message(message) == ""
    shown = [b["text"]["text"] for b in message["blocks"] if "text" in b]
    assert not [s for s in shown if re.search(r"&(?!amp;|lt;|gt;)", s)]
    if len(message["blocks"]) == 50:
        assert re.fullmatch(r"… \d+ more", message["blocks"][-1]["elements"][0]["text"])


@pytest.mark.parametrize(
    ("key", "data", "on", "expected"),
    [("run-a:asks:x", {"mission": "run-a"}, True, True), ("mis-a:waiting:c", {"mission": "mis-a"}, True, True),
     ("mis-a:ended", {"mission": "mis-a"}, True, False), ("run-a:asks:x", {}, True, False),
     ("run-a:asks:x", {"mission": "run-a"}, False, False)],
)  # fmt: skip
def test_a_notice_that_waits_has_buttons_where_they_are_wanted(receiver, key, data, on, expected):
    slack_to(receiver.url, buttons=on).send(Notice(key=key, title="t", text="\n\n".join(["x"] * 80), data=data))
    message = json.loads(receiver.requests.get(timeout=10)[2])
    assert bad_slack_message(message) == ""
    pressed = [b for b in message["blocks"] if b["type"] == "actions"]
    assert bool(pressed) is expected
    if pressed:
        assert [(e["action_id"], e["value"]) for e in pressed[0]["elements"]] == [
            ("nightshift:approve", data["mission"]), ("nightshift:reject", data["mission"]),
        ]  # fmt: skip


def test_the_slack_shaped_receiver_refuses_what_slack_refuses():
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
    fine = {"text": "t", "blocks": [section]}
    assert bad_slack_message(fine) == ""
    assert bad_slack_message({**fine, "blocks": [section] * 51})
    assert bad_slack_message({**fine, "blocks": [{**section, "text": {"type": "mrkdwn", "text": "x" * 3001}}]})
    assert bad_slack_message({**fine, "text": ""})


def test_slack_s_address_is_a_secret(receiver, caplog):
    caplog.set_level("DEBUG")
    url = receiver.url + "/services/T000/B000/verysecretpath"
    settings = slack.Settings(url=url, allow_private=True)
    receiver.answers = [(403, f"invalid_token for {url}".encode(), {})]
    with pytest.raises(Refused) as caught:
        slack.create(settings, ManualClock()).send(NOTICE)
    assert "verysecretpath" not in str(caught.value) + repr(settings) + caplog.text + redact(url)


def test_files(tmp_path):
    notifier = file.create(file.Settings(folder=tmp_path / "reports"), ManualClock())
    assert notifier.probe().ok
    for _ in range(2):
        notifier.send(report_notice(a_night()))
        notifier.send(NOTICE)
    assert sorted(p.name for p in (tmp_path / "reports").iterdir()) == [
        "mis-1-escalated.json", "mis-1-escalated.md",
        "report-2026-01-02.html", "report-2026-01-02.json", "report-2026-01-02.md",
    ]  # fmt: skip
    assert json.loads((tmp_path / "reports" / "mis-1-escalated.json").read_text())["key"] == NOTICE.key
    with pytest.raises(Refused, match="report is not one"):
        notifier.send(Notice(key="k", title="t", text="x", data={"report": {"version": 1}}))


def test_a_folder_that_can_t_be_made_is_tried_again(tmp_path):
    (tmp_path / "file").write_text("in the way")
    notifier = file.create(file.Settings(folder=tmp_path / "file" / "reports"), ManualClock())
    assert not notifier.probe().ok
    with pytest.raises(EnvironmentBroke, match="can't write"):
        notifier.send(NOTICE)


def test_the_table_names_modules_that_keep_the_contract():
    import importlib

    for name, dotted in NOTIFIERS.items():
        module = importlib.import_module(dotted)
        assert module.Settings.model_config["extra"] == "forbid" and module.Settings.model_config["frozen"]
        assert callable(module.create) and dotted.endswith(name)
