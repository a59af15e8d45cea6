"""The server: git over HTTP by git's own http-backend, with basic auth, and the API of one dialect beside it."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from nightshift.daemon.kit.run import run
from support.hub.published import Described
from support.hub.state import HubRepo, new_repo

_GIT = re.compile(r"/(?P<repo>.+?)\.git/(?P<rest>info/refs|git-upload-pack|git-receive-pack)\Z")


@dataclass
class Request:
    """One API call."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any

    def one(self, name: str, otherwise: str = "") -> str:
        return self.query.get(name, [otherwise])[0]


@dataclass
class Answer:
    """What goes back; `body` None sends nothing."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Api(Protocol):
    """One dialect."""

    prefix: str

    def described(self) -> Described: ...

    def admits(self, request: Request, tokens: set[str]) -> bool: ...

    def answer(self, hub: Hub, request: Request) -> Answer: ...


@dataclass
class Fault:
    """Goes wrong `times` times for calls that match. `after`: the call is carried out first, then the answer is lost."""

    method: str
    path: str
    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    after: bool = False
    hang_s: float = 0.0
    make: Callable[[Answer], Answer] | None = None
    """Turns a right answer into another, for what shows up late."""


class Hub:
    """A running forge. `wrong` lists what broke the published API; `calls` every API call."""

    def __init__(self, root: Path, api: Api, *, token: str = "t0ken-for-the-hub-1234") -> None:
        self.root, self.api, self.tokens = root, api, {token}
        self.token = token
        self.repos: dict[str, HubRepo] = {}
        self.calls: list[str] = []
        self.git_calls: list[str] = []
        self.wrong: list[str] = []
        self.faults: list[Fault] = []
        self.on_push: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def repo(self, full_name: str) -> HubRepo:
        """Get or create."""
        if full_name not in self.repos:
            self.repos[full_name] = new_repo(self.root, full_name)
        return self.repos[full_name]

    def address(self, full_name: str) -> str:
        return f"{self.url}/{full_name}.git"

    def handle(self, request: Request) -> Answer | None:
        """The API; None: the connection is dropped."""
        with self._lock:
            self.calls.append(f"{request.method} {request.path}")
            fault = next(
                (
                    f
                    for f in self.faults
                    if f.times > 0 and f.method == request.method and re.search(f.path, request.path)
                ),
                None,
            )
            if fault:
                fault.times -= 1
        if fault and not fault.after and not fault.make:
            return self._failed(fault)
        if not self.api.admits(request, self.tokens):
            return Answer(401, {"message": "Bad credentials"})
        answer = self._answered(request)
        if fault and fault.make:
            return fault.make(answer)
        return self._failed(fault) if fault else answer

    def _answered(self, request: Request) -> Answer:
        described, path = self.api.described(), request.path.removeprefix(self.api.prefix)
        if path == "/graphql" or request.path.endswith("/graphql"):
            return self.api.answer(self, request)
        self.wrong += described.wrong_request(request.method, path, request.query, request.body)
        answer = self.api.answer(self, request)
        body = json.loads(json.dumps(answer.body))
        self.wrong += described.wrong_answer(request.method, path, answer.status, body)
        return answer

    def _failed(self, fault: Fault) -> Answer | None:
        if fault.hang_s:
            time.sleep(fault.hang_s)
        return Answer(fault.status, fault.body, dict(fault.headers)) if fault.status else None

    def __enter__(self) -> Hub:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The API calls made inside."""
        start, found = len(self.calls), []
        yield found
        found += self.calls[start:]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def _do(self) -> None:
        parts = urlsplit(self.path)
        body = self._read()
        if found := _GIT.match(unquote(parts.path)):
            self._git(found, parts.query, body)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        parsed = json.loads(body) if body else None
        answer = self.hub.handle(
            Request(self.command, parts.path, parse_qs(parts.query, keep_blank_values=True), headers, parsed)
        )
        if answer is None:
            self.close_connection = True
            return
        data = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _git(self, found: re.Match[str], query: str, body: bytes) -> None:
        self.hub.git_calls.append(f"{self.command} {found['rest']}?{query}")
        kind, _, shown = self.headers.get("Authorization", "").partition(" ")
        password = base64.b64decode(shown).decode().partition(":")[2] if kind.lower() == "basic" else ""
        if password not in self.hub.tokens:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="hub"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if found["rest"] == "git-receive-pack":
            self.hub.on_push()
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_PROJECT_ROOT": str(self.hub.root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{found['repo']}.git/{found['rest']}", "REQUEST_METHOD": self.command, "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)), "REMOTE_USER": "bot",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "REMOTE_ADDR": "127.0.0.1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_GLOBAL": "/dev/null",
        }  # fmt: skip
        done = run(["git", "-c", "safe.directory=*", "http-backend"], timeout_s=60, stdin=body, env=env)
        head, _, data = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Quiet."""


def on_pull(missing: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Serve one request for changes by its number; 404 with the dialect's words when there is none."""

    def one(serve: Callable[..., Answer]) -> Callable[..., Answer]:
        def found(hub: Hub, repo: HubRepo, request: Request, number: str) -> Answer:
            pull = repo.pull(int(number))
            return serve(hub, repo, request, pull) if pull else Answer(404, {"message": missing})

        return found

    return one
