"""Lock files as pins: which version of each distribution, and which files of it, are allowed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from nightshift.sandboxes.project.plan import normal
from nightshift.sandboxes.project.tree import Tree, table

Locked = tuple[str, str, frozenset[str]]
"""Name, version, SHA-256 digests."""
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")


def pins(tree: Tree) -> tuple[list[str], dict[str, set[str]]]:
    """Constraint lines and allowed digests of the first lock there is. A name that is locked to several versions (for
    several platforms) gets no pin, but the digests of all of them."""
    versions, digests = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for name, version, hashes in _locked(tree):
        versions[normal(name)].add(version)
        digests[normal(name)] |= hashes
    lines = [f"{name}=={min(found)}" for name, found in versions.items() if len(found) == 1]
    return lines, {name: found for name, found in digests.items() if found}


def _locked(tree: Tree) -> Iterable[Locked]:
    for path in LOCKS:
        if path in tree.names:
            return _pipfile(tree) if path == "Pipfile.lock" else _packages(tree.toml(path))
    return ()


def _packages(lock: dict[str, Any]) -> Iterator[Locked]:
    old = table(lock, "metadata", "files")
    for each in _list(lock.get("package")) or _list(lock.get("packages")):
        if not isinstance(each, dict) or not _from_index(each):
            continue
        name, version = each.get("name"), each.get("version")
        if isinstance(name, str) and isinstance(version, str):
            files = [each.get("sdist"), *_list(each.get("wheels")), *_list(each.get("files")), *_list(old.get(name))]
            yield name, version, frozenset(_digests(files))


def _from_index(package: dict[str, Any]) -> bool:
    source = table(package, "source")
    elsewhere = {"editable", "virtual", "directory", "path", "git", "url"}
    here = elsewhere.intersection(source) or source.get("type") in elsewhere | {"file"}
    return not here and not {"vcs", "directory", "archive", "path", "git", "url"}.intersection(package)


def _digests(files: Iterable[Any]) -> Iterator[str]:
    for each in files:
        said = each.get("hash") or table(each, "hashes").get("sha256") if isinstance(each, dict) else None
        if isinstance(said, str) and len(digest := said.removeprefix("sha256:")) == 64:
            yield digest


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def pipfile_lines(tree: Tree, section: str) -> list[str]:
    """Every distribution of a Pipfile.lock's section (``default``, ``develop``), with its marker."""
    made = []
    for name, each in table(_json(tree, "Pipfile.lock"), section).items():
        if isinstance(each, dict) and isinstance(each.get("version"), str):
            marker = f" ; {each['markers']}" if isinstance(each.get("markers"), str) else ""
            extras = f"[{','.join(map(str, _list(each.get('extras'))))}]" if each.get("extras") else ""
            made.append(f"{name}{extras}{each['version']}{marker}")
    return made


def _pipfile(tree: Tree) -> Iterator[Locked]:
    lock = _json(tree, "Pipfile.lock")
    for name, each in [*table(lock, "default").items(), *table(lock, "develop").items()]:
        if isinstance(each, dict) and isinstance(each.get("version"), str):
            digests = (str(said).removeprefix("sha256:") for said in _list(each.get("hashes")))
            yield name, each["version"].removeprefix("=="), frozenset(digests)


def _json(tree: Tree, path: str) -> Any:
    try:
        return json.loads(tree.text(path))
    except (ValueError, RecursionError):
        return {}
