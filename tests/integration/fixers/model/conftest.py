"""A repository with a known bug, and a local HTTP server that speaks the OpenAI dialect, faults included."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis, Frame, Reproduction

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
FILES = {
    "shop/basket.py": (
        "PRICES = {'tea': 3, 'milk': 2}\n\n\ndef price(name):\n    return PRICES[name]\n\n\n"
        "def total(names):\n    result = 0\n    for name in names:\n        result += price(name)\n    return result\n"
    ),
    "shop/dos.py": "def half(x):\r\n    return x / 0\r\n\r\n\r\ndef twice(x):\r\n    return x * 2\r\n",
    "shop/trailing.py": "def f(x):   \n    y = x\t\n    return y\n\n\ndef g(x):\n    return x\n",
    "shop/secret.py": "API_TOKEN = 'sesame-sesame-open'\n\n\ndef use():\n    return API_TOKEN\n",
    "shop/latin.py": b"# caf\xe9\nx = 1\n",
    "tests/test_basket.py": "from shop.basket import total\n\n\ndef test_total():\n    assert total(['nuts']) == 0\n",
    ".github/workflows/ci.yml": "on: push\n",
    "conftest.py": "x = 1\n",
    "README.md": "the shop\n",
}


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    repo = BareRepo.ensure(tmp_path_factory.mktemp("shop") / "shop.git")
    data = {path: text if isinstance(text, bytes) else text.encode() for path, text in FILES.items()}
    commit = repo.commit(repo.with_files(EMPTY_TREE, data), [], "the shop", at_s=1_700_000_000)
    repo.swap("refs/heads/main", commit, "0" * 40)
    return repo, commit


@pytest.fixture
def case(shop):
    repo, base = shop
    frames = (
        Frame(path="shop/basket.py", line=11, function="total", code="result += price(name)"),
        Frame(
            path="shop/basket.py", line=5, function="price", code="return PRICES[name]", locals=(("name", "'nuts'"),)
        ),
    )
    diagnosis = Diagnosis(
        title="KeyError: 'nuts'", exception="KeyError", message="'nuts'", frames=frames, sample="boom"
    )
    reproduction = Reproduction(kind="existing", command="pytest", failing=("tests/test_basket.py::test_total",))
    return Case(id="mission-1", repo=repo.path, base=base, diagnosis=diagnosis, reproduction=reproduction)


FIX = {
    "rationale": "Unknown goods cost nothing.",
    "edits": [
        {"path": "shop/basket.py", "search": "    return PRICES[name]", "replace": "    return PRICES.get(name, 0)"}
    ],
}


def chat(text: object, usage: object = None) -> bytes:
    answer = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    return json.dumps(answer | ({"usage": usage} if usage else {})).encode()


@dataclass
class Endpoint:
    """Plays `script` (one entry a request, the last one for ever) and keeps what it was asked."""

    script: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    base_url: str = ""
    sent: int = 0
    released: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.endpoint.requests.append((self.path, dict(self.headers), json.loads(body)))
        script = self.endpoint.script
        entry = script.pop(0) if len(script) > 1 else script[0]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            entry(self) if callable(entry) else self.answer(200, entry)
        self.close_connection = True

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def status(code, body=b'{"error": {"message": "no"}}', **headers):
    return lambda handler: handler.answer(code, body, {k.replace("_", "-"): v for k, v in headers.items()})


def slow(handler):
    handler.endpoint.released.wait(30)
    handler.answer(200, chat("late"))


def drip(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(1000):
        if handler.endpoint.released.is_set():
            return
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def truncated(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def flood(handler):
    """A hundred megabytes in chunks of one."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"message": {"content": "')
    for _ in range(100):
        handler.wfile.write(b"x" * (1 << 20))
        handler.endpoint.sent += 1 << 20


@pytest.fixture
def endpoint():
    made = Endpoint()
    handler = type("Handler", (_Handler,), {"endpoint": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.released.set()
    server.shutdown()
    server.server_close()
    thread.join()
