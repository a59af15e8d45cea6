"""Git is let in, and the secret stands nowhere: not in arguments, environments, files or words, while a push runs."""

from __future__ import annotations

import base64
import getpass
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hub.github import GitHubApi
from support.hub.server import Hub

from nightshift.daemon.kit.access import Login, SshKey, origin_of
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.run import run, spawn

SECRET = "s3cret-t0ken-that-nobody-may-see"
FORMS = (SECRET.encode(), base64.b64encode(f"me:{SECRET}".encode()), base64.b64encode(SECRET.encode()).rstrip(b"="))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub", GitHubApi(), token=SECRET) as made:
        made.repo("acme/shop")
        yield made


def filled(path: Path, **access: object) -> tuple[BareRepo, str]:
    repo = BareRepo.ensure(path, **access)
    tree = repo.with_files(repo.out("mktree").decode().strip(), {"a.txt": b"hello\n" * 50_000})
    return repo, repo.commit(tree, [], "start", at_s=1_700_000_000)


def login(hub: Hub, password: str = SECRET) -> Login:
    return Login(origin=hub.url, login=lambda: ("me", password))


def offspring() -> set[int]:
    """Every process below this one."""
    parents: dict[int, int] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, me = set(), os.getpid()
    for pid in parents:
        at = pid
        while at in parents and at != me:
            at = parents[at]
        if at == me and pid != me:
            found.add(pid)
    return found


def look_around() -> tuple[set[bytes], list[str]]:
    """Names of the programs seen, and where a form of the secret was found."""
    seen, leaks = set(), []
    for pid in offspring():
        for part in ("cmdline", "environ"):
            try:
                data = Path(f"/proc/{pid}/{part}").read_bytes()
            except OSError:
                continue
            if part == "cmdline":
                seen |= {os.path.basename(word) for word in data.split(b"\0")[:2]}
            leaks += [f"{part} of {data[:80]!r}" for form in FORMS if form in data]
    return seen, leaks


def test_while_a_push_runs_the_secret_is_nowhere_to_be_seen(hub: Hub, tmp_path: Path, caplog, monkeypatch) -> None:
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("GIT_TRACE_CURL", "1")
    caplog.set_level(0)
    repo, commit = filled(tmp_path / "here.git", access=login(hub))
    held, seen, leaks = threading.Event(), set(), []

    def hold() -> None:
        """The server has the push in hand: git and its children are all there."""
        for _ in range(20):
            names, found = look_around()
            seen.update(names)
            leaks.extend(found)
            time.sleep(0.01)
        held.set()

    hub.on_push = hold
    done = repo.push(hub.address("acme/shop"), commit, "refs/heads/main", expect="")
    assert done.ok, done.stderr
    assert held.is_set() and {b"git-remote-http", b"git"} & seen and any(b"remote-http" in name for name in seen)
    assert leaks == []
    assert hub.repo("acme/shop").tip("main") == commit
    written = [p for root in (tmp_path / "here.git", hub.root) for p in root.rglob("*") if p.is_file()]
    assert written and not [p for p in written if any(form in p.read_bytes() for form in FORMS)]
    told = done.stdout + done.stderr + " ".join(done.argv).encode() + caplog.text.encode()
    assert not any(form in told for form in FORMS)
    assert repr(repo._access).count(SECRET) == 0


def test_the_helper_itself_shows_nothing(hub: Hub, tmp_path: Path) -> None:
    """The moment when the credential is read: `cat` holds it, its arguments don't."""
    stop, leaks = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            leaks.extend(look_around()[1])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        repo, commit = filled(tmp_path / "here.git", access=login(hub))
        assert repo.push(hub.address("acme/shop"), commit, "refs/heads/main", expect="").ok
        for _ in range(5):
            assert repo.remote_tip(hub.address("acme/shop"), "refs/heads/main") == commit
    finally:
        stop.set()
        watcher.join()
    assert leaks == []


def test_a_wrong_password_is_told_without_it(hub: Hub, tmp_path: Path) -> None:
    repo = BareRepo.ensure(tmp_path / "here.git", login(hub, "wr0ng-password"))
    with pytest.raises(GitError) as told:
        repo.remote_tip(hub.address("acme/shop"), "refs/heads/main")
    assert "wr0ng-password" not in str(told.value) and "Authentication failed" in str(told.value)


def test_nobody_else_gets_the_credential(hub: Hub, tmp_path: Path) -> None:
    with Hub(tmp_path / "other", GitHubApi(), token="another-token") as other:
        other.repo("acme/shop")
        asked: list[str] = []

        def ask() -> tuple[str, str]:
            asked.append("asked")
            return "me", SECRET

        repo = BareRepo.ensure(tmp_path / "here.git", Login(origin=hub.url, login=ask))
        with pytest.raises(GitError):
            repo.remote_tip(other.address("acme/shop"), "refs/heads/main")
        assert asked == []
    far = Login(origin="http://git.example.org", login=ask)
    with far.granted("http://git.example.org/a/b.git") as grant:
        assert grant.flags == () and asked == []


def test_credentials_that_would_forge_lines_are_refused(tmp_path: Path) -> None:
    bad = Login(origin="https://git.example.org", login=lambda: ("me", "a\nhost=evil"))
    with pytest.raises(ValueError, match="line break"), bad.granted("https://git.example.org/a/b.git"):
        pass


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("https://GitHub.com:443/a/b.git", "https://github.com"),
        ("http://u:p@127.0.0.1:8080/a/b", "http://127.0.0.1:8080"),
        ("https://[::1]:3000/a/b", "https://[::1]:3000"),
        ("git@github.com:a/b.git", ""),
        ("ssh://git@github.com/a/b.git", ""),
        ("/srv/a.git", ""),
    ],
)
def test_origins(source: str, origin: str) -> None:
    assert origin_of(source) == origin


# ---------------------------------------------------------------- ssh

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[tuple[int, Path, Path]]:
    """A real sshd of this user's on a free port: (port, the client's key, its known hosts)."""
    if SSHD is None:
        pytest.skip("sshd is not installed")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "client"):
        assert run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], timeout_s=30).ok
    shutil.copy(folder / "client.pub", folder / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    kind, blob = (folder / "host.pub").read_text().split()[:2]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {kind} {blob}\n")
    os.makedirs("/run/sshd", exist_ok=True)
    server = spawn([SSHD, "-D", "-e", "-f", str(folder / "config")])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port, folder / "client", folder / "known"
    finally:
        server.kill()
        server.wait()


def test_push_and_fetch_over_a_real_sshd(sshd: tuple[int, Path, Path], tmp_path: Path) -> None:
    port, key, known = sshd
    there = BareRepo.ensure(tmp_path / "there.git")
    source = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/there.git"
    repo, commit = filled(tmp_path / "here.git", access=SshKey(key=key, known_hosts=known))
    done = repo.push(source, commit, "refs/heads/main", expect="")
    assert done.ok, done.stderr
    assert there.resolve("refs/heads/main") == commit == repo.remote_tip(source, "refs/heads/main")
    repo.fetch(source, ["+refs/heads/main:refs/upstream/main"])
    assert repo.resolve("refs/upstream/main") == commit


def test_an_unknown_host_is_refused(sshd: tuple[int, Path, Path], tmp_path: Path) -> None:
    port, key, _ = sshd
    (tmp_path / "empty").write_text("")
    repo = BareRepo.ensure(tmp_path / "here.git", SshKey(key=key, known_hosts=tmp_path / "empty"))
    with pytest.raises(GitError):
        repo.remote_tip(f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/there.git", "refs/heads/main")
