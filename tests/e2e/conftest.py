import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Healed:
    """How `nightshift heal --json` ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@dataclass
class Repository:
    """A git repository as a user has it: a work tree with commits."""

    path: Path

    def git(self, *args: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
        done = subprocess.run(["git", *who, *args], cwd=self.path, capture_output=True, text=True, check=True)
        return done.stdout

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_bytes(text.encode() if isinstance(text, str) else text)

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def heal(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 240
    ) -> Healed:
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "heal", "--repo", str(self.path), "--json", *args]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=timeout, env={**os.environ, **(env or {})}
        )
        return Healed(done.returncode, done.stdout.decode(), done.stderr.decode())

    def applies(self, diff: str) -> bool:
        argv = ["git", "apply", "--check", "-"]
        return subprocess.run(argv, cwd=self.path, input=diff.encode(), capture_output=True).returncode == 0


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    path = tmp_path / "repo"
    path.mkdir()
    made = Repository(path)
    made.git("init", "-q", "-b", "main")
    return made
