"""Engines on other machines: the real engine behind TCP, TLS, SSH and a context of the docker program.

They are on this machine all the same; `shares_files` says that they are not, so that nothing of it may be bound.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import shutil
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.relay import Relay
from support.small_image import small_image

from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes.all_sandboxes import Settings, connect_docker, engine
from nightshift.sandboxes.docker import DockerSandboxes

pytestmark = pytest.mark.engine

IMAGE = "nightshift-test-remote:1"
SPEC = SandboxSpec(image=IMAGE, memory_mb=128, work_mb=32, lifetime_s=120)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """The engine's socket file; while the module runs, the engine has a small image of a few programs."""
    api = connect_docker()
    api.import_image_from_data(small_image(), repository=IMAGE.split(":")[0], tag="1")
    yield api._custom_adapter.socket_path
    api.remove_image(IMAGE, force=True)
    api.close()


@pytest.fixture
def relay(target: str) -> Iterator[Relay]:
    made = Relay(target)
    yield made
    made.close()


def _works(settings: Settings) -> None:
    """A whole life of a sandbox there: files in and out, a large one, floods, time-outs, nothing left."""
    before = set(threading.enumerate())
    made = DockerSandboxes(lambda: connect_docker(settings=settings), shares_files=False)
    try:
        assert made.probe().ok, made.probe()
        with made.open(SPEC) as box:
            big = os.urandom(3 << 20)
            box.put(tar_of({"a/b": "B", "big": big}))
            assert box.get(["/sandbox/a/b", "/sandbox/big"]) == {"/sandbox/a/b": b"B", "/sandbox/big": big}
            assert box.run(["cat"], timeout_s=20, stdin=b"x" * 500_000).stdout == b"x" * 500_000
            assert box.run(["sh", "-c", "exit 3"], timeout_s=20).code == 3
            assert box.run(["sleep", "9"], timeout_s=1).ended == "timeout"
        with pytest.raises(EnvironmentBroke, match="another machine: name an image"):
            made.open(SandboxSpec())
    finally:
        made.close()
    left = [each for each in set(threading.enumerate()) - before if each.name.startswith(("engine-dial", "sandbox"))]
    assert not left


def test_plain_tcp(relay: Relay) -> None:
    _works(Settings(docker_host=relay.url))


def _certificates(folder: Path) -> ssl.SSLContext:
    """A throw-away authority, a server and a client of it."""

    def sh(*argv: str) -> None:
        done = run(["openssl", *argv], timeout_s=60, cwd=str(folder))
        assert done.ok, done.why()

    sh("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=ca",
       "-days", "2")  # fmt: skip
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        sh(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}-key.pem",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        sh("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2",
           "-out", f"{name}-cert.pem", "-extfile", f"{name}.ext")  # fmt: skip
    shutil.copy(folder / "client-cert.pem", folder / "cert.pem")
    shutil.copy(folder / "client-key.pem", folder / "key.pem")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "server-cert.pem", folder / "server-key.pem")
    made.load_verify_locations(folder / "ca.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


@pytest.mark.skipif(not shutil.which("docker"), reason="needs the docker program")
def test_tls_and_a_context(target: str, tmp_path: Path) -> None:
    relay = Relay(target, tls=_certificates(tmp_path))
    try:
        _works(Settings(docker_host=relay.url, docker_tls=str(tmp_path)))
        with pytest.raises(EnvironmentBroke, match="has no ca"):
            connect_docker(settings=Settings(docker_host=relay.url, docker_tls=str(tmp_path / "none")))
        with pytest.raises(EnvironmentBroke, match="does not answer"):
            connect_docker(settings=Settings(docker_context="nightshift-no-such-context"))
    finally:
        relay.close()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Callable[[], Settings]]:
    """A server of this user's own on a loopback port, with keys made for it."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not os.path.exists(program) or not shutil.which("ssh") or not shutil.which("docker"):
        pytest.skip("needs openssh-server, ssh and the docker program")
    for name in ("host", "mine"):
        assert run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], timeout_s=30).ok
    (tmp_path / "allowed").write_text((tmp_path / "mine.pub").read_text())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = {"HostKey": tmp_path / "host", "AuthorizedKeysFile": tmp_path / "allowed", "StrictModes": "no",
              "PidFile": "none", "UsePAM": "no", "PasswordAuthentication": "no", "ListenAddress": f"127.0.0.1:{port}",
              "PermitRootLogin": "prohibit-password"}  # fmt: skip
    (tmp_path / "config").write_text("".join(f"{name} {value}\n" for name, value in config.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    server = spawn([program, "-D", "-f", str(tmp_path / "config"), "-E", str(tmp_path / "log")])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
    options = ("-i", str(tmp_path / "mine"), "-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "StrictHostKeyChecking=no",
               "-F", "none")  # fmt: skip
    yield lambda: Settings(docker_host=f"ssh://{getpass.getuser()}@127.0.0.1:{port}", ssh_options=options)
    server.kill()
    server.wait()


def test_ssh(target: str, sshd: Callable[[], Settings]) -> None:
    settings = sshd()
    _works(settings)
    folders = [name for name in os.listdir("/tmp") if name.startswith("nightshift-dial-")]
    assert not folders
    masters = [pid for pid in os.listdir("/proc") if pid.isdigit() and b"nightshift-dial" in _command(pid)]
    assert not masters


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_an_ssh_that_is_refused_says_why(target: str, sshd: Callable[[], Settings]) -> None:
    wrong = sshd().model_copy(update={"ssh_options": ("-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=/dev/null",
                                                      "-F", "none")})  # fmt: skip
    with pytest.raises(EnvironmentBroke, match=r"does not answer: .*(verification failed|Permission denied)"):
        connect_docker(settings=wrong)
    with pytest.raises(EnvironmentBroke, match=r"no sandbox engine: docker: .*does not answer"):
        engine(wrong.model_copy(update={"engine": "docker"}))


def test_the_docker_programs_variables_count(relay: Relay, tmp_path: Path) -> None:
    """In a process of its own: they are read from the environment."""
    code = ("from nightshift.sandboxes.all_sandboxes import connect_docker\n"
            "api = connect_docker(); print(api.base_url); api.close()\n")  # fmt: skip
    env = {"PATH": os.environ["PATH"], "DOCKER_HOST": relay.url}
    assert run([sys.executable, "-c", code], timeout_s=60, env=env).text().strip() == relay.url.replace("tcp", "http")
    contexts = {"Name": "far", "Endpoints": {"docker": {"Host": relay.url, "SkipTLSVerify": False}}}
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"far").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps(contexts))
    env = {"PATH": os.environ["PATH"], "DOCKER_CONTEXT": "far", "DOCKER_CONFIG": str(tmp_path)}
    asked = len(relay.requests)
    done = run([sys.executable, "-c", code], timeout_s=60, env=env)
    assert done.ok, done.why()
    assert len(relay.requests) > asked


def test_a_project_image_there_needs_a_base(relay: Relay) -> None:
    made = DockerSandboxes(lambda: connect_docker(relay.url), shares_files=False)
    with pytest.raises(EnvironmentBroke, match=r"sandbox\.project\.base"):
        made.open(SandboxSpec(image="project", recipe="{}"))
    made.close()
