"""Which packages an incident speaks of: foreign frames, imports that fail, attributes that modules no longer have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.model import Case
from nightshift.fixers.dependencies.containers import normal

_FOREIGN = (
    re.compile(r"(?:site|dist)-packages[/\\]([A-Za-z0-9_.-]+?)(?:\.py)?(?=[/\\\"':]|$)"),
    re.compile(r"node_modules/((?:@[^/\s]+/)?[^/\s:)]+)/"),
    re.compile(r"No module named ['\"]([\w.]+)['\"]"),
    re.compile(r"cannot import name ['\"]\w+['\"] from ['\"]([\w.]+)['\"]"),
    re.compile(r"module ['\"]([\w.]+)['\"] has no attribute"),
    re.compile(r"Cannot find module ['\"]([^'\"./][^'\"]*)['\"]"),
    re.compile(r"type object ['\"](\w+)['\"] has no attribute"),
)
_OURS = frozenset({"pytest", "_pytest", "pluggy", "_pytest.py", "py"})


def mentioned(case: Case) -> list[str]:
    """Import names and package names in the order of mention, the last frame's first."""
    made = case.reproduction
    told = "\n".join((made.evidence if made else "", case.diagnosis.sample, case.diagnosis.message))
    found = [(m.start(), m[1]) for pattern in _FOREIGN for m in pattern.finditer(told)]
    names = [name if name.startswith("@") else name.split(".")[0] for _, name in sorted(found, reverse=True)]
    return [name for name in dict.fromkeys(names) if name not in _OURS]


def meant(mentions: Sequence[str], packages: Sequence[str]) -> list[str]:
    """Those packages that the mentions may name: equal, or one name within the other (`yaml`, `PyYAML`)."""
    return [package for package in packages if any(_alike(name, package) for name in mentions)]


def _alike(name: str, package: str) -> bool:
    one, other = normal(name).replace("-", ""), normal(package).replace("-", "")
    return one == other or (min(len(one), len(other)) > 2 and (one in other or other in one))
