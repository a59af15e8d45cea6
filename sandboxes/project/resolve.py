"""Which image a case's sandbox is made of, at one commit: the seam between a repository's files and the engines."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from nightshift.daemon.model import Case
from nightshift.daemon.ports import SandboxSpec
from nightshift.sandboxes.project import distribution, locks, requirements
from nightshift.sandboxes.project.declared import declared
from nightshift.sandboxes.project.plan import Plan, name_of, normal, unique
from nightshift.sandboxes.project.tree import Tree

PROJECT = "project"
_FULL = re.compile(r"[0-9a-f]{40,64}")


def image_for(case: Case, treeish: str = "") -> SandboxSpec:
    """The sandbox a case runs in at `treeish` (default: its base). With the image ``project`` that is the image of
    what THAT tree asks for; any other image is the same everywhere. Raises EnvironmentBroke: the tree can't be read."""
    if case.image != PROJECT:
        return SandboxSpec(image=case.image, python=case.python)
    text = _known(case.repo, treeish or case.base)[0]
    return SandboxSpec(image=PROJECT, python=case.python, recipe=text)


def files_for(case: Case, treeish: str = "") -> Mapping[str, str]:
    """Files that have to lie in the tree so that it looks installed in a project image; none with other images."""
    return _known(case.repo, treeish or case.base)[1] if case.image == PROJECT else {}


def advice(case: Case, module: str) -> str:
    """What to do about a module that is not there, '' when the repository's files ask for nothing."""
    if case.image == PROJECT:
        return "; its own requirement files do not ask for it, or not under a name that tests are known to need"
    asked = plan(Tree(case.repo, case.base))
    lines = [*asked.required, *asked.wanted]
    if not lines:
        return ""
    named = next((line for line in lines if _alike(name_of(line), module)), "")
    what = f"ask for {named!r}" if named else f"ask for {len(lines)} packages"
    return (
        f"; the repository's own files {what}: use the image `project` (`nightshift heal --image project`, or "
        "`image: project` in the service), which installs them"
    )


def _alike(distribution: str, module: str) -> bool:
    """Whether a distribution's name looks like a module's (``PyYAML`` and ``yaml``, ``python-dateutil``)."""
    wanted = normal(module)
    return bool(wanted) and (
        wanted == distribution or distribution.removeprefix("python-").removeprefix("py") == wanted
    )


def _known(repo: str, treeish: str) -> tuple[str, Mapping[str, str]]:
    return _read_once(repo, treeish) if _FULL.fullmatch(treeish) else _read(repo, treeish)


def _read(repo: str, treeish: str) -> tuple[str, Mapping[str, str]]:
    tree = Tree(repo, treeish)
    return plan(tree).text(), distribution.files_of(tree, declared(tree))


_read_once = functools.lru_cache(maxsize=256)(_read)


def plan(tree: Tree) -> Plan:
    """What the repository needs to be imported and tested, from its own files."""
    said = declared(tree)
    run = requirements.read(tree, requirements.run_files(tree))
    tests = requirements.read(tree, requirements.test_files(tree))
    pins, digests = locks.pins(tree)
    own = name_of(said.name)
    required = unique([*said.required, *run.lines, *_flat(tree, said.required, "default")])
    wanted = [*said.tests([*run.extras, *tests.extras]), *tests.lines, *_flat(tree, said.groups, "develop")]
    wanted = wanted or _tox(tree)
    for more in (run.hashes, tests.hashes):
        for name, found in more.items():
            if found:
                digests[name] = digests.get(name, set()) | found
    wanted = [line for line in wanted if line not in required and name_of(line) != (own or None)]
    limits = [line for line in [*pins, *run.constraints, *tests.constraints] if name_of(line) != own]
    odd = [line for line in (*required, *wanted, *limits) if requirements.elsewhere(line)]
    return Plan(
        required=tuple(line for line in required if line not in odd and (not own or name_of(line) != own)),
        wanted=unique(line for line in wanted if line not in odd),
        constraints=unique(line for line in limits if line not in odd),
        hashes={name: tuple(sorted(found)) for name, found in digests.items()},
        dropped=unique([*run.dropped, *tests.dropped, *(" ".join(line.split())[:120] for line in odd)]),
    )


def _flat(tree: Tree, declared_there: object, section: str) -> list[str]:
    """A Pipfile.lock lists everything; it speaks where no other file declares anything."""
    return [] if declared_there else locks.pipfile_lines(tree, section)


def _tox(tree: Tree) -> list[str]:
    """The test environment's `deps`, where nothing else says what tests need; conditional lines are left out."""
    text = tree.ini("tox.ini").get("testenv", {}).get("deps", "")
    lines = requirements.logical(text)
    named = [line.split()[-1].removeprefix("-r") for line in lines if line.startswith("-r")]
    plain = [line for line in lines if not line.startswith("-") and "{" not in line and ":" not in line.split()[0]]
    return [*plain, *requirements.read(tree, [path for path in named if path in tree.names]).lines]
