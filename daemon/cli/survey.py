"""What a folder tells about itself: language, tests, logs, branch. Reads file names and a few small files only; git is
never run in a repository that isn't ours."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

_SKIP = {".git", ".hg", ".venv", "venv", "node_modules", "target", "dist", "build", "__pycache__", ".tox", "vendor"}
_MAX_FILES = 20_000
_MAX_DEPTH = 6


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found. Paths are relative to the folder."""

    name: str
    branch: str = "main"
    is_git: bool = False
    languages: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    check: str = ""
    image: str = "host"
    python: str = ""
    logs: tuple[str, ...] = ()
    compose: str = ""
    manifests: tuple[str, ...] = ()
    dockerfile: str = ""


def survey(folder: Path) -> Survey:
    """Look at a folder; raises OSError when it can't be read."""
    files = list(_files(folder))
    check, image, python = _test_command(folder, files)
    return Survey(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "service",
        branch=_branch(folder), is_git=(folder / ".git").exists(), languages=_languages(files),
        packages=_packages(files), check=check, image=image, python=python, logs=_logs(files),
        compose=next((f for f in files if re.fullmatch(r"(docker-)?compose(\.\w+)?\.ya?ml", f)), ""),
        manifests=tuple(f for f in files if f.endswith((".yaml", ".yml")) and _is_manifest(folder / f))[:3],
        dockerfile=next((f for f in files if fnmatch(f.rpartition("/")[2], "Dockerfile*")), ""),
    )  # fmt: skip


def _files(folder: Path) -> Iterator[str]:
    os.listdir(folder)  # os.walk says nothing about a folder it can't read
    count = 0
    for place, folders, names in os.walk(folder):
        inner = os.path.relpath(place, folder)
        depth = 0 if inner == "." else inner.count("/") + 1
        folders[:] = sorted(f for f in folders if f not in _SKIP) if depth < _MAX_DEPTH else []
        for name in sorted(names):
            count += 1
            if count > _MAX_FILES:
                return
            yield name if inner == "." else f"{inner}/{name}"


_LANGUAGES = {".py": "Python", ".js": "JavaScript", ".ts": "TypeScript", ".go": "Go", ".rs": "Rust", ".java": "Java",
              ".rb": "Ruby", ".php": "PHP"}  # fmt: skip


def _languages(files: list[str]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for file in files:
        if language := _LANGUAGES.get(os.path.splitext(file)[1]):
            counts[language] = counts.get(language, 0) + 1
    return tuple(sorted(counts, key=lambda name: -counts[name]))


def _packages(files: list[str]) -> tuple[str, ...]:
    inits = [f.rpartition("/")[0] for f in files if f.endswith("/__init__.py")]
    tops = [p for p in inits if p.rpartition("/")[0] not in inits and not p.startswith("test")]
    return tuple(tops[:5])


_OTHERS = (
    ("go.mod", "go test ./...", "golang:1"),
    ("Cargo.toml", "cargo test", "rust:1"),
    ("pom.xml", "mvn -q test", "maven:3"),
    ("Gemfile", "bundle exec rake test", "ruby:3"),
)


def _test_command(folder: Path, files: list[str]) -> tuple[str, str, str]:
    python = next((p for p in (".venv/bin/python", "venv/bin/python") if (folder / p).exists()), "")
    tests = [f for f in files if re.fullmatch(r"(test_.*|.*_test)\.py", f.rpartition("/")[2])]
    if tests or "pytest.ini" in files or "conftest.py" in files:
        return _python_tests(folder, python, tests), "host", python
    if "package.json" in files and _npm_test(folder / "package.json"):
        return "npm test", "node:22", ""
    for file, command, image in _OTHERS:
        if file in files:
            return command, image, ""
    if "Makefile" in files and re.search(r"^test:", _text(folder / "Makefile"), re.M):
        return "make test", "host", python
    return "", "host", python


def _python_tests(folder: Path, python: str, tests: list[str]) -> str:
    own = list((folder / python).parent.parent.glob("lib/python*/site-packages/pytest")) if python else [folder]
    unittest = any("import unittest" in _text(folder / f) or "from unittest" in _text(folder / f) for f in tests[:20])
    if not own and unittest:
        return "python -m unittest discover"
    return "python -m pytest -q"


def _npm_test(package: Path) -> bool:
    try:
        scripts = json.loads(_text(package)).get("scripts", {})
    except (ValueError, AttributeError):
        return False
    return isinstance(scripts, dict) and "no test specified" not in str(scripts.get("test", "no test specified"))


def _logs(files: list[str]) -> tuple[str, ...]:
    folders = {f.rpartition("/")[0] for f in files if f.endswith(".log")}
    return tuple(f"{folder}/*.log" if folder else "*.log" for folder in sorted(folders)[:5])


def _branch(folder: Path) -> str:
    git = folder / ".git"
    if git.is_file():
        git = folder / _text(git).removeprefix("gitdir:").strip()
    for head in (git / "refs/remotes/origin/HEAD", git / "HEAD"):
        match = re.match(r"ref: refs/(?:heads|remotes/origin)/(\S+)", _text(head))
        if match:
            return match[1]
    return "main"


def _is_manifest(path: Path) -> bool:
    return bool(re.search(r"^kind: (Deployment|StatefulSet|DaemonSet)\b", _text(path), re.M))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(64 * 1024).decode("utf-8", "replace")
    except OSError:
        return ""
