"""What an incident says is missing: a variable or key, a path, a permission. Only texts are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from nightshift.daemon.model import Case
from nightshift.daemon.ports import WORKDIR

KEY, PATH, PERMISSION = "key", "path", "permission"
_NODE = r"ENOENT: no such file or directory, \w+ '([^'\n]+)'"
_PATTERNS = (
    (KEY, re.compile(r"KeyError: ['\"]([\w.-]+)['\"]")),
    (KEY, re.compile(r"(?:NoOptionError|NoSectionError|Missing(?:Key|Setting)\w*): .*?['\"]([\w.-]+)['\"]")),
    (KEY, re.compile(r"(?:sh|bash|line \d+): ?(?:\d+: )?(\w+): (?:parameter not set|unbound variable)")),
    (PATH, re.compile(r"(?:FileNotFoundError|NotADirectoryError): \[Errno \d+\] [^:\n]*: ['\"]([^'\"\n]+)['\"]")),
    (PATH, re.compile(_NODE)),
    (PERMISSION, re.compile(r"PermissionError: \[Errno 13\] [^:\n]*: ['\"]([^'\"\n]+)['\"]")),
    (PERMISSION, re.compile(r"(?:^|[\s:])([\w./-]+/[\w.-]+): Permission denied")),
    (PERMISSION, re.compile(r"spawn (\S+) EACCES")),
)


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """What is missing: `kind` is key | path | permission, `name` as the program spelled it."""

    kind: str
    name: str


def complaints(case: Case) -> list[Complaint]:
    """What is complained of, the diagnosis before the reproduction, each once."""
    told = case.diagnosis
    evidence = case.reproduction.evidence if case.reproduction else ""
    found: list[Complaint] = []
    for text in (f"{told.exception.rpartition('.')[2]}: {told.message}", told.sample, evidence):
        found += [Complaint(kind=kind, name=m[1]) for kind, pattern in _PATTERNS for m in pattern.finditer(text)]
    return list(dict.fromkeys(found))[:5]


def within(name: str, tree: frozenset[str]) -> str:
    """A path of production or of a sandbox as one of the repository, as far as that can be told."""
    path = name.removeprefix(f"{WORKDIR}/").removeprefix("./")
    parts = PurePosixPath(path).parts
    folders = {PurePosixPath(file).parts[0] for file in tree if "/" in file}
    if path.startswith("/"):
        start = next((at for at, part in enumerate(parts) if part in folders), len(parts) - 1)
        path = "/".join(parts[start:])
    return path
