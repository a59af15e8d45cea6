"""A small service with a real history: in a work tree, as a bare repository, and on the forges of `support.hub`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import SecretStr
from support.hub.published import Unpublished
from support.hub.server import Hub
from support.hub.state import HubRepo

from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.forges.testing import FakeForge
from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import ChangeDraft, Service
from nightshift.daemon.ports import Forge


@dataclass
class Upstream:
    """A repository people work in: `work` has files checked out, `path` is what the service names."""

    work: Path
    path: Path
    address: str = ""
    """What the service names, when it is not `path`."""
    hub: Hub | None = field(default=None, repr=False)

    def git(self, *args: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.work), "GIT_CONFIG_NOSYSTEM": "1"}
        who = ("-c", "user.name=Dev", "-c", "user.email=dev@localhost", "-c", "protocol.file.allow=always")
        done = run(["git", "-C", str(self.work), *who, *args], timeout_s=60, env=env)
        assert done.ok, done.stderr.decode()
        return done.text().strip()

    def commit(self, message: str, **files: str) -> str:
        for name, text in files.items():
            (self.work / name.replace("__", ".")).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        if self.path != self.work:
            self.git("push", "-q", str(self.path), "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def tip(self) -> str:
        return BareRepo(self.path / ".git" if self.path == self.work else self.path).resolve("refs/heads/main")

    def service(self, **more: object) -> Service:
        return Service(**{"name": "shop", "repo": self.address or str(self.path), **more})

    def gone(self) -> Service:
        """The same service, with a repository that is not there."""
        found = self.address.replace("shop.git", "gone.git") or str(self.path / "gone")
        return self.service(repo=found)

    @property
    def repo(self) -> HubRepo:
        """What the hub knows of it."""
        assert self.hub is not None
        return self.hub.repo(NAME)

    def edit(self, forge_path: str, base: str, line: int, text: str, key: str = "m-1", **more: str) -> ChangeDraft:
        """A draft that replaces one line of app.py at a commit."""
        repo = BareRepo(forge_path)
        lines = repo.read(base, "app.py").decode().splitlines(keepends=True)
        lines[line - 1] = text + "\n"
        tree = repo.with_files(base, {"app.py": "".join(lines).encode()})
        words = {"title": "Fix it", "body": "Because it broke.", **more}
        return ChangeDraft(key=key, base=base, diff=repo.diff(base, tree), labels=("nightshift",), **words)


NAME = "acme/shop"
LINES = "".join(f"line {n}\n" for n in range(1, 21))


def make_upstream(folder: Path, *, bare: bool, path: Path | None = None) -> Upstream:
    work = folder / "work"
    work.mkdir(parents=True)
    upstream = Upstream(work=work, path=work)
    upstream.git("init", "-q", "-b", "main", ".")
    if bare:
        upstream.path = path or Path(BareRepo.ensure(folder / "up.git").path)
    upstream.commit("start", app__py=LINES, readme__md="hello\n")
    return upstream


HUBS = ("github", "gitlab", "gitea")


def hub_for(kind: str, root: Path) -> Hub:
    """A forge of a kind; skipped where its published description can't be had."""
    api = import_module(f"support.hub.{kind}")
    made = getattr(api, {"github": "GitHubApi", "gitlab": "GitLabApi", "gitea": "GiteaApi"}[kind])()
    try:
        made.described()
    except Unpublished as error:
        pytest.skip(f"the published description of {kind}'s API can't be had: {error}")
    return Hub(root, made)


def remote_forge(hub: Hub, kind: str, root: Path, clock: Clock | None = None, **more: object) -> RemoteForge:
    """The forge that talks to a hub."""
    module = import_module(f"nightshift.daemon.forges.{kind}")
    clock = clock or SystemClock()
    url = hub.url + (hub.api.prefix if kind == "github" else "")
    settings = module.Settings(**{"url": url, "token": SecretStr(hub.token), "max_open": 20, **more})
    return RemoteForge(kind, module.dialect(settings, clock), root, clock, settings)


@pytest.fixture
def kind() -> str:
    """Which forge; tests of the contract ask every one."""
    return "local"


@pytest.fixture
def hub(kind: str, tmp_path: Path) -> Iterator[Hub | None]:
    """The server, where there is one; what it was asked must fit the published API."""
    if kind not in HUBS:
        yield None
        return
    with hub_for(kind, tmp_path / "hub") as made:
        yield made
    assert made.wrong == []


@pytest.fixture
def upstream(hub: Hub | None, tmp_path: Path) -> Upstream:
    """A bare upstream, as a hosting folder has it, or a server's."""
    if hub is None:
        return make_upstream(tmp_path / "up", bare=True)
    repo = hub.repo(NAME)
    made = make_upstream(tmp_path / "up", bare=True, path=Path(repo.bare.path))
    made.address, made.hub = hub.address(NAME), hub
    return made


@pytest.fixture
def forge(kind: str, hub: Hub | None, tmp_path: Path) -> Forge:
    """The forge."""
    root = tmp_path / "forge"
    if hub is not None:
        return remote_forge(hub, kind, root)
    return LocalForge(root, SystemClock()) if kind == "local" else FakeForge(root)


@pytest.fixture
def work_tree(tmp_path: Path) -> Upstream:
    """An upstream with files checked out."""
    return make_upstream(tmp_path / "dev", bare=False)
