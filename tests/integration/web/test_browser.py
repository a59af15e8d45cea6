"""Mission control in a real browser, over WebDriver: what the small script does, and that its policy lets it."""

import shutil
import socket
import time

import httpx
import pytest
from pydantic import SecretStr

from nightshift.daemon.kit.run import spawn
from nightshift.daemon.model import Incident, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.store.store import Store
from nightshift.daemon.web.server import listening
from nightshift.daemon.web.testing import FakeApi

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("chromedriver") and shutil.which("chromium")), reason="no browser here"),
]
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000", "--no-proxy-server"]
TOKEN = "the-token-of-the-browser"


def until(true, *, within_s=30.0):
    """Wait for the other process; what it waits for is asserted by the caller."""
    deadline = time.monotonic() + within_s
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


class Browser:
    def __init__(self, port):
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        assert until(self._ready)
        options = {"goog:chromeOptions": {"args": ARGUMENTS}, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.http.post("/session", json={"capabilities": {"alwaysMatch": options}}).json()
        self.session = f"/session/{made['value']['sessionId']}"

    def _ready(self):
        try:
            return self.http.get("/status").json()["value"]["ready"]
        except httpx.HTTPError:
            return False

    def go(self, url):
        self.http.post(f"{self.session}/url", json={"url": url})

    def js(self, code):
        return self.http.post(f"{self.session}/execute/sync", json={"script": code, "args": []}).json()["value"]

    def complaints(self):
        entries = self.http.post(f"{self.session}/se/log", json={"type": "browser"}).json()["value"]
        return [entry["message"] for entry in entries if "401" not in entry["message"]]

    def close(self):
        self.http.delete(self.session)
        self.http.close()


@pytest.fixture(scope="module")
def browser():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = spawn(["chromedriver", f"--port={port}"])
    try:
        made = Browser(port)
        yield made
        made.close()
    finally:
        driver.terminate()
        driver.wait()


@pytest.fixture
def api(tmp_path):
    store = Store.open(tmp_path / "n.db")
    signal = Signal(key="k", source="logs", service="shop", title="KeyError", at_ms=1)
    store.incidents.add(Incident(id="inc-abcd", fingerprint="f", service="shop", title="<img src=x onerror=alert(1)>",
                                 severity=Severity.ERROR, state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1,
                                 count=1, signal=signal))  # fmt: skip
    store.missions.ensure(Mission(id="mis-abcd", incident="inc-abcd", service="shop", stage=Stage.AWAITING_APPROVAL))
    yield FakeApi(store=store, token=SecretStr(TOKEN), running=frozenset({"mis-abcd"}))
    store.close()


def answer(browser, verb, token):
    browser.js(f"document.querySelector('button[data-verb={verb}]').click()")
    fill = f"f.actor.value = 'ada'; f.reason.value = 'ok'; f.token.value = '{token}';"
    send = "document.querySelector('dialog button[value=send]').click()"
    browser.js(f"const f = document.querySelector('dialog form').elements; {fill} {send}")


def said(browser):
    return browser.js("return document.getElementById('said').textContent")


def test_people_approve_and_the_page_follows(browser, api):
    with listening(api, host="127.0.0.1", port=0) as port:
        browser.go(f"http://127.0.0.1:{port}/")
        answer(browser, "approve", "wrong")
        assert until(lambda: "wrong or missing" in said(browser))
        assert api.said == []
        assert browser.js("return sessionStorage.getItem('nightshift-token')") is None
        answer(browser, "approve", TOKEN)
        assert until(lambda: "approve sent to mis-abcd" in said(browser))
        assert api.said == [("mis-abcd", "approve", "ada", "ok")]
        api.store.missions.set("mis-abcd", paused=True)
        live = "return document.getElementById('live').textContent.includes('paused')"
        assert until(lambda: browser.js(live))
        assert browser.js("return document.querySelectorAll('img').length") == 0
        assert browser.complaints() == []
    assert until(lambda: browser.js("return !document.getElementById('stale').hidden"))


def test_a_cancelled_answer_sends_nothing(browser, api):
    with listening(api, host="127.0.0.1", port=0) as port:
        browser.go(f"http://127.0.0.1:{port}/missions/mis-abcd")
        browser.js("document.querySelector('button[data-verb=reject]').click()")
        browser.js("document.querySelector('dialog button[value=cancel]').click()")
        assert until(lambda: not browser.js("return document.querySelector('dialog').open"))
        assert said(browser) == ""
    assert api.said == []
