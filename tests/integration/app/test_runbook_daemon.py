"""Runbooks in a real daemon, over HTTP, Slack, alerts and the command line; killed with -9 at every boundary of a run and
in the middle of a step's effect: nothing is lost, nothing is done twice."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import support
from slack_sdk.signature import SignatureVerifier
from support.killing_runs import STEPS

from nightshift.daemon.kit.run import run as start
from nightshift.daemon.kit.run import spawn

TOKEN = "a-token-of-the-tests"
SLACK = "a-signing-secret-of-the-tests"
ONCE = """
import os, sys
path, word, trap = sys.argv[1:]
key = os.environ["NIGHTSHIFT_RUN_KEY"]
done = open(path).read() if os.path.exists(path) else ""
if key not in done:
    with open(path, "a") as file:
        file.write(word + " " + key + chr(10))
if trap != "-" and not os.path.exists(trap):
    open(trap, "w").close()
    os.kill(os.getppid(), 9)
print(word)
"""
PLAIN = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + chr(10)); print('done')"


class Daemon:
    def __init__(self, folder):
        self.folder, self.effects, self.marks = folder, folder / "effects", folder / "marks"
        self.marks.mkdir()
        (folder / "books").mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.child = None
        self.commands = {
            "a": [sys.executable, "-c", PLAIN, str(self.effects), "a"],
            "b": [sys.executable, "-c", ONCE, str(self.effects), "b", str(self.marks / "in-the-middle")],
            "c": [sys.executable, "-c", PLAIN, str(self.effects), "c"],
            "v": [sys.executable, "-c", PLAIN, str(self.effects), "v"],
        }
        self.config = folder / "nightshift.yaml"
        self.config.write_text(json.dumps({
            "state_dir": str(folder / "state"), "http": {"port": self.port, "token": f"file:{folder}/token"},
            "runbooks": {"dirs": [str(folder / "books")], "commands": list(self.commands.values()),
                         "slack": {"signing_secret": f"file:{folder}/slack", "users": ["U1"]}},
            "monitors": {"alertmanager": {"token": f"file:{folder}/token"}},
        }))  # fmt: skip
        (folder / "token").write_text(TOKEN)
        (folder / "slack").write_text(SLACK)
        for secret in ("token", "slack"):
            (folder / secret).chmod(0o600)

    def book(self, name, steps, verify=(), **more):
        def made(word):
            if word == "ask":
                return {"name": word, "action": "ask", "with": {"question": "May I go on?"}}
            return {"name": word, "action": "command", "with": {"argv": self.commands[word], "repeat": word == "b"}}

        data = {"name": name, "description": name, "steps": list(map(made, steps)), "cool_down_s": 0,
                "verify": list(map(made, verify)), **more}  # fmt: skip
        (self.folder / "books" / f"{name}.yaml").write_text(json.dumps(data))

    def start(self, *traps):
        script = Path(support.__file__).with_name("killing_runs.py")
        with (self.folder / "log").open("ab") as log:
            self.child = spawn([sys.executable, str(script), str(self.config), str(self.marks), *traps], stdout=log)

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def call(self, method, path, body=None, **headers):
        headers = {"authorization": f"Bearer {TOKEN}"} | headers
        with httpx.Client(base_url=self.url, timeout=10, trust_env=False) as client:
            return client.request(method, path, json=body, headers=headers)

    def ready(self):
        try:
            return self.call("GET", "/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def state(self, run):
        try:
            return self.call("GET", f"/api/runs/{run}").json()
        except httpx.HTTPError:
            return {}

    def until(self, done, *traps, within_s=240):
        """Starts the daemon again whenever it is dead."""
        deadline = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-3000:]
            if not self.alive():
                self.start(*traps)
            time.sleep(0.1)

    def kill(self):
        if self.alive():
            self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def lines(self):
        return [line.split()[0] for line in self.effects.read_text().splitlines()] if self.effects.exists() else []


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    yield made
    made.kill()


@pytest.mark.slow
def test_killed_at_every_boundary_and_in_the_middle_of_an_effect(daemon):
    daemon.book("one", ["a", "b", "ask", "c"], verify=["v"])
    traps = [f"{step}:{when}" for step in STEPS if step != "operate" for when in ("before", "after")]
    traps += [f"operate:{when}:{turn}" for when in ("before", "after") for turn in range(4)]
    daemon.until(daemon.ready, *traps)
    body = {"actor": "ada", "key": "once"}
    run = daemon.call("POST", "/api/runbooks/one/runs", body).json()["run"]
    daemon.until(lambda: daemon.state(run).get("status") == "waiting", *traps)
    assert daemon.lines() == ["a", "b"]
    daemon.kill()
    daemon.until(daemon.ready, *traps)
    assert daemon.call("POST", "/api/runbooks/one/runs", body).json()["run"] == run
    daemon.until(lambda: daemon.state(run).get("status") == "waiting", *traps)
    answer = daemon.call("POST", f"/api/missions/{run}/approve", {"actor": "bob", "reason": "fine"})
    assert answer.status_code == 202, answer.text
    daemon.until(lambda: daemon.state(run).get("status") not in ("waiting", "running", None), *traps)
    sprung = {mark.name.replace("-", ":") for mark in daemon.marks.iterdir()} - {"in:the:middle"}
    assert sprung >= set(traps) - {"finish:after"}
    assert (daemon.marks / "in-the-middle").exists()
    state = daemon.state(run)
    assert (state["status"], state["stage"]) == ("done", "healed"), state
    assert daemon.lines() == ["a", "b", "c", "v"], "each effect once, in order"
    told = daemon.call("GET", f"/api/missions/{run}").json()
    reasons = [event["reason"] for event in told["journal"]]
    for word in ("steps a: done", "steps b: done", "steps c: done", "verify v: done"):
        assert sum(reason.startswith(word) for reason in reasons) == 1, (word, reasons)


def test_people_and_alerts_over_every_door(daemon):
    daemon.book("one", ["a"], cool_down_s=3600, parameters={"who": {"default": "me"}})
    daemon.book("act", ["c"], autonomy="act")
    daemon.until(daemon.ready)
    unsigned = httpx.post(f"{daemon.url}/api/runbooks/one/runs", json={}, trust_env=False)
    assert unsigned.status_code == 401
    assert daemon.call("POST", "/api/runbooks/none/runs", {}).status_code == 404
    assert daemon.call("POST", "/api/runbooks/one/runs", {"params": {"nobody": 1}}).status_code == 422
    ran = nightshift(daemon, "runbook", "run", "one", "-p", "who=ann", "--dry-run")
    assert (ran.code, "planned" in ran.text()) == (0, True), ran.why()
    assert daemon.lines() == []
    ran = nightshift(daemon, "runbook", "run", "one", "-p", "who=ann", "--json")
    assert ran.code == 0, ran.why()
    assert json.loads(ran.text())["status"] == "done"
    ran = nightshift(daemon, "runbook", "run", "one")
    assert ran.code != 0
    assert "wait" in ran.why() + ran.text()
    daemon.kill()
    daemon.until(daemon.ready)
    answer = daemon.call("POST", "/api/runbooks/one/runs", {})
    assert (answer.status_code, "--force" in answer.text or "insist" in answer.text) == (409, True)
    assert daemon.lines() == ["a"]
    form = urlencode({"text": "run one --force", "user_id": "U1", "user_name": "ann", "trigger_id": "7"})
    for _ in range(2):
        assert slack(daemon, form).json()["text"].startswith("one runs: run-")
    daemon.until(lambda: daemon.lines() == ["a", "a"])
    alert = {"status": "firing", "labels": {"alertname": "Slow", "service": "shop"}, "startsAt": "2026-01-01T00:00:00Z",
             "annotations": {"runbook_url": "https://wiki/act.html"}, "fingerprint": "f1"}  # fmt: skip
    message = {"version": "4", "groupKey": "g", "status": "firing", "receiver": "n", "alerts": [alert]}
    assert daemon.call("POST", "/webhooks/alertmanager", message).status_code in (200, 202)
    daemon.until(lambda: daemon.lines() == ["a", "a", "c"])
    runs = daemon.call("GET", "/api/runs").json()["runs"]
    assert [r["book"] for r in runs] == ["act", "one", "one"]
    report = nightshift(daemon, "report", "--since", "1h")
    assert "runbook" in report.text()


def nightshift(daemon, *words):
    argv = [sys.executable, "-m", "nightshift.daemon.cli", *words, "--config", str(daemon.config)]
    return start(argv, timeout_s=60, env={**os.environ, "NIGHTSHIFT_DEBUG": "1"})


def slack(daemon, form):
    stamp = str(int(time.time()))
    signed = SignatureVerifier(SLACK).generate_signature(timestamp=stamp, body=form)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed,
               "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    return httpx.post(f"{daemon.url}/hooks/slack", content=form.encode(), headers=headers, trust_env=False)
