"""Sets the scene: the shop's repository with its history, its first deploy, and an ordinary config file."""

from __future__ import annotations

import email
import email.utils
import os
import socket
import sys
from dataclasses import dataclass
from email.message import Message
from importlib import resources
from pathlib import Path

from nightshift.daemon.kit.git import ZERO, BareRepo
from nightshift.daemon.kit.run import run
from nightshift.daemon.ports import EnvironmentBroke

CONFIG = """\
# An ordinary configuration: one service, its log, its deploy command, and leave to merge what is proved.
state_dir: {root}/state
services:
  - name: shop
    repo: {root}/shop.git
    branch: main
    check: python -m pytest -q
    logs: ["{root}/logs/*.log"]
    deploy: ["{python}", "-m", "nightshift.daemon.demo.ship", "{root}", "{port}"]
    url: http://127.0.0.1:{port}/healthz
    watch_window_s: 20
    watch_interval_s: 0.5
    autonomy: merge
http:
  port: {http}
reports:
  dir: {root}/reports
"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where everything is."""

    root: Path
    port: int
    http: int

    @property
    def config(self) -> Path:
        """The daemon's config file."""
        return self.root / "nightshift.yaml"

    @property
    def store(self) -> Path:
        """The daemon's database."""
        return self.root / "state" / "nightshift.db"

    @property
    def origin(self) -> BareRepo:
        """The shop's central repository."""
        return BareRepo(self.root / "shop.git")


def build(root: Path) -> Scene:
    """Write the repository and the config file into an empty folder."""
    scene = Scene(root=root, port=_free_port(), http=_free_port())
    for folder in ("logs", "releases", "reports"):
        (root / folder).mkdir(parents=True)
    _history(BareRepo.ensure(root / "shop.git"))
    text = CONFIG.format(root=root, python=sys.executable, port=scene.port, http=scene.http)
    scene.config.write_text(text)
    return scene


def deploy(scene: Scene) -> str:
    """The first deploy, as a person did it before Nightshift came; returns the commit."""
    commit = scene.origin.resolve("main")
    env = {**os.environ, "NIGHTSHIFT_COMMIT": commit, "NIGHTSHIFT_REPO": scene.origin.path}
    argv = [sys.executable, "-m", "nightshift.daemon.demo.ship", str(scene.root), str(scene.port)]
    done = run(argv, timeout_s=60, env=env)
    if not done.ok:
        raise EnvironmentBroke(f"the shop does not start: {done.why()}")
    return commit


def _history(repo: BareRepo) -> None:
    tip = ""
    folder = resources.files("nightshift.daemon.demo") / "history"
    for patch in sorted(folder.iterdir(), key=lambda p: p.name):
        message = email.message_from_string(patch.read_text(encoding="utf-8"))
        tip = _commit(repo, tip, message)
    repo.swap("refs/heads/main", tip, ZERO)


def _commit(repo: BareRepo, parent: str, message: Message) -> str:
    subject = " ".join(str(message["Subject"]).split()).removeprefix("[PATCH ").partition("] ")[2]
    at_s = int(email.utils.mktime_tz(email.utils.parsedate_tz(message["Date"]) or (1970, 1, 1, 0, 0, 0, 0, 1, 0, 0)))
    base = parent or repo.out("mktree").decode().strip()
    tree = repo.apply(base, str(message.get_payload()))
    author, _ = email.utils.parseaddr(str(message["From"]))
    return repo.commit(tree, [parent] if parent else [], subject, at_s=at_s, who=author)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
