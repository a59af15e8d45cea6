"""Containers of the real engine for the tests of its monitor, and a line to the engine that can be cut."""

import contextlib
import io
import os
import socket
import tarfile
import threading
import uuid

import docker
import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.monitors import docker as monitor

SOCKET = "/var/run/docker.sock"
IMAGE = "nightshift-test-monitors:empty"


def empty_root():
    """A root with nothing but places and links for the host's programs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("usr", "tmp", "proc", "dev", "sys", "etc"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for name in ("bin", "lib", "lib64"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(info)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def engine():
    client = docker.DockerClient(base_url=f"unix://{SOCKET}")
    try:
        client.ping()
    except (docker.errors.DockerException, OSError):
        pytest.skip("no engine answers")
    if not client.images.list(name=IMAGE):
        client.api.import_image_from_data(empty_root(), repository=IMAGE.split(":")[0], tag=IMAGE.split(":")[1])
    yield client
    client.close()


@pytest.fixture
def start(engine):
    """Start a container of a service of this test's own; all are removed afterwards."""
    made = []
    service = f"shop-{uuid.uuid4().hex[:8]}"

    def run(script, *, labels=None, **more):
        wanted = {"nightshift.service": service} if labels is None else labels
        made.append(
            engine.containers.run(
                IMAGE, ["/bin/sh", "-c", script], detach=True, network_mode="none", labels=wanted,
                volumes={"/usr": {"bind": "/usr", "mode": "ro"}}, **more,
            )
        )  # fmt: skip
        return made[-1]

    run.service = service
    yield run
    for container in made:
        with contextlib.suppress(docker.errors.APIError):
            container.remove(force=True)


def made(url=f"unix://{SOCKET}", **more):
    return monitor.create(monitor.Settings(url=url, **more), {}, SystemClock())


def of(sink, start):
    return [s for s in sink.signals if s.service == start.service]


def begun(sink):
    sink.wait(lambda s: "docker:after_ns" in s.checkpoints)


class Line:
    """A socket in front of the engine's that can be cut and mended."""

    def __init__(self, path):
        self.path, self.open_pairs, self.listener = path, [], None

    def mend(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        self.listener.close()
        os.unlink(self.path)
        for end in self.open_pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(SOCKET)
            self.open_pairs += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
