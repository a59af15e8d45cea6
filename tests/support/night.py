"""A night in a box: the demo's shop, a receiver of notices, and a daemon that can be killed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from nightshift.daemon.demo import scene, ship
from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import ENDS, ChangeRequest, Mission, Service
from nightshift.daemon.store.store import Store

CRASHES = {"revert": "/cart/average?lines=", "templates": "/ship?kilos=31", "none": "/pay?lines=tea:2&cents=899"}


@dataclass
class Receiver:
    """Takes webhook calls and remembers them; refuses the first `refuses`."""

    port: int = 0
    calls: list[dict] = field(default_factory=list)
    refuses: int = 0

    @property
    def keys(self) -> list[str]:
        return [call["key"] for call in self.calls]

    @contextmanager
    def listening(self) -> Iterator[Receiver]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 200
                if receiver.refuses > 0:
                    receiver.refuses, status = receiver.refuses - 1, 503
                else:
                    receiver.calls.append({"key": self.headers["X-Nightshift-Key"], "body": json.loads(body)})
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


@dataclass
class Night:
    """Everything of one night."""

    place: scene.Scene
    receiver: Receiver
    daemon: subprocess.Popen | None = None
    starts: int = 0

    def start(self, *traps: str) -> None:
        marks = self.place.root / "traps"
        marks.mkdir(exist_ok=True)
        script = Path(__file__).with_name("killing.py")
        argv = [sys.executable, str(script), str(self.place.config), str(marks), *traps]
        with (self.place.root / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.place.root)
        self.starts += 1

    def sprung(self) -> set[str]:
        return {mark.name.replace("-", ":") for mark in (self.place.root / "traps").iterdir()}

    def alive(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is None

    def kill(self) -> None:
        self.daemon.kill()
        self.daemon.wait()

    def stop(self) -> int:
        self.daemon.terminate()
        return self.daemon.wait(60)

    def ready(self) -> bool:
        return self.get(self.place.http, "/readyz") == 200

    def crash(self, name: str) -> int:
        return self.get(self.place.port, CRASHES[name])

    @staticmethod
    def get(port: int, target: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    @contextmanager
    def store(self) -> Iterator[Store]:
        store = Store.open(self.place.store)
        try:
            yield store
        finally:
            store.close()

    def missions(self) -> list[Mission]:
        if not self.place.store.exists():
            return []
        with self.store() as store:
            return store.missions.list()

    def over(self, count: int) -> bool:
        found = self.missions()
        return len(found) == count and all(m.stage in ENDS for m in found)

    def until(self, done: Callable[[], bool], patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if done():
                return True
            time.sleep(0.05)
        return False

    def requests(self) -> list[ChangeRequest]:
        service = Service(name="shop", repo=self.place.origin.path)
        return list(LocalForge(self.place.root / "state" / "forge", SystemClock()).list(service))

    def subjects(self) -> list[str]:
        log = self.place.origin.out("log", "--format=%s", "main").decode()
        return log.splitlines()

    def log_tail(self) -> str:
        return (self.place.root / "daemon.log").read_text(errors="replace")[-3000:]


@contextmanager
def night(root: Path) -> Iterator[Night]:
    """A shop that runs, a receiver that listens, and a configuration; no daemon yet."""
    with Receiver().listening() as receiver:
        place = scene.build(root)
        secret = root / "secret"
        secret.write_text("a-secret-of-the-tests")
        url = f"http://127.0.0.1:{receiver.port}/"
        hook = f"  webhook:\n    url: {url}\n    secret: file:{secret}\n    allow_private: true\n"
        place.config.write_text(place.config.read_text() + hook)
        scene.deploy(place)
        made = Night(place, receiver)
        try:
            yield made
        finally:
            if made.alive():
                made.kill()
            ship.stop(root)


__all__ = ["CRASHES", "Night", "Receiver", "night"]
