"""Under which name, and from which folder, a file of a repository is imported; and where its tests live."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo
from nightshift.sandboxes.commands import is_test_file

_ROOTS = ("", "src/", "lib/", "app/")


@dataclass(frozen=True, kw_only=True)
class Place:
    """`module` is importable when the folder `root` (relative, '' = the repository) is on the import path."""

    root: str
    module: str


def places(path: str, repo: BareRepo, base: str, tree: Collection[str]) -> list[Place]:
    """Ways to import a file, likeliest first: its package's root; names the repository uses; plain folders."""
    parts = path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts[-1:]):
        return []
    top = _package_top(path, tree)
    cuts = sorted({at for at in range(len(parts)) if all(part.isidentifier() for part in parts[at:])})
    found = [Place(root="/".join(parts[:at]), module=".".join(parts[at:])) for at in cuts if at <= top]
    used = _imported(repo, base, {place.module for place in found}) if len(found) > 1 else set()
    return sorted(found, key=lambda p: (p.module not in used, p.root != "/".join(parts[:top]), len(p.root)))[:3]


def _package_top(path: str, tree: Collection[str]) -> int:
    """How many leading folders lie outside the outermost package that holds the file."""
    folders = path.split("/")[:-1]
    top = len(folders)
    while top and "/".join([*folders[:top], "__init__.py"]) in tree:
        top -= 1
    return top


def _imported(repo: BareRepo, base: str, modules: set[str]) -> set[str]:
    """Those of the dotted names that an import statement of the repository spells out."""
    patterns = [flag for name in modules for flag in ("-e", rf"^\s*(from|import)\s+{name.replace('.', '[.]')}(\s|$)")]
    done = repo.run("grep", "-h", "-I", "-E", *patterns, base, "--", "*.py")
    said = {words[1] for line in done.text().splitlines() if len(words := line.split()) > 1}
    return modules & said


def home_of_tests(tree: Collection[str]) -> str:
    """The folder most test files lie in, with a trailing slash; '' is the repository's root."""
    folders = Counter(posixpath.dirname(path) for path in sorted(tree) if is_test_file(path))
    if not folders:
        return ""
    folder = max(folders, key=lambda f: (folders[f], -len(f)))
    return f"{folder}/" if folder else ""
