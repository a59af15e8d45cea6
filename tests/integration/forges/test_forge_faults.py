"""Servers that limit, fail, hang, forget and answer too late: nothing is done twice, and no verb takes for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.hub.server import Answer, Fault, Hub

from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import ChangeDraft, ChangeState
from nightshift.daemon.ports import EnvironmentBroke, NotYet, Refused

Upstream = Any
CREATE = {"github": ("POST", "/pulls$"), "gitlab": ("POST", "/merge_requests$"), "gitea": ("POST", "/pulls$")}
LIST = {"github": ("GET", "/pulls$"), "gitlab": ("GET", "/merge_requests$"), "gitea": ("GET", "/pulls/main/.+")}
MERGE = {"github": ("PUT", "/merge$"), "gitlab": ("PUT", "/merge$"), "gitea": ("POST", "/merge$")}
SAY = {"github": ("POST", "/comments$"), "gitlab": ("POST", "/notes$"), "gitea": ("POST", "/comments$")}
READ = {"github": ("GET", r"/pulls/\d+$"), "gitlab": ("GET", r"/merge_requests/\d+$"), "gitea": ("GET", r"/pulls/\d+$")}


@pytest.fixture(params=["github", "gitlab", "gitea"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def clock() -> ManualClock:
    """Waits cost no time here, and are counted."""
    return ManualClock()


@pytest.fixture
def forge(kind: str, hub: Hub, tmp_path: Path, clock: ManualClock) -> RemoteForge:
    made = __import__("importlib").import_module(f"nightshift.daemon.forges.{kind}")
    url = hub.url + (hub.api.prefix if kind == "github" else "")
    settings = made.Settings(url=url, token=hub.token, timeout_s=1.0, patience_s=120.0)
    return RemoteForge(kind, made.dialect(settings, clock), tmp_path / "forge", clock, settings)


def fault(hub: Hub, where: tuple[str, str], **how: Any) -> Fault:
    hub.faults.append(Fault(*where, **how))
    return hub.faults[-1]


def drawn(forge: RemoteForge, upstream: Upstream) -> ChangeDraft:
    path, base = forge.sync(upstream.service()), upstream.tip()
    return upstream.edit(path, base, 3, "three")


LATER = int(ManualClock().now_ms() / 1000) + 40
LIMITS: dict[str, Callable[[], dict[str, Any]]] = {
    "429 with seconds": lambda: {"status": 429, "headers": {"Retry-After": "7"}, "body": {"message": "slow down"}},
    "403 secondary": lambda: {"status": 403, "body": {"message": "You have exceeded a secondary rate limit."}},
    "403 used up": lambda: {"status": 403, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(LATER)}},
    "429 used up": lambda: {"status": 429, "headers": {"RateLimit-Remaining": "0", "RateLimit-Reset": str(LATER)}},
    "502": lambda: {"status": 502, "body": {"message": "Bad gateway"}},
    "503 with a date": lambda: {"status": 503, "headers": {"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}},
    "no answer": dict,
    "hangs": lambda: {"hang_s": 1.5},
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("where", [CREATE, LIST], ids=["create", "list"])
def test_what_was_turned_away_is_tried_again_once_it_may(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, limit: str, where: dict[str, Any]
) -> None:
    draft = drawn(forge, upstream)
    told = fault(hub, where[kind], **LIMITS[limit]())
    request = forge.propose(upstream.service(), draft)
    assert told.times == 0
    assert request.state is ChangeState.OPEN and len(upstream.repo.pulls) == 1


def test_as_long_as_the_server_asks_and_no_longer(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, clock: ManualClock
) -> None:
    draft, start = drawn(forge, upstream), clock.monotonic()
    fault(hub, CREATE[kind], status=429, headers={"Retry-After": "7"})
    forge.propose(upstream.service(), draft)
    assert clock.monotonic() - start == 7


@pytest.mark.parametrize("limit", ["502", "no answer"])
def test_an_answer_that_was_lost_does_not_make_a_second_request(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, limit: str
) -> None:
    draft = drawn(forge, upstream)
    fault(hub, CREATE[kind], **LIMITS[limit](), after=True)
    request = forge.propose(upstream.service(), draft)
    assert request.state is ChangeState.OPEN and len(upstream.repo.pulls) == 1
    assert upstream.repo.pulls[0].labels == ["nightshift"]
    assert sum(call.startswith("POST") and call.endswith(CREATE[kind][1][:-1]) for call in hub.calls) == 1


@pytest.mark.parametrize("limit", ["502", "no answer"])
def test_an_answer_that_was_lost_does_not_merge_twice(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, limit: str
) -> None:
    service = upstream.service()
    request = forge.propose(service, drawn(forge, upstream))
    fault(hub, MERGE[kind], **LIMITS[limit](), after=True)
    merged = forge.merge(service, "m-1", head=request.head, base=request.base)
    assert merged.merged == upstream.tip()
    assert sum(call.startswith(MERGE[kind][0]) and call.endswith("/merge") for call in hub.calls) == 1


def test_an_answer_that_was_lost_does_not_say_it_twice(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str
) -> None:
    service = upstream.service()
    forge.propose(service, drawn(forge, upstream))
    fault(hub, SAY[kind], after=True)
    forge.comment(service, "m-1", "why", "Because")
    assert len(upstream.repo.pulls[0].comments) == 1


def test_a_list_that_is_behind_and_a_create_that_says_it_exists(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, tmp_path: Path
) -> None:
    """Another daemon has made it; the list does not show it for a while."""
    service, draft = upstream.service(), drawn(forge, upstream)
    first = forge.propose(service, draft)
    other = RemoteForge(kind, forge.dialect, tmp_path / "other", forge.clock, forge.settings)
    other.sync(service)
    nothing = Answer(404, {"message": "nothing yet"}) if kind == "gitea" else Answer(200, [])
    fault(hub, LIST[kind], times=3, make=lambda _: nothing)
    found = other.propose(service, draft)
    assert (found.number, found.head) == (first.number, first.head) and len(upstream.repo.pulls) == 1


def test_a_request_that_does_not_show_its_push_yet_is_waited_for(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str
) -> None:
    service = upstream.service()
    request = forge.propose(service, drawn(forge, upstream))

    def stale(answer: Answer) -> Answer:
        body = dict(answer.body)
        body |= {"sha": "1" * 40} if kind == "gitlab" else {"head": body["head"] | {"sha": "1" * 40}}
        return replace(answer, body=body)

    fault(hub, READ[kind], make=stale)
    with pytest.raises(NotYet, match="does not show"):
        forge.merge(service, "m-1", head=request.head, base=request.base)
    assert forge.merge(service, "m-1", head=request.head, base=request.base).state is ChangeState.MERGED


@pytest.mark.parametrize("where", [CREATE, MERGE], ids=["create", "merge"])
def test_a_server_that_stays_broken_is_given_up_in_time(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, clock: ManualClock, where: dict[str, Any]
) -> None:
    service, draft = upstream.service(), drawn(forge, upstream)
    request = forge.propose(service, draft) if where is MERGE else None
    told, start = fault(hub, where[kind], status=503, times=10_000), clock.monotonic()

    def act() -> None:
        if request:
            forge.merge(service, "m-1", head=request.head, base=request.base)
        else:
            forge.propose(service, draft)

    with pytest.raises(EnvironmentBroke, match="503") as broke:
        act()
    assert not isinstance(broke.value, NotYet) and clock.monotonic() - start <= forge.settings.patience_s
    assert upstream.tip() == draft.base
    told.times = 0
    request = forge.propose(service, draft)
    assert forge.merge(service, "m-1", head=request.head, base=request.base).merged == upstream.tip()
    assert len(upstream.repo.pulls) == 1


def test_a_long_limit_is_the_mission_s_to_wait_for(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, clock: ManualClock
) -> None:
    draft, start = drawn(forge, upstream), clock.monotonic()
    fault(hub, CREATE[kind], status=429, headers={"Retry-After": "3600"}, times=9)
    with pytest.raises(NotYet, match="3600 s"):
        forge.propose(upstream.service(), draft)
    assert clock.monotonic() == start


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_definite_no_is_a_refusal_at_once(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str, clock: ManualClock, status: int
) -> None:
    draft, start = drawn(forge, upstream), clock.monotonic()
    fault(hub, CREATE[kind], status=status, body={"message": "Resource not accessible"}, times=9)
    with pytest.raises(Refused, match="not accessible"):
        forge.propose(upstream.service(), draft)
    assert clock.monotonic() == start


def test_a_page_where_json_should_be_is_no_answer(forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str) -> None:
    draft = drawn(forge, upstream)
    fault(hub, CREATE[kind], status=502, body="<html>proxy</html>", after=True)
    assert forge.propose(upstream.service(), draft).number == 1
    assert len(upstream.repo.pulls) == 1


def test_a_push_that_is_interrupted_goes_on_where_it_was(
    forge: RemoteForge, upstream: Upstream, hub: Hub, kind: str
) -> None:
    """The branch is there, the request is not: a kill between the two. The next draft has other words."""
    service, draft = upstream.service(), drawn(forge, upstream)
    fault(hub, CREATE[kind], status=503, times=10_000)
    with pytest.raises(EnvironmentBroke):
        forge.propose(service, draft)
    hub.faults.clear()
    request = forge.propose(service, replace(draft, body="Seen twice by now."))
    assert upstream.repo.tip(request.branch) == request.head and "twice" in upstream.repo.pulls[0].body
