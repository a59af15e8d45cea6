"""Webhooks of forges: who may tell, what is heard, what is not."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from nightshift.daemon.forges.hooks import WINDOW_S, ForgeHook
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import ForgeEvent, ForgeEventKind
from nightshift.daemon.ports import Call, Receipt, Refused

SECRET = "a-secret-of-the-hook"
NOW_MS = ManualClock().now_ms()
SHA = "ab" * 20


def stamp(ago_s: float = 1.0) -> str:
    return datetime.fromtimestamp(NOW_MS / 1000 - ago_s, UTC).isoformat().replace("+00:00", "Z")


def hook(kind: str) -> ForgeHook:
    return ForgeHook("here", kind, SecretStr(SECRET), ManualClock())


def call(kind: str, event: str, body: Any, *, secret: str = SECRET, **headers: str) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
    known = {
        "github": {"x-github-event": event, "x-hub-signature-256": f"sha256={signed}"},
        "gitea": {"x-gitea-event": event, "x-gitea-signature": signed},
        "gitlab": {"x-gitlab-event": event, "x-gitlab-token": secret},
    }[kind]
    return Call(method="POST", path="/webhooks/forges/here", headers=known | headers, query={}, body=data)


def repo() -> dict[str, Any]:
    return {"full_name": "acme/shop"}


def pull(**more: Any) -> dict[str, Any]:
    return {"number": 7, "merged": False, "closed_at": stamp(), "updated_at": stamp(),
            "head": {"ref": "nightshift/m-1", "sha": SHA, "repo": repo()}, **more}  # fmt: skip


def said(text: str = "nightshift: without templates", ago_s: float = 1.0) -> dict[str, Any]:
    return {"body": text, "user": {"login": "ada"}, "created_at": stamp(ago_s)}


def gitlab(**more: Any) -> dict[str, Any]:
    return {"project": {"path_with_namespace": "acme/shop"}, "user": {"username": "ada"}, **more}


def request(**more: Any) -> dict[str, Any]:
    return {"iid": 7, "source_branch": "nightshift/m-1", "source_project_id": 1, "target_project_id": 1,
            "last_commit": {"id": SHA}, "updated_at": stamp(), **more}  # fmt: skip


def note(text: str = "nightshift: without templates", ago_s: float = 1.0) -> dict[str, Any]:
    return {
        "noteable_type": "MergeRequest",
        "note": text,
        "created_at": stamp(ago_s).replace("Z", " UTC"),
        "system": False,
    }


REVIEW = {"body": "nightshift: without templates", "user": {"login": "ada"}, "submitted_at": stamp()}
HEARD = [
    ("github", "pull_request_review_comment", {"action": "created", "repository": repo(), "pull_request": pull(), "comment": said()}, "said"),
    ("github", "pull_request_review", {"action": "submitted", "repository": repo(), "pull_request": pull(), "review": REVIEW}, "said"),
    ("github", "pull_request", {"action": "closed", "repository": repo(), "sender": {"login": "ada"}, "pull_request": pull(merged=True)}, "merged"),
    ("github", "pull_request", {"action": "closed", "repository": repo(), "sender": {"login": "ada"}, "pull_request": pull()}, "closed"),
    ("github", "push", {"ref": "refs/heads/nightshift/m-1", "after": SHA, "repository": {**repo(), "pushed_at": NOW_MS // 1000}, "sender": {"login": "ada"}}, "pushed"),
    ("gitea", "pull_request_rejected", {"action": "reviewed", "repository": repo(), "sender": {"login": "ada"}, "pull_request": pull(), "review": {"type": "x", "content": "nightshift: without templates"}}, "said"),
    ("gitea", "pull_request", {"action": "closed", "repository": repo(), "sender": {"login": "ada"}, "pull_request": pull(merged=True)}, "merged"),
    ("gitea", "pull_request", {"action": "closed", "repository": repo(), "sender": {"login": "ada"}, "pull_request": pull()}, "closed"),
    ("gitea", "push", {"ref": "refs/heads/nightshift/m-1", "after": SHA, "repository": repo(), "sender": {"login": "ada"}}, "pushed"),
    ("gitlab", "Note Hook", gitlab(object_attributes=note(), merge_request=request()), "said"),
    ("gitlab", "Merge Request Hook", gitlab(object_attributes=request(action="merge")), "merged"),
    ("gitlab", "Merge Request Hook", gitlab(object_attributes=request(action="close")), "closed"),
    ("gitlab", "Push Hook", {**gitlab(), "ref": "refs/heads/nightshift/m-1", "after": SHA, "user_username": "ada"}, "pushed"),
]  # fmt: skip
IDS = [f"{kind}-{event}-{what}" for kind, event, _, what in HEARD]


def event_of(receipt: Receipt) -> ForgeEvent:
    [event] = receipt.events
    return event


@pytest.mark.parametrize(("kind", "event", "body", "what"), HEARD, ids=IDS)
def test_what_is_heard(kind: str, event: str, body: dict[str, Any], what: str) -> None:
    receipt = hook(kind).read(call(kind, event, body))
    heard = event_of(receipt)
    assert (heard.kind, heard.branch, heard.actor) == (ForgeEventKind(what), "nightshift/m-1", "ada")
    assert (heard.forge, heard.repository) == ("here", "acme/shop")
    assert heard.text == ("without templates" if what == "said" else "")
    assert heard.head == SHA and heard.number == (0 if what == "pushed" else 7)
    assert receipt.status == 200 and not receipt.signals


@pytest.mark.parametrize(("kind", "event", "body", "what"), HEARD, ids=IDS)
def test_forged_deliveries_are_refused(kind: str, event: str, body: dict[str, Any], what: str) -> None:
    for bad in ({"secret": "another"}, {"secret": ""}):
        with pytest.raises(Refused, match=r"forges\.here"):
            hook(kind).read(call(kind, event, body, **bad))
    bare = call(kind, event, body)
    naked = Call(method="POST", path=bare.path, headers={f"x-{kind}-event": event}, query={}, body=bare.body)
    with pytest.raises(Refused):
        hook(kind).read(naked)
    if kind != "gitlab":  # a token covers no body, a signature does
        with pytest.raises(Refused):
            hook(kind).read(Call(method="POST", path=bare.path, headers=bare.headers, query={}, body=bare.body + b" "))


@pytest.mark.parametrize(("kind", "event", "body", "what"), HEARD, ids=IDS)
def test_a_replay_under_another_id_is_the_same_event(kind: str, event: str, body: dict[str, Any], what: str) -> None:
    first, again = (hook(kind).read(call(kind, event, body, **{"x-github-delivery": name})) for name in ("1", "2"))
    assert event_of(first).key == event_of(again).key


@pytest.mark.parametrize(("kind", "event", "make"), [
    ("github", "issue_comment", lambda ago: {"action": "created", "repository": repo(), "issue": {"number": 7, "pull_request": {"url": "x"}}, "comment": said(ago_s=ago)}),
    ("gitea", "issue_comment", lambda ago: {"action": "created", "is_pull": True, "repository": repo(), "issue": {"number": 7}, "comment": said(ago_s=ago)}),
    ("gitlab", "Note Hook", lambda ago: gitlab(object_attributes=note(ago_s=ago), merge_request=request())),
])  # fmt: skip
def test_what_is_long_past_is_not_heard(kind: str, event: str, make: Any) -> None:
    assert event_of(hook(kind).read(call(kind, event, make(WINDOW_S - 5)))).number == 7
    late = hook(kind).read(call(kind, event, make(WINDOW_S + 5)))
    assert not late.events and "60 minutes ago" in str(late.body)


@pytest.mark.parametrize(
    ("kind", "event", "body"),
    [
        ("github", "ping", {"zen": "x"}),
        ("github", "issue_comment", {"action": "created", "repository": repo(), "issue": {"number": 7}, "comment": said()}),
        ("github", "issue_comment", {"action": "deleted", "repository": repo(), "issue": {"number": 7, "pull_request": {"url": "x"}}, "comment": said()}),
        ("github", "pull_request", {"action": "opened", "repository": repo(), "pull_request": pull()}),
        ("github", "pull_request", {"action": "closed", "repository": repo(), "pull_request": pull(head={"ref": "feature", "sha": SHA, "repo": repo()})}),
        ("github", "pull_request", {"action": "closed", "repository": repo(), "pull_request": pull(head={"ref": "nightshift/m-1", "sha": SHA, "repo": {"full_name": "eve/shop"}})}),
        ("github", "pull_request", {"action": "closed", "repository": repo(), "pull_request": pull(head={"ref": "nightshift/m-1", "sha": SHA, "repo": None})}),
        ("github", "push", {"ref": "refs/heads/nightshift/m-1", "after": "0" * 40, "repository": repo()}),
        ("github", "push", {"ref": "refs/heads/main", "after": SHA, "repository": repo()}),
        ("github", "pull_request_review_comment", {"action": "created", "repository": repo(), "pull_request": pull(), "comment": said("looks good")}),
        ("github", "pull_request_review_comment", {"action": "created", "repository": repo(), "pull_request": pull(), "comment": said("I say: nightshift: approve")}),
        ("gitlab", "Note Hook", gitlab(object_attributes=note() | {"noteable_type": "Issue"}, merge_request=request())),
        ("gitlab", "Note Hook", gitlab(object_attributes=note() | {"system": True}, merge_request=request())),
        ("gitlab", "Merge Request Hook", gitlab(object_attributes=request(action="close", source_project_id=2))),
        ("gitlab", "Merge Request Hook", gitlab(object_attributes=request(action="update"))),
    ],
)  # fmt: skip
def test_what_means_nothing_is_answered_with_the_reason(kind: str, event: str, body: dict[str, Any]) -> None:
    receipt = hook(kind).read(call(kind, event, body))
    assert (receipt.status, list(receipt.events)) == (200, []) and receipt.body["ignored"]


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_nonsense_is_a_value_error(kind: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="the body is no"):
        hook(kind).read(call(kind, "push", body))


def test_secrets_people_paste_are_not_kept() -> None:
    body = {
        "action": "created",
        "repository": repo(),
        "pull_request": pull(),
        "comment": said("nightshift: use ghp_" + "A" * 36),
    }
    assert "ghp_" not in event_of(hook("github").read(call("github", "pull_request_review_comment", body))).text


JUNK = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda c: st.lists(c, max_size=3) | st.dictionaries(st.sampled_from(
    ["action", "pull_request", "repository", "head", "ref", "comment", "user", "object_attributes", "merge_request", "project", "number", "body", "full_name", "after", "created_at"]), c, max_size=5), max_leaves=20)  # fmt: skip


@given(
    st.sampled_from([(k, e) for k, e, _, _ in HEARD] + [("github", "issue_comment"), ("gitea", "issue_comment")]), JUNK
)
@settings(max_examples=300, deadline=None)
def test_no_signed_body_breaks_it(which: tuple[str, str], junk: Any) -> None:
    kind, event = which
    body = (
        {"action": "closed", **junk}
        if isinstance(junk, dict)
        else {"action": "created", "pull_request": junk, "repository": junk}
    )
    assert hook(kind).read(call(kind, event, body)).status == 200
