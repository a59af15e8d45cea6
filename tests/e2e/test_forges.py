"""From a failing pipeline to a revert merged on a server, with the real daemon: the request is opened there as a draft, a
person approves it there by a comment, it is merged there and production is watched. Forged and huge webhooks do nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.hub.published import Unpublished
from support.hub.server import Hub
from support.hub.state import HubRepo

from nightshift.daemon.kit.run import spawn
from nightshift.daemon.model import ENDS, Stage
from nightshift.daemon.store.store import Store

pytestmark = [pytest.mark.engine, pytest.mark.slow]
CI_SECRET, HOOK_SECRET, NAME = "a-webhook-secret-of-the-tests", "another-secret-of-the-tests", "acme/shop"
GOOD = b"def price(cents):\n    return f'{cents // 100}.{cents % 100:02d}'\n"
BAD = b"def price(cents):\n    return '%d.%d' % divmod(cents, 100)\n"
TEST = b"from money import price\n\n\ndef test_price():\n    assert price(1205) == '12.05'\n"
APIS = {"github": "GitHubApi", "gitlab": "GitLabApi", "gitea": "GiteaApi"}


@pytest.fixture(params=sorted(APIS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def hub(kind: str, tmp_path: Path) -> Iterator[Hub]:
    api = getattr(import_module(f"support.hub.{kind}"), APIS[kind])()
    try:
        api.described()
    except Unpublished as error:
        pytest.skip(str(error))
    with Hub(tmp_path / "hub", api) as made:
        yield made
    assert made.wrong == []


def push(repo: HubRepo, files: dict[str, bytes], message: str, at_s: int) -> str:
    tip = repo.tip("main")
    base = tip or repo.bare.out("mktree").decode().strip()
    made = repo.bare.commit(repo.bare.with_files(base, files), [tip] if tip else [], message, at_s=at_s)
    assert repo.bare.swap("refs/heads/main", made, tip or "0" * 40)
    return made


def signed(body: Any, secret: str, **headers: str) -> tuple[bytes, dict[str, str]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    return content, {"x-hub-signature-256": signature, "content-type": "application/json", **headers}


def failing(commit: str) -> tuple[bytes, dict[str, str]]:
    run = {"id": 1, "name": "tests", "head_branch": "main", "head_sha": commit, "conclusion": "failure",
           "run_attempt": 1, "head_repository": {"full_name": NAME}}  # fmt: skip
    body = {"action": "completed", "workflow_run": run, "repository": {"full_name": NAME}}
    return signed(body, CI_SECRET, **{"x-github-event": "workflow_run"})


def comment(kind: str, branch: str, text: str, who: str, number: int = 1, secret: str = HOOK_SECRET) -> Any:
    """A review comment, as the forge tells it."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    pull = {"number": number, "updated_at": when, "head": {"ref": branch, "sha": "1" * 40, "repo": {"full_name": NAME}}}
    common = {"repository": {"full_name": NAME}, "sender": {"login": who}, "pull_request": pull}
    if kind == "github":
        body = {**common, "action": "created", "comment": {"body": text, "user": {"login": who}, "created_at": when}}
        return signed(body, secret, **{"x-github-event": "pull_request_review_comment"})
    if kind == "gitea":
        body = {**common, "action": "reviewed", "review": {"type": "pull_request_review_approved", "content": text}}
        return signed(body, secret, **{"x-gitea-event": "pull_request_approved"})
    note = {"noteable_type": "MergeRequest", "note": text, "created_at": when, "system": False}
    request = {"iid": number, "source_branch": branch, "source_project_id": 1, "target_project_id": 1}
    body = {
        "project": {"path_with_namespace": NAME},
        "user": {"username": who},
        "object_attributes": note,
        "merge_request": request,
    }
    return signed(body, secret, **{"x-gitlab-event": "Note Hook", "x-gitlab-token": secret})


def until(what: Callable[[], Any], log: Path, patience_s: float = 150) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < deadline, log.read_text()[-6000:]
        time.sleep(0.1)
    return found


def test_a_revert_is_proposed_approved_and_merged_on_the_server(hub: Hub, kind: str, tmp_path: Path) -> None:
    repo = hub.repo(NAME)
    push(repo, {"money.py": GOOD, "test_money.py": TEST}, "prices", 1_700_000_000)
    broken = push(repo, {"money.py": BAD}, "shorter", 1_700_000_100)
    api = hub.url + (hub.api.prefix if kind == "github" else "")
    (tmp_path / "n.yaml").write_text(json.dumps({
        "state_dir": "state", "http": {"port": 0},
        "monitors": {"ci": {"secret": "env:CI_SECRET", "repositories": {NAME: "shop"}}},
        "forges": {"code": {"kind": kind, "url": api, "token": "env:FORGE_TOKEN", "webhook_secret": "env:HOOK_SECRET", "merge": "squash"}},
        "services": [{"name": "shop", "repo": hub.address(NAME), "forge": "code", "check": "python -m pytest -q",
                      "autonomy": "propose", "watch_window_s": 1, "watch_interval_s": 0.3}],
    }))  # fmt: skip
    secrets = {"CI_SECRET": CI_SECRET, "FORGE_TOKEN": hub.token, "HOOK_SECRET": HOOK_SECRET, "PATH": os.environ["PATH"]}
    log, port_file = tmp_path / "log", tmp_path / "state" / "http.port"
    with log.open("ab") as sink:
        daemon = spawn(
            [sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(tmp_path / "n.yaml")],
            stdout=sink,
            env=secrets,
        )
    try:
        until(lambda: port_file.exists() and port_file.read_text().strip(), log, 60)
        base = f"http://127.0.0.1:{port_file.read_text().strip()}/webhooks"

        def post(where: str, told: tuple[bytes, dict[str, str]]) -> httpx.Response:
            return httpx.post(f"{base}/{where}", content=told[0], headers=told[1], trust_env=False, timeout=60)

        assert post("ci", failing(broken)).json() == {"signals": 1}
        store = Store.open(tmp_path / "state" / "nightshift.db")
        stage = lambda: next((m.stage for m in store.missions.list()), None)  # noqa: E731 - asked often
        until(lambda: stage() in {*ENDS, Stage.AWAITING_APPROVAL}, log)
        assert stage() is Stage.AWAITING_APPROVAL, log.read_text()[-6000:]
        [pull] = repo.pulls
        assert pull.draft and pull.state == "open" and "nightshift" in pull.labels
        forged = comment(kind, pull.branch, "nightshift: approve", "ada", secret="wrong")
        assert post("forges/code", forged).status_code == 401
        huge = signed(b'{"a":"' + b"x" * (6 << 20) + b'"}', HOOK_SECRET, **{"x-gitlab-token": HOOK_SECRET})
        assert post("forges/code", huge).status_code == 413
        assert post("forges/code", comment(kind, pull.branch, "nightshift: approve", "eve")).status_code == 200
        assert stage() is Stage.AWAITING_APPROVAL and pull.state == "open"
        said = comment(kind, pull.branch, "Looks right.\nnightshift: approve", "ada")
        for _ in range(3):
            assert post("forges/code", said).json() == {"heard": "said"}
        until(lambda: stage() in ENDS, log)
        [mission] = store.missions.list()
        reasons = [event.reason for event in store.journal.of(mission.id)]
        store.close()
    finally:
        daemon.kill()
        daemon.wait()
    assert repo.bare.read("main", "money.py") == GOOD and pull.merged == repo.tip("main") and not pull.draft
    assert sum("approved by ada on code" in reason for reason in reasons) == 1 and mission.stage is Stage.HEALED, (
        reasons
    )
    assert hub.token not in log.read_text() and len(repo.pulls) == 1
