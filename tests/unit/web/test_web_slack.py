"""Slack's slash command and buttons, signed by Slack's own library; forged, replayed, old and hostile requests."""

import json
import time
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from slack_sdk.signature import SignatureVerifier

from nightshift.daemon.config.settings import SlackSettings
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Mission, Stage
from nightshift.daemon.reports.slack import buttons_of
from nightshift.daemon.web.testing import FakeApi

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW_S = 1_700_000_000


@pytest.fixture
def api(store):
    store.missions.ensure(Mission(id="run-abcd", incident="inc-s", service="shop", stage=Stage.AWAITING_APPROVAL))
    settings = SlackSettings(signing_secret=SecretStr(SECRET), users=("U1",))
    return FakeApi(store=store, running=frozenset({"run-abcd"}), slack=settings)


@pytest.fixture
def send(client_of, api):
    speaking = client_of(api, clock=ManualClock(NOW_S * 1000))

    def sent(form, *, stamp=NOW_S, secret=SECRET, **headers):
        body = form if isinstance(form, str | bytes) else urlencode(form)
        made = {
            "X-Slack-Request-Timestamp": str(stamp),
            "X-Slack-Signature": SignatureVerifier(secret).generate_signature(timestamp=str(stamp), body=body),
            "Content-Type": "application/x-www-form-urlencoded",
        } | {name.replace("_", "-"): value for name, value in headers.items()}  # fmt: skip
        made = {name: value for name, value in made.items() if value is not None}
        return speaking.post("/hooks/slack", content=body if isinstance(body, bytes) else body.encode(), headers=made)

    return sent


def command(text, user="U1", trigger="1.2"):
    return {"command": "/nightshift", "text": text, "user_id": user, "user_name": "ann", "trigger_id": trigger}


def button(verb, value, user="U1"):
    action = {"action_id": f"nightshift:{verb}", "value": value, "type": "button"}
    return {
        "payload": json.dumps({"type": "block_actions", "user": {"id": user, "username": "ann"}, "actions": [action]})
    }


def test_a_run_is_started_once_however_often_the_request_comes(send, api):
    for _ in range(3):
        answer = send(command("run restart container=web --force"))
        assert (answer.status_code, answer.json()["response_type"]) == (200, "ephemeral")
    (run,) = api.runs.values()
    assert run == {"book": "restart", "params": {"container": "web"}, "dry_run": False, "actor": "slack:ann",
                   "status": "done", "force": True}  # fmt: skip
    send(command("run restart container=web", trigger="1.3"))
    assert len(api.runs) == 2


def test_quoting_dry_runs_lists_and_help(send, api):
    send(command("run restart 'container=web one' --dry-run"))
    (run,) = api.runs.values()
    assert (run["params"], run["dry_run"]) == ({"container": "web one"}, True)
    assert "`restart`" in send(command("runbooks")).json()["text"]
    assert "`run NAME" in send(command("")).json()["text"]
    assert "there is no nothing" in send(command("run nothing")).json()["text"]
    assert "needs the parameter" in send(command("run restart")).json()["text"]
    assert "not understood" in send(command("run restart --sudo")).json()["text"]
    assert "key=value" in send(command("run restart web")).json()["text"]
    assert send(command("run restart 'container=web")).json()["text"]


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_buttons_and_commands_signal_missions(send, api, verb):
    made = buttons_of("run-abcd")["elements"]
    pressed = next(e for e in made if e["action_id"].endswith(verb))
    assert send(button(pressed["action_id"].partition(":")[2], pressed["value"])).status_code == 200
    send(command(f"{verb} run-abcd because I say so"))
    assert api.said == [
        ("run-abcd", verb, "slack:ann", "by a button in Slack"), ("run-abcd", verb, "slack:ann", "because I say so"),
    ]  # fmt: skip
    assert "there is no" in send(button(verb, "run-zzzz")).json()["text"]


@pytest.mark.parametrize(
    "wrong",
    [{"stamp": NOW_S - 301}, {"stamp": NOW_S + 301}, {"secret": "another"}, {"X_Slack_Signature": "v0=00"},
     {"X_Slack_Signature": None}, {"X_Slack_Request_Timestamp": None}, {"X_Slack_Request_Timestamp": "now"},
     {"X_Slack_Request_Timestamp": "-1"}, {"X_Slack_Request_Timestamp": str(NOW_S + 1)}, {"X_Slack_Signature": "é"}],
)  # fmt: skip
def test_what_slack_did_not_sign_just_now_is_refused(send, api, wrong):
    if wrong.get("X_Slack_Signature") == "é":
        wrong = {"X_Slack_Signature": "v1=" + "0" * 64}
    answer = send(command("run restart container=web"), **wrong)
    assert answer.status_code == 401
    assert SECRET not in answer.text
    assert (api.runs, api.said) == ({}, [])


def test_a_body_that_was_changed_is_refused(client_of, api):
    body = urlencode(command("run restart container=web"))
    stamp = str(int(time.time()))
    signed = SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=body)
    answer = client_of(api).post("/hooks/slack", content=(body + "&x=1").encode(), headers={
        "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed})  # fmt: skip
    assert answer.status_code == 401


def test_only_listed_users_may(send, api):
    assert send(command("run restart container=web", user="U2")).status_code == 403
    assert send(button("approve", "run-abcd", user="U2")).status_code == 403
    assert send({"text": "run restart container=web"}).status_code == 403
    assert (api.runs, api.said) == ({}, [])


def test_without_settings_nobody_speaks(client_of, store):
    answer = client_of(FakeApi(store=store)).post("/hooks/slack", content=b"text=help")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", "payload=%ff%fe", "payload=", "payload=[]", "payload=null", "payload={", "a" * 70_000, "&".join(["a=1"] * 60),
     "payload=" + "[" * 5000, urlencode({"payload": json.dumps({"user": "U1", "actions": [1]})}),
     urlencode({"payload": json.dumps({"type": "block_actions", "user": {"id": "U1"}, "actions": [1]})}),
     urlencode({"payload": json.dumps({"type": "view_submission", "user": {"id": "U1"}, "actions": [{}]})}),
     urlencode({"payload": json.dumps({"type": "block_actions", "user": {"id": "U1"},
                                       "actions": [{"action_id": "other:approve", "value": "run-abcd"}]})})],
    ids=range(13),
)  # fmt: skip
def test_signed_nonsense_does_nothing(send, api, body):
    assert send(body).status_code in (200, 400, 403)
    assert (api.runs, api.said) == ({}, [])


def test_what_is_answered_pings_nobody(send):
    text = send(command("run restart '<!channel>=1'")).json()["text"]
    assert "<!channel>" not in text
