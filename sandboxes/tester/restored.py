"""When a patch may touch dependency files: only where every line is one the file has now or had before one commit.

An un-bump puts packages back to versions the repository has run with. As with reverts, the claim is checked against
history instead of being believed: there is one commit of base's past before which every file of the patch held all the
lines that the patch adds; options and comments that both versions share stay. In files that hold more than
dependencies, everything else has to be equal.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from nightshift.daemon.kit.git import BareRepo
from nightshift.sandboxes.tester.changes import Change

KIND = "dependency"
_FILES = re.compile(
    r"(?:.*/)?(?:(?:[\w.-]*requirements|constraints)[\w.-]*\.txt|requirements/[\w.-]+\.txt|pyproject\.toml|poetry\.lock"
    r"|uv\.lock|Pipfile|Pipfile\.lock|package\.json|package-lock\.json|npm-shrinkwrap\.json)"
)
_LOOK_BACK = 100


def is_dependency_file(path: str) -> bool:
    """Whether a file says what is installed, and nothing that is run before that."""
    return _FILES.fullmatch(path) is not None


def restored_from(repo: BareRepo, base: str, changes: Sequence[Change]) -> str:
    """The commit before which all of it was so, or ''. Raises GitError."""
    if not changes or not all(is_dependency_file(c.path) and c.status == "M" for c in changes):
        return ""
    contents = {c.path: _pair(repo, c) for c in changes}
    if any(_rest(path, before) != _rest(path, after) for path, (before, after) in contents.items()):
        return ""
    flags = ("--first-parent", "-m", f"--max-count={_LOOK_BACK}", "--format=%H")  # what the branch itself has run with
    paths = [f":(literal){c.path}" for c in changes]
    for commit in repo.out("log", *flags, base, "--", *paths).decode().split():
        if all(_between(path, repo.read(f"{commit}^", path), *pair) for path, pair in contents.items()):
            return commit
    return ""


def _pair(repo: BareRepo, change: Change) -> tuple[bytes, bytes]:
    blobs = repo.blobs(sorted({change.old_blob, change.new_blob}))
    return blobs[change.old_blob], blobs[change.new_blob]


def _between(path: str, then: bytes | None, before: bytes, after: bytes) -> bool:
    if then is None:
        return False
    old, now, made = (_lines(data) for data in (then, before, after))
    listed = path.endswith(".txt")  # a line of its own for each package: what nobody changed stays as well
    kept = {line for line in old & now if line.startswith((b"-", b"#")) or (listed and not line[:1].isspace())}
    return made <= old | now and kept <= made


def _lines(data: bytes) -> set[bytes]:
    """Lines without the comma that only says that another one follows."""
    return {line.rstrip().rstrip(b",") for line in data.splitlines()}


def _rest(path: str, data: bytes) -> Any:
    """What a file says besides dependencies; the raw bytes of one that is not well-formed, so that nothing passes."""
    try:
        text = data.decode()
        if path.endswith("pyproject.toml"):
            return _without(tomllib.loads(text))
        if path.endswith("package.json"):
            return {k: v for k, v in json.loads(text).items() if not k.lower().endswith("dependencies")}
        if path.endswith("Pipfile"):
            return {k: v for k, v in tomllib.loads(text).items() if k not in ("packages", "dev-packages")}
    except (ValueError, AttributeError, RecursionError):
        return data
    return None


def _without(data: dict[str, Any]) -> dict[str, Any]:
    project = {k: v for k, v in _table(data, "project").items() if k not in ("dependencies", "optional-dependencies")}
    tool = dict(_table(data, "tool"))
    tool["poetry"] = {k: v for k, v in _table(tool, "poetry").items()
                      if k not in ("dependencies", "dev-dependencies", "group")}  # fmt: skip
    tool["uv"] = {k: v for k, v in _table(tool, "uv").items() if k != "dev-dependencies"}
    rest = {k: v for k, v in data.items() if k not in ("project", "tool", "dependency-groups")}
    return {**rest, "project": project, "tool": tool}


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key, {})
    return found if isinstance(found, dict) else {"": found}
