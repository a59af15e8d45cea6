"""A store with one mission of every interesting kind, and a client that speaks to the application in process."""

import asyncio
from functools import partialmethod

import httpx
import pytest
from pydantic import SecretStr

from nightshift.daemon.model import (
    Event,
    Frame,
    Incident,
    IncidentState,
    Mission,
    Severity,
    Signal,
    Stage,
)
from nightshift.daemon.store.store import Store
from nightshift.daemon.web.application import create_app
from nightshift.daemon.web.testing import EchoReceiver, FakeApi

TOKEN = "a-token-of-the-tests"
NASTY = "<script>alert(1)</script> \u202e \x1b[31m password=hunter22"
DIFF = "--- a/shop.py\n+++ b/shop.py\n@@ -1 +1 @@\n-x = <b>1</b>\n+x = 2\n"
VERDICT = {
    "judgement": "accepted", "failed": "", "reason": "", "patch": {"diff": DIFF, "fixer": "revert"},
    "gates": [{"gate": "green", "judgement": "accepted", "reason": "3 of 3", "duration_s": 0.5}],
}  # fmt: skip


class Client:
    """Requests to an ASGI application, one event loop each."""

    def __init__(self, app):
        self.app = app

    def request(self, method, path, **options):
        async def ask():
            content = options.get("content")
            if content is not None and not isinstance(content, bytes):
                options["content"] = _later(content)
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    options = partialmethod(request, "OPTIONS")


async def _later(chunks):
    for chunk in chunks:
        yield chunk


def signal(title):
    frames = (Frame(path="shop/cart.py", line=7, function="total", code="return x[0]"),)
    return Signal(key="k", source="logs", service="shop", title=title, at_ms=1_000, exception="KeyError", frames=frames)


def add(store, name, stage, *, title="KeyError: 'x'", state=IncidentState.OPEN, paused=False):
    incident = Incident(
        id=f"inc-{name}", fingerprint=name, service="shop", title=title, severity=Severity.ERROR, state=state,
        first_at_ms=1_000, last_at_ms=2_000, count=3, signal=signal(title),
    )  # fmt: skip
    store.incidents.add(incident)
    mission = Mission(id=f"mis-{name}", incident=incident.id, service="shop", stage=stage, paused=paused,
                      reason="because", started_at_ms=1_000, updated_at_ms=2_000)  # fmt: skip
    store.missions.ensure(mission)


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "nightshift.db")
    add(store, "wait", Stage.AWAITING_APPROVAL)
    add(store, "runs", Stage.JUDGING, title=NASTY)
    add(store, "fine", Stage.HEALED, state=IncidentState.HEALED)
    add(store, "hard", Stage.ESCALATED, state=IncidentState.ESCALATED)
    for at_ms, stage, reason, data in (
        (1_000, "queued", "seen", {}),
        (1_500, "drafting", "revert drafted 2 patch(es)", {"fixer": "revert", "patches": [{"id": "a"}, {"id": "b"}]}),
        (4_000, "judging", "green", {"verdict": VERDICT}),
        (4_500, "awaiting_approval", NASTY, {}),
    ):
        store.journal.append(Event(at_ms=at_ms, mission="mis-wait", stage=stage, actor="x", reason=reason, data=data))
    yield store
    store.close()


@pytest.fixture
def api(store):
    return FakeApi(
        store=store,
        token=SecretStr(TOKEN),
        running=frozenset({"mis-wait", "mis-runs"}),
        receivers={"echo": EchoReceiver()},
        closed={"/hooks/off": "off"},
    )


@pytest.fixture
def client_of():
    def _client_of(api, **options):
        return Client(create_app(api, **options))

    return _client_of


@pytest.fixture
def client(api, client_of):
    return client_of(api)


@pytest.fixture
def bearer():
    return {"authorization": f"Bearer {TOKEN}"}
