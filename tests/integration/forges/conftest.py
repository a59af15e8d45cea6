"""A small service with a real history, in a work tree and as a bare repository."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import ChangeDraft, Service


@dataclass
class Upstream:
    """A repository people work in: `work` has files checked out, `path` is what the service names."""

    work: Path
    path: Path

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
        return Service(**{"name": "shop", "repo": str(self.path), **more})

    def edit(self, forge_path: str, base: str, line: int, text: str, key: str = "m-1", **more: str) -> ChangeDraft:
        """A draft that replaces one line of app.py at a commit."""
        repo = BareRepo(forge_path)
        lines = repo.read(base, "app.py").decode().splitlines(keepends=True)
        lines[line - 1] = text + "\n"
        tree = repo.with_files(base, {"app.py": "".join(lines).encode()})
        words = {"title": "Fix it", "body": "Because it broke.", **more}
        return ChangeDraft(key=key, base=base, diff=repo.diff(base, tree), labels=("nightshift",), **words)


LINES = "".join(f"line {n}\n" for n in range(1, 21))


def make_upstream(folder: Path, *, bare: bool) -> Upstream:
    work = folder / "work"
    work.mkdir(parents=True)
    upstream = Upstream(work=work, path=work)
    upstream.git("init", "-q", "-b", "main", ".")
    if bare:
        upstream.path = Path(BareRepo.ensure(folder / "up.git").path)
    upstream.commit("start", app__py=LINES, readme__md="hello\n")
    return upstream


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """A bare upstream, as a hosting folder has it."""
    return make_upstream(tmp_path / "up", bare=True)


@pytest.fixture
def work_tree(tmp_path: Path) -> Upstream:
    """An upstream with files checked out."""
    return make_upstream(tmp_path / "dev", bare=False)
